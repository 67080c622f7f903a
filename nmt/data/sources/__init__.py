"""Sources of pairs: text files, TSV, CSV, JSON lines, Parquet, the hub, the built-in corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt.config import BuiltinCorpus, HubDataset, PairFile, TextFiles
from nmt.config.data import Part, Source, Split
from nmt.data.sources.arrow import hub_records, load_hub, parquet_records
from nmt.data.sources.lines import BAD_ROW, BAD_UTF8, Dropped, Faults, sha256
from nmt.data.sources.records import Record, csv_records, jsonl_records, text_records, tsv_records
from nmt.errors import DataError
from nmt.reading import COMPRESSED
from nmt.storage import file_sha256
from nmt.text import clean_line, clean_source

if TYPE_CHECKING:
    from nmt.config import DataConfig, DataSource

__all__ = [
    "BAD_ROW",
    "BAD_UTF8",
    "Counts",
    "Pair",
    "Split",
    "content_key",
    "read_pairs",
    "read_split",
]


class Pair(NamedTuple):
    """A cleaned sentence and its translation, with their files and line or record from 1."""

    source: str
    target: str
    paths: tuple[str, str]
    line: int
    part: int = 0
    """Number of its part in the split."""

    def location(self, side: int = 0) -> str:
        """Return the file:line of the source (0) or of the target (1)."""
        return f"{self.paths[side]}:{self.line}"


class Counts(NamedTuple):
    """The changes that reading makes."""

    repaired: Counter[str]
    dropped: Dropped
    """Called for each dropped pair."""


def read_pairs(parts: Sequence[Part], split: Split, counts: Counts | None = None) -> Iterator[Pair]:
    """Yield all pairs of the parts in order, cleaned by `clean_source` and `clean_line`.

    With bad_utf8="skip", a training pair that is not UTF-8 is dropped; in other pairs, which keep
    their line numbers, wrong bytes become U+FFFD. Raises DataError with file and line.
    """
    counts = counts or Counts(Counter(), lambda reason, place, texts: None)
    for part_number, part in enumerate(parts):
        on_bad_utf8: Literal["error", "drop", "replace"] = "error"
        if part.rules.bad_utf8 == "skip":
            on_bad_utf8 = "drop" if split == "train" else "replace"
        faults = Faults(on_bad_utf8, part.rules.bad_rows, *counts)
        names, records = _records(part.source, split, faults)
        paths = names[::-1] if part.reverse else names
        good = 0
        for number, source_text, target_text in records:
            if part.reverse:
                source_text, target_text = target_text, source_text
            if source_text is None or target_text is None:
                location = f"{paths[source_text is not None]}:{number}"
                counts.dropped(BAD_UTF8, location, (source_text or "", target_text or ""))
                continue
            good += 1
            yield Pair(
                clean_source(source_text, counts.repaired),
                clean_line(target_text, counts.repaired),
                paths,
                number,
                part_number,
            )
        faults.check(good)


def read_split(data: DataConfig, split: Split, counts: Counts | None = None) -> Iterator[Pair]:
    """Yield the pairs of a split of a config; see `read_pairs`."""
    return read_pairs(data.parts(split), split, counts)


def content_key(parts: Sequence[Part], split: Split) -> list[Any]:
    """Return JSON values that change with the content of the parts. Raises DataError."""
    key: list[Any] = []
    for part in parts:
        source = part.source
        values = source.model_dump(exclude={*Source.model_fields} - {"filters"})
        # Newer keys count only if they are set, so that the data of earlier runs stays valid.
        values |= {"tags": part.tags} if part.tags else {}
        values |= {"reverse": True} if part.reverse else {}
        if isinstance(source, TextFiles):
            values["sha256"] = [sha256(source.source), sha256(source.target)]
        elif isinstance(source, PairFile):
            values["sha256"] = sha256(source.file)
        elif isinstance(source, HubDataset):
            dataset = load_hub(source, split)
            values["split"] = source.split or str(dataset.split or split)
            values["fingerprint"] = dataset._fingerprint
        else:
            values["split"] = source.split or split
            code = sorted((Path(__file__).parents[2] / source.builtin).rglob("*.py"))
            values["sha256"] = [file_sha256(path) for path in code]
        key.append(values)
    return key


def _records(
    source: DataSource, split: Split, faults: Faults
) -> tuple[tuple[str, str], Iterator[Record]]:
    """Return the names of both sides for messages, and the records."""
    match source:
        case TextFiles():
            return (source.source, source.target), text_records(source, faults)
        case PairFile():
            return (source.file, source.file), _file_records(source, faults)
        case HubDataset():
            name = f"{source.hub}[{source.split or split}]"
            return (name, name), hub_records(source, split, faults)
        case BuiltinCorpus():
            return (source.builtin, source.builtin), _builtin_records(source, split)


def _file_records(source: PairFile, faults: Faults) -> Iterator[Record]:
    suffixes = [suffix.lower() for suffix in Path(source.file).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    match suffixes[-1:]:
        case [".parquet"]:
            return parquet_records(source, faults)
        case [".tsv"]:
            return tsv_records(source, faults)
        case [".csv"]:
            return csv_records(source, faults)
        case [".jsonl" | ".ndjson" | ".json"]:
            return jsonl_records(source, faults)
    raise DataError(
        f"{source.file} does not end in .tsv, .csv, .jsonl, .json or .parquet",
        "give the folder of a dataset as {hub: FOLDER, source_column: NAME, target_column: NAME}"
        if Path(source.file).is_dir()
        else "give two text files as {source: FILE, target: FILE}",
    )


def _builtin_records(source: BuiltinCorpus, split: Split) -> Iterator[Record]:
    from nmt.phrasebook import generate

    for number, example in enumerate(generate(source.split or split), 1):
        yield number, example.source, example.target
