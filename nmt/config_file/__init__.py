"""Read and write config files: YAML 1.2, `--set`, and errors that point at the place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nmt.config import Config
from nmt.config_file.document import parse, read
from nmt.config_file.dumping import dump_config
from nmt.config_file.overrides import apply_overrides
from nmt.config_file.validation import validate
from nmt.config_file.wording import printable
from nmt.errors import ConfigError, StorageError

__all__ = ["dump_config", "load_config", "printable", "read_dumped_config"]


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The config of a YAML file with `KEY=VALUE` overrides (`--set`) laid over it.

    Paths inside the config stay as written. Raises ConfigError naming file, line, column, key,
    value and what is allowed.
    """
    document = parse(read(path), printable(str(path)))
    if document.value is None:
        document.value = {}
    if not isinstance(document.value, dict):
        raise ConfigError(f"{document.name} must hold sections (data:, model:, ...), not a list")
    apply_overrides(document, overrides)
    return validate(document)


def read_dumped_config(path: Path) -> Config:
    """The config of a run folder. Raises StorageError if it is missing or damaged."""
    try:
        return load_config(path)
    except ConfigError as error:
        raise StorageError(f"damaged config of a run: {error.message}", error.hint) from error
