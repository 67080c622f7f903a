"""YAML 1.2, read as a stream of parser events, and where each key and value stands.

Aliases, tags and depth are refused before anything is built. Scalars follow the YAML 1.2 core
schema: `no` is a word, `1e-4` a number, `012` twelve, `12:30` a word.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from nmt.config_file.wording import KeyPath, dotted, printable, quoted
from nmt.errors import ConfigError

Place = Callable[[Any], str]

MAX_BYTES = 1 << 18
MAX_NODES = 10_000
MAX_DEPTH = 50

# Characters that YAML does not allow in a stream.
NOT_YAML = re.compile(
    r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


@dataclass
class Document:
    """A parsed value, and where its keys and values stand (`de-en.yaml:14:3`)."""

    name: str
    value: Any = None
    keys: dict[KeyPath, str] = field(default_factory=dict)
    values: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Where the key stands, or the innermost part around it that stands somewhere."""
        for length in range(len(path), -1, -1):
            place = self.keys.get(path[:length]) or self.values.get(path[:length])
            if place and length:
                return place
        return self.name


def read(path: Path) -> str:
    """The text of a config file, checked for size and characters that YAML cannot hold."""
    name = printable(str(path))
    try:
        if not path.exists():
            raise ConfigError(f"config file {name} does not exist", _similar_file(path))
        if not path.is_file():
            raise ConfigError(f"config {name} is not a file")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read config file {name}: {reason}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"config file {name} is larger than 256 KiB; this is not a config")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"config file {name} is UTF-16", "save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"not valid UTF-8 in {name}:{line} (byte {error.start} of the file)"
        raise ConfigError(message, "save it as UTF-8") from error
    bad = NOT_YAML.search(text)
    if bad:
        line, column = _line_and_column(text, bad.start())
        raise ConfigError(f"control character U+{ord(bad[0]):04X} in {name}:{line}:{column}")
    return text


def _similar_file(path: Path) -> str | None:
    if not path.parent.is_dir():
        return f"there is no folder {printable(str(path.parent))}"
    names = [file.name for file in path.parent.iterdir() if file.suffix in (".yaml", ".yml")]
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return f"did you mean {printable(str(path.parent / close[0]))}?" if close else None


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    begin = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - begin + 1


def parse(text: str, name: str, *, one_line: bool = False) -> Document:
    """Parse YAML; `name` is a file, or with `one_line` the override that the text belongs to."""

    def place(mark: Any) -> str:
        return name if one_line else f"{name}:{mark.line + 1}:{mark.column + 1}"

    document = Document(name)
    try:
        stream = _checked_events(YAML(typ="safe", pure=True).parse(text), place)
        for event in stream:
            if isinstance(event, events.DocumentStartEvent):
                document.value = _build(next(stream), stream, (), document, place)
        return document
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = text.splitlines()[mark.line : mark.line + 1] if mark else []
        if line and "\t" in re.match(r"\s*", line[0])[0]:  # type: ignore[index]
            message, hint = "tab in the indentation", "YAML is indented with spaces"
        else:
            message, hint = f"not valid YAML: {printable(error.problem or error.context)}", None
        raise ConfigError(f"{message} in {place(mark) if mark else name}", hint) from error
    # Odd escapes and directives end in other exceptions of the parser.
    except (YAMLError, ValueError, OverflowError, AttributeError, TypeError) as error:
        raise ConfigError(f"not valid YAML in {name}: {printable(str(error))}") from error


def _checked_events(stream: Iterable[Any], place: Place) -> Iterator[Any]:
    """Refuse what no config needs and attackers do: aliases, tags, great depth, many nodes."""
    depth = documents = 0
    for nodes, event in enumerate(stream):
        if isinstance(event, events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, events.CollectionEndEvent):
            depth -= 1
        documents += isinstance(event, events.DocumentStartEvent)
        problem = None
        if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None) is not None:
            problem = "anchors and aliases (&, *) are not allowed"
        elif getattr(event, "tag", None):
            problem = f'tag "{printable(str(event.tag))}" is not allowed: only plain values are'
        elif depth > MAX_DEPTH:
            problem = f"nested more than {MAX_DEPTH} levels deep"
        elif nodes > MAX_NODES:
            problem = f"more than {MAX_NODES} values; this is not a config"
        elif documents > 1:
            problem = "a second document (---) begins"
        if problem:
            raise ConfigError(f"{problem} in {place(event.start_mark)}")
        yield event


def _build(
    event: Any, stream: Iterator[Any], path: KeyPath, document: Document, place: Place
) -> Any:
    """The value that begins with this event, its places noted in the document."""
    document.values[path] = place(event.start_mark)
    if isinstance(event, events.ScalarEvent):
        is_plain = event.implicit[0]
        return plain_scalar(event.value, document.values[path]) if is_plain else event.value
    if isinstance(event, events.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(item := next(stream), events.SequenceEndEvent):
            items.append(_build(item, stream, (*path, len(items)), document, place))
        return items
    mapping: dict[str, Any] = {}
    while not isinstance(key := next(stream), events.MappingEndEvent):
        where = place(key.start_mark)
        if not isinstance(key, events.ScalarEvent):
            raise ConfigError(f"a key must be a word, in {where}")
        if key.value == "<<" and key.implicit[0]:
            raise ConfigError(f"merge keys (<<) are not allowed, in {where}")
        here = (*path, key.value)
        if key.value in mapping:
            first = document.keys[here]
            raise ConfigError(f"key {quoted(key.value)} in {where} stands already in {first}")
        document.keys[here] = where
        mapping[key.value] = _build(next(stream), stream, here, document, place)
    return mapping


_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = dict.fromkeys(("", "~", "null", "Null", "NULL")) | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}


def plain_scalar(text: str, place: str = "") -> Any:
    """A plain scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        if len(text) > 40:
            raise ConfigError(f"the number in {place} has {len(text)} digits")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text)
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)", text):
        return -math.inf if text[0] == "-" else math.inf
    return math.nan if text in (".nan", ".NaN", ".NAN") else text


def get(value: Any, path: KeyPath) -> Any:
    """What stands at a path of nested sections and lists; None if nothing does."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def put(document: Document, path: KeyPath, value: Any, label: str) -> None:
    """Put one value in its place; sections on the way are made where they are missing."""
    parent = document.value
    for length, part in enumerate(path):
        here = path[:length]
        if isinstance(parent, list):
            if not isinstance(part, int) or part >= len(parent):
                raise ConfigError(
                    f"{label}: {dotted(here)} is a list of {len(parent)}",
                    f"name an element by its number from 0: {dotted(here)}.0",
                )
        elif not isinstance(parent, dict):
            raise ConfigError(f"{label}: {dotted(here)} is a value, not a section")
        if length == len(path) - 1:
            parent[part] = value
        elif isinstance(parent, dict) and parent.get(part) is None:
            parent[part] = {}
            document.keys[path[: length + 1]] = label
        parent = parent[part]
    for places in (document.keys, document.values):
        for old in [old for old in places if old[: len(path)] == path]:
            del places[old]
    document.keys[path] = document.values[path] = label
