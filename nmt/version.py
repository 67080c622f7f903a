"""The version of nmt, and the error for runs of newer versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nmt.errors import VersionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIG_VERSION = 3
"""Increased when older versions of nmt cannot read the runs of this one; 1 is not in manifests.

In version 1, training.rdrop was half the alpha of Wu et al. (2021) for the same loss. Version 3
normalizes text before SentencePiece, and may pack batches.
"""

UNKNOWN = "0+source"
"""Version if nmt is not installed."""


def own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("nmt")
    except PackageNotFoundError:
        return UNKNOWN


def version_error(
    path: Path, manifest: Mapping[str, Any], *, readable: bool
) -> VersionError | None:
    """Return an error if `path` needs a newer version of nmt, or None.

    readable: whether this version knows all keys of the config.
    """
    config_version, written = manifest.get("config_version", 1), str(manifest.get("nmt"))
    newer = isinstance(config_version, int) and config_version > CONFIG_VERSION
    if not readable and (own := own_version()) != UNKNOWN:
        newer = newer or _numbers(written) > _numbers(own)
    if not newer:
        return None
    return VersionError(
        f"{path} was written by nmt {written}; this is nmt {own_version()}, which cannot read it",
        f"upgrade nmt to version {written} or newer",
    )


def _numbers(version: str) -> list[int]:
    found = re.match(r"[\d.]*", version)
    return [int(part) for part in found[0].split(".") if part] if found else []
