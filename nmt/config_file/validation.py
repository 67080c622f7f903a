"""A document checked against the schema; what is wrong is said with place, key, value and mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError

from nmt.config import Config, Section
from nmt.config_file.document import Document, get
from nmt.config_file.dumping import dump_scalar
from nmt.config_file.sources import SOURCE_FORMS, SOURCE_KEYS, SOURCE_KINDS, SPLITS, source_path
from nmt.config_file.wording import KeyPath, dotted, quoted
from nmt.errors import ConfigError

MAX_ERRORS = 10


def validate(document: Document) -> Config:
    """The config that a document describes. Raises ConfigError with up to MAX_ERRORS problems."""
    try:
        return Config.model_validate(document.value)
    except ValidationError as error:
        problems = list(error.errors(include_url=False))
    messages: dict[KeyPath, tuple[str, str | None]] = {}
    for problem in problems:
        path = _document_path(document, problem["loc"])
        messages.setdefault(path, _explain(document, problem, path))
    # A key that is missing because it is misspelt needs one message, not two.
    unknown = {p for p, m in messages.items() if m[0].startswith("unknown key")}
    for path in [p for p, m in messages.items() if m[0].startswith("missing")]:
        if any(f'"{path[-1]}"' in messages[u][0] for u in unknown if u[:-1] == path[:-1]):
            del messages[path]
    order = {path: number for number, path in enumerate(document.keys)}
    in_order = sorted(messages, key=lambda path: order.get(path, order.get(path[:-1], -1)))
    shown = list(dict.fromkeys(messages[path] for path in in_order))
    more = [f"and {len(shown) - MAX_ERRORS} more"] if len(shown) > MAX_ERRORS else []
    text = "\n".join([message for message, _ in shown[:MAX_ERRORS]] + more)
    raise ConfigError(text, next((hint for _, hint in shown if hint), None))


def _document_path(document: Document, location: Sequence[str | int]) -> KeyPath:
    """Where an error of pydantic stands in the document.

    Its location names the kind of a source (`data.train.0.hub.split`) and the member of a union,
    and an index where the document holds one source without a list.
    """
    parts = list(location)
    if len(parts) > 2 and parts[0] == "data" and parts[1] in SPLITS:
        if len(parts) > 3:
            del parts[3]
        if isinstance(get(document.value, tuple(parts[:2])), dict):
            del parts[2]
    path: KeyPath = ()
    value = document.value
    for part in parts:
        if not isinstance(value, dict | list):
            break
        path = (*path, part)
        if isinstance(value, dict):
            value = value.get(str(part))
        else:
            value = value[part] if isinstance(part, int) and part < len(value) else None
    return path


def _explain(document: Document, problem: Any, path: KeyPath) -> tuple[str, str | None]:
    """Message and hint for one error of pydantic."""
    place = document.place(path)
    name = dotted(path)
    parent = get(document.value, path[:-1])
    source = source_path(path)
    if source and not any(_closest(key, SOURCE_KEYS) for key in parent):
        where = document.place(source)
        return f"{dotted(source)} in {where} names no source of pairs", f"use {SOURCE_FORMS}"
    if problem["type"] == "extra_forbidden":
        section = _section(problem["loc"][:-1])
        keys = SOURCE_KEYS if source else list(section.model_fields)
        near = _elsewhere(str(path[-1])) or _closest(str(path[-1]), keys)
        message = f"unknown key {quoted(str(path[-1]))} in {place} ({name})"
        if near:
            return f'{message}; did you mean "{near}"?', None
        where = dotted(path[:-1]) or "a config"
        return message, f"the keys of {where} are {', '.join(section.model_fields)}"
    if problem["type"] == "missing":
        where = document.place(path[:-1])
        return f"missing key {quoted(str(path[-1]))} in {where} ({name})", None
    if problem["type"] == "value_error":
        return f"{problem['ctx']['error']} in {place}{f' ({name})' if name else ''}", None
    value = _show(problem["input"])
    place = document.values.get(path, place)
    return f"wrong value {value} in {place} ({name}); it must be {_allowed(problem)}", None


def _section(location: Sequence[str | int]) -> type[Section]:
    """The model that stands at a location of pydantic."""
    if len(location) > 3 and location[0] == "data":
        return SOURCE_KINDS[str(location[3])]
    if not location:
        return Config
    section = Config.model_fields[str(location[0])].annotation
    assert isinstance(section, type) and issubclass(section, Section)
    return section


def _closest(word: str, keys: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word[:100], list(keys), n=1, cutoff=0.6)), None)


def _elsewhere(key: str) -> str | None:
    """`model.dropout` for a `dropout` that stands in another section."""
    for name in Config.model_fields:
        if key in _section((name,)).model_fields:
            return f"{name}.{key}"
    return None


@cache
def _json_schema() -> dict[str, Any]:
    return Config.model_json_schema()


def _allowed(problem: Any) -> str:
    """What may stand where an error of pydantic occurred, in words."""
    location = problem["loc"]
    if len(location) in (2, 3) and location[0] == "data" and location[1] in SPLITS:
        return f"a source of pairs, {SOURCE_FORMS}, or a list of these"
    length = 4 if len(location) > 4 else 1
    section = _section(location[:length])
    if len(location) == length:
        return f"a section with keys like {', '.join(list(section.model_fields)[:3])}"
    return allowed_values(section, str(location[length]))


def allowed_values(section: type[Section], key: str) -> str:
    """What a key of a section may be, in words: `a whole number at least 1 or null`."""
    return _describe(_json_schema()["$defs"][section.__name__]["properties"][key])


def _describe(schema: dict[str, Any]) -> str:
    """The values that a JSON schema of one key allows, in words."""
    if "anyOf" in schema:
        return " or ".join(_describe(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema["type"] not in ("integer", "number"):
        return {"string": "text", "boolean": "true or false", "null": "null"}[schema["type"]]
    bounds = [
        f"{words} {schema[key]:g}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    return " ".join([noun, " and ".join(bounds)]).strip()


def _show(value: Any) -> str:
    """A wrong value as the user wrote it."""
    if isinstance(value, dict | list):
        return "(a section)" if isinstance(value, dict) else "(a list)"
    return quoted(value) if isinstance(value, str) else dump_scalar(value)
