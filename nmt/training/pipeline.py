"""A training run from start to end."""

from __future__ import annotations

import json
import math
import os
from functools import partial
from typing import TYPE_CHECKING

import torch

from nmt import storage
from nmt.data.mixing import mixture_of
from nmt.data.statistics import keep_statistics
from nmt.decoding.engine.formats import resolve_decoding_precision
from nmt.devices import (
    keep_compiled_kernels,
    keep_freed_memory,
    made_current,
    resolve_device,
)
from nmt.errors import NmtError
from nmt.languages import check_tokenizer
from nmt.loading import build_model
from nmt.runs import Run, locked
from nmt.text import counted
from nmt.training.averaging import write_final_model
from nmt.training.compiling import compile_objective
from nmt.training.continuation import (
    facts_of,
    find_start,
    is_complete,
    open_new_run,
    settle,
    with_vocabulary_size,
    write_config,
)
from nmt.training.final_test import score_test_set
from nmt.training.folder import check_folder, check_space, move_aside, point_latest
from nmt.training.initialization import StartingModel, freeze
from nmt.training.loop import Setting, train
from nmt.training.memory import check_memory, largest_batch
from nmt.training.objective import TrainingObjective
from nmt.training.optimizer import check_schedule
from nmt.training.progress import Progress
from nmt.training.stop import StopSignal
from nmt.training.updates import batches_of, total_steps
from nmt.training.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nmt.config import Config
    from nmt.data.preparation import PreparedData
    from nmt.tokenizer import Tokenizer


def run_training(
    config: Config,
    run_dir: Path,
    restart: bool = False,
    report: Callable[[Run], Progress] = Progress,
) -> Run:
    """Train a run to its end, or resume it; return the finished run.

    Raises ConfigError if the config differs from that of the run, DataError if the data does,
    StorageError if the folder is in use, damaged or not writable, DivergedError, and Stopped after
    a signal, with the state saved.
    """
    run = Run(run_dir)
    initial = StartingModel.of(config, run)
    check_folder(run)
    aside = move_aside(run) if restart else None
    with locked(run), StopSignal() as stop, report(run) as progress:
        if aside is not None:
            progress.say(f"the old run is now {aside}")
        _train_run(run, config, initial, progress, stop)
    return Run(run_dir)


def _train_run(
    run: Run, config: Config, initial: StartingModel | None, progress: Progress, stop: StopSignal
) -> None:
    for folder in (run.path, run.checkpoints_folder):
        storage.remove_leftovers(folder)
    keep_freed_memory()
    keep_compiled_kernels()
    device = resolve_device(config.training.device)
    check_tokenizer(config.evaluation.tokenize)
    settled = settle(run, config, device, initial)
    config, precision, _ = settled
    training = config.training
    if config.data.test is not None:  # Raise its ConfigError before training.
        resolve_decoding_precision(config.decoding.precision, device)
    point_latest(run)
    if is_complete(run, config):
        progress.say(f"{run.path} is already finished (--restart trains it again)")
        progress.suggest()
        return
    start = find_start(run, settled, progress.warn)
    if start.fingerprints is None:
        open_new_run(run, settled)
    torch.set_num_threads(min(training.threads or 1, os.cpu_count() or 1))

    if start.checkpoint is not None:
        initial = None  # The run has everything that it needs.
    old = None if initial is None else initial.tokenizer
    data = _prepare(run, config, old, progress, stop)
    config = with_vocabulary_size(config, data.tokenizer)
    check_memory(config, data, device, precision)
    facts = facts_of(run, config, data, device, start, initial)
    start.check_data(facts["fingerprints"])
    write_config(run, config)
    storage.replace_file(run.fingerprints_file, json.dumps(facts["fingerprints"]).encode())
    keep_statistics(data.train, run.statistics_folder, stop.check)

    torch.manual_seed(training.seed)
    source, target = len(data.tokenizer.source), len(data.tokenizer.target)
    model = build_model(config.model, source, target, data.tokenizer.shared)
    if initial:
        initial.initialize(model, data.tokenizer, training.init_parts)
    objective = TrainingObjective(model, training.label_smoothing).to(device)
    count = sum(parameter.numel() for parameter in model.parameters())
    progress.say(
        f"model: {counted(count, 'parameter')} | {device.type}, "
        f"{counted(torch.get_num_threads(), 'thread')}, {precision} | run folder {run.path}"
    )
    if initial:
        parts = ", ".join(training.init_parts or ["all weights"])
        progress.say(f"starting from {initial.weights.parent} ({parts})")
    if training.freeze:
        progress.say(freeze(model, training.freeze))
    check_space(run, count, progress.warn)
    mixture = mixture_of(config.data, data.train.parts)
    batches = batches_of(data.train, training, mixture=mixture)
    total = total_steps(batches, training)
    check_schedule(training, total, progress.warn)
    start.report(facts, progress)

    validation = Validation(
        objective, data.valid, data.tokenizer, config, device, precision, progress.say
    )
    setting = Setting(
        run=run,
        config=training,
        batches=batches,
        sampling=config.tokenizer.sampling > 0,
        validate=validation,
        validation_loss=validation.loss,
        total_steps=total,
        progress=progress,
        stop=stop,
        device=device,
        precision=precision,
        facts=facts,
        validations_at_end=_validations_at_end(config, data),
    )
    with made_current(device):
        if training.compile:
            largest = largest_batch(batches, training.seed, device)
            compile_objective(objective, largest, precision, progress)
        state = train(objective, setting, start.checkpoint)
    facts["step"] = state.step

    validate = partial(validation.of_weights, check_stop=stop.check)
    loss = write_final_model(run, state, training, facts, validate, progress)
    if data.test is not None:
        score_test_set(run, data.test, state.step, validation, progress, stop.check)
    progress.check_loss("of the final model", loss, state.untrained_loss)
    progress.suggest()


def _validations_at_end(config: Config, data: PreparedData) -> float:
    """Return the expected duration of averaging and test, in validations."""
    mean = float(config.training.average_checkpoints > 1)
    if data.test is None:
        return mean
    return mean + len(data.test) / len(data.valid) * math.sqrt(config.decoding.beam_size)


def _prepare(
    run: Run, config: Config, old: Tokenizer | None, progress: Progress, stop: StopSignal
) -> PreparedData:
    from nmt.data.preparation import prepare_data

    try:
        return prepare_data(
            config, run.data_folder, run.tokenizer_folder, progress.say, stop.check, old
        )
    except NmtError:
        stop.check()  # Ctrl-C also reaches the child process that trains the tokenizer.
        raise
