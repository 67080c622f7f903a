"""The lines that a training run prints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.bars import bar_format
from nmt.evaluation.metrics import bleu_title
from nmt.terminal import Color, Look, cut, fit, sparkline, wrap
from nmt.text import counted, duration

if TYPE_CHECKING:
    from nmt.config import TrainingConfig
    from nmt.evaluation.metrics import Scores
    from nmt.training.state import TrainState
    from nmt.training.validation import Figures

_LABEL = 13
"""Columns of the label of an example."""
_EXAMPLE = 100
"""Columns of an example where nothing limits a line."""


class StepFigures(NamedTuple):
    """Values since the last report."""

    epoch: int
    nll: float
    """In nats per target token."""
    tokens_per_second: float
    learning_rate: float

    def fields(self) -> tuple[str, ...]:
        return (
            f"epoch {self.epoch}",
            f"nll {self.nll:.2f}",
            f"{self.tokens_per_second:,.0f} tok/s",
            f"lr {self.learning_rate:.1e}",
        )


def step_line(position: str, figures: StepFigures, left: str) -> str:
    return " | ".join(filter(None, [position, *figures.fields(), left]))


def step_bar(
    position: str, figures: StepFigures | None, left: str, look: Look, has_total: bool
) -> str:
    """Return the format of a bar; see `bar_format`."""
    fields = zip((5, 2, 4, 6), figures.fields() if figures else (), strict=False)
    return bar_format(position, [*fields, (1, left)], look, has_total)


def validation_text(
    state: TrainState,
    figures: Figures,
    config: TrainingConfig,
    history: Sequence[float],
    before: Sequence[str],
    look: Look,
) -> str:
    """Return scores and examples.

    history: BLEU of all validations, oldest first; before: the translations of the
    validation before, or nothing.
    """
    perplexity = figures.perplexity
    curve = f" {sparkline(history, 20, look.blocks)}" if len(history) > 1 else ""
    fields = [
        "valid",
        f"step {state.step}",
        f"epoch {state.epoch_of_last_update}",
        f"after {duration(state.seconds)}",
        f"nll {figures.loss:.3f}",
        f"perplexity {format(perplexity, '.2f' if perplexity < 1e5 else '.1e')}",
        f"{bleu_title(figures.tokenizer)} {figures.bleu:.2f}{curve}",
        f"chrF++ {figures.chrf:.2f}",
        _verdict(state, config, look),
    ]
    lines = [fit(" | ".join(filter(None, fields)), look.columns)]
    for name, one in figures.sets.items():
        lines.append(fit(f"  {name} | nll {one.loss:.3f} | {one.scores}", look.columns))
    earlier = state.scores[-2].step if len(state.scores) > 1 else 0
    for index, (source, reference, now) in enumerate(figures.examples):
        lines += _example("source", source, look)
        lines += _example("reference", reference, look)
        if index < len(before):
            lines += _example("before", before[index], look, f"(step {earlier})", Color.GRAY)
        lines += _example("now", now, look)
    return "\n".join(lines)


def _verdict(state: TrainState, config: TrainingConfig, look: Look) -> str:
    *earlier, last = state.scores
    if not earlier:
        return ""
    if stale := state.stale_validations:
        limit = f" (patience {config.patience})" if config.patience else ""
        return look.paint(Color.ORANGE, f"{stale} without improvement{limit}")
    gain = last.score - max(earlier, key=lambda entry: entry.rank).score
    sign, unit = (-1, "nll ") if config.valid_metric == "loss" else (1, "")
    shown = f" ({unit}{sign * gain:+.2f})" if math.isfinite(gain) else ""
    return look.paint(Color.GREEN, f"new best{shown}")


def _example(
    label: str, text: str, look: Look, remark: str = "", color: Color | None = None
) -> Iterator[str]:
    """Yield at most about two lines of an example."""
    room = max(look.columns - _LABEL, 4) if look.columns else None
    text = cut(text or "(empty)", (2 * room if room else _EXAMPLE) - len(remark))
    text = f"{text} {remark}".rstrip()
    name = look.paint(Color.GRAY, f"  {label:{_LABEL - 2}}")
    for line in wrap(text, room) if room else [text]:
        yield name + (look.paint(color, line) if color else line)
        name = " " * _LABEL


def test_text(
    sets: Mapping[str, tuple[Scores, int]], mean: Mapping[str, Any], beam: int, seconds: float
) -> str:
    """Return the scores and the number of sentences of each test set, and the mean of several."""
    if len(sets) == 1:
        [(scores, count)] = sets.values()
        fields = ["test", counted(count, "sentence"), f"beam {beam}", _scores(scores)]
        return " | ".join([*fields, duration(seconds)])
    return "\n".join(
        [
            f"test | {counted(len(sets), 'set')} | beam {beam} | mean BLEU {mean['bleu']:.2f} | "
            f"mean chrF++ {mean['chrf']:.2f} | {duration(seconds)}",
            *(
                f"  {name} | {counted(count, 'sentence')} | {_scores(scores)}"
                for name, (scores, count) in sets.items()
            ),
        ]
    )


def _scores(scores: Scores) -> str:
    ter = f" | TER {scores.ter.value:.2f}" if scores.ter else ""
    return (
        f"{scores.bleu.title} {scores.bleu.value:.2f} "
        f"(lower-case {scores.bleu_lowercase.value:.2f}) | chrF++ {scores.chrf.value:.2f}{ter}"
    )
