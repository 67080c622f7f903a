"""The training loop.

Resuming is exact, bit for bit: batches are a function of (seed, epoch), random numbers of (seed,
step), and the checkpoint contains the rest.
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from nmt.devices import Precision, autocast, start_reading
from nmt.errors import DivergedError, Stopped
from nmt.kernels.recording import CudaRecorder
from nmt.runs import LAST_GOOD
from nmt.text import counted
from nmt.training import checkpoint
from nmt.training.ema import MovingAverage
from nmt.training.gradients import Backward, RecordedBackward, compute_gradients
from nmt.training.loss_scale import LossScale
from nmt.training.memory import largest_batch, peak_memory
from nmt.training.optimizer import build_optimizer, learning_rate
from nmt.training.state import TrainState
from nmt.training.stop import stopped_by
from nmt.training.time_left import TimeLeft
from nmt.training.updates import updates_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from nmt.config import TrainingConfig
    from nmt.data.batching import Batches
    from nmt.runs import Run
    from nmt.training.objective import TrainingObjective
    from nmt.training.progress import Progress
    from nmt.training.stop import StopSignal
    from nmt.training.updates import Update
    from nmt.training.validation import Figures

_TRANSLATING = 4.0
"""Duration of a validation relative to that of its loss, until one is measured."""


@dataclass(frozen=True)
class Setting:
    """The constant inputs of the loop."""

    run: Run
    config: TrainingConfig
    batches: Batches
    sampling: bool
    """Whether each epoch samples subwords."""
    validate: Callable[[Callable[[], None]], Figures]
    """Measures the current weights; calls its argument often, which may raise Stopped."""
    validation_loss: Callable[[Callable[[], None]], float]
    """Measures only the loss, in nats per target token."""
    total_steps: int | None
    """Where max_steps or max_epochs ends training, if known."""
    progress: Progress
    stop: StopSignal
    device: torch.device
    precision: Precision
    facts: Mapping[str, Any]
    """Values for the manifest of every checkpoint."""
    validations_at_end: float = 0.0
    """Expected duration of averaging and test, in validations."""


def train(objective: TrainingObjective, setting: Setting, resume_from: Path | None) -> TrainState:
    """Train until max_steps, max_epochs or patience ends the run, and return the final state.

    `resume_from` must be verified. Raises Stopped after a signal, with the state saved,
    DivergedError after too many non-finite updates, and StorageError if saving fails.
    """
    config, device, progress, stop = setting.config, setting.device, setting.progress, setting.stop
    model, batches = objective.model, setting.batches
    optimizer = build_optimizer(model, config)
    ema = MovingAverage(model, config.ema) if config.ema else None
    averages = ema.tensors if ema else None
    state, records = TrainState(), list[str]()
    began = time.monotonic()
    if resume_from is not None:
        state, records = checkpoint.restore(resume_from, model, optimizer, averages)
    else:
        with suppress(Stopped):  # The loop then stops before its first step.
            state.untrained_loss = setting.validation_loss(stop.check)
    # Translating takes longer than the loss that was just measured.
    first_validation = _TRANSLATING * (time.monotonic() - began)
    time_left = TimeLeft(
        config, state, setting.total_steps, first_validation, setting.validations_at_end
    )
    loss_scale = LossScale(device, setting.precision, state)
    parts = objective, device, setting.precision, loss_scale
    recorded = device.type == "cuda" and config.packing == "on"
    backward = (
        RecordedBackward(*parts, CudaRecorder(), progress.warn) if recorded else Backward(*parts)
    )
    gradients = partial(
        compute_gradients, backward, seed=config.seed, check_stop=stop.check, warn=progress.warn
    )
    sums = torch.tensor([state.objective, state.nll], dtype=torch.float64, device=device)
    launched: list[_Launched] = []
    first_step, saved = state.step, (state.step, state.validated)
    started = time.monotonic() - state.seconds

    def finish_steps() -> None:
        """Wait for launched steps, and count them as finished or skipped.

        No later step may have changed the weights.
        """
        while launched:
            step, rate, update, losses, read_norm = launched.pop(0)
            finite = math.isfinite(read_norm())
            overflowed = loss_scale.update(finite)
            if finite:
                if ema:
                    ema.update(step)
                sums.add_(losses)
                state.tokens += update.target_tokens
                state.skipped_in_row = 0
                continue
            state.skipped += 1
            if overflowed:
                progress.say(f"step {step} overflowed in fp16; loss scale: {loss_scale.value:g}")
            else:
                state.skipped_in_row += 1
                progress.skipped(step, rate, update.pairs)
            if state.skipped_in_row >= config.max_skipped:
                updates_in_row = counted(state.skipped_in_row, "update")
                what = f"{updates_in_row} in a row had a non-finite loss or gradient"
                raise _diverged(f"{what}, the last at step {step}", state)

    def update_state() -> None:
        finish_steps()
        state.objective, state.nll = sums.tolist()
        state.seconds = time.monotonic() - started
        loss_scale.store(state)

    def save() -> None:
        nonlocal saved
        if saved == (state.step, state.validated):
            return
        update_state()
        run = setting.run
        checkpoint.save(run, state, model, optimizer, averages, progress.records, setting.facts)
        needed = {state.best_step, *state.averaged_steps(config)}
        checkpoint.prune(run, state, config.keep_checkpoints, needed)
        saved = (state.step, state.validated)

    def validate() -> None:
        finish_steps()
        begin = time.monotonic()
        try:
            with ema.applied() if ema else nullcontext():
                figures = setting.validate(stop.check)
        except DivergedError as error:
            raise _diverged(f"validation after step {state.step}: {error}", state) from error
        state.note_validation(figures.score(config.valid_metric), figures.loss)
        update_state()
        progress.validation(state, figures, config, time.monotonic() - begin)
        progress.check_loss(f"after step {state.step}", figures.loss, state.untrained_loss)
        save()
        objective.train()
        progress.restart_clock(time.monotonic() - begin)

    def run_step(update: Update) -> None:
        step, tokens = state.step + 1, update.target_tokens
        objective.alpha = config.rdrop if step > config.rdrop_after else 0.0
        losses = gradients(update.batches, step=step)
        finish_steps()
        state.step, state.epoch, state.batch = step, update.epoch, update.batch
        if batches.mixture:
            counts = batches.mixture.count(update.indices).tolist()
            state.drawn = [sum(both) for both in zip_longest(state.drawn, counts, fillvalue=0)]
        rate = learning_rate(step, config)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss_scale.unscale(optimizer)
        norm = get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        launched.append(_Launched(step, rate, update, losses, start_reading(norm)))
        # An optimizer with this attribute changes nothing where it is 1, without waiting for it.
        optimizer.found_inf = norm.isfinite().logical_not().float()  # type: ignore[attr-defined]
        if config.clip_norm:
            clip_grads_with_norm_(model.parameters(), config.clip_norm, norm)
        with autocast(device, setting.precision):
            optimizer.step()
        if not _is_ahead(device, setting.precision):
            finish_steps()
        progress.step(tokens)

        if step % config.log_every:
            return
        update_state()
        if state.tokens:
            progress.train(state, rate, float(norm))
            sums.zero_()
            state.tokens = 0
            if device.type == "cuda" and step - first_step <= config.log_every:
                progress.say(peak_memory(device))

    objective.train()
    # If memory runs out, it does so now, not at a later step. The gradients are discarded.
    objective.alpha = config.rdrop
    largest = largest_batch(batches, config.seed, device)
    with suppress(Stopped):
        # A second batch finds the gradients of the first in memory, or is recorded.
        gradients([largest] * (2 if recorded else min(config.accumulate, 2)), step=state.step)
    progress.start(state.step, setting.total_steps, records, time_left)
    updates = updates_from(state.epoch, state.batch, batches, config, setting.sampling, device)
    while True:
        if stop.received is not None:
            save()
            at = f"at step {state.step}; the state is saved in {setting.run.path}"
            raise stopped_by(
                stop.received,
                f"stopped {at if state.step else 'before the first step; nothing had to be saved'}",
            )
        ended = state.ended(config)
        with suppress(Stopped):
            if state.step > state.validated and (ended or state.step % config.valid_every == 0):
                validate()
            elif ended:
                progress.end(state, config)
                return state
            else:
                run_step(next(updates))


class _Launched(NamedTuple):
    """A step whose outcome is not known yet."""

    step: int
    learning_rate: float
    update: Update
    losses: Tensor
    """Sums (objective, nll) over target tokens, (2,) float64."""
    read_norm: Callable[[], float]
    """Waits for the norm of the gradients. If it is not finite, the step is skipped."""


def _is_ahead(device: torch.device, precision: Precision) -> bool:
    """Return whether to launch a step before the previous one has finished.

    A GPU would otherwise be idle while Python launches the next kernels. Loss scaling in fp16 has
    to wait.
    """
    return device.type == "cuda" and precision != "fp16"


def _diverged(what: str, state: TrainState) -> DivergedError:
    good = f"is step {state.validated}" if state.validated else "does not exist yet"
    return DivergedError(
        f"{what}{LAST_GOOD}{good}",
        "lower training.learning_rate, raise training.warmup_steps, or use precision: fp32",
    )
