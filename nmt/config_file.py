"""Read and write config files: YAML 1.2, `--set`, and errors that point at the place.

The YAML is read as a stream of parser events, so that aliases, tags and depth are refused before
anything is built, and every key and value keeps its line and column. Scalars follow the YAML 1.2
core schema: `no` is a word, `1e-4` a number, `012` twelve, `12:30` a word.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from nmt.config import BuiltinCorpus, Config, HubDataset, PairFile, Section, TextFiles
from nmt.errors import ConfigError, StorageError

KeyPath = tuple[str | int, ...]
Place = Callable[[Any], str]

MAX_BYTES = 1 << 18
MAX_NODES = 10_000
MAX_DEPTH = 50
MAX_ERRORS = 10

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


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The config of a YAML file with `KEY=VALUE` overrides (`--set`) laid over it.

    Paths inside the config stay as written. Raises ConfigError naming file, line, column, key,
    value and what is allowed.
    """
    document = _parse(_read(path), printable(str(path)))
    if document.value is None:
        document.value = {}
    if not isinstance(document.value, dict):
        raise ConfigError(f"{document.name} must hold sections (data:, model:, ...), not a list")
    _override(document, overrides)
    return _validate(document)


def dump_config(config: Config, *, defaults: bool = True) -> str:
    """YAML that loads again to an equal Config: every key, or those that are not the default."""
    return "\n".join(_dump_lines(config.model_dump(exclude_defaults=not defaults), 0)) + "\n"


def read_dumped_config(path: Path) -> Config:
    """The config of a run folder. Raises StorageError if it is missing or damaged."""
    try:
        return load_config(path)
    except ConfigError as error:
        raise StorageError(f"damaged config of a run: {error.message}", error.hint) from error


# Characters that YAML does not allow in a stream.
_NOT_YAML = re.compile(
    r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


# --- Reading YAML ---------------------------------------------------------------------------


@dataclass
class _Document:
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


def _read(path: Path) -> str:
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
    bad = _NOT_YAML.search(text)
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


def _parse(text: str, name: str, *, one_line: bool = False) -> _Document:
    """Parse YAML; `name` is a file, or with `one_line` the override that the text belongs to."""

    def place(mark: Any) -> str:
        return name if one_line else f"{name}:{mark.line + 1}:{mark.column + 1}"

    document = _Document(name)
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
    event: Any, stream: Iterator[Any], path: KeyPath, document: _Document, place: Place
) -> Any:
    """The value that begins with this event, its places noted in the document."""
    document.values[path] = place(event.start_mark)
    if isinstance(event, events.ScalarEvent):
        return _scalar(event.value, document.values[path]) if event.implicit[0] else event.value
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


def _scalar(text: str, place: str = "") -> Any:
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


# --- Overrides ------------------------------------------------------------------------------


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
    if _NOT_YAML.search(text) or "\n" in raw or "\r" in raw:
        raise ConfigError(f"{label} holds a character that a config cannot hold")
    value = _parse(raw, label, one_line=True).value
    if isinstance(value, dict | list) and not raw.startswith(("{", "[")):
        raise ConfigError(f"{label} is not one value", "put quotes round a value with a colon")
    return _Override(label, tuple(parts), value)


def _override(document: _Document, texts: Sequence[str]) -> None:
    overrides = [_parse_override(text) for text in texts]
    seen: set[KeyPath] = set()
    for override in overrides:
        path = _standing_path(document, override.path)
        source = _source_path(path)
        if source and source not in seen:
            seen.add(source)
            siblings = [_standing_path(document, other.path) for other in overrides]
            given = {str(p[-1]) for p in siblings if _source_path(p) == source}
            if _is_other_kind(_get(document.value, source), given):
                _set(document, source, {}, override.label)
        _set(document, path, override.value, override.label)


def _standing_path(document: _Document, path: KeyPath) -> KeyPath:
    """The path as the document has it: indices are numbers, a single source needs none."""
    if len(path) > 2 and path[0] == "data" and path[1] in SPLITS:
        sources = _get(document.value, path[:2])
        if not isinstance(sources, list) and path[2] == "0":
            path = (*path[:2], *path[3:])
        elif isinstance(sources, list) and len(sources) == 1 and path[2] in SOURCE_KEYS:
            path = (*path[:2], 0, *path[2:])
    for length, part in enumerate(path):
        index = str(part).isascii() and str(part).isdigit() and len(str(part)) < 10
        if index and isinstance(_get(document.value, path[:length]), list):
            path = (*path[:length], int(part), *path[length + 1 :])
    return path


