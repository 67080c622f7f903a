"""Write a config whose values are explained by comments."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.config import Config
from nmt.config.writing import dump_values, write_config_file
from nmt.text import escape


def document(values: Mapping[str, Any], reasons: Mapping[str, str], heading: str) -> str:
    """Return the YAML of a config, with a comment per key of `reasons`, such as model.heads."""
    sections = [dump_values({key: value}, reasons) for key, value in values.items()]
    return "\n".join([textwrap.indent(escape(f"{heading}\n", keep="\n"), "# "), *sections])


def write_document(
    path: Path, values: Mapping[str, Any], reasons: Mapping[str, str], heading: str
) -> Config:
    """Write a commented config and its schema, and return the config. Raises StorageError."""
    config = Config.model_validate(values)
    write_config_file(path, document(values, reasons, heading))
    return config
