"""Load a config from a YAML file and `--set KEY=VALUE` overrides."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nmt.config.document import Document, KeyPath, parse
from nmt.config.explaining import SOURCE_KEYS, explain, source_path
from nmt.config.schema import SOURCE_KINDS, SPLITS, Config, kind_of_source
from nmt.errors import ConfigError, StorageError
from nmt.storage import read_file
from nmt.text import shorten


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the config in a YAML file, with the values of `KEY=VALUE` overrides (`--set`).

    Paths inside the config stay as written. Raises ConfigError with the file, line, column, key,
    value and allowed values of up to ten problems.
    """
    name = shorten(str(path))
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"config file {name} does not exist", _similar_file(path)) from error
    except (OSError, ValueError) as error:  # ValueError: The path contains a NUL.
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read config file {name}: {reason}") from error
    return _config(raw, name, overrides)


def load_run_config(path: Path) -> Config:
    """Return the config in a run folder, which may be untrusted.

    Raises StorageError if the file is missing, damaged or larger than 256 KiB.
    """
    try:
        return _config(read_file(path, limit=1 << 18), shorten(str(path)))
    except (ConfigError, StorageError) as error:
        raise StorageError(f"damaged config of a run: {error.message}", error.hint) from error


def _config(raw: bytes, name: str, overrides: Sequence[str] = ()) -> Config:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"not valid UTF-8 in {name}:{line} (byte {error.start} of the file)"
        raise ConfigError(message, "save the file as UTF-8") from error
    document = parse(text, name)
    if document.value is None:
        document.value = {}
    if not isinstance(document.value, dict):
        raise ConfigError(f"{name} must contain sections (data:, model:, ...)")
    _apply_overrides(document, overrides)
    try:
        return Config.model_validate(document.value)
    except ValidationError as error:
        raise explain(document, error) from error


def _similar_file(path: Path) -> str | None:
    """Return a hint for the name of a file that does not exist."""
    if not path.parent.is_dir():
        return f"there is no folder {shorten(str(path.parent))}"
    names = [file.name for file in path.parent.iterdir() if file.suffix in (".yaml", ".yml")]
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return f"did you mean {shorten(str(path.parent / close[0]))}?" if close else None


def _parse_override(text: str) -> tuple[str, KeyPath, Any]:
    """Return the name of an override for messages, its path and its value."""
    label = f"--set {shorten(text)}"
    key, equals, raw = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"{label} is not KEY=VALUE", "example: --set training.max_steps=1000")
    value = parse(raw.strip(), label, is_file=False).value
    if isinstance(value, dict | list) and not raw.strip().startswith(("{", "[")):
        raise ConfigError(f"{label} is not a single value", "put a value with a colon in quotes")
    return label, tuple(parts), value


def _apply_overrides(document: Document, texts: Sequence[str]) -> None:
    """Put the values of `KEY=VALUE` texts into a document, in order.

    Keys of another kind of source replace the whole source: `data.train.source` and
    `data.train.target` replace a hub dataset by local files.
    """
    overrides = [_parse_override(text) for text in texts]
    seen: set[KeyPath] = set()
    for label, key, value in overrides:
        path = _resolve(document, key)
        source = source_path(path)
        if source and source not in seen:
            seen.add(source)
            paths = [_resolve(document, other) for _, other, _ in overrides]
            given = {str(p[-1]) for p in paths if source_path(p) == source}
            kind = kind_of_source(document.get(source))
            if (
                kind
                and not given.intersection(SOURCE_KEYS) <= SOURCE_KINDS[kind].model_fields.keys()
            ):
                document.put(source, {}, label)
        document.put(path, value, label)


def _resolve(document: Document, path: KeyPath) -> KeyPath:
    """Return the path in the document that an override names.

    Indices of list elements become numbers. The index of the only source of a split is optional.
    """
    if len(path) > 2 and path[0] == "data" and path[1] in SPLITS:
        sources = document.get(path[:2])
        if not isinstance(sources, list) and path[2] == "0":
            path = (*path[:2], *path[3:])
        elif isinstance(sources, list) and len(sources) == 1 and path[2] in SOURCE_KEYS:
            path = (*path[:2], 0, *path[2:])
    for length, part in enumerate(path):
        index = str(part).isascii() and str(part).isdigit() and len(str(part)) < 10
        if index and isinstance(document.get(path[:length]), list):
            path = (*path[:length], int(part), *path[length + 1 :])
    return path
