"""The gradients of one step, also for batches that do not fit in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nmt.devices import Precision, autocast
from nmt.errors import UsageError
from nmt.training.updates import derive_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from nmt.data.batching import Batch
    from nmt.training.loss_scale import LossScale
    from nmt.training.objective import TrainingObjective


def compute_gradients(
    objective: TrainingObjective,
    batches: Sequence[Batch],
    *,
    step: int,
    seed: int,
    device: torch.device,
    precision: Precision,
    loss_scale: LossScale,
    check_stop: Callable[[], None],
    warn: Callable[[str], None],
) -> Tensor:
    """Compute the gradients of the mean loss per target token of a step, times `loss_scale`.

    Returns the sums (objective, nll) over target tokens, (2,) float64, in nats. If memory runs out,
    warns and retries with each batch split in two. Raises UsageError if memory runs out with one
    row per batch. `check_stop` is called before each batch and may raise.
    """
    tokens = sum(batch.target_tokens for batch in batches)
    while True:
        torch.manual_seed(derive_seed(seed, "dropout", step))
        objective.zero_grad(set_to_none=True)
        sums = torch.zeros(2, dtype=torch.float64, device=device)
        try:
            for batch in batches:
                check_stop()
                with autocast(device, precision):
                    loss = objective(batch)
                loss_scale.scaled(loss.objective / tokens).backward()  # type: ignore[no-untyped-call]
                sums += torch.stack([loss.objective.detach(), loss.nll])
                del loss
            return sums
        except torch.OutOfMemoryError:
            pass  # Retry outside the except block: the exception keeps the tensors alive.
        if all(batch.rows == 1 for batch in batches):
            raise UsageError(
                f"out of memory at step {step} with a batch of a single row",
                "lower data.max_tokens or the model size",
            )
        batches = [p for b in batches for p in (b.split() if b.rows > 1 else (b,))]
        if device.type == "cuda":
            torch.cuda.empty_cache()
        warn(
            f"step {step}: out of memory; retrying with {len(batches)} smaller batches "
            "(lower training.batch_tokens if this happens often)"
        )
