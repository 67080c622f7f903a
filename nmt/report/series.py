"""Values over training steps, thinned out for a chart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nmt.runs import number_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

POINTS = 250
"""Points of a line. A chart of 400 pixels cannot show more."""


class Series(NamedTuple):
    """Finite values by step, as arrays of equal length."""

    steps: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, records: Sequence[dict[str, Any]], key: str) -> Series:
        """Return the finite values of a key."""
        pairs = [(r["step"], v) for r in records if math.isfinite(v := number_in(r, key))]
        steps, values = zip(*pairs, strict=True) if pairs else ((), ())
        return cls(np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64))

    def __bool__(self) -> bool:
        return len(self.steps) > 0

    @property
    def last(self) -> float:
        return float(self.values[-1])

    def step_at(self, index: int) -> int:
        return int(self.steps[index])

    def thinned(self, points: int = POINTS) -> Thinned:
        """Return at most `points` groups of consecutive values."""
        count = min(points, len(self.steps))
        groups = np.array_split(self.values, count) if count else []
        ends = np.cumsum([len(group) for group in groups], dtype=np.int64) - 1
        mean, low, high = (
            np.array([function(group) for group in groups])
            for function in (np.mean, np.min, np.max)
        )
        return Thinned(self.steps[ends], mean, low, high)


class Thinned(NamedTuple):
    """Groups of values: the last step, the mean, the smallest and the largest value of each."""

    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
