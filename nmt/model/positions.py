"""Positional encodings for positions (batch, length) int64; (1, length) if all rows share them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def position_angles(positions: Tensor, width: int) -> Tensor:
    """Return pos / 10000^(2i/width) for i < width/2: (..., width/2) float64."""
    exponents = torch.arange(0, width, 2, dtype=torch.float64, device=positions.device) / width
    return positions[..., None] * 10000.0**-exponents


class SinusoidalPositions(nn.Module):
    """Sinusoidal vectors (Vaswani et al., 2017, section 3.5).

    PE(pos, 2i) = sin(pos / 10000^(2i/d_model)), PE(pos, 2i+1) = cos(pos / 10000^(2i/d_model)).
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model

    def forward(self, positions: Tensor) -> Tensor:
        """Return the vectors (..., d_model) float32 of positions (...) int64."""
        angles = position_angles(positions, self.d_model)
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2).float()


class LearnedPositions(nn.Module):
    """A learned vector for each position below `max_positions`."""

    def __init__(self, d_model: int, max_positions: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(max_positions, d_model))
        nn.init.normal_(self.table, std=d_model**-0.5)

    def forward(self, positions: Tensor) -> Tensor:
        """Return the vectors (..., d_model) of positions (...) int64."""
        return self.table[positions]


class RotaryPositions(nn.Module):
    """Rotation of pairs of query and key components by angles that grow with the position.

    Positions then affect products of queries and keys only by their distance (Su et al., 2021).
    """

    def __init__(self, d_k: int) -> None:
        super().__init__()
        self.d_k = d_k

    def forward(self, positions: Tensor) -> Tensor:
        """Return the cosine and sine of each angle, (batch or 1, 1, length, d_k/2, 2) float32."""
        angles = position_angles(positions, self.d_k)
        return torch.stack([angles.cos(), angles.sin()], dim=-1).float()[:, None]


class RelativePositions(nn.Module):
    """A learned bias per head for each bucket of distances between query and key.

    Raffel et al. (2020), section 2.1: on each side of the query, each distance below
    `buckets / 4` has its own bucket. Larger distances share buckets of logarithmic width; all
    beyond `reach` share one.
    """

    def __init__(self, heads: int, buckets: int = 32, reach: int = 128) -> None:
        super().__init__()
        self.buckets = buckets
        self.reach = reach
        self.weight = nn.Parameter(torch.zeros(buckets, heads))

    def forward(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Return the biases (batch or 1, heads, query_len, key_len) of self-attention."""
        distance = key_positions[:, None, :] - query_positions[:, :, None]
        return self.weight[self._bucket(distance)].permute(0, 3, 1, 2)

    def _bucket(self, distance: Tensor) -> Tensor:
        side = self.buckets // 2
        exact = side // 2
        far = distance.abs()
        ratio = torch.log(far.clamp(min=1) / exact) / math.log(self.reach / exact)
        logarithmic = (exact + ratio * (side - exact)).long().clamp(max=side - 1)
        return torch.where(far < exact, far, logarithmic) + side * (distance > 0)