def _source_path(path: KeyPath) -> KeyPath | None:
    """`data.train` of `data.train.source`, `data.train.0` of `data.train.0.source`."""
    if len(path) < 3 or path[0] != "data" or path[1] not in SPLITS:
        return None
    length = 3 if isinstance(path[2], int) else 2
    return path[:length] if len(path) == length + 1 else None


def _is_other_kind(source: Any, given: set[str]) -> bool:
    """Whether keys given for a source mean another kind than the one that stands there.

    `data.train.source` on a hub data set means local files instead of it, not both.
    """
    if not isinstance(source, dict):
        return False
    kind = SOURCE_KINDS[next((k for k in ("builtin", "hub", "file") if k in source), "text")]
    return not given.intersection(SOURCE_KEYS) <= kind.model_fields.keys()


def _get(value: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def _set(document: _Document, path: KeyPath, value: Any, label: str) -> None:
    """Put one value in its place; sections on the way are made where they are missing."""
    parent = document.value
    for length, part in enumerate(path):
        here = path[:length]
        if isinstance(parent, list):
            if not isinstance(part, int) or part >= len(parent):
                raise ConfigError(
                    f"{label}: {_dotted(here)} is a list of {len(parent)}",
                    f"name an element by its number from 0: {_dotted(here)}.0",
                )
        elif not isinstance(parent, dict):
            raise ConfigError(f"{label}: {_dotted(here)} is a value, not a section")
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


# --- Validation -----------------------------------------------------------------------------


def _validate(document: _Document) -> Config:
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


def _document_path(document: _Document, location: Sequence[str | int]) -> KeyPath:
    """Where an error of pydantic stands in the document.

    Its location names the kind of a source (`data.train.0.hub.split`) and the member of a union,
    and an index where the document holds one source without a list.
    """
    parts = list(location)
    if len(parts) > 2 and parts[0] == "data" and parts[1] in SPLITS:
        if len(parts) > 3:
            del parts[3]
        if isinstance(_get(document.value, tuple(parts[:2])), dict):
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


def _explain(document: _Document, problem: Any, path: KeyPath) -> tuple[str, str | None]:
    """Message and hint for one error of pydantic."""
    place = document.place(path)
    name = _dotted(path)
    parent = _get(document.value, path[:-1])
    source = _source_path(path)
    if source and not any(_closest(key, SOURCE_KEYS) for key in parent):
        where = document.place(source)
        return f"{_dotted(source)} in {where} names no source of pairs", f"use {SOURCE_FORMS}"
    if problem["type"] == "extra_forbidden":
        section = _section(problem["loc"][:-1])
        keys = SOURCE_KEYS if source else list(section.model_fields)
        near = _elsewhere(str(path[-1])) or _closest(str(path[-1]), keys)
        message = f"unknown key {quoted(str(path[-1]))} in {place} ({name})"
        if near:
            return f'{message}; did you mean "{near}"?', None
        where = _dotted(path[:-1]) or "a config"
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


# --- Showing and writing --------------------------------------------------------------------


def _dotted(path: KeyPath) -> str:
    return printable(".".join(str(part) for part in path))


def printable(text: str, limit: int = 80) -> str:
    """The text on one line, shortened, without characters that a terminal would act on."""
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def quoted(text: str) -> str:
    return f'"{printable(text)}"'


def _show(value: Any) -> str:
    """A wrong value as the user wrote it."""
    if isinstance(value, dict | list):
        return "(a section)" if isinstance(value, dict) else "(a list)"
    return quoted(value) if isinstance(value, str) else dump_scalar(value)


def _dump_lines(value: dict[str, Any], indent: int) -> list[str]:
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{key}:", *_dump_lines(item, indent + 2)]
        elif isinstance(item, list):
            lines.append(f"{key}:")
            for element in item:
                first, *rest = _dump_lines(element, 0)
                lines += [f"  - {first}", *(f"    {line}" for line in rest)]
        else:
            lines.append(f"{key}: {dump_scalar(item)}")
    return [" " * min(indent, 2) + line for line in lines]


def dump_scalar(value: str | float | bool | None) -> str:
    """One value as YAML on one line, which reads back as the same value."""
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", value) and _scalar(value) == value
        return value if plain else _quoted_scalar(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    return json.dumps(value)


def _quoted_scalar(text: str) -> str:
    """A JSON string is a double-quoted YAML scalar, except for the characters escaped here."""
    return "".join(
        char
        if char.isprintable()
        else f"\\u{ord(char):04x}"
        if ord(char) < 0x10000
        else f"\\U{ord(char):08x}"
        for char in json.dumps(text, ensure_ascii=False)
    )
