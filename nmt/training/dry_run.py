"""A dry run: the largest batch and a few updates in a temporary folder, and what they predict."""

from __future__ import annotations

import math
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nmt.data.cache import splits_of
from nmt.data.excerpt import excerpt
from nmt.data.mismatches import find_mismatches
from nmt.decoding.engine.formats import resolve_decoding_precision
from nmt.devices import resolve_device
from nmt.errors import Stopped
from nmt.runs import Run
from nmt.text import counted, duration
from nmt.training.continuation import find_start, is_complete, settle
from nmt.training.folder import check_folder
from nmt.training.initialization import StartingModel
from nmt.training.memory import total_memory
from nmt.training.pipeline import run_training
from nmt.training.progress import Progress

if TYPE_CHECKING:
    from nmt.config import Config, DataConfig, TrainingConfig
    from nmt.training.state import TrainState

UPDATES = 5
_TRAIN_PAIRS, _VALID_PAIRS = 30_000, 250
"""Of data with more than twice as many pairs, a sample is used."""
_FULL = 0.9  # Share of the memory from which a warning is printed.


@dataclass(frozen=True)
class DryRun:
    """Measurements of a few updates, and predictions for the training run."""

    machine: str
    start: str
    """The run folder, and the step that a training run would start from."""
    losses: list[float]
    """Training loss of each update, in nats per target token."""
    memory: int
    """Peak bytes: of torch's tensors on a GPU, otherwise of the process."""
    available_memory: int
    update_seconds: float
    tokens_per_second: float
    """Target tokens."""
    validation_seconds: float
    steps: int | None
    """Steps that are left; None if only `patience` ends training."""
    seconds: float
    """Time of these steps and their validations."""
    disk: int
    """Bytes of the run folder when it is largest."""
    free_disk: int
    share: float
    """Share of the training pairs in the sample."""
    problems: list[str]
    """Problems of the data, as sentences."""

    def rows(self) -> list[tuple[str, str]]:
        time_left = "until training.patience ends training"
        if self.steps is not None:
            time_left = f"about {duration(self.seconds)} for {counted(self.steps, 'step')}"
        rows = [
            ("run", self.start),
            ("device", self.machine),
            (
                "memory",
                f"{_size(self.memory)} at the peak, {_size(self.available_memory)} available",
            ),
            ("step", f"{self.update_seconds:.2g} s, {self.tokens_per_second:,.0f} tokens/s"),
            ("validation", f"about {duration(self.validation_seconds)}"),
            ("time", time_left),
            ("disk", f"about {_size(self.disk)}, {_size(self.free_disk)} free"),
        ]
        if self.share < 1:
            rows.append(("sample", f"{self.share:.1%} of the training pairs that were read"))
        return rows + [("data", text) for text in self.problems or ["no mismatched pairs found"]]

    def warnings(self) -> list[str]:
        warnings = []
        if self.memory > _FULL * self.available_memory:
            warnings.append("nearly all memory is used (hint: lower training.batch_tokens)")
        if self.disk > self.free_disk:
            warnings.append("the disk is too small (hint: lower training.keep_checkpoints)")
        return warnings


def dry_run(config: Config, run_dir: Path, restart: bool = False) -> DryRun | None:
    """Train for a few updates in a temporary folder, which is removed; the run is only read.

    Returns None if the run is finished. Raises the errors of `run_training`.
    """
    real = Run(run_dir)
    check_folder(real)
    device = resolve_device(config.training.device)
    with tempfile.TemporaryDirectory(prefix="nmt-dry-run-") as name:
        folder = Path(name)
        run = Run(folder / "run")
        initial = StartingModel.of(config, real)
        settled = settle(run if restart else real, config, device, initial)
        config, training = settled.config, settled.config.training
        if config.data.test is not None:
            resolve_decoding_precision(config.decoding.precision, device)
        done, start = 0, f"{real.path} is new"
        if restart and real.exists:
            start = f"{real.path} would be renamed, because of --restart"
        elif is_complete(real, config):
            return None
        elif real.exists:
            found = find_start(real, settled, partial(print, file=sys.stderr))
            done = int(found.manifest.get("step", 0))
            start = f"{real.path} would continue after step {done:,}"

        data, share = excerpt(config.data, "train", _TRAIN_PAIRS, folder)
        data, valid_share = excerpt(data, "valid", _VALID_PAIRS, folder)
        observer = _Observer(run, real)
        try:
            run_training(_shortened(config, data, share), run.path, report=lambda _: observer)
        except _Done:
            pass
        except Stopped as stopped:
            message = "stopped; the dry run left no files"
            raise Stopped(stopped.exit_code - 128, message, "run the same command again") from None
        problems = [
            finding.message
            for split in splits_of(config.data)
            for finding in find_mismatches(config.data, split, lambda: None, 2 * _TRAIN_PAIRS)
        ]
        validation = observer.validation_seconds / valid_share
        total = observer.total_steps
        steps = None if total is None else max(total - done, 0)
        return DryRun(
            machine=f"{device.type}, {counted(training.threads or 1, 'thread')}, "
            f"{training.precision}",
            start=start,
            losses=observer.losses,
            memory=_peak_memory(device),
            available_memory=total_memory(device),
            update_seconds=observer.update_seconds,
            tokens_per_second=observer.tokens_per_second,
            validation_seconds=validation,
            steps=steps,
            seconds=_seconds(steps or 0, done, observer.update_seconds, validation, training),
            disk=_disk(run, steps, training, share),
            free_disk=shutil.disk_usage(_existing(real.path)).free,
            share=share,
            problems=problems,
        )


