"""Fast dropout on a CPU, where drawing random numbers takes longer than a matrix product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_LEVELS = 1 << 16


class FastDropout(nn.Dropout):
    """`nn.Dropout` with 16 random bits per value on a CPU: p is a multiple of 1/65536."""

    def forward(self, x: Tensor) -> Tensor:
        if (
            not self.training
            or self.p == 0.0
            or x.device.type != "cpu"
            or torch.compiler.is_compiling()
        ):
            return super().forward(x)
        dropped_levels = min(round(self.p * _LEVELS), _LEVELS - 1)
        return _Dropout.apply(x, dropped_levels)  # type: ignore[no-untyped-call]


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dropped_levels: int) -> Tensor:
        ctx.scale = _LEVELS / (_LEVELS - dropped_levels)
        kept = _kept(x, dropped_levels)
        ctx.save_for_backward(kept)
        return (x * kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return (grads[0] * kept).mul_(ctx.scale), None


def _kept(like: Tensor, dropped_levels: int) -> Tensor:
    """Return a random mask, 1 = keep, in the shape and dtype of `like`."""
    # The mask has the dtype of `like`, because products of mixed dtypes take twice as long.
    words = torch.empty((like.numel() + 3) // 4, dtype=torch.int64)
    words.random_(-(1 << 63), None)
    bits = words.view(torch.int16)[: like.numel()].view(like.shape)
    kept = torch.empty(like.shape, dtype=like.dtype)
    return torch.ge(bits, dropped_levels - _LEVELS // 2, out=kept)
