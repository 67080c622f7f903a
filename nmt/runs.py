"""The run folder: its files, how a run is found, and the lock that a training run holds.

    config.yaml                  every key, resolved
    fingerprints.json            checksums of the data and the vocabulary
    tokenizer/                   SentencePiece models
    data/                        token ids (a cache) and report.json
    checkpoints/step-00001000/   everything that resuming needs, with a manifest of checksums
    model/                       the final weights and their manifest
    metrics.jsonl  train.log  tensorboard/  lock

No file contains the path of the run folder, so the folder can be moved. config.yaml, tokenizer/ and
model/ are enough to translate on another machine.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nmt import storage
from nmt.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nmt.config import Config
    from nmt.tokenizer import Tokenizer

LATEST = "latest"
"""Name of the link to the run that was trained last, in the folder that contains the runs."""

_CHECKPOINT = re.compile(r"step-(\d{8,})(-stopped)?")


class Run:
    """A run folder. Files are read when they are used, and none of them has to exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.yaml"
        self.fingerprints_file = path / "fingerprints.json"
        self.tokenizer_folder = path / "tokenizer"
        self.data_folder = path / "data"
        self.checkpoints_folder = path / "checkpoints"
        self.model_folder = path / "model"
        self.metrics_file = path / "metrics.jsonl"
        self.log_file = path / "train.log"
        self.tensorboard_folder = path / "tensorboard"
        self.lock_file = path / "lock"

    @property
    def parts(self) -> list[Path]:
        """The files and folders that nmt writes in a run folder, whether or not they exist."""
        return [
            path for path in vars(self).values() if isinstance(path, Path) and path != self.path
        ]

    @property
    def exists(self) -> bool:
        """Whether the folder is that of a run, and not any folder that has a config.yaml."""
        started = self.finished or self.lock_file.exists() or bool(self.checkpoints())
        return started and self.config_file.is_file()

    @functools.cached_property
    def config(self) -> Config:
        """The config with every key. Raises StorageError if config.yaml is missing or damaged."""
        from nmt.config.loading import load_run_config

        return load_run_config(self.config_file)

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer. Raises StorageError if it is damaged or belongs to another model."""
        from nmt.tokenizer import Tokenizer

        weights = self.model_folder if self.finished else self.weights().parent
        expected = storage.read_manifest(weights).get("tokenizer")
        if expected != tokenizer_digest(self.tokenizer_folder):
            raise StorageError(
                f"{self.tokenizer_folder} is damaged or belongs to another run: its checksum "
                f"differs from the one in {weights / storage.MANIFEST}"
            )
        return Tokenizer.load(self.tokenizer_folder)

    @property
    def finished(self) -> bool:
        """Whether the run has its final model. An unfinished run has only checkpoints."""
        return (self.model_folder / storage.MANIFEST).is_file()

    def checkpoints(self) -> list[Path]:
        """Return the checkpoint folders, newest first, including damaged ones."""
        found = []
        for path in self.checkpoints_folder.glob("step-*"):
            if match := _CHECKPOINT.fullmatch(path.name):
                found.append((int(match[1]), match[2] is None, path))
        return [path for _, _, path in sorted(found, reverse=True)]

    def weights(self) -> Path:
        """Return the verified weights file to translate with.

        The file belongs to the final model or, in an unfinished run, to the best checkpoint.
        Raises StorageError if there are no weights or all of them are damaged.
        """
        if self.finished:
            storage.verify(self.model_folder)
            return validated_weights(self.model_folder)
        damaged: StorageError | None = None
        for newest in self.checkpoints():
            try:
                storage.verify(newest)
                state = json.loads(storage.read_file(newest / "state.json"))
                best = self.checkpoints_folder / f"step-{state['best_step']:08d}"
                chosen = best if best.exists() else newest
                storage.verify(chosen)
                return validated_weights(chosen)
            except StorageError as error:
                damaged = damaged or error
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged = damaged or StorageError(f"{newest / 'state.json'} is damaged")
        raise damaged or StorageError(
            f"{self.path} has no model yet",
            "wait for the first validation of `nmt train`, which saves a checkpoint",
        )


def validated_weights(folder: Path) -> Path:
    """Return the weights file that validation used: the moving average if there is one.

    The folder must have been verified. Raises StorageError if its manifest names no weights.
    """
    files = storage.read_manifest(folder)["files"]
    for name in ("ema.safetensors", "model.safetensors"):
        if name in files:
            return folder / name
    raise StorageError(f"{folder / storage.MANIFEST} names no weights")


def find_run(name: str | Path | None) -> Run:
    """Return the run with this path or, in $NMT_RUNS (default ./runs), with this name.

    None means the newest finished run in that folder. Raises UsageError if there is no such run,
    StorageError for a file (only run folders are loaded, never pickled checkpoints).
    """
    runs = runs_folder()
    if name is None:
        paths = [path for path in runs.glob("*") if path.name != LATEST]
        finished = [run for path in paths if (run := Run(path)).finished]
        if not finished:
            raise UsageError(
                f"no finished run in {runs}", "train one with `nmt train --config FILE`"
            )
        return max(finished, key=_finish_time)
    path = Path(name)
    if not path.exists() and not path.is_absolute() and (runs / path).exists():
        path = runs / path
    if path.is_file():
        raise StorageError(
            f"{path} is a file; nmt loads run folders, and weights as safetensors only",
            "give the folder that `nmt train` created",
        )
    if not path.is_dir():
        known = sorted(p.parent.name for p in runs.glob("*/config.yaml"))
        raise UsageError(f"no run {path}", f"runs in {runs}: {', '.join(known) or 'none'}")
    if not (path / "config.yaml").is_file():
        raise StorageError(
            f"{path} is not a run folder: it has no config.yaml",
            "give the folder that `nmt train` created",
        )
    return Run(path)


def run_that_owns(path: Path) -> Run | None:
    """Return the run that a path is a part of, also through links; None for any other path.

    The files that a user keeps in a run folder are not parts of the run.
    """
    for place in (Path(os.path.realpath(path)), path.absolute()):
        for folder in place.parents:
            run = Run(folder)
            if any(part in (place, *place.parents) for part in run.parts) and run.exists:
                return run
    return None


def runs_folder() -> Path:
    """Return the folder that contains the runs: $NMT_RUNS, or ./runs."""
    return Path(os.environ.get("NMT_RUNS") or "runs")


def _finish_time(run: Run) -> float:
    return (run.model_folder / storage.MANIFEST).stat().st_mtime


def tokenizer_digest(folder: Path) -> str:
    """Return a SHA-256 checksum, in hexadecimal, of the SentencePiece models in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.model")):
        digest.update(f"{path.name} {storage.file_sha256(path)}\n".encode())
    return digest.hexdigest()


