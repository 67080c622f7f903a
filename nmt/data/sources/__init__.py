"""Sources of pairs: text files, TSV, CSV, JSON lines, Parquet, the hub, the built-in corpus.

All kinds of files are split into lines in the same way. Every error names the file and the line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt.config import BuiltinCorpus, HubDataset, PairFile, TextFiles
from nmt.data.sources.arrow import hub_records, load_hub, parquet_records
from nmt.data.sources.lines import BAD_UTF8, BadUtf8, read_lines, sha256
from nmt.data.sources.records import Record, csv_records, jsonl_records, text_records, tsv_records
from nmt.errors import DataError
from nmt.storage import file_sha256
from nmt.text import clean_line

if TYPE_CHECKING:
    from nmt.config import DataSource

__all__ = ["BAD_UTF8", "Counts", "Pair", "Split", "content_key", "read_pairs"]

Split = Literal["train", "valid", "test"]


class Pair(NamedTuple):
    """A cleaned sentence and its translation, with their file and line (or record) from 1."""

    source: str
    target: str
    path: str
    line: int


class Counts(NamedTuple):
    """The changes that reading makes: repaired sentences by kind, and dropped pairs."""

    repaired: Counter[str]
    dropped: Callable[[str, str], None]
    """Called with the reason and the location (file:line) of each dropped pair."""


def read_pairs(
    sources: Sequence[DataSource],
    split: Split,
    *,
    bad_utf8: Literal["error", "skip"] = "error",
    counts: Counts | None = None,
) -> Iterator[Pair]:
    """Yield all pairs of the sources in order, cleaned by `nmt.text.clean_line`.

    With bad_utf8="skip", a training pair that is not UTF-8 is dropped. In validation and test
    pairs, which must keep their line numbers, the wrong bytes become U+FFFD. Raises DataError with
    file and line for invalid content.
    """
    counts = counts or Counts(Counter(), lambda reason, place: None)
    mode: BadUtf8 = "error"
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
    """Return JSON values that change with the content of the sources. Raises DataError."""
    key: list[Any] = []
    for source in sources:
        values = source.model_dump()
        if isinstance(source, TextFiles):
            values["sha256"] = [sha256(source.source), sha256(source.target)]
        elif isinstance(source, PairFile):
            values["sha256"] = sha256(source.file)
        elif isinstance(source, HubDataset):
            values["fingerprint"] = load_hub(source)._fingerprint
        else:
            values["split"] = source.split or split
            code = sorted((Path(__file__).parents[2] / source.builtin).rglob("*.py"))
            values["sha256"] = [file_sha256(path) for path in code]
        key.append(values)
    return key


def _records(
    source: DataSource, split: Split, bad_utf8: BadUtf8, repaired: Counter[str]
) -> tuple[str, Iterator[Record]]:
    """Return the name of a source for messages, and its records."""
    match source:
        case TextFiles():
            return source.source, text_records(source, bad_utf8, repaired)
        case PairFile():
            kind = Path(source.file.removesuffix(".gz")).suffix
            if kind == ".parquet":
                return source.file, parquet_records(source, repaired)
            if kind not in (".tsv", ".csv", ".jsonl"):
                is_folder = Path(source.file).is_dir()
                raise DataError(
                    f"{source.file} does not end in .tsv, .csv, .jsonl or .parquet",
                    "give the folder of a dataset as {hub: FOLDER, source_column: NAME, "
                    "target_column: NAME}"
                    if is_folder
                    else "give two text files as {source: FILE, target: FILE}",
                )
            lines = read_lines(source.file, bad_utf8, repaired)
            if kind == ".jsonl":
                return source.file, jsonl_records(source, lines, repaired)
            return source.file, (tsv_records if kind == ".tsv" else csv_records)(source, lines)
        case HubDataset():
            return f"{source.hub}[{source.split}]", hub_records(source, repaired)
        case BuiltinCorpus():
            return source.builtin, _builtin_records(source, split)


def _builtin_records(source: BuiltinCorpus, split: Split) -> Iterator[Record]:
    from nmt.phrasebook import generate

    for number, example in enumerate(generate(source.split or split), 1):
        yield number, example.source, example.target
