"""Positional encodings against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from nmt.model.positions import (
    LearnedPositions,
    NoPositions,
    RelativeRule,
    RotaryRule,
    SinusoidalPositions,
    sinusoidal_positions,
)


def test_sinusoids_equal_the_formula() -> None:
    table = sinusoidal_positions(300, 10)
    assert table.dtype == torch.float32
    for position in (0, 1, 7, 299):
        for i in range(5):
            angle = position / 10000 ** (2 * i / 10)
            assert math.isclose(table[position, 2 * i].item(), math.sin(angle), abs_tol=1e-6)
            assert math.isclose(table[position, 2 * i + 1].item(), math.cos(angle), abs_tol=1e-6)


def test_sinusoids_of_a_shift_are_a_linear_map() -> None:
    # Section 3.5 of the paper: PE(pos + k) is one linear function of PE(pos) for all pos.
    table = sinusoidal_positions(50, 8).double()
    shift = torch.linalg.lstsq(table[:-3], table[3:]).solution
    torch.testing.assert_close(table[:-3] @ shift, table[3:], atol=1e-5, rtol=0)


def test_sinusoids_reach_any_length_and_start_anywhere() -> None:
    positions = SinusoidalPositions(8)
    x = torch.randn(2, 700, 8)
    whole = positions(x)
    torch.testing.assert_close(whole, x + sinusoidal_positions(700, 8))
    torch.testing.assert_close(positions(x[:, 650:660], first=650), whole[:, 650:660])
    torch.testing.assert_close(SinusoidalPositions(8)(x[:, 690:], first=690), whole[:, 690:])


def test_sinusoids_are_not_stored_with_the_weights() -> None:
    assert not SinusoidalPositions(8).state_dict()


def test_learned_positions_end_at_their_maximum() -> None:
    positions = LearnedPositions(8, max_positions=5)
    x = torch.zeros(1, 2, 8)
    assert torch.equal(positions(x, first=3)[0], positions.table[3:5])
    with pytest.raises(ValueError, match=r"6 positions, but model\.max_positions is 5"):
        positions(x, first=4)


def test_no_positions() -> None:
    x = torch.randn(1, 3, 4)
    assert NoPositions()(x, first=2) is x


def test_rotary_products_depend_on_distance_only() -> None:
    rule = RotaryRule(8)
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(query_position: int, key_position: int) -> float:
        q = rule.rotate(query, torch.tensor([query_position]))
        k = rule.rotate(key, torch.tensor([key_position]))
        return float((q * k).sum())

    assert math.isclose(product(3, 1), product(103, 101), abs_tol=1e-4)
    assert math.isclose(product(0, 5), product(40, 45), abs_tol=1e-4)
    assert not math.isclose(product(0, 5), product(0, 6), abs_tol=1e-3)
    assert math.isclose(product(9, 9), float((query * key).sum()), abs_tol=1e-5)


def test_rotary_turns_pairs_by_the_formula() -> None:
    x = torch.randn(1, 1, 1, 6)
    turned = RotaryRule(6).rotate(x, torch.tensor([5]))[0, 0, 0]
    for i in range(3):
        a, b = x[0, 0, 0, 2 * i].item(), x[0, 0, 0, 2 * i + 1].item()
        z = complex(a, b) * complex(math.cos(t := 5 / 10000 ** (2 * i / 6)), math.sin(t))
        assert math.isclose(turned[2 * i].item(), z.real, abs_tol=1e-5)
        assert math.isclose(turned[2 * i + 1].item(), z.imag, abs_tol=1e-5)


def test_relative_buckets_are_exact_near_and_widen_far_away() -> None:
    rule = RelativeRule(heads=2, buckets=32, reach=128)
    with torch.no_grad():
        rule.weight.copy_(torch.arange(32.0)[:, None].expand(32, 2))
    bias = rule.bias(torch.arange(400), torch.arange(400))
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
