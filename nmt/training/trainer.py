"""The training loop, read from top to bottom.

Resuming is exact: the order of batches is a function of (seed, epoch), the random numbers of an
update one of (seed, step), and the rest of the state is in the checkpoint. A training that was
killed and started again ends with the same bits as one that ran through.
"""

from __future__ import annotations

import hashlib
import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from nmt.data.batching import Batch, plan, training_batches
from nmt.devices import Precision, autocast
from nmt.errors import DivergedError, Stopped, UsageError
from nmt.training import checkpoint
from nmt.training.checkpoint import TrainState
from nmt.training.loss import batch_loss
from nmt.training.optimizer import build_optimizer, learning_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nmt.config import TrainingConfig
    from nmt.data.corpus import Corpus
    from nmt.model import Model
    from nmt.runs import Run
    from nmt.training.progress import Progress
    from nmt.training.stop import StopSignal
    from nmt.training.validation import Figures


@dataclass(frozen=True)
class Setting:
    """What a training has at hand and does not change."""

    run: Run
    config: TrainingConfig
    corpus: Corpus
    sampling: bool
    """Whether the corpus is re-encoded with sampled subwords."""
    validate: Callable[[Callable[[], None]], Figures]
    """Measures the model as it is; its argument is called often and may raise Stopped."""
    progress: Progress
    stop: StopSignal
    device: torch.device
    precision: Precision
    facts: Mapping[str, Any]
    """Written into the manifest of every checkpoint."""


def train(model: Model, setting: Setting, resume_from: Path | None) -> TrainState:
    """Train until max_steps, max_epochs or patience ends it; what stays is the checkpoints.

    Raises Stopped after a signal, with the state saved; DivergedError after too many non-finite
    updates in a row; StorageError if a checkpoint cannot be saved.
    """
    config, progress, stop = setting.config, setting.progress, setting.stop
    optimizer = build_optimizer(model, config)
    ema = {n: p.detach().clone() for n, p in model.named_parameters()} if config.ema else None
    state, records = TrainState(), list[str]()
    if resume_from is not None:
        state, records = checkpoint.restore(resume_from, model, optimizer, ema)
    sums = torch.tensor([state.objective, state.nll], dtype=torch.float64, device=setting.device)
    saved = (state.step, state.validated)
    clock, speed = _Clock(), _Speed()

    def save() -> None:
        nonlocal saved
        if saved == (state.step, state.validated):
            return
        state.objective, state.nll = sums.tolist()
        state.seconds += clock.lap()
        checkpoint.save(setting.run, state, model, optimizer, ema, progress.records, setting.facts)
        checkpoint.prune(setting.run, state, config.keep_checkpoints, config.average_checkpoints)
        saved = (state.step, state.validated)

    progress.start(state.step, _total_steps(setting), records)
    updates = _updates(setting, state)
    model.train()
    while True:
        if stop.received is not None:
            save()
            raise _stopped(stop.received, state, setting)

        ended = _ended(state, config)
        if state.step > state.validated and (ended or state.step % config.valid_every == 0):
            try:
                with _weights(model, ema):
                    figures = setting.validate(stop.check)
            except Stopped:
                continue
            except DivergedError as error:
                raise _diverged(f"validation after step {state.step}: {error}", state) from error
            _note_validation(state, figures, setting, clock.elapsed())
            save()
            model.train()
            speed = _Speed()
            continue
        if ended:
            break

        batches, position = next(updates)
        tokens = sum(batch.target_tokens for batch in batches)
        try:
            losses = _gradients(model, batches, state.step + 1, setting)
        except Stopped:
            continue
        state.step += 1
        rate = learning_rate(state.step, config)
        for group in optimizer.param_groups:
            group["lr"] = rate
        norm = get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        if math.isfinite(norm):
            if config.clip_norm:
                clip_grads_with_norm_(model.parameters(), config.clip_norm, norm)
            with autocast(setting.device, setting.precision):
                optimizer.step()
            if ema is not None:
                _move_averages(ema, model, config.ema, state.step)
            sums += losses
            state.tokens += tokens
            state.skipped_in_row = 0
        else:
            _note_skipped(state, batches, rate, setting)
        state.epoch, state.batch = position
        speed.tokens += tokens
        progress.step()

        if state.step % config.log_every == 0 and state.tokens:
            objective, nll = (sums / state.tokens).tolist()
            progress.train(
                {
                    "step": state.step,
                    "epoch": state.epoch_of_last_update,
                    "loss": objective,
                    "nll": nll,
                    "learning_rate": rate,
                    "grad_norm": float(norm),
                    "skipped": state.skipped,
                    "tokens_per_second": round(speed.per_second(), 1),
                    "seconds": round(state.seconds + clock.elapsed(), 2),
                }
            )
            sums.zero_()
            state.tokens = 0
            speed = _Speed()
    return state


