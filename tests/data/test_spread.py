"""Evenly spread samples."""

from __future__ import annotations

import pytest

from nmt.data.spread import Spread


@pytest.mark.parametrize("count", [0, 5, 9, 10, 11, 1000, 12345])
def test_spread_keeps_every_kth_item(count: int) -> None:
    spread = Spread[int](5)
    for item in range(count):
        spread.add(item)
    assert spread.seen == count
    assert min(count, 5) <= len(spread.items) < 10
    assert len({b - a for a, b in zip(spread.items, spread.items[1:], strict=False)}) <= 1
    assert not spread.items or spread.items[0] == 0
