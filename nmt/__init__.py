"""Train, inspect and run neural machine translation models.

    import nmt
    nmt.load("runs/demo").translate(["A dog runs."])

Importing `nmt` is fast, because torch is imported when the first translator is loaded.
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
    path: str | Path,
    device: str = "auto",
    decoding: DecodingConfig | None = None,
) -> Translator:
    """Return the translator of a run folder; `decoding` replaces that section of its config.

    device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N` for one of several GPUs.
    Raises UsageError if there is no such run or GPU, StorageError if the run is damaged, and
    ValueError if `device` is something else.
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
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("nmt")
        except PackageNotFoundError:  # nmt runs from its source folder, without being installed.
            return "0+source"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
