"""Validation: its example sentences and the lines printed after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from tiny import tiny_config

from nmt.terminal import Color, Look, display_width, plain
from nmt.training.lines import validation_text
from nmt.training.state import TrainState
from nmt.training.validation import Figures, middle_lengths

LONG = "ha " * 200


def text_after(
    scores: Sequence[float],
    look: Look = Look(),  # noqa: B008  (immutable)
    before: Sequence[str] = (),
    now: str = "jetzt",
    **training: Any,
) -> str:
    """Return the text after validations with these scores, 5 steps apart."""
    config = tiny_config(**{"valid_metric": "bleu", **training}).training
    state = TrainState(seconds=108.0, batch=1)
    for score in scores:
        state.step += 5
        state.note_validation(score, 1.0)
    figures = Figures(1.0, abs(scores[-1]), 3.0, (("a source", "ein Ziel", now),))
    return validation_text(state, figures, config, scores, before, look)


def test_first_validation_shows_scores_and_examples() -> None:
    assert text_after([2.0]) == (
        "valid | step 5 | epoch 1 | after 1m 48s | nll 1.000 | perplexity 2.72 | BLEU 2.00 | "
        "chrF++ 3.00\n"
        "  source     a source\n"
        "  reference  ein Ziel\n"
        "  now        jetzt"
    )


def test_later_validation_shows_translation_before_with_its_step() -> None:
    lines = text_after([2.0, 4.2], before=["vorher"]).split("\n")
    assert lines[3:] == ["  before     vorher (step 5)", "  now        jetzt"]


def test_sparkline_shows_bleu_of_all_validations() -> None:
    assert "BLEU 9.00 ▁▃█ |" in text_after([2.0, 4.0, 9.0])
    assert "BLEU 9.00 _:# |" in text_after([2.0, 4.0, 9.0], Look(blocks=False))


@pytest.mark.parametrize(
    ("scores", "training", "verdict"),
    [
        ([2.0, 4.2], {}, "new best (+2.20)"),
        ([2.0, 1.0, 4.2], {}, "new best (+2.20)"),
        ([-3.0, -2.5], {"valid_metric": "loss"}, "new best (nll -0.50)"),
        ([-math.inf, -2.5], {"valid_metric": "loss"}, "new best"),
        ([4.0, 3.0, 2.0], {}, "2 without improvement"),
        ([4.0, 3.0, 2.0], {"patience": 3}, "2 without improvement (patience 3)"),
    ],
)
def test_verdict_compares_with_the_best_validation(
    scores: list[float], training: dict[str, Any], verdict: str
) -> None:
    assert text_after(scores, **training).split("\n")[0].endswith(f" | {verdict}")


@pytest.mark.parametrize("columns", [80, 40, 20])
@pytest.mark.parametrize("now", [LONG, "日本語の文" * 40, "x" * 300, ""])
def test_lines_fit_the_terminal(columns: int, now: str) -> None:
    lines = text_after([1.0, 2.0], Look(columns, color=True), [now], now).split("\n")
    assert not [line for line in lines if display_width(line) > columns]
    assert sum("before" in line for line in lines) == 1
    assert len(lines) <= 20


def test_examples_in_a_file_are_one_line_each() -> None:
    *_, before, now = text_after([1.0, 2.0], before=[LONG], now=LONG).split("\n")
    assert before == f"  before     {LONG[:91]}… (step 5)"
    assert now == f"  now        {LONG[:98]}…"


def test_colors_do_not_change_the_text() -> None:
    colored = text_after([1.0, 2.0], Look(color=True), ["vorher"])
    assert Color.GREEN("new best (+1.00)") in colored
    assert plain(colored) == text_after([1.0, 2.0], before=["vorher"])


def test_examples_are_neither_the_shortest_nor_the_longest() -> None:
    sentences = ["x" * length for length in (9, 1, 5, 3, 7, 2, 8, 4, 6)]
    chosen = middle_lengths(sentences)
    assert [len(sentences[i]) for i in chosen] == [3, 5, 7]
    assert middle_lengths(["one"]) == [0]
    assert middle_lengths(["one", "three"]) == [0, 1]
