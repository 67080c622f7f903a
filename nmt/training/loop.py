"""The training loop.

Resuming is exact: the order of the batches is a function of (seed, epoch), the random numbers of a
step are a function of (seed, step), and the rest of the state is in the checkpoint. A training run
that was killed and resumed ends with bit-for-bit the weights of an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from nmt.devices import Precision, autocast
from nmt.errors import DivergedError, Stopped
from nmt.training import checkpoint
from nmt.training.ema import MovingAverage
from nmt.training.gradients import compute_gradients
from nmt.training.optimizer import build_optimizer, learning_rate
from nmt.training.state import TrainState
from nmt.training.stop import stopped_by
from nmt.training.updates import total_steps, updates_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nmt.config import TrainingConfig
    from nmt.data.corpus import Corpus
    from nmt.runs import Run
    from nmt.training.objective import TrainingObjective
    from nmt.training.progress import Progress
    from nmt.training.stop import StopSignal
    from nmt.training.validation import Figures


@dataclass(frozen=True)
class Setting:
    """The constant inputs of the loop."""

    run: Run
    config: TrainingConfig
    corpus: Corpus
    sampling: bool
    """Whether subwords are sampled again in each epoch."""
    validate: Callable[[Callable[[], None]], Figures]
    """Measures the current weights. Its argument is called often and may raise Stopped."""
    validation_loss: Callable[[Callable[[], None]], float]
    """Measures only the loss, in nats per target token. Its argument may raise Stopped."""
    progress: Progress
    stop: StopSignal
    device: torch.device
    precision: Precision
    facts: Mapping[str, Any]
    """Values for the manifest of every checkpoint."""


def train(objective: TrainingObjective, setting: Setting, resume_from: Path | None) -> TrainState:
    """Train until max_steps, max_epochs or patience ends the run, and return the final state.

    `resume_from` is a verified checkpoint folder. Raises Stopped after a signal and after saving
    the state, DivergedError after too many non-finite updates in a row, and StorageError if a
    checkpoint cannot be saved.
    """
    config, progress, stop = setting.config, setting.progress, setting.stop
    model, corpus = objective.model, setting.corpus
    optimizer = build_optimizer(model, config)
    ema = MovingAverage(model, config.ema) if config.ema else None
    averages = ema.tensors if ema else None
    state, records = TrainState(), list[str]()
    if resume_from is not None:
        state, records = checkpoint.restore(resume_from, model, optimizer, averages)
    else:
        with suppress(Stopped):  # The loop then stops before its first step.
            state.untrained_loss = setting.validation_loss(stop.check)
    sums = torch.tensor([state.objective, state.nll], dtype=torch.float64, device=setting.device)
    saved = (state.step, state.validated)
    started = time.monotonic() - state.seconds

    def settle() -> None:
        """Update the sums and the time in the state."""
        state.objective, state.nll = sums.tolist()
        state.seconds = time.monotonic() - started

    def save() -> None:
        nonlocal saved
        if saved == (state.step, state.validated):
            return
        settle()
        needed = {state.best_step, *state.averaged_steps(config)}
        checkpoint.save(
            setting.run, state, model, optimizer, averages, progress.records, setting.facts
        )
        checkpoint.prune(setting.run, state, config.keep_checkpoints, needed)
        saved = (state.step, state.validated)

    progress.start(state.step, total_steps(corpus, config), records)
    updates = updates_from(state.epoch, state.batch, corpus, config, setting.sampling)
    objective.train()
    while True:
        if stop.received is not None:
            save()
            raise stopped_by(
                stop.received,
                f"stopped at step {state.step}; the state is saved in {setting.run.path}",
            )

        ended = state.ended(config)
        if state.step > state.validated and (ended or state.step % config.valid_every == 0):
            try:
                with ema.applied() if ema else nullcontext():
                    figures = setting.validate(stop.check)
            except Stopped:
                continue
            except DivergedError as error:
                raise _diverged(f"validation after step {state.step}: {error}", state) from error
            best = state.note_validation(figures.score(config.valid_metric), figures.loss)
            settle()
            progress.validation(state, figures, best)
            progress.check_loss(f"after step {state.step}", figures.loss, state.untrained_loss)
            save()
            objective.train()
            progress.restart_speed()
            continue
        if ended:
            progress.end(state, config)
            return state

        update = next(updates)
        step, tokens = state.step + 1, update.target_tokens
        objective.alpha = config.rdrop if step > config.rdrop_after else 0.0
        try:
            losses = compute_gradients(
                objective,
                update.batches,
                step=step,
                seed=config.seed,
                device=setting.device,
                precision=setting.precision,
                check_stop=stop.check,
                warn=progress.warn,
            )
        except Stopped:
            continue
        state.step, state.epoch, state.batch = step, update.epoch, update.batch
        rate = learning_rate(step, config)
        for group in optimizer.param_groups:
            group["lr"] = rate
        norm = get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        if math.isfinite(norm):
            if config.clip_norm:
                clip_grads_with_norm_(model.parameters(), config.clip_norm, norm)
            with autocast(setting.device, setting.precision):
                optimizer.step()
            if ema:
                ema.update(step)
            sums += losses
            state.tokens += tokens
            state.skipped_in_row = 0
        else:
            state.skipped += 1
            state.skipped_in_row += 1
            progress.skipped(step, rate, update.pairs)
            if state.skipped_in_row >= config.max_skipped:
                what = f"{state.skipped_in_row} updates in a row had a non-finite loss or gradient"
                raise _diverged(f"{what}, the last at step {step}", state)
        progress.step(tokens)

        if step % config.log_every == 0 and state.tokens:
            settle()
            progress.train(state, rate, float(norm))
            sums.zero_()
            state.tokens = 0


def _diverged(what: str, state: TrainState) -> DivergedError:
    good = f"is step {state.validated}" if state.validated else "does not exist yet"
    return DivergedError(
        f"{what}; the last good checkpoint {good}",
        "lower training.learning_rate, raise training.warmup_steps, or use precision: fp32",
    )
