"""The run folder: its files, how a run is found, and the lock that a training run holds.

    config.yaml                  every key, resolved
    plan/                        config with reasons and held-out pairs, by `nmt finetune`
    config.schema.json           the schema of config.yaml, for editors
    fingerprints.json            checksums of the data and the vocabulary
    tokenizer/                   SentencePiece models
    statistics/                  lengths and words of the training sources
    data/                        token ids (a cache) and report.json
    checkpoints/step-00001000/   everything that resuming needs, with a manifest of checksums
    model/                       the final weights and their manifest
    metrics.jsonl  train.log  tensorboard/  lock

The folder can be moved. Translating needs only config.yaml, tokenizer/ and model/; statistics/ adds
`split_sentences: auto` and the names of unknown words.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import re
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt import storage
from nmt.errors import StorageError, UsageError, VersionError
from nmt.version import version_error

if sys.platform != "win32":  # `nmt.cli.main` reports that Windows is not supported.
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nmt.config import Config
    from nmt.tokenizer import Tokenizer

LATEST = "latest"
"""Link to the run that was trained last, in the folder of the runs."""
STOPPED = "-stopped"
"""Suffix of a checkpoint between two validations."""
LAST_GOOD = "; the last good checkpoint "
"""Part of the message of a DivergedError, by which the log of a run tells it from other errors."""

_CHECKPOINT = re.compile(rf"step-(\d{{8,}})({STOPPED})?")


class Run:
    """A run folder. Files are read on use, and none has to exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.yaml"
        self.schema_file = path / "config.schema.json"
        self.fingerprints_file = path / "fingerprints.json"
        self.plan_folder = path / "plan"
        self.tokenizer_folder = path / "tokenizer"
        self.statistics_folder = path / "statistics"
        self.data_folder = path / "data"
        self.checkpoints_folder = path / "checkpoints"
        self.model_folder = path / "model"
        self.metrics_file = path / "metrics.jsonl"
        self.log_file = path / "train.log"
        self.tensorboard_folder = path / "tensorboard"
        self.lock_file = path / "lock"

    @property
    def parts(self) -> list[Path]:
        """The files and folders that nmt writes here, whether or not they exist."""
        return [
            path for path in vars(self).values() if isinstance(path, Path) and path != self.path
        ]

    @property
    def exists(self) -> bool:
        started = self.finished or self.lock_file.exists() or bool(self.checkpoints())
        return started and self.config_file.is_file()

    @functools.cached_property
    def config(self) -> Config:
        """The config with every key.

        Raises StorageError if config.yaml is missing, damaged or of a newer version of nmt.
        """
        from nmt.config.loading import load_run_config

        manifests = list(self._manifests())
        try:
            return load_run_config(self.config_file)
        except StorageError as error:
            found = (version_error(self.path, m, readable=False) for m in manifests)
            if newer := next(filter(None, found), None):
                raise newer from error
            raise

    def _manifests(self) -> Iterator[dict[str, Any]]:
        for folder in (self.model_folder, *self.checkpoints()):
            try:
                yield storage.read_manifest(folder)
            except VersionError:
                raise
            except StorageError:
                continue

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer. Raises StorageError if it is damaged or belongs to another model."""
        from nmt.tokenizer import Tokenizer

        weights = self.weights_folder
        expected = storage.read_manifest(weights).get("tokenizer")
        if expected != tokenizer_digest(self.tokenizer_folder):
            raise StorageError(
                f"{self.tokenizer_folder} is damaged or belongs to another run: its checksum "
                f"differs from the one in {weights / storage.MANIFEST}"
            )
        return Tokenizer.load(self.tokenizer_folder)

    def records(self, event: str) -> list[dict[str, Any]]:
        """Return the records of metrics.jsonl of one kind: `train`, `valid` or `test`.

        Damaged lines, such as one that a crash cut short, are left out. Records of earlier versions
        get the keys of this version.
        """
        try:
            lines = storage.read_file(self.metrics_file).split(b"\n")
        except StorageError:
            return []
        kind = json.dumps(event).encode()
        found = []
        for line in lines:
            if kind not in line:
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict) and isinstance(record.get("step"), int):
                found.append(record)
        return [_renamed(record) for record in found if record.get("event") == event]

    @property
    def finished(self) -> bool:
        """Whether the run has its final model."""
        return (self.model_folder / storage.MANIFEST).is_file()

    def checkpoint(self, step: int, suffix: str = "") -> Path:
        return self.checkpoints_folder / f"step-{step:08d}{suffix}"

    def checkpoints(self) -> list[Path]:
        """Return all checkpoint folders, newest first."""
        found = []
        for path in self.checkpoints_folder.glob("step-*"):
            if match := _CHECKPOINT.fullmatch(path.name):
                found.append((int(match[1]), match[2] is None, path))
        return [path for _, _, path in sorted(found, reverse=True)]

    @property
    def weights_folder(self) -> Path:
        """The folder of the weights to translate with, or a StorageError."""
        return self.model_folder if self.finished else self.weights().parent

    def weights(self) -> Path:
        """Return the verified weights of the final model or else of the best checkpoint.

        Raises StorageError if all are missing or damaged.
        """
        if self.finished:
            storage.verify(self.model_folder)
            return validated_weights(self.model_folder)
        damaged: StorageError | None = None
        for newest in self.checkpoints():
            try:
                storage.verify(newest)
                state = json.loads(storage.read_file(newest / "state.json"))
                best = self.checkpoint(state["best_step"])
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


def _renamed(record: dict[str, Any]) -> dict[str, Any]:
    """Rename `loss`, which meant the smoothed loss in training and the nll in validation."""
    new = "smoothed_loss" if record["event"] == "train" else "nll"
    return {new if key == "loss" else key: value for key, value in record.items()}


def number_in(record: Mapping[str, Any], key: str) -> float:
    """Return a number in a record of `Run.records`, or NaN."""
    value = record.get(key)
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.inf


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.split("-")[1])


def validated_weights(folder: Path) -> Path:
    """Return the moving average or else the weights in a verified folder, or raise StorageError."""
    files = storage.read_manifest(folder)["files"]
    for name in ("ema.safetensors", "model.safetensors"):
        if name in files:
            return folder / name
    raise StorageError(f"{folder / storage.MANIFEST} names no weights")


def find_run(name: str | Path | None) -> Run:
    """Return the run with this path or, in $NMT_RUNS (default ./runs), with this name.

    None means the newest finished run. Raises UsageError if there is none, and StorageError for
    anything but a run folder.
    """
    runs = runs_folder()
    if name is None:
        paths = [path for path in runs.glob("*") if path.name != LATEST]
        finished = [run for path in paths if (run := Run(path)).finished]
        if not finished:
            raise UsageError(
                f"no finished run in {runs}", "train one with `nmt train --config FILE`"
            )
        return max(finished, key=lambda run: (run.model_folder / storage.MANIFEST).stat().st_mtime)
    path = Path(name)
    if not Run(path).exists and Run(runs / path).exists:
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


def find_start(name: str | Path) -> Run:
    """Return the run to start a training run from; see `find_run`.

    Also raises UsageError for runs/latest, which the new training run would change.
    """
    run = find_run(name)
    if run.path.name == LATEST and run.path.is_symlink():
        raise UsageError(
            f"{run.path} is a link that each training run changes",
            f"name the run itself: {run.path.readlink()}",
        )
    return run


def run_that_owns(path: Path) -> Run | None:
    """Return the run that a path is a part of, also through links, or None."""
    for place in (Path(os.path.realpath(path)), path.absolute()):
        for folder in place.parents:
            run = Run(folder)
            if any(part in (place, *place.parents) for part in run.parts) and run.exists:
                return run
    return None


def runs_folder() -> Path:
    return Path(os.environ.get("NMT_RUNS") or "runs")


def tokenizer_digest(folder: Path) -> str:
    """Return a SHA-256 in hexadecimal of the models and rules in a tokenizer folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.model")):
        digest.update(f"{path.name} {storage.file_sha256(path)}\n".encode())
    if rules := storage.read_manifest(folder).get("normalization"):
        digest.update(json.dumps(rules, sort_keys=True).encode())
    return digest.hexdigest()


def named(run: Run) -> str:
    """Return the path of a run for a message, with the target of a link."""
    if not run.path.is_symlink():
        return str(run.path)
    return f"{run.path} (a link to {os.path.realpath(run.path)})"


def in_use(run: Run) -> bool:
    """Return whether a process has the lock of a run."""
    try:
        if run.lock_file.is_file():
            with run.lock_file.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Lock the run folder, so that only one process at a time trains in it.

    Raises StorageError, with the id of the process that has the lock if there is one.
    """
    with storage.storage_errors(f"cannot use {named(run)} as a run folder", run.path.parent):
        # The parent folders of a link's target are not created: their disk may not be mounted.
        target = Path(os.path.realpath(run.path))
        target.mkdir(parents=not run.path.is_symlink(), exist_ok=True)
        file = run.lock_file.open("a+", encoding="ascii", errors="replace")
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)  # `in_use` has the lock for an instant.
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
