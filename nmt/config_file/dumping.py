"""A config written as YAML."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from nmt.config import Config
from nmt.config_file.document import plain_scalar


def dump_config(config: Config, *, defaults: bool = True) -> str:
    """YAML that loads again to an equal Config: every key, or those that are not the default."""
    return "\n".join(_dump_lines(config.model_dump(exclude_defaults=not defaults), 0)) + "\n"


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
        plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", value) and plain_scalar(value) == value
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
