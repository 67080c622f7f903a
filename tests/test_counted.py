"""Counts in messages have the right number of their noun."""

from __future__ import annotations

import pytest

from nmt.text import counted


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (2000, "2,000 lines")]
)
def test_counted_noun_is_singular_for_one_only(count: int, expected: str) -> None:
    assert counted(count, "line") == expected


def test_counted_noun_can_have_an_irregular_plural() -> None:
    assert counted(1, "hypothesis", "hypotheses") == "1 hypothesis"
    assert counted(2, "hypothesis", "hypotheses") == "2 hypotheses"
