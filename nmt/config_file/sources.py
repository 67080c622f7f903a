"""The kinds of a source of pairs in a config, and which keys mean which."""

from __future__ import annotations

from nmt.config import BuiltinCorpus, HubDataset, PairFile, Section, TextFiles
from nmt.config_file.wording import KeyPath

SPLITS = ("train", "valid", "test")
SOURCE_KINDS: dict[str, type[Section]] = {
    "text": TextFiles,
    "file": PairFile,
    "hub": HubDataset,
    "builtin": BuiltinCorpus,
}
SOURCE_KEYS = sorted({key for kind in SOURCE_KINDS.values() for key in kind.model_fields})
SOURCE_FORMS = (
    "{source: FILE, target: FILE}, {file: FILE}, "
    "{hub: NAME, source_column: NAME, target_column: NAME} or {builtin: phrasebook}"
)


def source_path(path: KeyPath) -> KeyPath | None:
    """`data.train` of `data.train.source`, `data.train.0` of `data.train.0.source`."""
    if len(path) < 3 or path[0] != "data" or path[1] not in SPLITS:
        return None
    length = 3 if isinstance(path[2], int) else 2
    return path[:length] if len(path) == length + 1 else None
