"""Write a config as YAML."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from nmt.config.document import plain_scalar
from nmt.config.schema import Config
from nmt.text import to_json


def dump_config(config: Config, *, defaults: bool = True) -> str:
    """Return YAML with every key, or only with the keys that differ from their default."""
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
    """Return one line of YAML that loads as the same value."""
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", value) and plain_scalar(value) == value
        return value if plain else to_json(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    return json.dumps(value)
