"""The state, scores and size of runs, from small files and without torch."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nmt import storage
from nmt.errors import StorageError, VersionError
from nmt.runs import LAST_GOOD, LATEST, Run, in_use, number_in, step_of
from nmt.text import shell

State = Literal["done", "interrupted", "diverged", "failed", "running", "damaged", "newer"]
_LOG_END = 4096  # bytes


@dataclass
class Overview:
    """A run in a list of runs."""

    run: Run
    state: State = "interrupted"
    detail: str = ""
    """Why the state is `damaged`, `diverged`, `failed` or `newer`."""
    step: int = 0
    """Step of the model or of the newest checkpoint or, while the run trains, of the last log."""
    metric: str = "bleu"
    """The config's training.valid_metric: bleu, chrf or loss."""
    bleu: list[float] = field(default_factory=list)
    """BLEU of each validation."""
    best: float | None = None
    """Best value of the metric, or None before the first validation."""
    best_step: int | None = None
    bytes: int = 0
    """Size on disk."""
    changed: float = 0.0
    """Time of the last change of the run, in seconds since 1970."""

    @property
    def command(self) -> str | None:
        """The command that continues the run, or None if it is not interrupted."""
        if self.state not in ("interrupted", "diverged", "failed"):
            return None
        return shell("nmt", "train", "--config", str(self.run.config_file))


def overviews(folder: Path) -> list[Overview]:
    """Return all runs in a folder, also damaged ones; the one that changed last is first."""
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"cannot read {folder}: {error.strerror}") from error
    paths = [p for p in paths if p.name != LATEST and not p.name.startswith(storage.TEMPORARY)]
    found = [overview(run) for run in map(Run, sorted(paths)) if has_parts(run)]
    return sorted(found, key=lambda about: about.changed, reverse=True)


def has_parts(run: Run) -> bool:
    """Return whether a folder has a part that only a run has, or is a link to a missing folder."""
    parts = (run.config_file, run.model_folder, run.checkpoints_folder)
    if not _is_folder(run.path):
        return run.path.is_symlink() and not run.path.is_file()
    return any(map(os.path.lexists, parts))


def overview(run: Run) -> Overview:
    """Describe a run. Never raises an error for a damaged run."""
    about = Overview(run)
    try:
        _describe(about)
    except VersionError as error:
        about.state, about.detail = "newer", error.message
    except StorageError as error:
        about.state, about.detail = "damaged", error.message
    except OSError as error:
        about.state, about.detail = "damaged", f"cannot read {error.filename}: {error.strerror}"
    return about


def sizes(run: Run) -> dict[str, int]:
    """Return the bytes of each file and folder of a run; links count nothing."""
    found = {}
    for entry in sorted(os.scandir(run.path), key=lambda entry: entry.name):
        if size := _size(entry):
            found[entry.name] = size
    return found


def _size(entry: os.DirEntry[str]) -> int:
    if entry.is_symlink():
        return 0
    try:
        if entry.is_dir():
            return sum(map(_size, os.scandir(entry.path)))
        return entry.stat().st_size
    except FileNotFoundError:  # A training has deleted an old checkpoint.
        return 0


def _describe(about: Overview) -> None:
    run = about.run
    if not _is_folder(run.path):
        raise StorageError(f"{run.path} is a link to {run.path.readlink()}, which is not a folder")
    files = (run.metrics_file, run.log_file, run.config_file, run.model_folder)
    about.changed = max((path.stat().st_mtime for path in files if path.exists()), default=0.0)
    about.bytes = sum(sizes(run).values())
    records = run.records("valid")
    about.bleu = [number_in(record, "bleu") for record in records]
    checkpoints = run.checkpoints()
    about.step = next(map(step_of, checkpoints), 0)
    running = in_use(run)
    # A running training may delete a checkpoint at any time.
    folders = [*([run.model_folder] if run.finished else []), *([] if running else checkpoints)]
    manifests = [_with_right_sizes(folder) for folder in folders]
    _add_best(about, records, next(iter(manifests), {}))
    if running:
        about.state = "running"
        about.step = max((r["step"] for r in run.records("train")), default=about.step)
    elif not run.config_file.is_file():
        raise StorageError(f"{run.config_file} is missing")
    elif run.finished and _step(manifests[0], about.step) >= about.step:
        about.state, about.step = "done", _step(manifests[0], about.step)
    elif error := _last_error(run):
        about.state, about.detail = "diverged" if LAST_GOOD in error else "failed", error


def _with_right_sizes(folder: Path) -> dict[str, Any]:
    """Return a manifest, or raise StorageError if a file is missing or has another size."""
    manifest = storage.read_manifest(folder)
    for name, file in manifest["files"].items():
        storage.check_size(folder / name, file["size"])
    return manifest


def _step(manifest: dict[str, Any], otherwise: int) -> int:
    step = manifest.get("step")
    return step if isinstance(step, int) else otherwise


def _add_best(about: Overview, records: list[dict[str, Any]], manifest: dict[str, Any]) -> None:
    match manifest.get("config"):
        case {"training": {"valid_metric": "bleu" | "chrf" | "loss" as metric}}:
            about.metric = metric
    sign, key = (-1, "nll") if about.metric == "loss" else (1, about.metric)
    values = [(sign * number_in(record, key), record["step"]) for record in records]
    scored = [value for value in values if math.isfinite(value[0])]
    if scored:
        best, about.best_step = max(scored, key=lambda value: value[0])
        about.best = sign * best


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # There is no permission to look.
        return False


def _last_error(run: Run) -> str | None:
    """Return the error that ended the last training, if the log ends with it."""
    lines = list(_last_lines(run.log_file))
    found = re.fullmatch(r"[-\d]+ [:\d]+ error: (.+)", lines[-1]) if lines else None
    return found[1] if found else None


def _last_lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        return
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_END))
            yield from file.read().decode(errors="replace").splitlines()
    except OSError:
        return
