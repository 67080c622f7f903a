"""Error messages for invalid configs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError

from nmt.config.data import SOURCE_KINDS, SPLITS, Cleaning
from nmt.config.document import Document, KeyPath, dotted, missing_space, plain_scalar
from nmt.config.other_tools import meant_keys, names_hint, plain
from nmt.config.schema import Config
from nmt.config.section import Section
from nmt.config.writing import dump_scalar
from nmt.errors import ConfigError
from nmt.text import shorten

SOURCE_KEYS = sorted({key for kind in SOURCE_KINDS.values() for key in kind.model_fields})
_SOURCE_FORMS = (
    "{source: FILE, target: FILE}, {file: FILE}, "
    "{hub: NAME, source_column: NAME, target_column: NAME} or {builtin: phrasebook}"
)
_REPLACED = {
    "tokenizer.normalization": "use tokenizer.source_normalization and "
    "tokenizer.target_normalization (`identity` is now `none`)"
}
_MAX_ERRORS = 10


def source_path(path: KeyPath) -> KeyPath | None:
    """Return `data.train.0` for `data.train.0.source`, and None for other keys."""
    if len(path) < 3 or path[0] != "data" or path[1] not in SPLITS:
        return None
    length = 3 if isinstance(path[2], int) else 2
    return path[:length] if len(path) == length + 1 else None


def explain(document: Document, error: ValidationError) -> ConfigError:
    """Return an error with one line per problem, in the order of the file."""
    # A misspelled required key is also reported as missing.
    problems = sorted(error.errors(include_url=False), key=lambda p: p["type"] == "missing")
    messages: dict[KeyPath, tuple[str, str | None]] = {}
    misspelled: set[KeyPath] = set()
    for problem in problems:
        path = _document_path(document, problem["loc"])
        if problem["type"] == "extra_forbidden":
            near = _closest(str(path[-1]), _keys(problem, path))
            misspelled.update((*path[:-1], key) for key in near)
        if problem["type"] != "missing" or path not in misspelled:
            messages.setdefault(path, _message(document, problem, path))
    order = {path: number for number, path in enumerate(document.positions)}
    in_order = sorted(messages, key=lambda path: order.get(path, order.get(path[:-1], -1)))
    shown = list(dict.fromkeys(messages[path] for path in in_order))
    more = [f"and {len(shown) - _MAX_ERRORS} more"] if len(shown) > _MAX_ERRORS else []
    text = "\n".join([message for message, _ in shown[:_MAX_ERRORS]] + more)
    return ConfigError(text, next((hint for _, hint in shown if hint), None))


def _document_path(document: Document, location: Sequence[str | int]) -> KeyPath:
    """Return the path in the document for the location of a pydantic error.

    The location also names the kind of a source (`data.train.0.hub.split`) or a member of a union,
    and has an index for a single source without a list.
    """
    parts = list(location)
    if len(parts) > 2 and parts[0] == "data" and parts[1] in SPLITS:
        if len(parts) > 3:
            del parts[3]
        if isinstance(document.get(tuple(parts[:2])), dict):
            del parts[2]
    length = 0
    while length < len(parts) and isinstance(document.get(tuple(parts[:length])), dict | list):
        length += 1
    return tuple(parts[:length])


def _message(document: Document, problem: Any, path: KeyPath) -> tuple[str, str | None]:
    position, name = document.position(path), dotted(path)
    source = source_path(path)
    if source and not any(_closest(key, SOURCE_KEYS) for key in document.get(source)):
        where = document.position(source)
        hints = map(missing_space, document.get(source))
        hint = next(filter(None, hints), f"use {_SOURCE_FORMS}")
        return f"{dotted(source)} in {where} is not a source of pairs", hint
    if problem["type"] == "extra_forbidden":
        key = str(path[-1])
        message = f'unknown key "{shorten(key)}" in {position} ({name})'
        if name in _REPLACED:
            return message, _REPLACED[name]
        own = _key_of_another_section(key)
        near = [*meant_keys(key), *([own] if own else [])]
        if near := near or _closest(key, _keys(problem, path)):
            meant = " or ".join(f'"{name}"' for name in near)
            return f"{message}; did you mean {meant}?", names_hint(key) or missing_space(key)
        where = dotted(path[:-1]) or "a config"
        keys = ", ".join(_section(problem["loc"][:-1]).model_fields)
        return message, f"use one of the keys of {where}: {keys}"
    if problem["type"] == "missing":
        where = document.position(path[:-1])
        return f'missing key "{shorten(str(path[-1]))}" in {where} ({name})', None
    if problem["type"] == "value_error":
        return f"{problem['ctx']['error']} in {position}{f' ({name})' if name else ''}", None
    _, position = document.positions.get(path, (position, position))
    wrong = f"wrong value {_written(problem['input'])} in {position}"
    return f"{wrong} ({name}); it must be {_allowed(problem['loc'])}", _rewriting(problem)


def _rewriting(problem: Any) -> str | None:
    value, kind = problem["input"], problem["type"]
    number = plain_scalar(value.replace("_", "")) if isinstance(value, str) else value
    if not isinstance(number, int | float):
        return missing_space(value) if isinstance(value, str) else None
    if isinstance(number, bool) or not math.isfinite(number):
        return None
    if kind == "int_type" and float(number).is_integer():
        number = int(number)
    elif kind != "float_type":
        return None
    if not isinstance(value, str):
        return f"write {number}"
    return f"write {number} without {'underscores' if '_' in value else 'quotes'}"


def _keys(problem: Any, path: KeyPath) -> Sequence[str]:
    return SOURCE_KEYS if source_path(path) else list(_section(problem["loc"][:-1]).model_fields)


def _section(location: Sequence[str | int]) -> type[Section]:
    if len(location) > 3 and location[0] == "data":
        is_nested = location[4:5] == ("filters",)
        return Cleaning if is_nested else SOURCE_KINDS[str(location[3])]
    if not location:
        return Config
    section = Config.model_fields[str(location[0])].annotation
    assert isinstance(section, type) and issubclass(section, Section)
    return section


def _closest(word: str, keys: Sequence[str]) -> list[str]:
    """Return the most similar key, if one is similar enough."""
    word = word.partition(":")[0][:100]
    return difflib.get_close_matches(word, keys, n=1, cutoff=0.6)


def _key_of_another_section(key: str) -> str | None:
    """Return `model.d_model` for `d_model` and `d-model`, or None if no section has this key."""
    key = plain(key)
    sections = (name for name in Config.model_fields if key in _section((name,)).model_fields)
    return next((f"{name}.{key}" for name in sections), None)


def _written(value: Any) -> str:
    if isinstance(value, dict | list):
        return "(a section)" if isinstance(value, dict) else "(a list)"
    return f'"{shorten(value)}"' if isinstance(value, str) else shorten(dump_scalar(value))


def _allowed(location: Sequence[str | int]) -> str:
    if len(location) in (2, 3) and location[0] == "data" and location[1] in SPLITS:
        return f"a source of pairs, {_SOURCE_FORMS}, or a list of these"
    length = 1 if len(location) < 5 else 5 if location[4:-1] == ("filters",) else 4
    section = _section(location[:length])
    if len(location) == length:
        return f"a section with keys like {', '.join(list(section.model_fields)[:3])}"
    return allowed_values(section, str(location[length]))


@cache
def _json_schema() -> dict[str, Any]:
    return Config.model_json_schema()


def allowed_values(section: type[Section], key: str) -> str:
    """Return the allowed values of a key in words, such as `a whole number at least 1 or null`."""
    return _describe(_json_schema()["$defs"][section.__name__]["properties"][key])


def _describe(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return "a section"
    if "anyOf" in schema:
        return " or ".join(_describe(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema["type"] == "array":
        return f"a list of {_describe(schema['items'])}"
    if schema["type"] not in ("integer", "number"):
        return {"string": "text", "boolean": "true or false", "null": "null"}[schema["type"]]
    bounds = [
        f"{words} {schema[key] if schema[key] % 1 else int(schema[key])}"
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
