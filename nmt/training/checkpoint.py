"""The state of a training on disk: saved whole, found again, pruned."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nmt import storage
from nmt.errors import StorageError
from nmt.runs import load_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nmt.model import Model
    from nmt.runs import Run


@dataclass
class TrainState:
    """All that training carries from step to step besides weights and the optimizer's moments.

    The order of the data is a function of (seed, epoch) and all randomness one of (seed, step),
    so counters say everything: there is no generator or iterator state to save.
    """

    step: int = 0
    """Updates done, skipped ones counted."""
    epoch: int = 1
    batch: int = 0
    """Next batch of the epoch."""
    validated: int = 0
    """Step of the last validation."""
    scores: list[tuple[int, float]] = field(default_factory=list)
    """(step, score) of each validation; a higher score is better."""
    best_step: int = 0
    stale_validations: int = 0
    """Validations in a row without a new best."""
    skipped: int = 0
    """Updates left out because of a non-finite loss or gradient."""
    skipped_in_row: int = 0
    seconds: float = 0.0
    """Time spent training and validating."""
    objective: float = 0.0
    """Sum of the objective since the last log record, and likewise:"""
    nll: float = 0.0
    tokens: int = 0

    @property
    def epoch_of_last_update(self) -> int:
        """`epoch` already points to the next one when an epoch has just ended."""
        return self.epoch if self.batch or self.step == 0 else self.epoch - 1

    def best_steps(self, count: int) -> list[int]:
        """Steps of the `count` best validations, best first; of equal ones the earlier."""
        return [step for step, _ in sorted(self.scores, key=lambda s: (-s[1], s[0]))[:count]]


def save(
    run: Run,
    state: TrainState,
    model: Model,
    optimizer: torch.optim.Optimizer,
    ema: Mapping[str, Tensor] | None,
    records: Sequence[str],
    facts: Mapping[str, Any],
) -> Path:
    """Save everything as `checkpoints/step-N`, or `step-N-stopped` between two validations.

    `records` are the lines of metrics.jsonl so far. Raises StorageError with the older
    checkpoints untouched.
    """
    # A checkpoint never takes the place of a valid one: stopping during a validation and
    # validating at the same step later make two folders.
    suffix = "" if state.validated == state.step else "-stopped"
    folder = run.checkpoints_folder / f"step-{state.step:08d}{suffix}"
    contents: dict[str, bytes | Mapping[str, Tensor]] = {
        "model.safetensors": dict(model.named_parameters()),
        "optimizer.safetensors": _moments(model, optimizer),
        "state.json": json.dumps(asdict(state)).encode(),
        "metrics.jsonl": "".join(f"{line}\n" for line in records).encode(),
    }
    if ema is not None:
        contents["ema.safetensors"] = ema
    storage.write_folder(folder, contents, {**facts, "step": state.step})
    return folder


def read_state(folder: Path) -> TrainState:
    """The state of a verified checkpoint."""
    path = folder / "state.json"
    try:
        state = TrainState(**json.loads(storage.read_file(path)))
        state.scores = [(step, score) for step, score in state.scores]
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not the state of a training") from error
    numbers = [(0, step) for step, _ in state.scores] + [(0.0, score) for _, score in state.scores]
    numbers += [(default, getattr(state, name)) for name, default in vars(TrainState()).items()]
    if any(type(default) is not type(value) for default, value in numbers):
        raise StorageError(f"{path} is not the state of a training")
    return state


def restore(
    folder: Path,
    model: Model,
    optimizer: torch.optim.Optimizer,
    ema: Mapping[str, Tensor] | None,
) -> tuple[TrainState, list[str]]:
    """Load a verified checkpoint in place; returns the state and the lines of metrics.jsonl."""
    try:
        load_weights(model, folder / "model.safetensors")
        _load_moments(model, optimizer, storage.read_tensors(folder / "optimizer.safetensors"))
        if ema is not None:
            averages = storage.read_tensors(folder / "ema.safetensors")
            for name, average in ema.items():
                average.copy_(averages[name])
        records = storage.read_file(folder / "metrics.jsonl").decode().split("\n")[:-1]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StorageError(f"{folder} does not fit this run: {error}") from error
    return read_state(folder), records


def newest_valid(run: Run, warn: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint whose checksums hold, and its manifest; names the damaged ones."""
    for folder in run.checkpoints():
        try:
            return folder, storage.verify(folder)
        except StorageError as error:
            warn(f"checkpoint {folder.name} is left out: {error.message}")
    return None


def prune(run: Run, state: TrainState, keep: int, average: int) -> None:
    """Delete all checkpoints but the `keep` newest, the best, and the `average` best-scoring.

    Those of a stop between validations are over and above, and go with the next save. Newer ones
    than the state are damaged (or training would have gone on from there) and stay as they are.
    """
    needed = set(state.best_steps(average))
    newest = 0
    for folder in run.checkpoints():
        step, stopped = int(folder.name.split("-")[1]), folder.name.endswith("-stopped")
        if step > state.step:
            continue
        if stopped:
            keep_it = step == state.step > state.validated
        else:
            newest += 1
            keep_it = newest <= keep or step in needed
        if not keep_it:
            with storage.storage_errors(f"cannot delete {folder}", run.checkpoints_folder):
                storage.remove(folder)


def _moments(model: Model, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as flat tensors: `<parameter>/<exp_avg, exp_avg_sq, step>`."""
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _load_moments(
    model: Model, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    names = {parameter: name for name, parameter in model.named_parameters()}
    by_parameter: dict[str, dict[str, Tensor]] = {}
    for flat, tensor in tensors.items():
        name, _, key = flat.rpartition("/")
        by_parameter.setdefault(name, {})[key] = tensor
    ordered = [names[p] for group in optimizer.param_groups for p in group["params"]]
    state = {i: by_parameter[name] for i, name in enumerate(ordered) if name in by_parameter}
    # load_state_dict knows where a fused optimizer wants its step counters.
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