def named(run: Run) -> str:
    """Return the path of a run for a message, with the target if the path is a link."""
    if not run.path.is_symlink():
        return str(run.path)
    return f"{run.path} (a link to {os.path.realpath(run.path)})"


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Lock the run folder, so that only one process at a time trains in it.

    The kernel releases the lock when the process ends for any reason. Raises StorageError with
    the id of the process that has the lock, or if the folder cannot be created.
    """
    with storage.storage_errors(f"cannot use {named(run)} as a run folder", run.path.parent):
        # The parent folders of a link's target are not created: their disk may not be mounted.
        target = Path(os.path.realpath(run.path))
        target.mkdir(parents=not run.path.is_symlink(), exist_ok=True)
        file = run.lock_file.open("a+", encoding="ascii", errors="replace")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read(32).strip() or "unknown"
        file.close()
        raise StorageError(
            f"{run.path} is in use by another nmt (process {holder})",
            "wait for that process, stop it, or choose another --run-dir",
        ) from error
    except OSError as error:
        file.close()
        raise StorageError(
            f"cannot lock {run.path}: {error.strerror}", "move the run to a local disk"
        ) from error
    # A forked child process shares the lock, and must not keep it after its parent has died.
    os.register_at_fork(after_in_child=file.close)
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
    finally:
        file.close()
