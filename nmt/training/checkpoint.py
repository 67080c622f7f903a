"""Checkpoints: saving, restoring and deleting."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nmt import storage
from nmt.errors import StorageError
from nmt.loading import load_weights
from nmt.runs import STOPPED, step_of
from nmt.training.state import TrainState, Validated

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from nmt.runs import Run


def save(
    run: Run,
    state: TrainState,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: Mapping[str, Tensor] | None,
    records: Sequence[str],
    facts: Mapping[str, Any],
) -> Path:
    """Save `checkpoints/step-N`, or `step-N-stopped` between two validations.

    `records` are the lines of metrics.jsonl; `facts` go into the manifest. If it raises
    StorageError, older checkpoints are intact.
    """
    # The two names let a stop and the later validation of the same step never replace each other.
    folder = run.checkpoint(state.step, "" if state.validated == state.step else STOPPED)
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
    """Return the state of a verified checkpoint, or raise StorageError if a value is wrong."""
    path = folder / "state.json"
    try:
        state = TrainState(**json.loads(storage.read_file(path)))
        state.scores = [Validated(*values) for values in state.scores]
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not the state of a training run") from error
    numbers = [(default, getattr(state, name)) for name, default in vars(TrainState()).items()]
    for validated in state.scores:
        numbers += zip((0, 0.0, 0.0), validated, strict=True)
    if any(type(default) is not type(value) for default, value in numbers):
        raise StorageError(f"{path} is not the state of a training run")
    return state


def restore(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: Mapping[str, Tensor] | None,
) -> tuple[TrainState, list[str]]:
    """Load a verified checkpoint in place; return the state and the lines of metrics.jsonl.

    Raises StorageError if it does not fit.
    """
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
    """Return the newest intact checkpoint and its manifest; warn of damaged ones."""
    for folder in run.checkpoints():
        try:
            return folder, storage.verify(folder)
        except StorageError as error:
            warn(f"skipping checkpoint {folder.name}: {error.message}")
    return None


def prune(run: Run, state: TrainState, keep: int, needed: Container[int]) -> None:
    """Delete checkpoints up to `state.step`, except the `keep` newest and those at `needed` steps.

    The checkpoint of a stop is kept until the next save.
    """
    newest = 0
    for folder in run.checkpoints():
        step = step_of(folder)
        if step > state.step:
            continue
        if folder.name.endswith(STOPPED):
            kept = step == state.step > state.validated
        else:
            newest += 1
            kept = newest <= keep or step in needed
        if not kept:
            with storage.storage_errors(f"cannot delete {folder}", run.checkpoints_folder):
                storage.remove(folder)


def _moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _load_moments(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    names = {parameter: name for name, parameter in model.named_parameters()}
    by_parameter: dict[str, dict[str, Tensor]] = {}
    for flat, tensor in tensors.items():
        name, _, key = flat.rpartition("/")
        by_parameter.setdefault(name, {})[key] = tensor
    ordered = [names[p] for group in optimizer.param_groups for p in group["params"]]
    state = {i: by_parameter[name] for i, name in enumerate(ordered) if name in by_parameter}
    # load_state_dict puts the step counters of a fused optimizer on the right device.
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
