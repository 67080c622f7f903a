"""Deleting runs, or the checkpoints that translation does not need."""

from __future__ import annotations

import os
from pathlib import Path

from nmt import storage
from nmt.errors import StorageError, UsageError
from nmt.manage.overview import has_parts, sizes
from nmt.runs import LATEST, Run, in_use, locked, runs_folder
from nmt.text import file_size


def find_removable(name: str) -> Run:
    """Return the run with this name in $NMT_RUNS or with this path, which may be damaged.

    Raises UsageError if there is none, and StorageError for a folder that is in use, is not a run,
    or has files that nmt did not write.
    """
    here = runs_folder() / name
    run = Run(here if os.path.lexists(here) else Path(name).absolute())
    if not os.path.lexists(run.path):
        raise UsageError(f"no run {run.path}", "run nmt runs to list all runs")
    if not has_parts(run):
        raise StorageError(
            f"{run.path} is not a run folder, and is not deleted", "run nmt runs to list all runs"
        )
    if in_use(run):
        raise StorageError(f"{run.path} is in use by another nmt", "stop that training first")
    if not run.path.is_symlink():
        ours = {path.name for path in run.parts}
        names = {path.name for path in run.path.iterdir()}
        foreign = {name for name in names - ours if not name.startswith(storage.TEMPORARY)}
        if foreign:
            raise StorageError(
                f"{run.path} contains {sorted(foreign)[0]}, which nmt did not write",
                "move that file out of the run folder first",
            )
    return run


def remove_run(run: Run) -> str:
    """Delete a run, or only the link if the run folder is one; return what was done."""
    with storage.storage_errors(f"cannot delete {run.path}", run.path.parent):
        if run.path.is_symlink():
            target = run.path.readlink()
            run.path.unlink()
            return f"deleted the link {run.path}; its target {target} is kept"
        freed = sum(sizes(run).values())
        with locked(run):
            storage.remove(run.path)
        latest = run.path.parent / LATEST
        if latest.is_symlink() and not latest.exists():
            latest.unlink()
    return f"deleted {run.path} ({file_size(freed)})"


def keep_best(run: Run) -> str:
    """Delete all checkpoints but the one that the run translates with; return what was done.

    Raises StorageError, and deletes nothing, if the kept weights are not intact.
    """
    with locked(run), storage.storage_errors(f"cannot delete checkpoints of {run.path}", run.path):
        kept = run.weights().parent
        if run.checkpoints_folder.is_symlink():
            raise StorageError(f"{run.checkpoints_folder} is a link", "delete its target yourself")
        before = sum(sizes(run).values())
        for folder in run.checkpoints():
            if folder != kept:
                storage.remove(folder)
        freed = file_size(before - sum(sizes(run).values()))
    if run.finished:
        return (
            f"kept the final model of {run.path} and deleted its checkpoints ({freed}); training "
            "cannot resume"
        )
    return (
        f"kept {kept.name} of {run.path} and deleted its other checkpoints ({freed}); training can "
        "resume only from there"
    )
