"""Values over steps for charts."""

from __future__ import annotations

import math

import numpy as np

from nmt.report.series import Series


def test_values_that_are_not_finite_are_left_out() -> None:
    records = [{"step": 1, "nll": 2.0}, {"step": 2, "nll": math.nan}, {"step": 3}]
    series = Series.of([*records, {"step": 4, "nll": math.inf}, {"step": 5, "nll": 1}], "nll")
    assert series.steps.tolist() == [1, 5]
    assert series.values.tolist() == [2.0, 1.0]
    assert not Series.of(records, "bleu")


def test_thinned_values_keep_the_mean_the_extremes_and_the_last_step() -> None:
    values = np.ones(1003)
    values[500] = 90.0
    thinned = Series(np.arange(1, 1004), values).thinned(100)
    assert len(thinned.steps) == 100
    assert thinned.steps[-1] == 1003
    assert thinned.high.max() == 90.0
    assert thinned.low.max() == 1.0
    assert 1.0 < thinned.mean.max() < 90.0


def test_few_values_are_not_changed_by_thinning() -> None:
    thinned = Series(np.array([3, 7]), np.array([1.5, 0.5])).thinned(100)
    assert thinned.steps.tolist() == [3, 7]
    for values in (thinned.mean, thinned.low, thinned.high):
        assert values.tolist() == [1.5, 0.5]
