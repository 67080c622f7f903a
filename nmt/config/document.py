"""A parser for YAML 1.2 that records the line and column of each key and value.

Plain scalars follow the core schema (`no` and `12:30` are text, `1e-4` is a number, `012` is
twelve). Anchors, tags and second documents are errors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from nmt.errors import ConfigError
from nmt.text import shorten

KeyPath = tuple[str | int, ...]
"""Names of sections and keys, and indices of list elements from 0."""

_MAX_DEPTH = 50


@dataclass
class Document:
    """A parsed value, and the positions (`de-en.yaml:14:3`) of its parts."""

    name: str
    """The file or the override, for messages."""
    value: Any = None
    positions: dict[KeyPath, tuple[str, str]] = field(default_factory=dict)
    """Positions of the key and the value at each path; equal for list elements."""

    def position(self, path: KeyPath) -> str:
        """Return the position of a key or the innermost part around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.positions:
                return self.positions[path[:length]][0]
        return self.name

    def get(self, path: KeyPath) -> Any:
        """Return the value at a path, or None."""
        value = self.value
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def put(self, path: KeyPath, value: Any, position: str) -> None:
        """Set the value at a path, and create missing sections.

        Raises ConfigError if the path leads into a plain value or beyond a list.
        """
        parent = self.value
        for length, part in enumerate(path):
            here = path[:length]
            if isinstance(parent, list):
                if not isinstance(part, int) or part >= len(parent):
                    raise ConfigError(
                        f"{position}: {dotted(here)} is a list of length {len(parent)}",
                        f"give the number of an element, from 0: {dotted(here)}.0",
                    )
            elif not isinstance(parent, dict):
                raise ConfigError(f"{position}: {dotted(here)} is a value, not a section")
            if length == len(path) - 1:
                parent[part] = value
            elif isinstance(parent, dict) and parent.get(part) is None:
                parent[part] = {}
                self.positions[path[: length + 1]] = position, position
            parent = parent[part]
        for old in [old for old in self.positions if old[: len(path)] == path]:
            del self.positions[old]
        self.positions[path] = position, position


def dotted(path: KeyPath) -> str:
    """Return a path as `data.train.0.source`."""
    return shorten(".".join(str(part) for part in path))


def missing_space(text: str) -> str | None:
    """Return a hint for KEY:VALUE, which YAML reads as text."""
    match = re.match(r"\s*(?:- +)?([a-z_]+):([^\s:/\\]\S*)", text)
    return f"write a space after the colon: {shorten(f'{match[1]}: {match[2]}')}" if match else None


def parse(text: str, name: str, *, is_file: bool = True) -> Document:
    """Return the values in a YAML text, with positions if it is a file, or raise ConfigError."""

    def locate(mark: Any) -> str:
        return f"{name}:{mark.line + 1}:{mark.column + 1}" if is_file else name

    document = Document(name)
    try:
        stream = iter(YAML(typ="safe", pure=True).parse(text))
        for event in stream:
            if isinstance(event, events.DocumentStartEvent):
                if () in document.positions:
                    raise ConfigError(
                        f"a second document (---) starts in {locate(event.start_mark)}"
                    )
                document.value = _build(next(stream), stream, (), document, locate)
        return document
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        position = f"{name}:{line}:{column}" if is_file else name
        code = ord(text[error.position])
        raise ConfigError(f"character U+{code:04X} is not allowed in {position}") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # The parser may report a mistake in the line after it.
        lines = text.splitlines()[max(mark.line - 1, 0) : mark.line + 1] if mark else []
        hint: str | None
        if lines and "\t" in lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())]:
            message, hint = "tab in the indentation", "indent YAML with spaces"
        else:
            message = f"not valid YAML: {shorten(error.problem or error.context)}"
            hint = next(filter(None, map(missing_space, lines)), None)
        raise ConfigError(f"{message} in {locate(mark) if mark else name}", hint) from error
    # The parser raises Python's errors for invalid escapes and directives.
    except (YAMLError, ValueError, OverflowError, AttributeError, TypeError) as error:
        raise ConfigError(f"not valid YAML in {name}: {shorten(str(error))}") from error


def _build(
    event: Any,
    stream: Iterator[Any],
    path: KeyPath,
    document: Document,
    locate: Callable[[Any], str],
    key_position: str | None = None,
) -> Any:
    position = locate(event.start_mark)
    document.positions[path] = key_position or position, position
    problem = None
    if isinstance(event, events.AliasEvent) or event.anchor is not None:
        problem = "anchors and aliases (&, *) are not allowed"
    elif event.tag:
        problem = f'tag "{shorten(str(event.tag))}" is not allowed; use plain values'
    elif len(path) > _MAX_DEPTH:
        problem = f"nested more than {_MAX_DEPTH} levels deep"
    if problem:
        raise ConfigError(f"{problem} in {position}")
    if isinstance(event, events.ScalarEvent):
        is_plain = event.implicit[0]
        return plain_scalar(event.value) if is_plain else event.value
    if isinstance(event, events.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(item := next(stream), events.SequenceEndEvent):
            items.append(_build(item, stream, (*path, len(items)), document, locate))
        return items
    mapping: dict[str, Any] = {}
    while not isinstance(key := next(stream), events.MappingEndEvent):
        position = locate(key.start_mark)
        if not isinstance(key, events.ScalarEvent) or key.tag or key.anchor is not None:
            raise ConfigError(f"a key must be a plain word, in {position}")
        here = (*path, key.value)
        if key.value in mapping:
            raise ConfigError(
                f'duplicate key "{shorten(key.value)}" in {position}; '
                f"first defined in {document.position(here)}"
            )
        mapping[key.value] = _build(next(stream), stream, here, document, locate, position)
    return mapping


# Longer integers are read as floating-point numbers, which integer keys reject.
_INT = re.compile(r"[-+]?[0-9]{1,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


def plain_scalar(text: str) -> Any:
    """Return the value of an unquoted scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text)
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)", text):
        return -math.inf if text[0] == "-" else math.inf
    return text
