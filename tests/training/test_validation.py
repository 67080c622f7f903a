"""What a validation shows."""

from __future__ import annotations

from nmt.training.validation import Figures


def test_examples_are_cut_to_a_width() -> None:
    whole, loop = "x" * 100, "ha " * 200
    lines = Figures(1.0, 2.0, 3.0, ((whole, "kurz", loop),)).line(5, 1, 2.0, False).split("\n")
    assert lines[1:3] == [f"  source     {whole}", "  reference  kurz"]
    assert lines[3] == f"  now        {loop[:99]}…"
