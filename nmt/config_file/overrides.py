"""`--set KEY=VALUE` laid over a config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nmt.config_file.document import NOT_YAML, Document, get, parse, put
from nmt.config_file.sources import SOURCE_KEYS, SOURCE_KINDS, SPLITS, source_path
from nmt.config_file.wording import KeyPath, printable
from nmt.errors import ConfigError


@dataclass(frozen=True)
class _Override:
    label: str
    path: KeyPath
    value: Any


def _parse_override(text: str) -> _Override:
    label = f"--set {printable(text)}"
    key, equals, raw = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"{label} is not KEY=VALUE", "example: --set training.max_steps=1000")
    raw = raw.strip()
    if NOT_YAML.search(text) or "\n" in raw or "\r" in raw:
        raise ConfigError(f"{label} holds a character that a config cannot hold")
    value = parse(raw, label, one_line=True).value
    if isinstance(value, dict | list) and not raw.startswith(("{", "[")):
        raise ConfigError(f"{label} is not one value", "put quotes round a value with a colon")
    return _Override(label, tuple(parts), value)


def apply_overrides(document: Document, texts: Sequence[str]) -> None:
    """Lay `KEY=VALUE` texts over a document, in order. Raises ConfigError."""
    overrides = [_parse_override(text) for text in texts]
    seen: set[KeyPath] = set()
    for override in overrides:
        path = _standing_path(document, override.path)
        source = source_path(path)
        if source and source not in seen:
            seen.add(source)
            siblings = [_standing_path(document, other.path) for other in overrides]
            given = {str(p[-1]) for p in siblings if source_path(p) == source}
            if _is_other_kind(get(document.value, source), given):
                put(document, source, {}, override.label)
        put(document, path, override.value, override.label)


def _standing_path(document: Document, path: KeyPath) -> KeyPath:
    """The path as the document has it: indices are numbers, a single source needs none."""
    if len(path) > 2 and path[0] == "data" and path[1] in SPLITS:
        sources = get(document.value, path[:2])
        if not isinstance(sources, list) and path[2] == "0":
            path = (*path[:2], *path[3:])
        elif isinstance(sources, list) and len(sources) == 1 and path[2] in SOURCE_KEYS:
            path = (*path[:2], 0, *path[2:])
    for length, part in enumerate(path):
        index = str(part).isascii() and str(part).isdigit() and len(str(part)) < 10
        if index and isinstance(get(document.value, path[:length]), list):
            path = (*path[:length], int(part), *path[length + 1 :])
    return path


def _is_other_kind(source: Any, given: set[str]) -> bool:
    """Whether keys given for a source mean another kind than the one that stands there.

    `data.train.source` on a hub data set means local files instead of it, not both.
    """
    if not isinstance(source, dict):
        return False
    kind = SOURCE_KINDS[next((k for k in ("builtin", "hub", "file") if k in source), "text")]
    return not given.intersection(SOURCE_KEYS) <= kind.model_fields.keys()
