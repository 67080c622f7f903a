"""The corpora that a folder keeps, and when they may be used again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt import storage
from nmt.config.data import SPLITS, Splits
from nmt.data.report import DataReport
from nmt.data.sources import Split, content_key
from nmt.errors import StorageError
from nmt.tokenizer import Tokenizer

if TYPE_CHECKING:
    from nmt.config import Config, DataConfig

_FORMAT = 1  # A cache of another format is built again.
_CACHE = "cache.json"
_ALWAYS_IN_KEY = {
    *("max_tokens", "max_length_ratio", "bad_utf8"),
    *("drop_duplicates", "drop_copies", "drop_leaked"),
}


class Cached(NamedTuple):
    key: str
    fingerprints: dict[Split, str]
    report: DataReport


def cache_key(config: Config) -> str:
    """Return a key that changes with the sources and with the settings that decide the pairs."""
    data = config.data
    sources = {split: content_key(data.parts(split), split) for split in splits_of(data)}
    cleaning = data.model_dump(include=_ALWAYS_IN_KEY)
    # Newer keys count only if they are set, so that the data of earlier runs stays valid.
    no_effect = {*_ALWAYS_IN_KEY, *Splits.model_fields}
    cleaning |= data.model_dump(exclude=no_effect, exclude_defaults=True)
    facts = {"format": _FORMAT, "sources": sources, "cleaning": cleaning}
    sets = ({part.set_name for part in data.parts(split)} for split in splits_of(data))
    if data.mixes or any(len(names) > 1 for names in sets):
        facts["counts"] = "by part"  # Earlier versions did not count the pairs of each part.
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def splits_of(data: DataConfig) -> list[Split]:
    return [split for split in SPLITS if getattr(data, split)]


def _models(tokenizer: Tokenizer) -> list[str]:
    return [
        hashlib.sha256(vocabulary.model + (vocabulary.normalization or "").encode()).hexdigest()
        for vocabulary in (tokenizer.source, tokenizer.target)
    ]


def corpus_file(folder: Path, split: str) -> Path:
    return folder / f"{split}.arrow"


def write_cache(folder: Path, tokenizer: Tokenizer, cached: Cached) -> None:
    files = {split: corpus_file(folder, split) for split in cached.fingerprints}
    cache = {
        "key": cached.key,
        "tokenizer": _models(tokenizer),
        "fingerprints": cached.fingerprints,
        "sha256": {split: storage.file_sha256(file) for split, file in files.items()},
        "report": cached.report.to_dict(),
    }
    checked = {"checksum": _checksum(cache), "cache": cache}
    storage.replace_file(folder / _CACHE, json.dumps(checked, indent=1).encode())


def check_cache(folder: Path, splits: Sequence[Split] = SPLITS) -> dict[str, Any]:
    """Return the content of a cache, or raise StorageError if a file of the splits is damaged."""
    path = folder / _CACHE
    try:
        checked = json.loads(storage.read_file(path))
        cache: dict[str, Any] = checked["cache"]
        intact = checked["checksum"] == _checksum(cache)
    except (ValueError, KeyError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise StorageError(f"{path} is damaged")
    for split, sha256 in cache["sha256"].items():
        file = corpus_file(folder, split)
        if split in splits and storage.file_sha256(file) != sha256:
            raise StorageError(f"{file} is damaged: its checksum does not match {path.name}")
    return cache


def read_cache(
    folder: Path, tokenizer: Tokenizer, splits: Sequence[Split] = SPLITS
) -> Cached | None:
    """Return the cache, or None for another tokenizer or if a file of the splits is damaged."""
    try:
        cache = check_cache(folder, splits)
        if cache["tokenizer"] != _models(tokenizer):
            return None
        report = DataReport.from_dict(cache["report"])
        return Cached(cache["key"], cache["fingerprints"], report)
    except (OSError, StorageError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _checksum(cache: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(cache, sort_keys=True).encode()).hexdigest()
