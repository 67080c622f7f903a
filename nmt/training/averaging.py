"""Averaging of the weights of several checkpoints (Vaswani et al., 2017, section 6.1)."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import torch

from nmt import storage
from nmt.data.preparation import read_corpus
from nmt.devices import resolve_device, resolve_precision
from nmt.errors import DataError, StorageError, UsageError
from nmt.loading import load_model
from nmt.runs import Run, validated_weights
from nmt.training.checkpoint import newest_valid, read_state
from nmt.training.objective import TrainingObjective
from nmt.training.validation import Comparison, Validation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from torch import Tensor

    from nmt.config import TrainingConfig
    from nmt.training.progress import Progress
    from nmt.training.state import TrainState
    from nmt.training.validation import Figures


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
    run: Run,
    state: TrainState,
    config: TrainingConfig,
    facts: Mapping[str, Any],
    validate: Callable[[Mapping[str, Tensor]], Figures],
    progress: Progress,
) -> float:
    """Write the final model of a run, and report its checkpoints.

    The final model is the mean of the checkpoints that the config selects, or the best checkpoint
    if `validate` shows that the mean is worse. A single selected checkpoint is not validated again.
    Damaged checkpoints are skipped with a warning. Returns the validation loss of the model in nats
    per target token. Raises StorageError if no selected checkpoint is intact, and the errors of
    `validate`.
    """
    selected = state.averaged_steps(config)
    intact = _intact(run, {*selected, state.best_step}, progress.warn)
    steps = sorted(intact.keys() & set(selected))
    if not steps:
        raise StorageError(f"no selected checkpoint in {run.checkpoints_folder} is intact")
    weights = average([intact[step] for step in steps])
    validated = {entry.step: entry for entry in state.scores if entry.step in intact}
    if len(steps) == 1:
        reason = ""
        loss = validated[steps[0]].loss
    else:
        best = max(validated.values(), key=lambda entry: entry.rank)
        started = time.monotonic()
        comparison = Comparison(steps, validate(weights), best, config.valid_metric)
        progress.comparison(comparison, time.monotonic() - started)
        if comparison.mean_is_better:
            reason = ", because its validation score is at least that of the best checkpoint"
            loss = comparison.mean.loss
        else:
            reason = ", because its validation score is better than that of the mean"
            loss = best.loss
            steps, weights = [best.step], average([intact[best.step]])
    facts = {**facts, "averaged_steps": steps}
    storage.write_folder(run.model_folder, {"model.safetensors": weights}, facts)
    what = "mean of the checkpoints at steps" if len(steps) > 1 else "checkpoint at step"
    progress.say(f"final model: {what} {', '.join(map(str, steps))}{reason}")
    return loss


def _intact(run: Run, steps: Iterable[int], warn: Callable[[str], None]) -> dict[int, Path]:
    """Return the intact checkpoint folders by step, and call `warn` for each damaged one."""
    intact = {}
    for step in sorted(steps):
        folder = run.checkpoints_folder / f"step-{step:08d}"
        try:
            storage.verify(folder)
            intact[step] = folder
        except StorageError as error:
            warn(f"skipping checkpoint {folder.name}: {error.message}")
    return intact


def average_run(
    run: Run, output: Path, *, best: int | None = None, last: int | None = None
) -> list[int]:
    """Write a new run folder with the config, the tokenizer and the mean of some checkpoints.

    Averages the `best` best-scoring or the `last` newest of the kept, validated checkpoints; by
    default all of them. Returns their steps. Raises UsageError if `output` exists or there are too
    few checkpoints, StorageError if a checkpoint is damaged.
    """
    if output.exists():
        raise UsageError(f"{output} already exists", "choose another --output")
    if best is not None and last is not None:
        raise UsageError("--best and --last cannot be combined", "use only one of them")
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
            f"{run.path} has only {len(steps)} of the {max(count, 1)} checkpoints to average",
            "train with a higher training.keep_checkpoints or training.average_checkpoints",
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


def compare_mean(run: Run, mean: Run) -> Comparison:
    """Validate a mean that `average_run` wrote, and compare it with the best checkpoint of `run`.

    Raises DataError if the folder of the run does not contain its validation set, StorageError if a
    file is damaged.
    """
    config = run.config
    device = resolve_device("auto")
    precision = resolve_precision(config.training.precision, device)
    manifest = storage.read_manifest(mean.model_folder)
    corpus = read_corpus(run.data_folder, "valid", mean.tokenizer)
    match manifest:
        case {"fingerprints": {"valid": {"sha256": corpus.fingerprint}}}:
            pass
        case _:
            raise DataError(f"{run.data_folder} contains another validation set than the run used")
    newest = newest_valid(run, lambda _: None)
    scores = read_state(newest[0]).scores if newest else []
    if not scores:
        raise StorageError(f"no validation is recorded in {run.checkpoints_folder}")
    best = max(scores, key=lambda entry: entry.rank)
    objective = TrainingObjective(load_model(mean, device))
    validation = Validation(objective, corpus, mean.tokenizer, config, device, precision)
    figures = validation(lambda: None)
    return Comparison(manifest["averaged_steps"], figures, best, config.training.valid_metric)
