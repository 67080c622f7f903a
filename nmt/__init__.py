"""Train, inspect and run neural machine translation models.

    import nmt
    nmt.load("runs/demo").translate(["A dog runs."])

Importing `nmt` is fast: torch is imported when the first translator is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from nmt.config import Config, DecodingConfig
    from nmt.decoding.translator import Translator

    __version__: str

__all__ = ["Config", "Translator", "__version__", "load"]


def load(
    path: str | Path, device: str = "auto", decoding: DecodingConfig | None = None
) -> Translator:
    """Return the translator of a run; `decoding` replaces the config section `decoding`.

    path: run folder or run name; device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.
    Raises UsageError if there is no such run or GPU, StorageError if the run is damaged, ValueError
    for another device name, and TypeError or ConfigError for an unsuitable `decoding`.
    """
    from nmt.decoding.translator import Translator
    from nmt.runs import find_run

    return Translator.load(find_run(path), device, decoding)


def __getattr__(name: str) -> Any:
    if name == "Translator":
        from nmt.decoding.translator import Translator

        return Translator
    if name == "Config":
        from nmt.config import Config

        return Config
    if name == "__version__":
        from nmt.version import own_version

        return own_version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
