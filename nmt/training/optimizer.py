"""Adam with its parameter groups, and the learning rate as a function of the step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from nmt.config import TrainingConfig
    from nmt.model import Model


def build_optimizer(model: Model, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam or AdamW in torch's fused form; weight decay acts on matrices only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(
        groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), eps=1e-9, fused=True
    )


def learning_rate(step: int, config: TrainingConfig) -> float:
    """The learning rate of update `step` (the first is 1).

    Rises linearly to `learning_rate` over the warm-up, then: inverse_sqrt falls with
    1/sqrt(step) (Vaswani et al., 2017, equation 3, scaled to the peak), cosine falls to zero at
    max_steps (Loshchilov and Hutter, 2017), constant stays.
    """
    peak, warmup = config.learning_rate, config.warmup_steps
    if step < warmup:
        return peak * step / warmup
    if config.schedule == "inverse_sqrt":
        return peak * math.sqrt(max(warmup, 1) / step)
    if config.schedule == "cosine":
        assert config.max_steps is not None
        progress = (step - warmup) / max(config.max_steps - warmup, 1)
        return peak * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))
    return peak
