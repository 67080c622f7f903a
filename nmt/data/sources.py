"""Where pairs come from: text files, TSV, CSV, JSON lines, Parquet, the hub, the built-in corpus.

Files are read as bytes and split at \\n only, by this module's own reader: what counts as a line
is the same for every kind, and every complaint names file and line.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple

from nmt.config import BuiltinCorpus, HubDataset, PairFile, TextFiles
from nmt.data.text import clean_line, decode_line
from nmt.errors import DataError
from nmt.storage import file_sha256

if TYPE_CHECKING:
    import pyarrow

    from nmt.config import DataSource

Split = Literal["train", "valid", "test"]
BAD_UTF8 = "invalid UTF-8"

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 24  # bytes; a file with a longer line is no text
_SIGNATURES = (
    (b"\x1f\x8b", "gzip-compressed (its name must end in .gz)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a Parquet file (its name must end in .parquet)"),
    (b"\xff\xfe", "UTF-16, not UTF-8"),
    (b"\xfe\xff", "UTF-16, not UTF-8"),
)
_BOM = b"\xef\xbb\xbf"


class Pair(NamedTuple):
    """A sentence and its translation, cleaned, and where they stand (line or record from 1)."""

    source: str
    target: str
    path: str
    line: int


class Counts(NamedTuple):
    """What reading changed: sentences repaired by kind, and places of pairs that it dropped."""

    repaired: Counter[str]
    dropped: Callable[[str, str], None]
    """Called with reason and place."""


_Record = tuple[int, "str | None", "str | None"]
"""Line number and both sides as they stand in the file; None: not valid UTF-8."""


def read_pairs(
    sources: Sequence[DataSource],
    split: Split,
    *,
    bad_utf8: Literal["error", "skip"] = "error",
    counts: Counts | None = None,
) -> Iterator[Pair]:
    """All pairs of the sources, in order, every line cleaned (nmt.data.text.clean_line).

    With bad_utf8="skip" a training pair that is not UTF-8 is dropped; of valid and test pairs,
    whose lines must keep their numbers, the wrong bytes become U+FFFD. Raises DataError naming
    file and line for whatever cannot be read as pairs.
    """
    counts = counts or Counts(Counter(), lambda reason, place: None)
    mode: _BadUtf8 = "error"
    if bad_utf8 == "skip":
        mode = "drop" if split == "train" else "replace"
    for source in sources:
        name, records = _records(source, split, mode, counts.repaired)
        for number, source_text, target_text in records:
            if source_text is None or target_text is None:
                counts.dropped(BAD_UTF8, f"{name}:{number}")
                continue
            yield Pair(
                clean_line(source_text, counts.repaired),
                clean_line(target_text, counts.repaired),
                name,
                number,
            )


def content_key(sources: Sequence[DataSource], split: Split) -> list[Any]:
    """JSON values that change when the content of the sources does. Raises DataError."""
    key: list[Any] = []
    for source in sources:
        values = source.model_dump()
        if isinstance(source, TextFiles):
            values["sha256"] = [_sha256(source.source), _sha256(source.target)]
        elif isinstance(source, PairFile):
            values["sha256"] = _sha256(source.file)
        elif isinstance(source, HubDataset):
            values["fingerprint"] = _load_hub(source)._fingerprint
        else:
            values["split"] = source.split or split
            code = sorted((Path(__file__).parent / source.builtin).rglob("*.py"))
            values["sha256"] = [file_sha256(path) for path in code]
        key.append(values)
    return key


_BadUtf8 = Literal["error", "drop", "replace"]


def _records(
    source: DataSource, split: Split, bad_utf8: _BadUtf8, repaired: Counter[str]
) -> tuple[str, Iterator[_Record]]:
    """The name to show for a source, and its records."""
    match source:
        case TextFiles():
            return source.source, _text_records(source, bad_utf8, repaired)
        case PairFile():
            kind = Path(source.file.removesuffix(".gz")).suffix
            if kind == ".parquet":
                return source.file, _parquet_records(source)
            readers = {".tsv": _tsv_records, ".csv": _csv_records, ".jsonl": _jsonl_records}
            if kind not in readers:
                raise DataError(
                    f"{source.file}: a file of pairs ends in .tsv, .csv, .jsonl or .parquet",
                    "two text files are given as {source: FILE, target: FILE}",
                )
            lines = _lines(source.file, bad_utf8, repaired)
            return source.file, readers[kind](source, lines)
        case HubDataset():
            return f"{source.hub}[{source.split}]", _hub_records(source)
        case BuiltinCorpus():
            return source.builtin, _builtin_records(source, split)


# --- Bytes to lines -------------------------------------------------------------------------


def _open(path: str) -> io.BufferedReader:
    """A regular file opened for reading. Raises DataError."""
    if "://" in path:
        raise DataError(f"{path} is a URL", "download it and give the path of the file")
    try:
        if not stat.S_ISREG(Path(path).expanduser().stat().st_mode):
            raise DataError(f"{path} is not a regular file")
        return Path(path).expanduser().open("rb")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the path
        raise DataError(f"cannot read {path!r}: {error}") from error


def _sha256(path: str) -> str:
    with _open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _blocks(path: str) -> Iterator[bytes]:
    """The content of a plain or .gz file in pieces. Raises DataError."""
    with _open(path) as raw:
        file: BinaryIO = raw
        if path.endswith(".gz"):
            file = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]
        try:
            first = True
            while block := file.read(_BLOCK):
                if first:
                    for signature, kind in _SIGNATURES:
                        if block.startswith(signature):
                            raise DataError(f"{path} is {kind}", "give UTF-8 text, plain or .gz")
                    first = False
                yield block
        except EOFError as error:
            raise DataError(
                f"{path} is truncated: the gzip stream breaks off at byte {raw.tell()}",
                "download or compress it again",
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is damaged near byte {raw.tell()}: {error}") from error
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error


def _lines(path: str, bad_utf8: _BadUtf8, repaired: Counter[str]) -> Iterator[str | None]:
    """The lines of a file, without \\n, as many as `wc -l` says (and an unfinished last one)."""
    number = 0
    rest = b""
    for block in _blocks(path):
        if number == 0 and not rest and block.startswith(_BOM):
            block = block[len(_BOM) :]
            repaired["byte order marks"] += 1
        body, newline, tail = block.rpartition(b"\n")
        if not newline:
            rest += block
            if len(rest) > _LONGEST_LINE:
                raise DataError(f"{path}:{number + 1}: a line of more than 16 MB is no sentence")
            continue
        body = rest + body
        rest = tail
        lines = _decoded(body, path, number, bad_utf8, repaired)
        number += len(lines)
        yield from lines
    if rest:
        yield from _decoded(rest, path, number, bad_utf8, repaired)


def _decoded(
    body: bytes, path: str, before: int, bad_utf8: _BadUtf8, repaired: Counter[str]
) -> list[str] | list[str | None]:
    """The lines of `body`, which follow `before` lines of the file."""
    try:
        return body.decode().split("\n")
    except UnicodeDecodeError:
        pass
    lines: list[str | None] = []
    for number, raw in enumerate(body.split(b"\n"), before + 1):
        try:
            lines.append(decode_line(raw, path, number))
        except DataError:
            if bad_utf8 == "error":
                raise
            if bad_utf8 == "drop":
                lines.append(None)
            else:
                repaired[BAD_UTF8] += 1
                lines.append(raw.decode(errors="replace"))
    return lines


# --- Lines to records -----------------------------------------------------------------------


def _text_records(
    source: TextFiles, bad_utf8: _BadUtf8, repaired: Counter[str]
) -> Iterator[_Record]:
    sides = [_lines(path, bad_utf8, repaired) for path in (source.source, source.target)]
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


def _tsv_records(source: PairFile, lines: Iterator[str | None]) -> Iterator[_Record]:
    """No quoting: text stays text. Every line has as many columns as the first."""
    rows = (None if line is None else line.rstrip("\r").split("\t") for line in lines)
    return _table_records(source, enumerate(rows, 1))


def _csv_records(source: PairFile, lines: Iterator[str | None]) -> Iterator[_Record]:
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

        csv.field_size_limit(_LONGEST_LINE)
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
) -> Iterator[_Record]:
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


def _jsonl_records(source: PairFile, lines: Iterator[str | None]) -> Iterator[_Record]:
    names = _names(source)
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


def _names(source: PairFile | HubDataset) -> tuple[str, str]:
    names = (source.source_column, source.target_column)
    if not (isinstance(names[0], str) and isinstance(names[1], str)):
        path = source.file if isinstance(source, PairFile) else source.hub
        raise DataError(
            f"{path}: its columns have names, not numbers",
            "set source_column and target_column to names",
        )
    return names[0], names[1]


def _parquet_records(source: PairFile) -> Iterator[_Record]:
    import pyarrow
    from pyarrow import parquet

    names = _names(source)
    with _open(source.file) as raw:
        try:
            file = parquet.ParquetFile(raw)
            schema = file.schema_arrow
            columns = sorted({_column_path(schema, name, source.file)[0] for name in names})
            batches = file.iter_batches(batch_size=8192, columns=columns)
            yield from _arrow_records(batches, names, source.file)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{source.file}: not a whole Parquet file: {error}") from error


def _hub_records(source: HubDataset) -> Iterator[_Record]:
    dataset = _load_hub(source).with_format("arrow")
    return _arrow_records(dataset.iter(8192), _names(source), source.hub)


def _load_hub(source: HubDataset) -> Any:
    from datasets import load_dataset

    try:
        dataset = load_dataset(source.hub, source.config, split=source.split)
    except Exception as error:  # whatever goes wrong in there, the user can only change the name
        reason = str(error).strip().partition("\n")[0]
        config = f", config {source.config}" if source.config else ""
        raise DataError(
            f"cannot load the data set {source.hub} (split {source.split}{config}): {reason}",
            "check its name, the network, or give local files with --set data.train.source=... "
            "--set data.train.target=...",
        ) from error
    return dataset


def _arrow_records(
    batches: Iterator[pyarrow.RecordBatch | pyarrow.Table], names: tuple[str, str], path: str
) -> Iterator[_Record]:
    number = 0
    for batch in batches:
        sides = [_arrow_column(batch, name, path) for name in names]
        for source, target in zip(*sides, strict=True):
            number += 1
            yield number, source or "", target or ""


def _column_path(schema: pyarrow.Schema, name: str, path: str) -> list[str]:
    """The steps to a column of text, whose dots may reach into nested fields."""
    import pyarrow

    steps = [name] if name in schema.names else name.split(".")
    fields = {field.name: field for field in schema}
    for step in steps:
        if step not in fields:
            raise DataError(f"{path}: no column {name!r} (columns: {', '.join(fields)[:300]})")
        kind = fields[step].type
        fields = {f.name: f for f in kind.fields} if pyarrow.types.is_struct(kind) else {}
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
        raise DataError(f"{path}: column {name!r} is {kind}, not text")
    return steps


def _arrow_column(batch: Any, name: str, path: str) -> list[str | None]:
    from pyarrow import compute

    first, *inner = _column_path(batch.schema, name, path)
    column = batch.column(first)
    if inner:
        column = compute.struct_field(column, inner)
    values: list[str | None] = column.to_pylist()
    return values


def _builtin_records(source: BuiltinCorpus, split: Split) -> Iterator[_Record]:
    from nmt.data.phrasebook import generate

    for number, example in enumerate(generate(source.split or split), 1):
        yield number, example.source, example.target
