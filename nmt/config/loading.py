"""Loading of configs from YAML files and `--set KEY=VALUE` overrides."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from nmt.config.data import SOURCE_KINDS, SPLITS, kind_of_source
from nmt.config.document import Document, KeyPath, parse, plain_scalar
from nmt.config.explaining import SOURCE_KEYS, allowed_values, explain, source_path
from nmt.config.schema import Config
from nmt.config.section import Section
from nmt.errors import ConfigError, StorageError
from nmt.storage import read_file
from nmt.text import shorten
from nmt.version import own_version

SHIPPED = Path(__file__).parents[1] / "configs"

AnySection = TypeVar("AnySection", bound=Section)


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the config of a file, or of a name in SHIPPED, with `KEY=VALUE` overrides.

    Raises ConfigError, which explains up to ten problems.
    """
    name = shorten(str(path))
    try:
        shipped = SHIPPED / f"{path.name}.yaml"
        is_name = path.name == str(path) and shipped.is_file() and not path.is_file()
        raw = (shipped if is_name else path).read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"config file {name} does not exist", _similar_file(path)) from error
    except (OSError, ValueError) as error:  # ValueError: The path contains a NUL.
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read config file {name}: {reason}") from error
    return _overridden(_document(raw, name), overrides)


def config_of(values: dict[str, Any], name: str, overrides: Sequence[str] = ()) -> Config:
    """Return the config with these sections and overrides; `name` is for messages.

    Raises ConfigError.
    """
    return _overridden(Document(name, values), overrides)


def load_run_config(path: Path) -> Config:
    """Return a run's config from a file, which may be untrusted.

    Raises StorageError if the file is missing, damaged or larger than 256 KiB.
    """
    try:
        document = _document(read_file(path, limit=1 << 18), shorten(str(path)))
        document.value = with_current_keys(document.value)
        return _validated(document)
    except (ConfigError, StorageError) as error:
        if "unknown key" in error.message:
            raise StorageError(
                f"nmt {own_version()} cannot read the config of a run: {error.message}",
                "upgrade nmt if a newer version wrote the run; otherwise correct the key",
            ) from error
        raise StorageError(f"damaged config of a run: {error.message}", error.hint) from error


def replaced(section: AnySection, **values: Any) -> AnySection:
    """Return a copy of a section with other values; raise ConfigError for a forbidden value."""
    try:
        return type(section)(**{**dict(section), **values})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        if problem["type"] == "value_error":
            raise ConfigError(str(problem["ctx"]["error"])) from error
        key = str(problem["loc"][0])
        wrong = f"{key} is {shorten(repr(values[key]))}"
        raise ConfigError(f"{wrong}; it must be {allowed_values(type(section), key)}") from error


def with_current_keys(values: Any) -> Any:
    """Return a run's config values, translated from the keys of earlier versions."""
    match values:
        case {"tokenizer": {"normalization": rule, **others}}:
            rule = "none" if rule == "identity" else rule
            both = {"source_normalization": rule, "target_normalization": rule}
            values = {**values, "tokenizer": {**both, **others}}
    match values:
        case {"training": dict(training)}:
            values = {**values, "training": {"packing": "off", **training}}
    return values


def _document(raw: bytes, name: str) -> Document:
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
    return document


def _overridden(document: Document, overrides: Sequence[str]) -> Config:
    _apply_overrides(document, overrides)
    return _validated(document)


def _validated(document: Document) -> Config:
    try:
        return Config.model_validate(document.value)
    except ValidationError as error:
        raise explain(document, error) from error


def _similar_file(path: Path) -> str | None:
    if not path.parent.is_dir():
        return f"check the path: there is no folder {shorten(str(path.parent))}"
    names = [file.name for file in path.parent.iterdir() if file.suffix in (".yaml", ".yml")]
    names = [str(path.parent / name) for name in names]
    names += [file.stem for file in SHIPPED.glob("*.yaml")]
    close = difflib.get_close_matches(str(path), names, n=1, cutoff=0.5)
    return f"did you mean {shorten(close[0])}?" if close else None


def _parse_override(text: str) -> tuple[str, KeyPath, Any]:
    """Return an override's name for messages, key path and value.

    Only values in brackets or quotes are parsed as YAML. ` #` does not start a comment in others.
    """
    label = f"--set {shorten(text)}"
    key, equals, raw = (part.strip() for part in text.partition("="))
    parts = key.split(".")
    if not equals or not all(parts):
        raise ConfigError(
            f"{label} is not KEY=VALUE", "write, for example, --set training.max_steps=1000"
        )
    enclosed = len(raw) > 1 and raw[0] + raw[-1] in ("[]", "{}", '""', "''")
    value = parse(raw, label, is_file=False).value if enclosed else plain_scalar(raw)
    return label, tuple(parts), value


def _apply_overrides(document: Document, texts: Sequence[str]) -> None:
    """Put overrides into a document; a key of another kind of source replaces the source."""
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
            if kind and given.intersection(SOURCE_KEYS) - SOURCE_KINDS[kind].model_fields.keys():
                document.put(source, {}, label)
        document.put(path, value, label)


def _resolve(document: Document, path: KeyPath) -> KeyPath:
    """Return the path of an override; the index of a single source is optional."""
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
