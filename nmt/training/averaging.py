"""Averaging of weights: of checkpoints (Vaswani et al., 2017, section 6.1), or of several runs."""

from __future__ import annotations

import math
import shutil
import time
from typing import TYPE_CHECKING

import torch

from nmt import storage
from nmt.bars import track
from nmt.data.preparation import read_corpus
from nmt.devices import resolve_device, resolve_precision
from nmt.errors import StorageError, UsageError
from nmt.loading import load_model
from nmt.runs import STOPPED, Run, step_of, tokenizer_digest, validated_weights
from nmt.text import counted
from nmt.training.checkpoint import newest_valid, read_state
from nmt.training.initialization import FREE_KEYS
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


def average(folders: Sequence[Path], shares: Sequence[float] | None = None) -> dict[str, Tensor]:
    """Return the mean of the weights in verified folders, summed in float64.

    shares: weight of each folder; default: equal. Raises StorageError if the models differ.
    """
    shares = shares or [1.0] * len(folders)
    paths = [validated_weights(folder) for folder in folders]
    shapes = storage.tensor_shapes(paths[0])
    sums = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}
    with track("averaging", len(paths)) as advance:
        for path, share in zip(paths, shares, strict=True):
            if storage.tensor_shapes(path) != shapes:
                raise StorageError(f"{path} and {paths[0]} belong to different models")
            for name, tensor in storage.read_tensors(path).items():
                sums[name].add_(tensor, alpha=share)
            advance(1)
    return {name: (total / sum(shares)).to(torch.float32) for name, total in sums.items()}


def write_final_model(
    run: Run,
    state: TrainState,
    config: TrainingConfig,
    facts: Mapping[str, Any],
    validate: Callable[[Mapping[str, Tensor]], Figures],
    progress: Progress,
) -> float:
    """Write the final model, and return its validation loss in nats per target token.

    The model is the mean of the checkpoints that the config selects, or the best checkpoint if the
    mean validates worse. Raises StorageError if all of them are damaged.
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
    intact = {}
    for step in sorted(steps):
        folder = run.checkpoint(step)
        try:
            storage.verify(folder)
            intact[step] = folder
        except StorageError as error:
            warn(f"skipping checkpoint {folder.name}: {error.message}")
    return intact


def average_run(
    run: Run, output: Path, *, best: int | None = None, last: int | None = None
) -> list[int]:
    """Write a run with the mean of the N best, N last or all checkpoints; return their steps.

    Raises UsageError if `output` exists or there are too few checkpoints, and StorageError if one
    is damaged.
    """
    _check_new(output)
    if best is not None and last is not None:
        raise UsageError("--best and --last cannot be combined", "use only one of them")
    there = {step_of(f): f for f in run.checkpoints() if not f.name.endswith(STOPPED)}
    steps = sorted(there, reverse=True)
    if best is not None and steps:
        state = read_state(there[steps[0]])
        steps = [step for step in state.best_steps(len(state.scores)) if step in there]
    count = best or last or max(len(steps), 1)
    if len(steps) < count:
        fewer = f"use --{'best' if best else 'last'} {len(steps)}, or " if steps else ""
        raise UsageError(
            f"{run.path} has only {len(steps)} of the {count} checkpoints to average",
            f"{fewer}train with a higher training.keep_checkpoints or training.average_checkpoints",
        )
    averaged = sorted(steps[:count])
    chosen = [there[step] for step in averaged]
    manifests = [storage.verify(folder) for folder in chosen]
    facts = {**manifests[-1], "averaged_steps": averaged}
    _write_model(run, output, average(chosen), facts)
    return averaged


def average_runs(runs: Sequence[Run], output: Path, shares: Sequence[float] | None = None) -> None:
    """Write a run with the weighted mean of the models of several runs.

    The config is that of the first run. shares: weight of each run; default: equal. Raises
    UsageError if `output` exists, if there is not one weight per run, or if the runs have another
    model or vocabulary than the first, and StorageError for damage.
    """
    _check_new(output)
    shares = shares or [1.0] * len(runs)
    if len(shares) != len(runs) or not math.isfinite(sum(shares)) or sum(shares) <= 0:
        raise UsageError(
            f"{counted(len(shares), 'weight')} for {counted(len(runs), 'run')} with the sum "
            f"{sum(shares):g}",
            "give one weight per run, for example --weights 0.5,0.5",
        )
    folders = [run.weights().parent for run in runs]
    first = runs[0]
    for run in runs[1:]:
        differing = [
            f"model.{key} ({a} and {b})"
            for (key, a), (_, b) in zip(first.config.model, run.config.model, strict=True)
            if a != b and key not in FREE_KEYS
        ]
        if tokenizer_digest(run.tokenizer_folder) != tokenizer_digest(first.tokenizer_folder):
            differing.append("the vocabulary")
        if differing:
            raise UsageError(
                f"cannot average {first.path} and {run.path}: they differ in "
                f"{', '.join(differing)}",
                "average runs of one model, such as a run and one that started from it",
            )
    facts = {
        **storage.read_manifest(folders[0]),
        "averaged_runs": {str(run.path): share for run, share in zip(runs, shares, strict=True)},
    }
    _write_model(first, output, average(folders, shares), facts)


def _check_new(output: Path) -> None:
    if output.exists():
        raise UsageError(f"{output} already exists", "choose another --output")


def _write_model(
    run: Run, output: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """Write a run folder with these weights, and the config and tokenizer of a run."""
    facts = {key: value for key, value in facts.items() if key not in ("files", "name")}
    made = Run(output)
    try:
        with storage.storage_errors(f"cannot write {output}", output.parent):
            output.mkdir(parents=True)
            shutil.copyfile(run.config_file, made.config_file)
            shutil.copytree(run.tokenizer_folder, made.tokenizer_folder)
            if run.statistics_folder.exists():
                shutil.copytree(run.statistics_folder, made.statistics_folder)
        storage.write_folder(made.model_folder, {"model.safetensors": weights}, facts)
    except BaseException:
        shutil.rmtree(output, ignore_errors=True)
        raise


def compare_mean(run: Run, mean: Run) -> Comparison:
    """Compare a mean that `average_run` wrote with the best checkpoint.

    Raises DataError if the run lacks its validation set, and StorageError if a file is damaged.
    """
    config = run.config
    device = resolve_device("auto")
    precision = resolve_precision(config.training.precision, device)
    manifest = storage.read_manifest(mean.model_folder)
    fingerprint = manifest.get("fingerprints", {}).get("valid", {})
    corpus = read_corpus(run.data_folder, "valid", mean.tokenizer, fingerprint)
    newest = newest_valid(run, lambda _: None)
    scores = read_state(newest[0]).scores if newest else []
    if not scores:
        raise StorageError(f"no validation is recorded in {run.checkpoints_folder}")
    best = max(scores, key=lambda entry: entry.rank)
    objective = TrainingObjective(load_model(mean, device))
    validation = Validation(
        objective, corpus, mean.tokenizer, config, device, precision, lambda _: None
    )
    figures = validation(lambda: None)
    return Comparison(manifest["averaged_steps"], figures, best, config.training.valid_metric)
