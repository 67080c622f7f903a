"""From the data of a config to corpora of token ids: read, clean, train a tokenizer, encode.

A corpus is one Arrow file with the columns source_ids, target_ids (without bos and eos), source
and target (the texts). It is built once, in chunks, and reused as long as sources, cleaning and
tokenizer are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from nmt import storage
from nmt.data.cleaning import (
    IN_TRAIN,
    LEAKED,
    Collected,
    HeldOut,
    collect_training,
    too_long,
)
from nmt.data.report import DataReport, SplitReport, side_report
from nmt.data.sources import BAD_UTF8, Counts, Split, content_key, read_pairs
from nmt.errors import DataError, StorageError
from nmt.tokenizer import UNK, Tokenizer
from nmt.tokenizer.training import train_tokenizer

if TYPE_CHECKING:
    from nmt.config import Config, DataConfig
from nmt.data.corpus import Corpus

_FORMAT = 1  # A cache of another format is built again.
_CACHE = "cache.json"
_LEAKED_SHARE = 0.9  # A held-out split with this share in the training set causes a warning.
_SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
class PreparedData:
    """The corpora, the tokenizer and the report that training needs."""

    train: Corpus
    valid: Corpus
    test: Corpus | None
    tokenizer: Tokenizer
    report: DataReport


def prepare_data(
    config: Config,
    folder: Path,
    tokenizer_folder: Path,
    say: Callable[[str], None],
    check_stop: Callable[[], None],
) -> PreparedData:
    """Read, clean and encode the data, after training a tokenizer if there is none.

    The corpora are kept in `folder` and reused if nothing changed. `say` receives lines for the
    user; `check_stop` is called often and may raise. Needs less than 1 GB of memory for data of any
    size. Raises DataError, ConfigError (vocabulary), StorageError.
    """
    with storage.storage_errors(f"cannot write {folder}", folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
        storage.remove_leftovers(folder)
        key = _content_key(config)
        tokenizer = Tokenizer.load(tokenizer_folder) if tokenizer_folder.exists() else None
        cached = tokenizer and _read_cache(folder, tokenizer)
        if not cached or cached.key != key:
            tokenizer, cached = _build(config, folder, tokenizer_folder, key, say, check_stop)
    assert tokenizer is not None
    say(cached.report.summary())
    _warn_of_leaks(cached.report, say)
    corpora = {
        split: Corpus(_file(folder, split), fingerprint, tokenizer, config.tokenizer.sampling)
        for split, fingerprint in cached.fingerprints.items()
    }
    return PreparedData(
        corpora["train"], corpora["valid"], corpora.get("test"), tokenizer, cached.report
    )


def read_corpus(folder: Path, split: Split, tokenizer: Tokenizer) -> Corpus:
    """Return a split that prepare_data kept in `folder`, without reading its sources.

    Raises DataError if the split is missing, damaged, or encoded by another tokenizer.
    """
    cached = _read_cache(folder, tokenizer)
    if not cached or split not in cached.fingerprints:
        raise DataError(f"{folder} does not contain the {split} data of the run")
    return Corpus(_file(folder, split), cached.fingerprints[split], tokenizer, sampling=0.0)


class _Cached(NamedTuple):
    """The description of the corpora in a folder."""

    key: str
    """Value that changes with the sources and settings of the corpora."""
    fingerprints: dict[str, str]
    """Fingerprint of each split."""
    report: DataReport


class _Encoder:
    """An encoder of collected texts, which writes a corpus file in chunks."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.vocabularies = (tokenizer.source, tokenizer.target)
        self.spelt = [vocabulary.spelt() for vocabulary in self.vocabularies]

    def write(
        self,
        collected: Collected,
        path: Path,
        report: SplitReport,
        limits: DataConfig | None,
        check_stop: Callable[[], None],
    ) -> str:
        """Write the file, complete the report, and return the fingerprint of the content.

        Pairs beyond `limits` are dropped; None keeps every pair.
        """
        lengths: list[Counter[int]] = [Counter(), Counter()]
        counts = [np.zeros(len(vocabulary), dtype=np.int64) for vocabulary in self.vocabularies]
        # Separate digests of lengths, ids and texts do not depend on the size of the chunks.
        digests = [hashlib.sha256() for _ in range(6)]
        id_types = [pa.uint16() if len(v) <= 1 << 16 else pa.uint32() for v in self.vocabularies]
        schema = pa.schema(
            [
                pa.field("source_ids", pa.list_(id_types[0])),
                pa.field("target_ids", pa.list_(id_types[1])),
                pa.field("source", pa.string()),
                pa.field("target", pa.string()),
            ]
        )
        with _writing(path) as file, pa.ipc.new_file(file, schema) as writer:
            for chunk in collected.chunks():
                check_stop()
                texts = [chunk.sources, chunk.targets]
                ids = [v.encode_flat(t) for v, t in zip(self.vocabularies, texts, strict=True)]
                if limits is not None:
                    keep = _within(limits, ids[0][0], ids[1][0], chunk.locations, report)
                    if not keep.all():
                        texts = [list(compress(side, keep)) for side in texts]
                        ids = [(n[keep], side[np.repeat(keep, n)]) for n, side in ids]
                columns = []
                for side, (sizes, values) in enumerate(ids):
                    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
                    columns.append(pa.ListArray.from_arrays(ends, pa.array(values, id_types[side])))
                    digests[side].update(sizes.astype("<i4").tobytes())
                    digests[2 + side].update(values.astype("<i4").tobytes())
                    lengths[side].update(sizes.tolist())
                    counts[side] += np.bincount(values, minlength=len(counts[side]))
                for side, lines in enumerate(texts):
                    columns.append(pa.array(lines, pa.string()))
                    digests[4 + side].update("\n".join([*lines, ""]).encode())
                writer.write_batch(pa.record_batch(columns, schema=schema))
                report.kept += len(texts[0])
        report.source, report.target = (
            side_report(lengths[i], counts[i], spelt, UNK) for i, spelt in enumerate(self.spelt)
        )
        return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def _within(
    limits: DataConfig,
    source_sizes: np.ndarray,
    target_sizes: np.ndarray,
    locations: list[str],
    report: SplitReport,
) -> np.ndarray:
    """Return which pairs are within the limits, (n,) bool; count the others as dropped."""
    keep = np.ones(len(locations), dtype=bool)
    for reason, pairs in too_long(source_sizes, target_sizes, limits):
        for i in np.flatnonzero(pairs):
            report.drop(reason, locations[i])
        keep &= ~pairs
    return keep


@contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that gets its name once it is complete and on disk."""
    temporary = path.with_name(f"{storage.TEMPORARY}{path.name}")
    storage.operation("create", temporary)
    with temporary.open("wb") as file:
        yield file
        file.flush()
        storage.operation("sync", temporary)
        os.fsync(file.fileno())
    storage.operation("rename", path)
    temporary.rename(path)


def _build(
    config: Config,
    folder: Path,
    tokenizer_folder: Path,
    key: str,
    say: Callable[[str], None],
    check_stop: Callable[[], None],
) -> tuple[Tokenizer, _Cached]:
    collected, reports = _collect(config.data, folder, say, check_stop)
    if tokenizer_folder.exists():
        tokenizer = Tokenizer.load(tokenizer_folder)
    else:
        kind, size = config.tokenizer.type, config.tokenizer.vocab_size
        say(f"tokenizer: training SentencePiece ({kind}, {size:,} pieces)")
        tokenizer = train_tokenizer(
            collected["train"].texts,
            config.tokenizer,
            tokenizer_folder,
            check_stop,
        )
    say("data: encoding")
    encoder = _Encoder(tokenizer)
    fingerprints: dict[str, str] = {}
    for split, texts in collected.items():
        limits = config.data if split == "train" else None
        fingerprints[split] = encoder.write(
            texts, _file(folder, split), reports[split], limits, check_stop
        )
        texts.path.unlink()
        if not reports[split].kept:
            raise _nothing_left(split, reports[split])
    report = DataReport(reports, len(tokenizer.source), len(tokenizer.target))
    cached = _Cached(key, fingerprints, report)
    _write_cache(folder, tokenizer, cached)
    return tokenizer, cached


def _collect(
    data: DataConfig,
    folder: Path,
    say: Callable[[str], None],
    check_stop: Callable[[], None],
) -> tuple[dict[str, Collected], dict[str, SplitReport]]:
    """Read all splits: held-out splits first, to find their sentences in the training set."""
    say("data: reading")
    collected: dict[str, Collected] = {}
    reports: dict[str, SplitReport] = {}
    held_out = HeldOut()
    in_order: tuple[Split, ...] = ("valid", "test", "train")
    for split in in_order:
        sources = getattr(data, split)
        if sources is None:
            continue
        report = reports[split] = SplitReport()
        counts = Counts(report.repaired, report.drop)
        pairs = read_pairs(sources, split, bad_utf8=data.bad_utf8, counts=counts)
        path = folder / f"{storage.TEMPORARY}{split}.texts"
        if split == "train":
            collected[split] = collect_training(pairs, path, data, held_out, report, check_stop)
            report.lines += report.dropped[BAD_UTF8]
        else:
            collected[split] = held_out.collect(split, pairs, path, report, check_stop)
    ordered = [split for split in _SPLITS if split in collected]
    for split in ordered:
        if split != "train" and (leaks := held_out.leaks(split)):
            reports[split].noticed[IN_TRAIN] = leaks
        if not collected[split].count:
            raise _nothing_left(split, reports[split])
    return {split: collected[split] for split in ordered}, {s: reports[s] for s in ordered}


def _warn_of_leaks(report: DataReport, say: Callable[[str], None]) -> None:
    """Warn if (nearly) all of the validation or test set is in the training set."""
    if LEAKED not in report.splits["train"].noticed:
        return  # There are no such pairs, or they were dropped from the training set.
    for name, title in (("valid", "validation"), ("test", "test")):
        split = report.splits.get(name, SplitReport())
        if split.lines and split.noticed[IN_TRAIN] >= _LEAKED_SHARE * split.lines:
            say(
                f"warning: {split.noticed[IN_TRAIN]:,} of {split.lines:,} sentences of the {title} "
                "set are also in the training set, so its scores do not show how well new "
                f"sentences are translated (hint: give data.{name} other sentences, or set "
                "data.drop_leaked)"
            )


def _nothing_left(split: str, report: SplitReport) -> DataError:
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in report.dropped.items())
    return DataError(
        f"data.{split} has no pairs"
        + (f": {report.lines:,} read, all dropped ({reasons})" if report.lines else ""),
        "check the files and the limits under `data`",
    )


def _content_key(config: Config) -> str:
    """Return a key that changes with the sources and the cleaning settings."""
    data = config.data
    sources = {
        split: content_key(getattr(data, split), split)
        for split in _SPLITS
        if getattr(data, split) is not None
    }
    cleaning = data.model_dump(exclude={"train", "valid", "test"})
    facts = {"format": _FORMAT, "sources": sources, "cleaning": cleaning}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _models(tokenizer: Tokenizer) -> list[str]:
    return [hashlib.sha256(v.model).hexdigest() for v in (tokenizer.source, tokenizer.target)]


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}.arrow"


def _write_cache(folder: Path, tokenizer: Tokenizer, cached: _Cached) -> None:
    files = {split: _file(folder, split) for split in cached.fingerprints}
    cache = {
        "key": cached.key,
        "tokenizer": _models(tokenizer),
        "fingerprints": cached.fingerprints,
        "sha256": {split: storage.file_sha256(file) for split, file in files.items()},
        "report": cached.report.to_dict(),
    }
    checked = {"checksum": _checksum(cache), "cache": cache}
    storage.replace_file(folder / _CACHE, json.dumps(checked, indent=1).encode())


def _read_cache(folder: Path, tokenizer: Tokenizer) -> _Cached | None:
    """Return the cache, or None if a file is damaged or the tokenizer is a different one."""
    try:
        checked = json.loads(storage.read_file(folder / _CACHE))
        cache = checked["cache"]
        if checked["checksum"] != _checksum(cache):
            return None
        if cache["tokenizer"] != _models(tokenizer):
            return None
        for split, sha256 in cache["sha256"].items():
            if storage.file_sha256(_file(folder, split)) != sha256:
                return None
        report = DataReport.from_dict(cache["report"])
        return _Cached(cache["key"], cache["fingerprints"], report)
    except (OSError, StorageError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _checksum(cache: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(cache, sort_keys=True).encode()).hexdigest()
