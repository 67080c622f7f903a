"""Guess the source section of a config from the names and the first lines of data files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nmt.config import PairFile, TextFiles
from nmt.data.sources.lines import open_regular
from nmt.data.sources.records import HEADER_NAMES
from nmt.errors import DataError, UsageError
from nmt.languages import named_language
from nmt.reading import COMPRESSED, read_lines, reject
from nmt.text import clean_line

_SOURCES = ("source", "src", "source_text", "input", "sentence")
_TARGETS = ("target", "tgt", "trg", "target_text", "output", "translation")
TABLES = (".tsv", ".csv", ".jsonl", ".ndjson", ".json", ".parquet")


def kind_of_file(path: str) -> str:
    """Return the suffix of a file in lower case, without that of a compression."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in COMPRESSED), "")


def guess_source(
    files: Sequence[str],
    languages: tuple[str | None, str | None] = (None, None),
    columns: tuple[str | None, str | None] = (None, None),
) -> TextFiles | PairFile:
    """Return the source of two text files, or of one file of pairs, whose columns are guessed.

    languages, columns: what is known of source and target. Raises UsageError or DataError.
    """
    if len(files) == 2:
        source, target = files
        if Path(source).exists() and Path(target).exists() and Path(source).samefile(target):
            raise UsageError(
                f"source and target are the same file: {source}",
                "give two files: line N of one translates line N of the other",
            )
        return TextFiles(source=source, target=target)
    if len(files) != 1 or kind_of_file(files[0]) not in TABLES:
        raise UsageError(
            f"cannot read {', '.join(files)} as parallel data",
            f"give two text files, or one file of pairs that ends in {', '.join(TABLES)}",
        )
    names = _column_names(files[0])
    chosen: Sequence[str | int]
    if any(columns):
        chosen = [_name_or_number(column) for column in columns if column]
    elif names is None:
        chosen = _text_columns(files[0])
    else:
        chosen = _chosen(names, languages)
    if len(chosen) != 2:
        listed = f"columns: {', '.join(map(str, names or chosen))}"[:300]
        raise UsageError(
            f"{files[0]}: cannot tell which columns are source and target ({listed})",
            "give --source-column and --target-column",
        )
    return PairFile(file=files[0], source_column=chosen[0], target_column=chosen[1])


def _name_or_number(column: str) -> str | int:
    return int(column) if re.fullmatch(r"[1-9][0-9]{0,5}", column) else column


def _chosen(names: list[str], languages: tuple[str | None, str | None]) -> list[str]:
    """Return the names of the source and target columns, or not two names."""
    of_language = {found: name for name in names if (found := named_language(name))}
    if languages[0] in of_language and languages[1] in of_language:
        return [of_language[str(language)] for language in languages]
    usual = [[name for name in names if _last(name) in known] for known in (_SOURCES, _TARGETS)]
    if all(len(found) == 1 for found in usual):
        return [found[0] for found in usual]
    if len(of_language) == 2:
        return list(of_language.values())
    return [name for name in names if _last(name) not in ("id", "index", "")]


def _last(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _column_names(path: str) -> list[str] | None:
    """Return the names of a file's text columns, or None for a table without a header."""
    kind = kind_of_file(path)
    if kind == ".parquet":
        return _parquet_columns(path)
    first = _first_row(path)
    if kind in (".tsv", ".csv"):
        names = [clean_line(cell) for cell in first]
        known = {name.lower() for name in names} & HEADER_NAMES
        return names if len(known) > 1 else None
    return first


def _first_row(path: str) -> list[str]:
    """Return the cells of the first line, or the keys of a JSON object's text values."""
    with open_regular(path) as file:
        line = str(next(read_lines(file, path, reject), ""))
    match kind_of_file(path):
        case ".tsv":
            return line.rstrip("\r").split("\t")
        case ".csv":
            return next(csv.reader([line]), [])
    try:
        return [name for name, value in _flat(json.loads(line)) if isinstance(value, str)]
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}:1: not valid JSON: {error}", "write one JSON object per line"
        ) from error


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the names of nested values, such as translation.en, and the values."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _text_columns(path: str) -> list[int]:
    """Return the numbers, from 1, of the first two columns of a table that contain letters."""
    letters = [any(char.isalpha() for char in cell) for cell in _first_row(path)]
    return [number for number, found in enumerate(letters, 1) if found][:2]


def _parquet_columns(path: str) -> list[str]:
    import pyarrow
    from pyarrow import parquet

    with open_regular(path) as file:
        try:
            schema = parquet.read_schema(file)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{path}: not a valid Parquet file: {error}") from error
    return [name for field in schema for name in _text_fields(field)]


def _text_fields(field: Any, path: str = "") -> Iterator[str]:
    from pyarrow import types

    name = f"{path}.{field.name}" if path else field.name
    if types.is_struct(field.type):
        for inner in field.type.fields:
            yield from _text_fields(inner, name)
    elif types.is_string(field.type) or types.is_large_string(field.type):
        yield name
