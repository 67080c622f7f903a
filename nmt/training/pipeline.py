"""A training run from start to end: data, model, training, averaging, test."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import torch

from nmt import storage
from nmt.devices import keep_compiled_kernels, keep_freed_memory, resolve_device
from nmt.errors import NmtError
from nmt.loading import build_model
from nmt.runs import Run, locked
from nmt.training.averaging import write_final_model
from nmt.training.continuation import (
    facts_of,
    find_start,
    is_complete,
    open_new_run,
    settle,
    write_config,
)
from nmt.training.folder import check_folder, check_space, move_aside, point_latest
from nmt.training.loop import Setting, train
from nmt.training.memory import check_memory
from nmt.training.objective import TrainingObjective
from nmt.training.progress import Progress
from nmt.training.stop import InterruptibleProgram, StopSignal
from nmt.training.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from nmt.config import Config, DecodingConfig, TrainingConfig
    from nmt.data.corpus import Corpus
    from nmt.data.preparation import PreparedData
    from nmt.training.validation import Figures


def run_training(config: Config, run_dir: Path, restart: bool = False) -> Run:
    """Train a run to its end, or resume it; return the finished run.

    Raises ConfigError if the run was started with a different config, DataError if the data
    changed since then, StorageError if the folder is in use, damaged or cannot be written,
    DivergedError if training diverges, and Stopped after a signal, with the state saved.
    """
    run = Run(run_dir)
    check_folder(run)
    aside = move_aside(run) if restart else None
    with locked(run), StopSignal() as stop, Progress(run) as progress:
        if aside is not None:
            progress.say(f"the old run is now {aside}")
        _train_run(run, config, progress, stop)
    return Run(run_dir)


def _train_run(run: Run, config: Config, progress: Progress, stop: StopSignal) -> None:
    for folder in (run.path, run.checkpoints_folder):
        storage.remove_leftovers(folder)
    keep_freed_memory()
    keep_compiled_kernels()
    device = resolve_device(config.training.device)
    settled = settle(run, config, device)
    config, training = settled.config, settled.config.training
    point_latest(run)
    if is_complete(run, settled):
        progress.say(f"{run.path} is already finished (--restart trains it again)")
        progress.say(_next_commands(run))
        return
    start = find_start(run, settled, progress.warn)
    if start.fingerprints is None:
        open_new_run(run, settled)
    torch.set_num_threads(min(settled.threads, os.cpu_count() or 1))

    data = _prepare(run, config, progress, stop)
    facts = facts_of(run, settled, data, device)
    start.check_data(facts["fingerprints"])
    write_config(run, settled)
    storage.replace_file(run.fingerprints_file, json.dumps(facts["fingerprints"]).encode())

    check_memory(config, data, device, settled.precision)
    torch.manual_seed(training.seed)
    source, target = len(data.tokenizer.source), len(data.tokenizer.target)
    model = build_model(config.model, source, target, data.tokenizer.shared)
    objective = TrainingObjective(model, training.label_smoothing).to(device)
    count = sum(parameter.numel() for parameter in model.parameters())
    progress.say(
        f"model: {count:,} parameters | {device.type}, {torch.get_num_threads()} threads, "
        f"{settled.precision} | run folder {run.path}"
    )
    check_space(run, count, progress.warn)
    _check_schedule(training, progress)
    start.report(facts, progress)

    if training.compile:
        objective.compile(dynamic=True)
    validation = Validation(
        objective, data.valid, data.tokenizer, config, device, settled.precision
    )
    setting = Setting(
        run=run,
        config=training,
        corpus=data.train,
        sampling=config.tokenizer.sampling > 0,
        validate=validation,
        validation_loss=validation.loss,
        progress=progress,
        stop=stop,
        device=device,
        precision=settled.precision,
        facts=facts,
    )
    state = train(objective, setting, start.checkpoint)
    facts["step"] = state.step

    def validate(weights: Mapping[str, Tensor]) -> Figures:
        return validation.of_weights(weights, stop.check)

    loss = write_final_model(run, state, training, facts, validate, progress)
    if data.test is not None:
        _test(run, data.test, config.decoding, device, progress, stop)
    progress.check_loss("of the final model", loss, state.untrained_loss)
    progress.say(_next_commands(run))


def _prepare(run: Run, config: Config, progress: Progress, stop: StopSignal) -> PreparedData:
    """Read, clean and encode the data, after training a tokenizer if the run has none."""
    from nmt.data.preparation import prepare_data

    try:
        return prepare_data(config, run.data_folder, run.tokenizer_folder, progress.say, stop.check)
    except NmtError:
        stop.check()  # Ctrl-C also reaches the child process that trains the tokenizer.
        raise


def _check_schedule(training: TrainingConfig, progress: Progress) -> None:
    """Warn if the learning rate falls from the first step on."""
    if training.schedule == "inverse_sqrt" and training.warmup_steps == 0:
        progress.warn(
            "training.warmup_steps: 0 with schedule: inverse_sqrt: the learning rate of step N is "
            "learning_rate / sqrt(N), a tenth at step 100 (hint: set training.warmup_steps, or "
            "training.schedule: constant)"
        )


def _test(
    run: Run,
    corpus: Corpus,
    decoding: DecodingConfig,
    device: torch.device,
    progress: Progress,
    stop: StopSignal,
) -> None:
    """Translate and score the test set once, with the final model."""
    from nmt.decoding.translator import Translator
    from nmt.evaluation.metrics import corpus_scores

    started = time.monotonic()
    translator = Translator.load(run, "cuda" if device.type == "cuda" else "cpu")
    translator.program = InterruptibleProgram(translator.program, stop.check)
    texts = corpus.texts(range(len(corpus)))
    translations: list[str] = []
    for begin in range(0, len(texts), 500):
        translations += translator.translate([source for source, _ in texts[begin : begin + 500]])
    scores = corpus_scores(translations, [[reference for _, reference in texts]])
    step = storage.read_manifest(run.model_folder)["step"]
    progress.test(step, scores, len(texts), decoding.beam_size, time.monotonic() - started)


def _next_commands(run: Run) -> str:
    path = os.path.relpath(run.path)
    shown = str(run.path) if path.startswith("..") else path
    return (
        f'next: nmt translate --model {shown} "..."\n'
        f"      nmt evaluate --model {shown}\n"
        f"      nmt info {shown}"
    )
