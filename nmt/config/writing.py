"""Write a config as YAML."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt import storage
from nmt.config.document import plain_scalar
from nmt.config.json_schema import HEAD_LINE, SCHEMA_FILE, schema_text
from nmt.config.schema import Config
from nmt.text import to_json

_WIDTH = 100


def write_config_file(path: Path, text: str) -> None:
    """Write a config, its schema next to it, and a first line that names the schema for editors.

    Raises StorageError.
    """
    storage.replace_file(path.with_name(SCHEMA_FILE), schema_text().encode())
    storage.replace_file(path, f"{HEAD_LINE}\n{text}".encode())


def dump_config(config: Config, *, defaults: bool = True) -> str:
    """Return YAML with every key, or only with the keys that differ from their default."""
    return dump_values(config.model_dump(exclude_defaults=not defaults))


def dump_values(values: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """Return YAML of nested values. `comments` has a comment per key, such as model.heads."""
    return "\n".join(_dump_lines(values, 0, "", comments or {})) + "\n"


def _dump_lines(
    value: Mapping[str, Any], indent: int, path: str, comments: Mapping[str, str]
) -> list[str]:
    lines = []
    for key, item in value.items():
        here = f"{path}{key}"
        if isinstance(item, dict):
            line, inner = f"{key}:", _dump_lines(item, indent + 2, f"{here}.", comments)
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            line, inner = f"{key}:", []
            for number, element in enumerate(item):
                first, *rest = _dump_lines(element, 0, f"{here}.{number}.", comments)
                inner += [f"  - {first}", *(f"    {line}" for line in rest)]
        else:
            line, inner = f"{key}: {dump_scalar(item)}", []
        lines += _commented(line, comments.get(here), 2 * here.count(".")) + inner
    return [" " * min(indent, 2) + line for line in lines]


def _commented(line: str, comment: str | None, indent: int) -> list[str]:
    """Return a line with its comment, which is above the line if the line would be too long."""
    if not comment:
        return [line]
    if indent + len(line) + len(comment) + 4 <= _WIDTH:
        return [f"{line}  # {comment}"]
    return [*(f"# {part}" for part in textwrap.wrap(comment, _WIDTH - indent - 2)), line]


def dump_scalar(value: str | float | bool | list[Any] | None) -> str:
    """Return one line of YAML that loads as the same value: a scalar or a list of scalars."""
    if isinstance(value, list):
        return f"[{', '.join(map(dump_scalar, value))}]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", value) and plain_scalar(value) == value
        return value if plain else to_json(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    return json.dumps(value)
