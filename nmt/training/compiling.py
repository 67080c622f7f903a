"""Compilation of the training objective with torch.compile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from nmt.devices import Precision, autocast
from nmt.text import duration

if TYPE_CHECKING:
    from nmt.data.batching import Batch
    from nmt.training.objective import LossSums, TrainingObjective
    from nmt.training.progress import Progress


def compile_objective(
    objective: TrainingObjective, batch: Batch, precision: Precision, progress: Progress
) -> None:
    """Compile the objective by computing and discarding the gradients of a batch.

    batch: on the objective's device. If compilation fails, the objective is not changed, and a
    warning is printed. All packed batches have one shape; code for padded batches accepts any.
    """
    packed = len(batch.target.positions) > 1
    progress.say("compiling the model (torch caches the code for the next run) ...")
    begin = time.monotonic()
    objective.train()
    plain = objective.forward
    compiled = torch.compile(plain, dynamic=not packed)

    def forward(batch: Batch) -> LossSums:
        # Batches of validation have other shapes.
        return compiled(batch) if objective.training else plain(batch)

    objective.forward = forward  # type: ignore[method-assign]
    try:
        with autocast(batch.source.ids.device, precision):
            loss = objective(batch).objective
        loss.backward()
    except torch.OutOfMemoryError:
        pass  # The training loop splits large batches.
    except Exception as error:
        del objective.forward
        reason = str(error).strip().partition("\n")[0]
        progress.warn(f"torch.compile failed, training without it: {reason[:200]}")
    else:
        progress.say(f"compiled in {duration(time.monotonic() - begin)}")
    objective.zero_grad(set_to_none=True)
