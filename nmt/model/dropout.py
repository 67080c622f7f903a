"""Dropout that costs little on a CPU.

torch draws one 32-bit float a value on a CPU, which takes longer than the matrix product before
it. Sixteen random bits a value decide just as well: the probability is rounded to 1/65536 and
the values kept are scaled by exactly the inverse of the rounded one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_LEVELS = 1 << 16


def _kept(like: Tensor, dropped_levels: int) -> Tensor:
    """1 where a value is kept and 0 where not, in the values' own dtype: products of mixed dtypes
    take twice as long."""
    words = torch.empty((like.numel() + 3) // 4, dtype=torch.int64)
    words.random_(-(1 << 63), None)
    bits = words.view(torch.int16)[: like.numel()].view(like.shape)
    kept = torch.empty(like.shape, dtype=like.dtype)
    return torch.ge(bits, dropped_levels - _LEVELS // 2, out=kept)


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


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Zero each value with probability p and scale the others by 1/(1-p) (Srivastava et al., 2014).

    Any shape and float dtype; the same as torch.nn.functional.dropout but for the random stream
    (torch's global generator) and p rounded to 1/65536 on a CPU.
    """
    if not training or p == 0.0:
        return x
    if x.device.type != "cpu":
        return nn.functional.dropout(x, p)
    dropped_levels = min(round(p * _LEVELS), _LEVELS - 1)
    result: Tensor = _Dropout.apply(x, dropped_levels)  # type: ignore[no-untyped-call]
    return result


class Dropout(nn.Module):
    """`dropout` as a layer."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same shape out."""
        return dropout(x, self.p, self.training)


class WordDropout(nn.Module):
    """Hides whole tokens: their embeddings become zero vectors (Gal and Ghahramani, 2016).

    The model then has to guess from the context, and learns single sentences less by heart. The
    tokens kept are not scaled: they mean the same as when none is hidden.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, embeddings: Tensor) -> Tensor:
        """(..., d_model) in, the same shape out; one decision for each vector."""
        if not self.training or self.p == 0.0:
            return embeddings
        hidden = torch.rand(embeddings.shape[:-1], device=embeddings.device) < self.p
        return embeddings.masked_fill(hidden[..., None], 0.0)
