"""The run folder before training: whether it may be used, and what makes way for a new run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from nmt import storage
from nmt.errors import StorageError
from nmt.runs import Run, locked, runs_folder

if TYPE_CHECKING:
    from collections.abc import Callable


def check_folder(run: Run) -> None:
    """Raise StorageError if the folder contains something else than a run.

    No foreign file is ever moved or overwritten. Links among the parts of the run are rejected,
    because training would write through them to files outside.
    """
    parts = [path for path in vars(run).values() if isinstance(path, Path) and path != run.path]
    ours = {path.name for path in parts}
    try:
        linked = next((path for path in parts if path.is_symlink()), None)
        there = [path for path in parts if path.exists()]
        strange = next((p for p in there if not (p.is_file() or p.is_dir())), None)
        found = run.path.iterdir() if run.path.exists() else ()
        names = {path.name for path in found if not path.name.startswith(storage.TEMPORARY)}
    except OSError as error:
        raise StorageError(f"cannot use {run.path} as a run folder: {error.strerror}") from error
    if linked is not None:
        raise StorageError(
            f"{linked} is a link; training writes inside the run folder only",
            "replace the link by its target (the run folder as a whole may be a link)",
        )
    if strange is not None:
        raise StorageError(f"{strange} is neither a file nor a folder", "remove it")
    if names and not run.config_file.exists() and names - ours:
        foreign = sorted(names - ours)[0]
        raise StorageError(
            f"{run.path} is not a run folder: it contains {foreign}", "choose another --run-dir"
        )


def move_aside(run: Run) -> None:
    """Rename an existing run to NAME.old-1 (or -2, ...), so that a restart loses nothing."""
    if not run.config_file.exists():
        return
    with locked(run), storage.storage_errors(f"cannot rename {run.path}", run.path.parent):
        path = run.path.resolve()
        number = 1
        while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
            number += 1
        path.rename(aside)


def point_latest(run: Run) -> None:
    """Point the runs/latest link to this run. Failures are ignored because the link is optional."""
    link = runs_folder() / "latest"
    try:
        if run.path.resolve().parent != link.parent.resolve():
            return
        if link.is_symlink():
            link.unlink()
        link.symlink_to(run.path.name)
    except OSError:
        pass


def check_space(run: Run, parameters: int, warn: Callable[[str], None]) -> None:
    """Warn before the first step, not hours later, if the disk is too small for checkpoints."""
    needed = 2.2 * parameters * 4 * 4  # Weights, two moments, perhaps averages; one is replaced.
    free = shutil.disk_usage(run.path).free
    if free < needed:
        warn(
            f"low disk space: checkpoints in {run.path} need about {needed / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free"
        )
