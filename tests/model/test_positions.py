"""Positional encodings equal their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from nmt.kernels.attention import FusedAttention
from nmt.model.attention import MultiHeadAttention
from nmt.model.positions import (
    LearnedPositions,
    RelativePositions,
    RotaryPositions,
    SinusoidalPositions,
)


def test_sinusoids_equal_the_formula() -> None:
    table = SinusoidalPositions(10)(torch.arange(300))
    assert table.dtype == torch.float32
    for position in (0, 1, 7, 299):
        for i in range(5):
            angle = position / 10000 ** (2 * i / 10)
            assert math.isclose(table[position, 2 * i].item(), math.sin(angle), abs_tol=1e-6)
            assert math.isclose(table[position, 2 * i + 1].item(), math.cos(angle), abs_tol=1e-6)


def test_shifted_sinusoids_are_a_linear_map() -> None:
    # Section 3.5 of the paper: PE(pos + k) is one linear function of PE(pos) for all pos.
    table = SinusoidalPositions(8)(torch.arange(50)).double()
    shift = torch.linalg.lstsq(table[:-3], table[3:]).solution
    torch.testing.assert_close(table[:-3] @ shift, table[3:], atol=1e-5, rtol=0)


def test_sinusoids_of_a_batch_use_its_positions() -> None:
    positions = torch.tensor([[0, 1, 2, 0, 1], [0, 1, 700, 701, 702]])
    result = SinusoidalPositions(8)(positions)
    assert result.shape == (2, 5, 8)
    assert torch.equal(result, SinusoidalPositions(8)(torch.arange(703))[positions])


def test_sinusoids_are_not_stored_with_the_weights() -> None:
    assert not SinusoidalPositions(8).state_dict()


def test_learned_positions_are_rows_of_the_table() -> None:
    positions = LearnedPositions(8, max_positions=5)
    assert torch.equal(positions(torch.tensor([[3, 4]]))[0], positions.table[3:5])
    with pytest.raises(IndexError):
        positions(torch.tensor([[5]]))


def rotated(x: torch.Tensor, position: int) -> torch.Tensor:
    """Return x (1, 1, 1, d_k) rotated to a position."""
    rotation = RotaryPositions(x.shape[-1])(torch.tensor([[position]]))
    plain, fast = (
        kind(8, 1, torch.nn.Dropout(0.0)).rotate(x, rotation)
        for kind in (MultiHeadAttention, FusedAttention)
    )
    torch.testing.assert_close(fast, plain)
    return plain


def test_rotary_products_depend_on_distance_only() -> None:
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(query_position: int, key_position: int) -> float:
        return float((rotated(query, query_position) * rotated(key, key_position)).sum())

    assert math.isclose(product(3, 1), product(103, 101), abs_tol=1e-4)
    assert math.isclose(product(0, 5), product(40, 45), abs_tol=1e-4)
    assert not math.isclose(product(0, 5), product(0, 6), abs_tol=1e-3)
    assert math.isclose(product(9, 9), float((query * key).sum()), abs_tol=1e-5)


def test_rotary_rotates_pairs_by_the_formula() -> None:
    x = torch.randn(1, 1, 1, 6)
    result = rotated(x, 5)[0, 0, 0]
    for i in range(3):
        a, b = x[0, 0, 0, 2 * i].item(), x[0, 0, 0, 2 * i + 1].item()
        z = complex(a, b) * complex(math.cos(t := 5 / 10000 ** (2 * i / 6)), math.sin(t))
        assert math.isclose(result[2 * i].item(), z.real, abs_tol=1e-5)
        assert math.isclose(result[2 * i + 1].item(), z.imag, abs_tol=1e-5)


def test_relative_buckets_are_exact_near_and_wider_far_away() -> None:
    rule = RelativePositions(heads=2, buckets=32, reach=128)
    with torch.no_grad():
        rule.weight.copy_(torch.arange(32.0)[:, None].expand(32, 2))
    bias = rule(torch.arange(400)[None], torch.arange(400)[None])[0]
    assert bias.shape == (2, 400, 400)
    by_distance = {k: bias[0, 200, 200 + k].item() for k in range(-200, 200)}
    near = [by_distance[k] for k in range(-7, 8)]
    assert len(set(near)) == 15
    for side in (1, -1):
        buckets = [by_distance[side * k] for k in range(1, 200)]
        assert buckets == sorted(buckets)
        assert len(set(buckets[127:])) == 1
    assert by_distance[-20] != by_distance[20]
    for q, k in ((0, 9), (100, 109), (250, 259)):
        assert bias[0, q, k] == by_distance[9]
