"""The lines printed after a validation."""

from __future__ import annotations

from nmt.training.progress import validation_text
from nmt.training.state import TrainState
from nmt.training.validation import Figures


def test_long_examples_are_shortened() -> None:
    short, long = "x" * 100, "ha " * 200
    state = TrainState(step=5, batch=1, seconds=2.0)
    figures = Figures(1.0, 2.0, 3.0, ((short, "kurz", long),))
    lines = validation_text(state, figures, best=False).split("\n")
    assert lines[0] == (
        "valid | step 5 | epoch 1 | loss 1.000 | perplexity 2.72 | BLEU 2.00 | chrF++ 3.00 | 2s"
    )
    assert lines[1:3] == [f"  source     {short}", "  reference  kurz"]
    assert lines[3] == f"  now        {long[:99]}…"
