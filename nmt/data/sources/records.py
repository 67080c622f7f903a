"""Lines to records: two text files, TSV, CSV and JSON lines."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from nmt.config import HubDataset, PairFile, TextFiles
from nmt.data.sources.lines import LONGEST_LINE, BadUtf8, read_lines
from nmt.errors import DataError
from nmt.text import clean_line

Record = tuple[int, str | None, str | None]
"""Line number and both sides as they stand in the file; None: not valid UTF-8."""


def text_records(source: TextFiles, bad_utf8: BadUtf8, repaired: Counter[str]) -> Iterator[Record]:
    """Raises DataError, with both numbers of lines, if they differ."""
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
        "line N of one must translate line N of the other; a line is missing or was split",
    )


def tsv_records(source: PairFile, lines: Iterator[str | None]) -> Iterator[Record]:
    """No quoting: text stays text. Raises DataError for a line of more or fewer columns than the
    first."""
    rows = (None if line is None else line.rstrip("\r").split("\t") for line in lines)
    return _table_records(source, enumerate(rows, 1))


def csv_records(source: PairFile, lines: Iterator[str | None]) -> Iterator[Record]:
    """Quoted as in RFC 4180; a record may span lines and has the number of its first. Raises
    DataError."""

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
                    f"{source.file}:{begin}: not CSV: {error}",
                    'a field with a comma or a quote stands in quotes, a quote inside as ""',
                ) from error
            yield begin, None if bad else row
            bad = False

    return _table_records(source, rows())


def _table_records(
    source: PairFile, rows: Iterator[tuple[int, list[str] | None]]
) -> Iterator[Record]:
    """Records of a table whose first row is a header if a column is given by name."""
    columns = (source.source_column, source.target_column)
    header = any(isinstance(column, str) for column in columns)
    width: int | None = None
    places: list[int] = []
    for number, row in rows:
        if row is None:
            yield number, None, None
            continue
        if row in ([], [""]):  # an empty line
            yield number, "", ""
            continue
        if width is None:
            width = len(row)
            places = [_place(column, row, source.file, number) for column in columns]
            if header:
                continue
        if len(row) != width:
            raise DataError(
                f"{source.file}:{number}: {len(row)} columns where the first line has {width}",
                "a tab or comma too many or too few in this line?",
            )
        yield number, row[places[0]], row[places[1]]


def _place(column: str | int, row: list[str], path: str, number: int) -> int:
    """Where a column stands in a row, from 0."""
    if isinstance(column, int):
        if column > len(row):
            raise DataError(f"{path}:{number}: no column {column}, the line has {len(row)}")
        return column - 1
    names = [clean_line(name) for name in row]
    if column not in names:
        raise DataError(
            f"{path}:{number}: no column {column!r} in the header ({', '.join(names)[:300]})",
            "name source_column and target_column, or number them if there is no header",
        )
    return names.index(column)


def jsonl_records(source: PairFile, lines: Iterator[str | None]) -> Iterator[Record]:
    """One object a line. Raises DataError for what is none or has no such column of text."""
    names = column_names(source)
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
            raise DataError(f"{source.file}:{number}: not JSON: {error}") from error
        sides = [_reach(values, name, source.file, number) for name in names]
        yield number, sides[0], sides[1]


def _reach(values: Any, name: str, path: str, number: int) -> str:
    """The text under a name, whose dots reach into nested objects; null is an empty sentence."""
    found = values
    for part in [name] if isinstance(values, dict) and name in values else name.split("."):
        if not isinstance(found, dict) or part not in found:
            known = f"keys: {', '.join(map(str, found))}" if isinstance(found, dict) else "no keys"
            raise DataError(f"{path}:{number}: no column {name!r} ({known[:300]})")
        found = found[part]
    if found is not None and not isinstance(found, str):
        raise DataError(f"{path}:{number}: column {name!r} is {type(found).__name__}, not text")
    return found or ""


def column_names(source: PairFile | HubDataset) -> tuple[str, str]:
    """The columns of source and target, for data whose columns are named. Raises DataError."""
    names = (source.source_column, source.target_column)
    if not (isinstance(names[0], str) and isinstance(names[1], str)):
        path = source.file if isinstance(source, PairFile) else source.hub
        raise DataError(
            f"{path}: its columns have names, not numbers",
            "set source_column and target_column to names",
        )
    return names[0], names[1]
