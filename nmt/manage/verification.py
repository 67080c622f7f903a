"""Checking of the checksums in a run folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nmt import storage
from nmt.data.cache import check_cache
from nmt.errors import StorageError
from nmt.runs import Run, step_of, tokenizer_digest


class Part(NamedTuple):
    """A file or folder of a run, after its check."""

    name: str
    use: str
    """The use of the part, or the effect of its loss."""
    needed: bool
    """Whether the next `nmt translate` or, before the run is done, `nmt train` needs the part."""
    problem: str | None
    seconds: float
    """Time that the check took."""


def verify_run(run: Run) -> Iterator[Part]:
    """Check the parts of a run that have checksums or can be parsed, one after the other."""
    yield _checked(run.config_file.name, "everything", True, lambda: run.config)
    yield _checked(run.tokenizer_folder.name, "translation", True, partial(_tokenizer, run))
    if run.statistics_folder.exists():
        check = partial(storage.verify, run.statistics_folder)
        yield _checked(run.statistics_folder.name, "translation", True, check)
    if run.finished:
        yield _checked(run.model_folder.name, "translation", True, _verifying(run.model_folder))
    checkpoints = run.checkpoints()
    best = _best_step(checkpoints)
    for number, folder in enumerate(checkpoints):
        uses = ["resuming"] if number == 0 else []
        if not run.finished and step_of(folder) == best:
            uses.append("translation")
        name = f"{run.checkpoints_folder.name}/{folder.name}"
        needed = bool(uses) and not run.finished
        yield _checked(name, ", ".join(uses) or "spare", needed, _verifying(folder))
    if run.data_folder.exists():
        check = partial(check_cache, run.data_folder)
        yield _checked(run.data_folder.name, "cache, made again", False, check)
    if run.metrics_file.exists():
        yield _checked(run.metrics_file.name, "history", False, partial(_lines, run.metrics_file))


def _checked(name: str, use: str, needed: bool, check: Callable[[], object]) -> Part:
    started, problem = time.monotonic(), None
    try:
        check()
    except StorageError as error:
        problem = error.message
    except OSError as error:
        problem = f"cannot read {error.filename}: {error.strerror}"
    return Part(name, use, needed, problem, time.monotonic() - started)


def _verifying(folder: Path) -> Callable[[], object]:
    return partial(storage.verify, folder)


def _tokenizer(run: Run) -> None:
    """Raise StorageError if a tokenizer's file is damaged, or is not that of the weights."""
    digest = tokenizer_digest(run.tokenizer_folder)
    for folder in (run.model_folder, *run.checkpoints()):
        try:
            expected = storage.read_manifest(folder).get("tokenizer")
        except StorageError:
            continue
        if digest != expected:
            files = ", ".join(path.name for path in sorted(run.tokenizer_folder.glob("*.model")))
            raise StorageError(
                f"{run.tokenizer_folder} ({files}) is damaged or belongs to another run: its "
                f"checksum is not the one in {folder / storage.MANIFEST}"
            )
        return


def _best_step(checkpoints: list[Path]) -> int | None:
    for folder in checkpoints[:1]:
        try:
            return int(json.loads(storage.read_file(folder / "state.json"))["best_step"])
        except (StorageError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return None


def _lines(path: Path) -> None:
    """Raise StorageError if a line of a file is not a JSON object."""
    *lines, rest = storage.read_file(path).split(b"\n")
    for number, line in enumerate([*lines, *([rest] if rest else [])], start=1):
        try:
            intact = isinstance(json.loads(line), dict)
        except (ValueError, RecursionError):
            intact = False
        if not intact:
            raise StorageError(f"{path} is damaged in line {number}, which is left out")
