"""The mean of several checkpoints' weights (Vaswani et al., 2017, section 6.1)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import torch

from nmt import storage
from nmt.errors import StorageError, UsageError
from nmt.runs import Run, validated_weights
from nmt.training.checkpoint import read_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor


def average(folders: Sequence[Path]) -> dict[str, Tensor]:
    """Mean of the weights of checkpoints that have been verified, summed in float64.

    One checkpoint gives its weights unchanged. Raises StorageError if they are not of one model.
    """
    first, *others = (validated_weights(folder) for folder in folders)
    weights = storage.read_tensors(first)
    if not others:
        return weights
    shapes = storage.tensor_shapes(first)
    sums = {name: tensor.double() for name, tensor in weights.items()}
    for path in others:
        if storage.tensor_shapes(path) != shapes:
            raise StorageError(f"{path} and {first} are not of the same model")
        for name, tensor in storage.read_tensors(path).items():
            sums[name] += tensor
    count = len(folders)
    return {name: (total / count).to(torch.float32) for name, total in sums.items()}


def average_run(
    run: Run, output: Path, *, best: int | None = None, last: int | None = None
) -> list[int]:
    """Make `output` a run of its own: config, tokenizer and the mean of some checkpoints.

    Takes the `best` best-scoring or the `last` newest validated checkpoints that are there; with
    neither, all of them. Returns their steps. Raises UsageError if `output` exists or there are
    too few, StorageError if one is damaged.
    """
    if output.exists():
        raise UsageError(f"{output} exists already", "choose another --output")
    if best is not None and last is not None:
        raise UsageError("--best and --last cannot be combined")
    there = {
        int(folder.name.split("-")[1]): folder
        for folder in run.checkpoints()
        if not folder.name.endswith("-stopped")
    }
    steps = sorted(there, reverse=True)
    if best is not None and steps:
        state = read_state(there[steps[0]])
        steps = [step for step in state.best_steps(len(state.scores)) if step in there]
    count = best or last or len(steps)
    if len(steps) < max(count, 1):
        raise UsageError(
            f"{run.path} has {len(steps)} checkpoints, not {max(count, 1)}",
            "training.keep_checkpoints and training.average_checkpoints say how many are kept",
        )
    chosen = [there[step] for step in sorted(steps[:count])]
    manifests = [storage.verify(folder) for folder in chosen]
    facts = {k: v for k, v in manifests[-1].items() if k not in ("files", "name")}
    facts["averaged_steps"] = sorted(steps[:count])
    made = Run(output)
    try:
        with storage.storage_errors(f"cannot write {output}", output.parent):
            output.mkdir(parents=True)
            shutil.copyfile(run.config_file, made.config_file)
            shutil.copytree(run.tokenizer_folder, made.tokenizer_folder)
        storage.write_folder(made.model_folder, {"model.safetensors": average(chosen)}, facts)
    except BaseException:
        shutil.rmtree(output, ignore_errors=True)
        raise
    return list(facts["averaged_steps"])
