"""The gradients of one step, also for batches that do not fit in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from nmt.devices import Precision, autocast
from nmt.errors import UsageError
from nmt.training.updates import derive_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from nmt.data.batching import Batch
    from nmt.kernels.recording import Record
    from nmt.training.loss_scale import LossScale
    from nmt.training.objective import TrainingObjective

_RECORDINGS = 8
"""Most batch shapes that are recorded. Packed batches have one; sampled subwords add a few."""


@dataclass
class Backward:
    """Adds the gradients of batches to the `grad` of the objective's parameters."""

    objective: TrainingObjective
    device: torch.device
    precision: Precision
    loss_scale: LossScale

    def zero(self) -> None:
        self.objective.zero_grad(set_to_none=True)

    def add(self, batch: Batch, tokens: int | Tensor) -> Tensor:
        """Add the gradients of objective / tokens, times `loss_scale`.

        Returns the sums (objective, nll) over the batch's target tokens, (2,) float32, in nats.
        """
        with autocast(self.device, self.precision):
            loss = self.objective(batch)
        self.loss_scale.scaled(loss.objective / tokens).backward()  # type: ignore[no-untyped-call]
        return torch.stack([loss.objective.detach(), loss.nll])


class _Recording(NamedTuple):
    inputs: list[Tensor]
    sums: Tensor
    replay: Callable[[], None]


@dataclass
class RecordedBackward(Backward):
    """A Backward that replays a recording per batch shape; see `nmt.kernels.recording`."""

    record: Record | None
    """None after a failure."""
    warn: Callable[[str], None]

    def __post_init__(self) -> None:
        self._tokens = torch.ones((), device=self.device)
        self._recordings: dict[object, _Recording | None] = {}

    def zero(self) -> None:
        # Recordings always add to the same tensors.
        gradients = [p.grad for p in self.objective.parameters() if p.grad is not None]
        if gradients:
            torch._foreach_zero_(gradients)

    def add(self, batch: Batch, tokens: int | Tensor) -> Tensor:
        """Replay the recording; see `Backward.add`. The first two batches of a shape make it."""
        self._tokens.fill_(tokens)
        shape = (self.objective.alpha, *(tensor.shape for tensor in batch.tensors))
        recording = self._recordings.get(shape)
        if recording is None and shape in self._recordings and self.record is not None:
            recording = self._recordings[shape] = self._recorded(batch, self.record)
        if recording is None:  # The first batch creates the gradients and workspaces of kernels.
            if len(self._recordings) < _RECORDINGS:
                self._recordings.setdefault(shape)
            return super().add(batch, self._tokens)
        torch._foreach_copy_(recording.inputs, batch.tensors)
        recording.replay()
        return recording.sums

    def _recorded(self, batch: Batch, record: Record) -> _Recording | None:
        batch = batch.apply(torch.clone)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()  # Recordings have their own memory.
        try:
            sums, replay = record(lambda: super(RecordedBackward, self).add(batch, self._tokens))
        except RuntimeError as error:
            self.record = None
            reason = str(error).strip().partition("\n")[0]
            self.warn(f"steps cannot be recorded as a CUDA graph, which is slower: {reason[:200]}")
            return None
        return _Recording(batch.tensors, sums, replay)


def compute_gradients(
    backward: Backward,
    batches: Sequence[Batch],
    *,
    step: int,
    seed: int,
    check_stop: Callable[[], None],
    warn: Callable[[str], None],
) -> Tensor:
    """Compute the gradients of the mean loss per target token of a step, times the loss scale.

    Returns the sums (objective, nll) over target tokens, (2,) float64, in nats. If memory runs out,
    warns and retries with each batch split in two. Raises UsageError if memory runs out with one
    row per batch. `check_stop` is called before each batch and may raise.
    """
    tokens = sum(batch.target_tokens for batch in batches)
    while True:
        torch.manual_seed(derive_seed(seed, "dropout", step))
        backward.zero()
        sums = torch.zeros(2, dtype=torch.float64, device=backward.device)
        try:
            for batch in batches:
                check_stop()
                sums += backward.add(batch, tokens)
            return sums
        except torch.OutOfMemoryError:
            pass  # Retry outside the except block: the exception keeps the tensors alive.
        if all(batch.rows == 1 for batch in batches):
            raise UsageError(
                f"out of memory at step {step} with a batch of a single row",
                "lower data.max_tokens or the model size",
            )
        batches = [p for b in batches for p in (b.split() if b.rows > 1 else (b,))]
        if backward.device.type == "cuda":
            torch.cuda.empty_cache()
        warn(
            f"step {step}: out of memory; retrying with {len(batches)} smaller batches "
            "(lower training.batch_tokens if this happens often)"
        )
