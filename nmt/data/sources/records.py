"""Records of files of lines: two text files, TSV, CSV and JSON lines."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from nmt.config import HubDataset, PairFile, TextFiles
from nmt.data.sources.lines import Faults, read_lines
from nmt.errors import DataError
from nmt.reading import LONGEST_LINE
from nmt.text import clean_line, counted

NULL = "null values"
_QUOTED_LINES = 100  # at the start of a TSV file after which the file is rejected
HEADER_NAMES = {
    *("source", "target", "src", "tgt", "trg", "input", "output", "sentence", "translation", "id"),
    *("source_text", "target_text", "english", "german", "french", "spanish", "chinese"),
    *("ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi"),
    *("hr", "hu", "is", "it", "ja", "ko", "lt", "lv", "mk", "ms", "nl", "no", "pl", "pt", "ro"),
    *("ru", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "th", "tr", "uk", "ur", "vi", "zh"),
}
"""Two of these names in the first line are a header."""

Record = tuple[int, str | None, str | None]
"""Line number and both unchanged sides; None for a side that is not valid UTF-8."""


def text_records(source: TextFiles, faults: Faults) -> Iterator[Record]:
    """Yield the records of two text files. Raises DataError, also for unequal line counts."""
    sides = [read_lines(path, faults) for path in (source.source, source.target)]
    missing = object()
    number = 0
    for number, (left, right) in enumerate(zip_longest(*sides, fillvalue=missing), 1):
        if left is missing or right is missing:
            break
        yield number, left, right  # type: ignore[misc]
    else:
        return
    longer = number + sum(1 for _ in sides[0]) + sum(1 for _ in sides[1])
    counts = (number - 1, longer) if left is missing else (longer, number - 1)
    raise DataError(
        f"{source.source} has {counted(counts[0], 'line')} but {source.target} has {counts[1]:,}",
        "align the files: line N of one must translate line N of the other",
    )


def tsv_records(source: PairFile, faults: Faults) -> Iterator[Record]:
    """Yield the records of a TSV file, where quotes are text.

    Raises DataError, also if all sentences are enclosed in quotes as in CSV.
    """
    lines = read_lines(source.file, faults)
    rows = (None if line is None else line.rstrip("\r").split("\t") for line in lines)
    quoted, all_quoted = 0, True
    for record in _table_records(source, enumerate(rows, 1), faults):
        if all_quoted and (record[1] or record[2]):
            all_quoted = _is_quoted(record[1]) and _is_quoted(record[2])
            quoted += all_quoted
            if quoted == _QUOTED_LINES:
                break
        yield record
    if all_quoted and quoted > 1:
        raise DataError(
            f"{source.file}: every sentence is enclosed in quotes, which are text in a .tsv file",
            "save the table as .csv, with commas between the columns, or without quotes",
        )


def _is_quoted(text: str | None) -> bool:
    return bool(text and re.fullmatch(r'"(?:[^"]|"")*"', text))


def csv_records(source: PairFile, faults: Faults) -> Iterator[Record]:
    """Yield the records of a CSV file (RFC 4180), numbered by first line. Raises DataError."""

    def rows() -> Iterator[tuple[int, list[str] | None]]:
        lines = read_lines(source.file, faults)
        again: deque[str | None] = deque()
        record: list[str | None] = []

        def fed() -> Iterator[str]:
            while True:
                try:
                    line = again.popleft() if again else next(lines)
                except StopIteration:
                    return
                record.append(line)
                # The csv module would end a record at a lone carriage return.
                yield (line or "").rstrip("\r").replace("\r", " ") + "\n"

        csv.field_size_limit(LONGEST_LINE)
        reader = csv.reader(fed(), strict=True)
        begin = 1
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                where = f"{source.file}:{begin}"
                hint = (
                    'enclose a field with a comma or a quote in quotes, and write its quotes as ""'
                )
                faults.bad_row(DataError(f"{where}: not valid CSV: {error}", hint), where)
                # A quote that is never closed must not drop the lines after it.
                again.extendleft(reversed(record[1:]))
                del record[1:]
                reader = csv.reader(fed(), strict=True)
            else:
                yield begin, None if None in record else row
            begin += len(record)
            record.clear()

    return _table_records(source, rows(), faults)


def _table_records(
    source: PairFile, rows: Iterator[tuple[int, list[str] | None]], faults: Faults
) -> Iterator[Record]:
    """Yield the records of a table, without a header if a column is given by name."""
    columns = (source.source_column, source.target_column)
    header = any(isinstance(column, str) for column in columns)
    width: int | None = None
    indices: list[int] = []
    for number, row in rows:
        if row is None:
            yield number, None, None
            continue
        if row in ([], [""]):  # The line is empty.
            yield number, "", ""
            continue
        if width is None:
            width = len(row)
            indices = [_column_index(column, row, source.file, number) for column in columns]
            if header:
                continue
            if not {"source_column", "target_column"} & source.model_fields_set:
                _check_no_header(row[:2], f"{source.file}:{number}")
        if len(row) != width:
            where = f"{source.file}:{number}"
            problem = f"{where}: {counted(len(row), 'column')}, but the first line has {width}"
            hint = "check this line for a missing or extra tab or comma"
            faults.bad_row(DataError(problem, hint), where)
            continue
        yield number, row[indices[0]], row[indices[1]]


def _check_no_header(cells: list[str], where: str) -> None:
    names = [clean_line(cell) for cell in cells]
    if names[0] != names[1] and all(name.lower() in HEADER_NAMES for name in names):
        raise DataError(
            f"{where}: the first line is a header ({names[0]}, {names[1]}), not a pair",
            f"set source_column: {names[0]} and target_column: {names[1]}",
        )


def _column_index(column: str | int, row: list[str], path: str, number: int) -> int:
    if isinstance(column, int):
        if column > len(row):
            raise DataError(f"{path}:{number}: no column {column}: the line has {len(row)}")
        return column - 1
    names = [clean_line(name) for name in row]
    if column not in names:
        raise DataError(
            f"{path}:{number}: no column {column!r} in the header ({', '.join(names)[:300]})",
            "set source_column and target_column to names, or to numbers if there is no header",
        )
    return names.index(column)


def jsonl_records(source: PairFile, faults: Faults) -> Iterator[Record]:
    """Yield the records of a file with one JSON object per line. Raises DataError."""
    named = NamedColumns(source, faults.repaired)
    first = True
    for number, line in enumerate(read_lines(source.file, faults), 1):
        if line is None:
            yield number, None, None
            continue
        if not line.strip():
            yield number, "", ""
            continue
        if first and line.lstrip().startswith("["):
            raise DataError(
                f"{source.file} is a JSON array, not JSON lines",
                f"write one object per line: jq -c '.[]' {source.file} > NEW.jsonl",
            )
        first = False
        where = f"{source.file}:{number}"
        try:
            values = json.loads(line)
            record = named.record(number, [_reach(values, n, where) for n in named.names])
        except (ValueError, RecursionError) as error:
            faults.bad_row(DataError(f"{where}: not valid JSON: {error}"), where)
        except DataError as error:
            faults.bad_row(error, where)
        else:
            yield record
    named.check_nulls()


def _reach(values: Any, name: str, where: str) -> Any:
    """Return the value of a name, in which dots lead into nested objects."""
    found = values
    parts = [name] if isinstance(values, dict) and name in values else name.split(".")
    for depth, part in enumerate(parts):
        if depth and found is None:
            return None
        if not isinstance(found, dict):
            outer = ".".join(parts[:depth]) or "the line"
            raise DataError(f"{where}: no column {name!r}: {outer} is {kind_of(found)}")
        if part not in found:
            keys = ", ".join(map(str, found))[:300]
            raise DataError(f"{where}: no column {name!r} (keys: {keys})")
        found = found[part]
    return found


def kind_of(value: Any) -> str:
    kinds = {list: "a list", dict: "a map", bool: "true or false", str: "text", type(None): "null"}
    return kinds.get(type(value), "a number")


class NamedColumns:
    """The columns of data whose columns have names."""

    def __init__(self, source: PairFile | HubDataset, repaired: Counter[str]) -> None:
        """Raise DataError if the config gives numbers."""
        self.path = source.file if isinstance(source, PairFile) else source.hub
        names = (source.source_column, source.target_column)
        if not (isinstance(names[0], str) and isinstance(names[1], str)):
            raise DataError(
                f"{self.path}: its columns have names, not numbers",
                "set source_column and target_column to names",
            )
        self.names = (names[0], names[1])
        self._repaired = repaired
        self._records = 0
        self._nulls = [0, 0]

    def record(self, number: int, values: Sequence[Any]) -> Record:
        """Return the record of two texts; a null is counted and becomes an empty sentence.

        Raises DataError for other values.
        """
        self._records += 1
        source, target = values
        if not (isinstance(source, str) and isinstance(target, str)):
            for side, value in enumerate(values):
                if value is None:
                    self._nulls[side] += 1
                    self._repaired[NULL] += 1
                elif not isinstance(value, str):
                    where = f"{self.path}:{number}: column {self.names[side]!r}"
                    raise DataError(f"{where} is {kind_of(value)}, not text")
        return number, source or "", target or ""

    def check_nulls(self) -> None:
        """Raise DataError if a column had only nulls."""
        for name, nulls in zip(self.names, self._nulls, strict=True):
            if nulls and nulls == self._records:
                raise DataError(f"{self.path}: column {name!r} has only null values")
