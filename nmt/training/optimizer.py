"""Optimizers with their parameter groups, and the learning rate of each step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from nmt.training.muon import Muon

if TYPE_CHECKING:
    from nmt.config import TrainingConfig
    from nmt.model import EncoderDecoder


def build_optimizer(model: EncoderDecoder, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return torch's fused Adam or AdamW, or Muon; weight decay applies to matrices only.

    Muon updates the matrices that map one hidden state to another, and uses AdamW for everything
    else: embeddings, the output projection, tables of positions and distances, biases and gains.
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
    """Return the learning rate of a step, from 1.

    The rate rises linearly to `learning_rate` during the warm-up. Then inverse_sqrt falls with
    1/sqrt(step) (Vaswani et al., 2017, equation 3, scaled to the peak), cosine falls to zero at
    max_steps (Loshchilov and Hutter, 2017), and constant does not change.
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
