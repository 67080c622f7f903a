"""Preparation of a run folder: checks before training, and renaming of an old run."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nmt import storage
from nmt.errors import StorageError
from nmt.runs import LATEST, Run, locked, named, run_that_owns, runs_folder

if TYPE_CHECKING:
    from collections.abc import Callable


def check_folder(run: Run) -> None:
    """Raise StorageError if the folder contains links or files of others, or is in another run."""
    ours = {path.name for path in run.parts}
    try:
        linked = next((path for path in run.parts if path.is_symlink()), None)
        there = [path for path in run.parts if path.exists()]
        strange = next((p for p in there if not (p.is_file() or p.is_dir())), None)
        found = run.path.iterdir() if run.path.exists() else ()
        names = {path.name for path in found if not path.name.startswith(storage.TEMPORARY)}
    except OSError as error:
        raise StorageError(f"cannot use {run.path} as a run folder: {error.strerror}") from error
    owner = run_that_owns(run.path)
    if owner is not None:
        raise StorageError(
            f"{run.path} is a part of the run {owner.path}", "choose another --run-dir"
        )
    if linked is not None:
        raise StorageError(
            f"{linked} is a link; training writes inside the run folder only",
            "replace the link by its target (only the run folder itself may be a link)",
        )
    if strange is not None:
        raise StorageError(f"{strange} is neither a file nor a folder", "remove it")
    if names and not run.config_file.exists() and names - ours:
        foreign = sorted(names - ours)[0]
        raise StorageError(
            f"{run.path} is not a run folder: it contains {foreign}", "choose another --run-dir"
        )


def move_aside(run: Run) -> Path | None:
    """Rename a run, or the target of a link, to NAME.old-1 (or -2, ...); return the new path.

    Returns None if there was no run. Raises StorageError.
    """
    if not (run.config_file.exists() or run.model_folder.exists() or run.checkpoints()):
        return None
    with locked(run), storage.storage_errors(f"cannot rename {named(run)}", run.path.parent):
        path = Path(os.path.realpath(run.path))
        number = 1
        while os.path.lexists(aside := path.with_name(f"{path.name}.old-{number}")):
            number += 1
        path.rename(aside)
    return aside


def point_latest(run: Run) -> None:
    """Point runs/latest to this run, if possible."""
    link = runs_folder() / LATEST
    with suppress(OSError):
        if run.path.name == LATEST or run.path.parent.resolve() != link.parent.resolve():
            return
        if link.is_symlink():
            link.unlink()
        link.symlink_to(run.path.name)


def check_space(run: Run, parameters: int, warn: Callable[[str], None]) -> None:
    # Two checkpoints, each with weights, two moments and possibly averages in float32.
    needed = 2.2 * parameters * 4 * 4
    free = shutil.disk_usage(run.path).free
    if free < needed:
        warn(
            f"low disk space: checkpoints in {run.path} need about {needed / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free"
        )