def derive_seed(seed: int, *parts: int | str) -> int:
    """A seed of 63 bits for one purpose: a fixed hash of the run's seed and the parts."""
    digest = hashlib.blake2b(repr((seed, *parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _updates(setting: Setting, state: TrainState) -> Iterator[tuple[list[Batch], tuple[int, int]]]:
    """The batches of each update from the state's position on, and the position after it.

    An update never spans two epochs: the last one of an epoch may have fewer batches.
    """
    config, epoch, first = setting.config, state.epoch, state.batch
    while True:
        batches = _plan(setting, epoch)
        group: list[Batch] = []
        seed_of = _sampling_seeds(config.seed, epoch) if setting.sampling else None
        for batch in training_batches(setting.corpus, batches, first, seed_of):
            group.append(batch)
            first += 1
            if len(group) == config.accumulate or first == len(batches):
                yield group, (epoch + 1, 0) if first == len(batches) else (epoch, first)
                group = []
        epoch, first = epoch + 1, 0


def _plan(setting: Setting, epoch: int) -> list[np.ndarray]:
    corpus, config = setting.corpus, setting.config
    return plan(
        corpus.source_lengths, corpus.target_lengths, config.batch_tokens, config.seed, epoch
    )


def _sampling_seeds(seed: int, epoch: int) -> Callable[[int], int]:
    return lambda window: derive_seed(seed, "sampling", epoch, window)


def _gradients(model: Model, batches: Sequence[Batch], step: int, setting: Setting) -> Tensor:
    """Fill the gradients of the mean loss per target token over all batches of an update.

    Returns the sums (objective, nll), float64. If memory runs out, all is done again with the
    batches split in two. Raises Stopped if a signal comes between two batches.
    """
    config, device = setting.config, setting.device
    rdrop = config.rdrop if step > config.rdrop_after else 0.0
    tokens = sum(batch.target_tokens for batch in batches)
    while True:
        torch.manual_seed(derive_seed(config.seed, "dropout", step))
        sums = torch.zeros(2, dtype=torch.float64, device=device)
        for parameter in model.parameters():
            parameter.grad = None
        try:
            for batch in batches:
                setting.stop.check()
                with autocast(device, setting.precision):
                    loss = batch_loss(model, batch.to(device), config.label_smoothing, rdrop)
                (loss.objective / tokens).backward()  # type: ignore[no-untyped-call]
                sums += torch.stack([loss.objective.detach(), loss.nll])
                del loss
            return sums
        except torch.OutOfMemoryError:
            pass  # go on outside: the exception holds on to the tensors of the forward pass
        if all(len(batch.indices) == 1 for batch in batches):
            raise UsageError(
                f"out of memory at step {step} with a single sentence pair",
                "lower data.max_tokens or the size of the model",
            )
        batches = [p for b in batches for p in (b.split() if len(b.indices) > 1 else (b,))]
        if device.type == "cuda":
            torch.cuda.empty_cache()
        setting.progress.warn(
            f"step {step}: out of memory; going on with the batch in {len(batches)} parts "
            "(lower training.batch_tokens if this comes often)"
        )


def _move_averages(ema: dict[str, Tensor], model: Model, decay: float, step: int) -> None:
    """ema = d * ema + (1 - d) * weights, with a d that grows to `decay` over the first steps."""
    decay = min(decay, (1 + step) / (10 + step))
    weights = [parameter.detach() for parameter in model.parameters()]
    torch._foreach_lerp_(list(ema.values()), weights, 1 - decay)


@contextmanager
def _weights(model: Model, ema: dict[str, Tensor] | None) -> Iterator[None]:
    """Inside, the model has the averaged weights (if there are any)."""

    def swap() -> None:
        for name, parameter in model.named_parameters():
            if ema is not None:
                parameter.data, ema[name] = ema[name], parameter.data

    swap()
    try:
        yield
    finally:
        swap()


def _ended(state: TrainState, config: TrainingConfig) -> bool:
    return (
        (config.max_steps is not None and state.step >= config.max_steps)
        or (config.max_epochs is not None and state.epoch > config.max_epochs)
        or (config.patience is not None and state.stale_validations >= config.patience)
    )


def _total_steps(setting: Setting) -> int | None:
    config = setting.config
    totals = [] if config.max_steps is None else [config.max_steps]
    if config.max_epochs is not None:
        updates = math.ceil(len(_plan(setting, 1)) / config.accumulate)
        totals.append(config.max_epochs * updates)
    return min(totals, default=None)


def _note_validation(state: TrainState, figures: Figures, setting: Setting, seconds: float) -> None:
    metric = setting.config.valid_metric
    score = {"loss": -figures.loss, "bleu": figures.bleu, "chrf": figures.chrf}[metric]
    if math.isnan(score):
        score = -math.inf
    best = not state.scores or score > max(score for _, score in state.scores)
    state.scores.append((state.step, score))
    state.validated = state.step
    state.best_step = state.step if best else state.best_step
    state.stale_validations = 0 if best else state.stale_validations + 1
    epoch, total = state.epoch_of_last_update, round(state.seconds + seconds, 2)
    place = {"event": "valid", "step": state.step, "epoch": epoch}
    setting.progress.record({**place, **figures.as_dict(), "seconds": total})
    setting.progress.say(figures.line(state.step, epoch, total, best))


def _note_skipped(
    state: TrainState, batches: Sequence[Batch], rate: float, setting: Setting
) -> None:
    """Count an update left out; after too many in a row, give up."""
    state.skipped += 1
    state.skipped_in_row += 1
    pairs = sorted(int(i) + 1 for batch in batches for i in batch.indices)
    shown = ", ".join(map(str, pairs[:10])) + (" ..." if len(pairs) > 10 else "")
    setting.progress.warn(
        f"step {state.step} is skipped: its loss or gradient is not finite "
        f"(learning rate {rate:.1e}, training pairs {shown})"
    )
    if state.skipped_in_row >= setting.config.max_skipped:
        what = f"{state.skipped_in_row} updates in a row had a non-finite loss or gradient"
        raise _diverged(f"{what}, the last at step {state.step}", state)


def _diverged(what: str, state: TrainState) -> DivergedError:
    good = f"step {state.validated}" if state.validated else "none yet"
    return DivergedError(
        f"{what}; the last good checkpoint: {good}",
        "lower training.learning_rate, raise training.warmup_steps, or use precision: fp32",
    )


def _stopped(signal_number: int, state: TrainState, setting: Setting) -> Stopped:
    return Stopped(
        signal_number,
        f"stopped at step {state.step}; the state is saved in {setting.run.path}",
        "the same command goes on from here",
    )


class _Clock:
    """Seconds since the last lap."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._begun

    def lap(self) -> float:
        elapsed = self.elapsed()
        self._begun += elapsed
        return elapsed


class _Speed(_Clock):
    """Target tokens a second since it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0

    def per_second(self) -> float:
        return self.tokens / max(self.elapsed(), 1e-9)