class _Done(Exception):
    """The updates of a dry run are over."""


class _Observer(Progress):
    """Measures the updates and a validation, and then ends training with _Done."""

    def __init__(self, run: Run, real: Run) -> None:
        super().__init__(run)
        self.losses: list[float] = []
        self.validation_seconds = math.nan
        self.total_steps: int | None = None
        self._paths = str(run.path), str(real.path)
        self._updates: list[tuple[float, int]] = []
        """Seconds and target tokens of each update."""
        self._clock = math.nan

    @property
    def update_seconds(self) -> float:
        return sum(seconds for seconds, _ in self._timed) / len(self._timed)

    @property
    def tokens_per_second(self) -> float:
        return sum(tokens for _, tokens in self._timed) / sum(seconds for seconds, _ in self._timed)

    @property
    def _timed(self) -> list[tuple[float, int]]:
        return self._updates[1:] or self._updates  # The first update is slower.

    def say(self, text: str) -> None:
        super().say(text.replace(*self._paths))

    def start(self, step: int, total: int | None, *args: Any, **kwargs: Any) -> None:
        self.total_steps = total
        self._clock = time.monotonic()

    def step(self, tokens: int) -> None:
        if not math.isnan(self.validation_seconds):
            raise _Done
        now = time.monotonic()
        self._updates.append((now - self._clock, tokens))
        self._clock = now

    def train(self, state: TrainState, *args: Any, **kwargs: Any) -> None:
        self.losses.append(state.objective / state.tokens)

    def validation(self, *args: Any, **kwargs: Any) -> None:
        self.validation_seconds = time.monotonic() - self._clock

    def check_loss(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing, because a few updates need not lower the loss."""

    def suggest(self) -> None:
        """Do nothing, because the run is removed."""


def _shortened(config: Config, data: DataConfig, share: float) -> Config:
    """Return a config that validates before the last update, and has no test set.

    `data` has a share of the training pairs, and training has as many steps as with all pairs.
    """
    training: dict[str, Any] = {"valid_every": UPDATES - 1, "log_every": 1, "compile": False}
    if (epochs := config.training.max_epochs) and not data.epoch_pairs:
        training["max_epochs"] = round(epochs / share)
    # An untrained model writes until the limit, which is set to the length of usual sentences.
    decoding = {"max_length_ratio": 0.5, "min_length": 0}
    return config.model_copy(
        update={
            "data": data.model_copy(update={"test": None}),
            "training": config.training.model_copy(update=training),
            "decoding": config.decoding.model_copy(update=decoding),
        }
    )


def _seconds(
    steps: int, done: int, update: float, validation: float, training: TrainingConfig
) -> float:
    doubled = 0
    if training.rdrop and training.rdrop_after > UPDATES:  # R-Drop computes each batch twice.
        doubled = max(0, done + steps - max(done, training.rdrop_after))
    return (steps + doubled) * update + (steps // training.valid_every + 1) * validation


def _disk(run: Run, steps: int | None, training: TrainingConfig, share: float) -> int:
    """Return the bytes of the prepared data and of all checkpoints, including one in progress."""
    kept = training.keep_checkpoints + max(1, training.average_checkpoints)
    if steps is not None:
        kept = min(kept, steps // training.valid_every + 1)
    checkpoint = _bytes(run.checkpoints()[0])
    return round((kept + 1) * checkpoint + _bytes(run.data_folder) / share)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.absolute().parents) if parent.exists())


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
