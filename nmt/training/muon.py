"""The Muon optimizer: orthogonalized momentum for the matrices of hidden layers.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the scale of
Liu et al. (2025, arXiv:2502.16982). Unlike torch.optim.Muon, this optimizer orthogonalizes matrices
of one shape together, in the format of autocast, and has AdamW for embeddings and vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

_MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Polynomial of Jordan et al., steep at 0, so that five rounds are enough."""


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return matrices (count, rows, columns) with singular values near 1 (0.7 to 1.2).

    The Newton-Schulz iteration X <- aX + b(XX^T)X + c(XX^T)^2 X keeps the singular vectors.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Orthogonalized Nesterov momentum for `matrices`, AdamW with `betas` for `others`.

    `lr` applies to all parameters, `weight_decay` (decoupled) to those with two dimensions.
    """

    found_inf: Tensor | None = None
    """`step` changes nothing if this is 1, as in torch's fused optimizers."""

    def __init__(
        self,
        matrices: Sequence[Tensor],
        others: Sequence[Tensor],
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
    ) -> None:
        adam = {"orthogonal": False, "fused": True}
        groups: list[dict[str, Any]] = [
            {"params": list(matrices), "orthogonal": True, "fused": False},
            {"params": [p for p in others if p.ndim >= 2], **adam},
            {"params": [p for p in others if p.ndim < 2], **adam, "weight_decay": 0.0},
        ]
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        if self.found_inf is not None and self.found_inf:
            return
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not group["orthogonal"]:
                self._adamw(parameters, group)
                continue
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in parameters:
                by_shape.setdefault(parameter.shape, []).append(parameter)
            for alike in by_shape.values():
                self._orthogonal(alike, group)

    def _orthogonal(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        states = [self.state[p] for p in parameters]
        for state, parameter in zip(states, parameters, strict=True):
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
        momenta = [state["momentum"] for state in states]
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, _MOMENTUM)
        directions = orthogonalize(torch.stack(list(ahead)))
        # The root mean square of the entries is 1/sqrt(max(m, n)) for an orthogonal (m, n) matrix
        # and about 0.2 for an update of Adam.
        scale = 0.2 * math.sqrt(max(parameters[0].shape))
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, list(directions.unbind()), alpha=-group["lr"] * scale)

    def _adamw(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        states = [self.state[p] for p in parameters]
        for state, parameter in zip(states, parameters, strict=True):
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        adamw(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-9,
            maximize=False,
        )
