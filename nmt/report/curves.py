"""The charts of a report, each with a caption that says what they show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nmt import charts
from nmt.evaluation.metrics import bleu_title
from nmt.report.series import Series
from nmt.text import counted, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nmt.evaluation.report import Report
    from nmt.report.facts import RunFacts

_WIDTH, _HEIGHT = 420.0, 230.0
"""Pixels, so that text keeps its size on a narrow screen."""
_LOGARITHMIC = 12
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""
_FEW_POINTS = 40
"""A line of more points has no markers."""
_FEW_SENTENCES = 50


class Key(NamedTuple):
    """The label of the lines of a color."""

    label: str
    color: str
    dashed: bool


class Chart(NamedTuple):
    title: str
    svg: str
    caption: str
    findings: Sequence[tuple[str, str]] = ()
    """(name, sentences) of each run; the name is empty if the sentences hold for all runs."""
    keys: Sequence[Key] = ()


def training_charts(runs: Sequence[RunFacts]) -> list[Chart]:
    """Return the charts of one run, or of two in the same axes, without those that have no data."""
    made = (_loss(runs), _bleu(runs), _learning_rate(runs), _speed(runs), _gradient_norm(runs))
    return [chart for chart in made if chart]


def _loss(runs: Sequence[RunFacts]) -> Chart | None:
    lines = [(Series.of(run.train, "nll"), Series.of(run.valid, "nll")) for run in runs]
    plot = _Plot("nats per token")
    for number, (train, valid) in enumerate(lines):
        if len(runs) == 1:
            plot.line(train, 0)
            plot.line(valid, 1, marked=True)
        else:
            plot.line(train, number, thin=True)
            plot.line(valid, number, marked=True)
    caption = "Negative log-likelihood per target token."
    keys = _keys(["training", "validation"]) if all(lines[0]) else []
    if len(runs) > 1:
        caption += " Thin lines: training; thick lines: validation."
        keys = _keys([run.name for run in runs])
    plot.scale()
    findings = [_loss_finding(*series) for series in lines]
    return plot.chart("Loss", caption, _named(runs, findings), keys)


def _loss_finding(train: Series, valid: Series) -> str:
    training = f" The training loss ends at {train.last:.3f}." if train else ""
    if not valid:
        return f"There was no validation.{training}"
    best = int(np.argmin(valid.values))
    low, step = valid.values[best], valid.step_at(best)
    if valid.last > 1.01 * low:
        text = (
            f"The validation loss is lowest at step {step:,} ({low:.3f}) and ends at "
            f"{valid.last:.3f}. If it keeps rising while the training loss falls, the model "
            "overfits."
        )
    elif best == len(valid.steps) - 1:
        text = f"The validation loss is lowest at the last validation ({low:.3f})."
    else:
        text = f"The validation loss is lowest at step {step:,} ({low:.3f}) and then stays level."
    return text + training


def _bleu(runs: Sequence[RunFacts]) -> Chart | None:
    titles = {bleu_title(run.valid[-1].get("tokenizer")) for run in runs if run.valid}
    title = titles.pop() if len(titles) == 1 else "BLEU"
    plot = _Plot(title)
    findings = plot.lines(runs, "valid", "bleu", lambda _, series: _bleu_finding(series), True)
    return plot.chart(f"Validation {title}", "Greedy translations of the validation set.", findings)


def _bleu_finding(series: Series) -> str:
    best = int(np.argmax(series.values))
    text = f"The best value is {series.values[best]:.2f} at step {series.step_at(best):,}"
    after = len(series.steps) - 1 - best
    if not after:
        return f"{text}, the last validation, so longer training may still improve it."
    return f"{text}; {counted(after, 'later validation')} did not improve it."


def _learning_rate(runs: Sequence[RunFacts]) -> Chart | None:
    def finding(run: RunFacts, series: Series) -> str:
        training = run.config.training
        return (
            f"The learning rate rises for {counted(training.warmup_steps, 'step')}. Its highest "
            f"logged value is {series.values.max():.2g}, its last {series.last:.2g} (schedule: "
            f"{training.schedule})."
        )

    plot = _Plot("learning rate")
    findings = plot.lines(runs, "train", "learning_rate", finding)
    return plot.chart("Learning rate", "", findings)


def _speed(runs: Sequence[RunFacts]) -> Chart | None:
    def finding(_: RunFacts, series: Series) -> str:
        low, middle, high = np.percentile(series.values, (5, 50, 95))
        return (
            f"The median is {middle:,.0f} target tokens per second; 90\u00a0% of the logged values "
            f"are between {low:,.0f} and {high:,.0f}."
        )

    plot = _Plot("target tokens per second")
    findings = plot.lines(runs, "train", "tokens_per_second", finding)
    plot.from_zero()
    return plot.chart("Speed", "", findings)


def _gradient_norm(runs: Sequence[RunFacts]) -> Chart | None:
    def finding(run: RunFacts, series: Series) -> str:
        text = f"Median {np.median(series.values):.2g}, largest {series.values.max():.2g}"
        if limit := run.config.training.clip_norm:
            share = 100 * np.mean(series.values > limit)
            above = f"{share:.0f}\u00a0% are" if share else "none is"
            text += f"; {above} above the limit {limit:g} (training.clip_norm)"
        return f"{text}. Skipped updates: {run.train[-1].get('skipped', 0)}."

    plot = _Plot("L2 norm")
    findings = plot.lines(runs, "train", "grad_norm", finding)
    plot.scale()
    return plot.chart("Gradient norm", "Norm of the gradient before clipping.", findings)


def length_chart(report: Report, names: Sequence[str]) -> Chart | None:
    """Return BLEU by length of the source, or None if all sentences have about one length."""
    rows = report.lengths
    if len(rows) < 2:
        return None
    title = report.scores.bleu.title
    plot = _Plot(title, f"{report.length_of} words")
    for number in range(len(names)):
        values = [row.bleu[number] for row in rows]
        plot.line(Series(np.arange(len(rows)), np.array(values)), number, marked=True)
    plot.axis.set_xticks(range(len(rows)), [length_label(row.first, row.last) for row in rows])
    plot.from_zero()
    low, high = (choose(rows, key=lambda row: row.bleu[0]) for choose in (min, max))
    of = f" of {names[0]}" if len(names) > 1 else ""
    caption = (
        f"{title}{of} is highest for {length_label(high.first, high.last)} words "
        f"({high.bleu[0]:.1f}) and lowest for {length_label(low.first, low.last)} "
        f"({low.bleu[0]:.1f}, {counted(low.sentences, 'sentence')})."
    )
    if low.sentences < _FEW_SENTENCES:
        caption += " A score of so few sentences varies by many points."
    return plot.chart(f"{title} by length", caption, keys=_keys(names))


def length_label(first: int, last: int | None) -> str:
    """Return a range of lengths, such as `6–10` or `61+`."""
    return f"{first}+" if last is None else f"{first}–{last}"


def _keys(names: Sequence[str]) -> list[Key]:
    """Return the keys of two kinds of lines; one kind needs none."""
    lines = enumerate(names)
    return [Key(n, charts.COLORS[i], i > 0) for i, n in lines] if len(names) > 1 else []


def _named(runs: Sequence[RunFacts], findings: Sequence[str]) -> list[tuple[str, str]]:
    """Return (name of the run, finding), or one finding without a name if all are equal."""
    if len(set(findings)) == 1:
        return [("", findings[0])]
    return [(run.name, text) for run, text in zip(runs, findings, strict=True) if text]


class _Plot:
    """A chart of values over steps, or over other whole numbers."""

    def __init__(self, value: str, x: str = "step") -> None:
        from matplotlib.ticker import MaxNLocator

        self.figure, [self.axis] = charts.figure([escape(value)], width=_WIDTH, height=_HEIGHT)
        self.axis.set_xlabel(x)
        self.axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        for axis in (self.axis.xaxis, self.axis.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,.6g}")
        self._lowest, self._highest = np.inf, 0.0
        self._keys: Sequence[Key] = ()

    def lines(
        self,
        runs: Sequence[RunFacts],
        event: str,
        key: str,
        finding: Callable[[RunFacts, Series], str],
        marked: bool = False,
    ) -> list[tuple[str, str]]:
        """Draw a line per run that has values, and return what `_named` returns."""
        findings = []
        for number, run in enumerate(runs):
            series = Series.of(getattr(run, event), key)
            self.line(series, number, marked=marked)
            findings.append(finding(run, series) if series else "")
        self._keys = _keys([run.name for run in runs])
        return _named(runs, findings)

    def line(
        self, series: Series, number: int, *, marked: bool = False, thin: bool = False
    ) -> None:
        """Draw values, thinned out: their mean and a band from the smallest to the largest."""
        if not series:
            return
        points = series.thinned()
        self._lowest = min(self._lowest, points.mean.min())
        self._highest = max(self._highest, points.mean.max())
        dots = (marked and len(points.steps) <= _FEW_POINTS) or len(points.steps) == 1
        color = charts.COLORS[number]
        self.axis.plot(
            points.steps,
            points.mean,
            color=color,
            linestyle=charts.DASHES[min(number, 1)],
            linewidth=1.0 if thin else 1.6,
            marker="o" if dots else "",
            markersize=3.5,
        )
        if len(series.steps) > len(points.steps) and not thin:
            self.axis.fill_between(
                points.steps, points.low, points.high, color=color, alpha=0.2, linewidth=0
            )

    def scale(self) -> None:
        """Make the axis of values logarithmic if they differ by orders of magnitude."""
        if 0 < self._lowest < self._highest / _LOGARITHMIC:
            charts.log_scale(self.axis, "y")

    def from_zero(self) -> None:
        """Let the axis of values begin at 0."""
        self.axis.set_ylim(0, 1.08 * self._highest or 1.0)

    def chart(
        self,
        title: str,
        caption: str,
        findings: Sequence[tuple[str, str]] = (),
        keys: Sequence[Key] = (),
    ) -> Chart | None:
        """Return the chart, or None if nothing was drawn."""
        if not self.axis.lines:
            return None
        spoken = " ".join([caption, *(f"{name}: {t}" if name else t for name, t in findings)])
        svg = charts.svg(self.figure, escape(title), escape(spoken.strip(), "\u00a0"))
        return Chart(title, svg, caption, findings, keys or self._keys)
