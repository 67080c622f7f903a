"""Optimizers with their parameter groups, and the learning rate of each step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from nmt.training.muon import Muon

if TYPE_CHECKING:
    from collections.abc import Callable

    from nmt.config import TrainingConfig
    from nmt.model import EncoderDecoder


def build_optimizer(model: EncoderDecoder, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return Adam, AdamW or Muon, with weight decay for matrices only.

    Muon updates matrices that map one hidden state to another, and its AdamW everything else.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    betas = (config.beta1, config.beta2)
    if config.optimizer == "muon":
        hidden = [p for p in _hidden_matrices(model) if p.requires_grad]
        chosen = {id(p) for p in hidden}
        others = [p for p in parameters if id(p) not in chosen]
        return Muon(hidden, others, config.learning_rate, betas, config.weight_decay)
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.learning_rate, betas=betas, eps=1e-9, fused=True)


def _hidden_matrices(model: EncoderDecoder) -> list[nn.Parameter]:
    """Return the matrices of linear and recurrent layers except output and score projections."""
    layers = (m for m in model.modules() if isinstance(m, nn.Linear | nn.GRU | nn.GRUCell))
    weights = (weight for layer in layers for weight in layer.parameters() if weight.ndim == 2)
    return [w for w in weights if w is not model.output_weight and len(w) > 1]


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of a step, from 1, after a linear warm-up to the peak.

    inverse_sqrt falls with 1/sqrt(step) (Vaswani et al., 2017, equation 3, scaled to the peak),
    cosine falls to zero at max_steps (Loshchilov and Hutter, 2017).
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


def check_schedule(
    config: TrainingConfig, total_steps: int | None, warn: Callable[[str], None]
) -> None:
    """Warn if the learning rate only falls, or only rises."""
    if total_steps is not None and total_steps < config.warmup_steps:
        warn(
            f"training ends at step {total_steps:,}, but the learning rate rises until step "
            f"{config.warmup_steps:,} (hint: lower training.warmup_steps, or train longer)"
        )
    if config.schedule == "inverse_sqrt" and config.warmup_steps == 0:
        warn(
            "training.warmup_steps: 0 with schedule: inverse_sqrt: the learning rate of step N is "
            "learning_rate / sqrt(N), a tenth at step 100 (hint: set training.warmup_steps, or "
            "training.schedule: constant)"
        )
