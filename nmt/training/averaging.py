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
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from torch import Tensor


def average(folders: Sequence[Path]) -> dict[str, Tensor]:
    """Return the mean of the weights of verified checkpoints, summed in float64.

    The weights of a single checkpoint are returned unchanged. Raises StorageError if the
    checkpoints belong to different models.
    """
    first, *others = (validated_weights(folder) for folder in folders)
    weights = storage.read_tensors(first)
    if not others:
        return weights
    shapes = storage.tensor_shapes(first)
    sums = {name: tensor.double() for name, tensor in weights.items()}
    for path in others:
        if storage.tensor_shapes(path) != shapes:
            raise StorageError(f"{path} and {first} belong to different models")
        for name, tensor in storage.read_tensors(path).items():
            sums[name] += tensor
    count = len(folders)
    return {name: (total / count).to(torch.float32) for name, total in sums.items()}


def write_final_model(
    run: Run, steps: Sequence[int], facts: Mapping[str, Any], warn: Callable[[str], None]
) -> list[int]:
    """Write the mean of the checkpoints at `steps` as the final model of a run.

    Calls `warn` for each damaged checkpoint and averages the others. Returns the averaged steps,
    ascending. Raises StorageError if no checkpoint is intact.
    """
    intact = []
    for step in sorted(steps):
        folder = run.checkpoints_folder / f"step-{step:08d}"
        try:
            storage.verify(folder)
            intact.append((step, folder))
        except StorageError as error:
            warn(f"skipping checkpoint {folder.name}: {error.message}")
    if not intact:
        raise StorageError(f"no intact checkpoint is left in {run.checkpoints_folder}")
    averaged = [step for step, _ in intact]
    weights = average([folder for _, folder in intact])
    facts = {**facts, "averaged_steps": averaged}
    storage.write_folder(run.model_folder, {"model.safetensors": weights}, facts)
    return averaged


def average_run(
    run: Run, output: Path, *, best: int | None = None, last: int | None = None
) -> list[int]:
    """Make `output` a new run folder: config, tokenizer and the mean of some checkpoints.

    Averages the `best` best-scoring or the `last` newest of the validated checkpoints that were
    kept, or all of them by default. Returns their steps. Raises UsageError if `output` exists or
    there are too few checkpoints, StorageError if one is damaged.
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
            "raise training.keep_checkpoints or training.average_checkpoints to keep more",
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
