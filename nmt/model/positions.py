"""How word order reaches the model: encodings added to the embeddings, or rules of attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoidal_positions(length: int, d_model: int) -> Tensor:
    """PE(pos, 2i) = sin(pos / 10000^(2i/d_model)), PE(pos, 2i+1) = cos(of the same).

    Vaswani et al. (2017), section 3.5. Returns (length, d_model) float32.
    """
    positions = torch.arange(length, dtype=torch.float64)[:, None]
    frequencies = 10000.0 ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    angles = positions * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()


class SinusoidalPositions(nn.Module):
    """Adds the fixed sinusoids; holds for any length."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.table: Tensor
        self.register_buffer("table", sinusoidal_positions(256, d_model), persistent=False)

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """x: (..., length, d_model), its first row at position `first`."""
        end = first + x.shape[-2]
        if end > self.table.shape[0]:
            self.table = sinusoidal_positions(2 * end, x.shape[-1]).to(self.table)
        return x + self.table[first:end]


class LearnedPositions(nn.Module):
    """Adds one learned vector a position, up to `max_positions`."""

    def __init__(self, d_model: int, max_positions: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(max_positions, d_model))
        nn.init.normal_(self.table, std=d_model**-0.5)

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """x: (..., length, d_model), its first row at position `first`.

        Raises ValueError past max_positions.
        """
        end = first + x.shape[-2]
        if end > self.table.shape[0]:
            raise ValueError(f"{end} positions, but model.max_positions is {self.table.shape[0]}")
        return x + self.table[first:end]


class NoPositions(nn.Module):
    """Adds nothing: order is unknown to the model, or known to its attention."""

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """x unchanged."""
        return x


class RotaryRule(nn.Module):
    """Rotates pairs of query and key components by angles that grow with the position.

    Su et al. (2021): the product of a query and a key then depends on their distance only.
    """

    def __init__(self, d_k: int) -> None:
        super().__init__()
        self.frequencies: Tensor
        exponents = -torch.arange(0, d_k, 2, dtype=torch.float32) / d_k
        self.register_buffer("frequencies", 10000.0**exponents, persistent=False)

    def rotate(self, heads: Tensor, positions: Tensor) -> Tensor:
        """heads: (batch, heads, length, d_k); positions: (length,).

        A pair (x, y) is turned by the angle a as the complex number (x + iy) exp(ia).
        """
        angles = positions[:, None] * self.frequencies
        turns = torch.polar(torch.ones_like(angles), angles)
        pairs = torch.view_as_complex(heads.float().reshape(*heads.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * turns).flatten(-2).to(heads.dtype)

    def bias(self, query_positions: Tensor, key_positions: Tensor) -> None:
        """None: the rotation says it all."""


class RelativeRule(nn.Module):
    """A learned bias a head by the distance of query and key, in buckets that widen with it.

    Raffel et al. (2020), section 2.1: exact distances up to `buckets / 4`, then logarithmic up to
    `reach`, on each side.
    """

    def __init__(self, heads: int, buckets: int = 32, reach: int = 128) -> None:
        super().__init__()
        self.buckets = buckets
        self.reach = reach
        self.weight = nn.Parameter(torch.zeros(buckets, heads))

    def rotate(self, heads: Tensor, positions: Tensor) -> Tensor:
        """heads unchanged."""
        return heads

    def bias(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """(heads, query_len, key_len) for positions (query_len,) and (key_len,)."""
        distance = key_positions[None, :] - query_positions[:, None]
        return self.weight[self._bucket(distance)].permute(2, 0, 1)

    def _bucket(self, distance: Tensor) -> Tensor:
        side = self.buckets // 2
        exact = side // 2
        far = distance.abs()
        ratio = torch.log(far.clamp(min=1) / exact) / math.log(self.reach / exact)
        logarithmic = (exact + ratio * (side - exact)).long().clamp(max=side - 1)
        return torch.where(far < exact, far, logarithmic) + side * (distance > 0)
