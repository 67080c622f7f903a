"""Records of files of lines: two text files, TSV, CSV and JSON lines."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from nmt.config import HubDataset, PairFile, TextFiles
from nmt.data.sources.lines import LONGEST_LINE, BadUtf8, read_lines
from nmt.errors import DataError
from nmt.text import clean_line

NULL = "null values"
_QUOTED_LINES = 100
"""Number of quoted lines at the start of a TSV file after which the file is rejected."""

Record = tuple[int, str | None, str | None]
"""Line number and both unchanged sides; None for a side that is not valid UTF-8."""


def text_records(source: TextFiles, bad_utf8: BadUtf8, repaired: Counter[str]) -> Iterator[Record]:
    """Yield the records of two text files. Raises DataError if the numbers of lines differ."""
    sides = [read_lines(path, bad_utf8, repaired) for path in (source.source, source.target)]
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
        f"{source.source} has {counts[0]:,} lines but {source.target} has {counts[1]:,}",
        "align the files: line N of one must translate line N of the other",
    )


def tsv_records(source: PairFile, lines: Iterator[str | None]) -> Iterator[Record]:
    """Yield the records of a TSV file, where quotes are text.

    Raises DataError if the number of columns varies, or if all sentences are enclosed in quotes
    (as in CSV), which would become part of the sentences.
    """
    rows = (None if line is None else line.rstrip("\r").split("\t") for line in lines)
    quoted, all_quoted = 0, True
    for record in _table_records(source, enumerate(rows, 1)):
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
    """Return whether a field is quoted as in CSV, with quotes inside doubled."""
    return bool(text and re.fullmatch(r'"(?:[^"]|"")*"', text))


def csv_records(source: PairFile, lines: Iterator[str | None]) -> Iterator[Record]:
    """Yield the records of a CSV file (RFC 4180), numbered by first line. Raises DataError."""

    def rows() -> Iterator[tuple[int, list[str] | None]]:
        consumed = 0
        bad = False

        def fed() -> Iterator[str]:
            nonlocal consumed, bad
            for line in lines:
                consumed += 1
                bad = bad or line is None
                # The csv module would end a record at a lone carriage return.
                yield (line or "").rstrip("\r").replace("\r", " ") + "\n"

        csv.field_size_limit(LONGEST_LINE)
        reader = csv.reader(fed(), strict=True)
        while True:
            begin = consumed + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise DataError(
                    f"{source.file}:{begin}: not valid CSV: {error}",
                    'enclose a field with a comma or a quote in quotes, and write its quotes as ""',
                ) from error
            yield begin, None if bad else row
            bad = False

    return _table_records(source, rows())


def _table_records(
    source: PairFile, rows: Iterator[tuple[int, list[str] | None]]
) -> Iterator[Record]:
    """Yield the records of a table, after a header if a column is given by name."""
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
        if len(row) != width:
            raise DataError(
                f"{source.file}:{number}: {len(row)} columns, but the first line has {width}",
                "check this line for a missing or extra tab or comma",
            )
        yield number, row[indices[0]], row[indices[1]]


def _column_index(column: str | int, row: list[str], path: str, number: int) -> int:
    """Return the index of a column, from 0. Raises DataError."""
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


def jsonl_records(
    source: PairFile, lines: Iterator[str | None], repaired: Counter[str]
) -> Iterator[Record]:
    """Yield the records of a file with one JSON object per line. Raises DataError."""
    named = NamedColumns(source, repaired)
    for number, line in enumerate(lines, 1):
        if line is None:
            yield number, None, None
            continue
        if not line.strip():
            yield number, "", ""
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{source.file}:{number}: not valid JSON: {error}") from error
        yield named.record(number, [_reach(values, n, source.file, number) for n in named.names])
    named.check_nulls()


def _reach(values: Any, name: str, path: str, number: int) -> Any:
    """Return the value of a name; dots lead into nested objects. Raises DataError."""
    found = values
    parts = [name] if isinstance(values, dict) and name in values else name.split(".")
    for depth, part in enumerate(parts):
        if depth and found is None:
            return None
        if not isinstance(found, dict):
            outer = ".".join(parts[:depth]) or "the line"
            raise DataError(f"{path}:{number}: no column {name!r}: {outer} is {kind_of(found)}")
        if part not in found:
            keys = ", ".join(map(str, found))[:300]
            raise DataError(f"{path}:{number}: no column {name!r} (keys: {keys})")
        found = found[part]
    return found


def kind_of(value: Any) -> str:
    """Return the type of a JSON value in words."""
    kinds = {list: "a list", dict: "a map", bool: "true or false", str: "text", type(None): "null"}
    return kinds.get(type(value), "a number")


class NamedColumns:
    """The source and target columns of data whose columns have names."""

    def __init__(self, source: PairFile | HubDataset, repaired: Counter[str]) -> None:
        """Raise DataError if the config gives numbers instead of names."""
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
        """Return the record of the two values; a null is counted and becomes an empty sentence.

        Raises DataError if a value is neither text nor null.
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
        """Raise DataError if, at the end of the data, a column had only nulls."""
        for name, nulls in zip(self.names, self._nulls, strict=True):
            if nulls and nulls == self._records:
                raise DataError(f"{self.path}: column {name!r} has only null values")
