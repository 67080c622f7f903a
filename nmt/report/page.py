"""The HTML of a report. It has no script and makes no request."""

from __future__ import annotations

import math
import re
import time
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nmt import __version__
from nmt.config.writing import dump_config, dump_scalar, dump_values
from nmt.evaluation.metrics import bleu_title, mean_scores
from nmt.evaluation.report import verdict
from nmt.languages import is_unspaced
from nmt.report.curves import length_chart, length_label, training_charts
from nmt.report.examples import examples_over_time
from nmt.runs import number_in
from nmt.text import counted, duration, escape_controls, shell
from nmt.training.continuation import differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nmt.evaluation.metrics import Score
    from nmt.report.facts import Record, RunFacts
    from nmt.report.testing import Tested

_MARKED = 300
"""Words of a sentence in which differences are marked."""
_CHARACTERS = 2000
"""Characters of a sentence that are shown."""
_ROWS = 100
"""Rows of the table of validations."""


def report_page(facts: Sequence[RunFacts], tested: Tested | None, problem: str = "") -> str:
    """Return the page of one run, or of two.

    tested: None if nothing was translated; problem: why.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "text": _text,
        "sentence": _sentence,
        "command": _command,
        "marked": marked,
        "svg": Markup,
        "interval": _interval,
        "counted": counted,
        "day": lambda seconds: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds)),
    }
    first, *others = facts
    reports = tested.reports if tested else {}
    names = [about.name for about in facts]
    return environment.get_template("report.html").render(
        version=__version__,
        title=" and ".join(names),
        facts=facts,
        names=names,
        first=first,
        tested=tested,
        problem=problem,
        scored=[_measured(first.name, tested)] if tested else [_stored(about) for about in facts],
        verdicts={
            name: verdict(report.comparison, report.system)
            for name, report in reports.items()
            if report.comparison
        },
        charts=training_charts(facts),
        lengths={name: length_chart(report, names) for name, report in reports.items()},
        length_label=length_label,
        validations=[_validations(about) for about in facts],
        examples=[examples_over_time(about) for about in facts],
        changed=[dump_config(about.config, defaults=False) for about in facts],
        whole=[dump_config(about.config) for about in facts],
        differences=[d for other in others for d in _differences(first, other)],
        commands=[_commands(about) for about in facts],
    )


def marked(text: str, reference: str | None) -> Markup:
    """Return a translation with a <mark> around the words that differ from the reference."""
    plain = _sentence(text)
    if reference is None:
        return Markup.escape(plain)
    pattern = r"." if is_unspaced([reference]) else r"\s*\S+"
    ours, theirs = (re.findall(pattern, t.strip()) for t in (plain, _sentence(reference)))
    if max(len(ours), len(theirs)) > _MARKED:
        return Markup.escape(plain)
    parts = []
    matcher = SequenceMatcher(a=theirs, b=ours, autojunk=False)
    for tag, _, _, begin, end in matcher.get_opcodes():
        piece = "".join(ours[begin:end])
        space = piece[: len(piece) - len(piece.lstrip())]
        form = Markup("{}<mark>{}</mark>") if tag != "equal" and piece.strip() else Markup("{}{}")
        parts.append(form.format(space, piece.lstrip()))
    return Markup("").join(parts)


def _sentence(text: str) -> str:
    return escape_controls(text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]} …")


def _text(text: str) -> str:
    return "\n".join(map(escape_controls, text.split("\n")))


def _command(text: str) -> Markup:
    """Return a command whose options are not broken at a hyphen."""
    option = r'<span class="option">\1</span>'
    return Markup(re.sub(r"(?<=\s)(--[a-z-]+)", option, str(Markup.escape(_text(text)))))


def _interval(score: Score) -> str:
    """Return the limits between which 95 % of the resamples are, or nothing."""
    if score.mean is None or score.interval is None:
        return ""
    return f"{score.mean - score.interval:.2f} to {score.mean + score.interval:.2f}"


def _value(value: Any) -> str:
    if isinstance(value, dict) or (
        isinstance(value, list) and value and isinstance(value[0], dict)
    ):
        # The line of the empty key is left out.
        return dump_values({"": value}).partition("\n")[2]
    return dump_scalar(value)


class Scored(NamedTuple):
    """The main scores of a run: BLEU, chrF++ and TER."""

    run: str
    what: str
    """The sentences that were translated."""
    scores: list[tuple[str, str, str]]
    """Name, value and interval of each score."""


def _measured(name: str, tested: Tested) -> Scored:
    scored = [report.scores for report in tested.reports.values()]
    count = sum(report.sentences for report in tested.reports.values())
    what = f"{tested.title}, {counted(count, 'sentence')}"
    if len(scored) > 1:
        return _recorded(
            name, f"{what}, mean of {counted(len(scored), 'set')}", mean_scores(scored)
        )
    three = (scored[0].bleu, scored[0].chrf, scored[0].ter)
    shown = [(score.title, f"{score.value:.2f}", _interval(score)) for score in three if score]
    return Scored(name, f"{what}, with 95\u00a0% intervals", shown)


def _stored(about: RunFacts) -> Scored:
    """Return the scores of the test set or of the best validation, as far as the run has them."""
    if about.test:
        return _recorded(about.name, "Test set, as stored by the run", about.test[-1])
    if not about.valid:
        return Scored(about.name, "", [])
    best = about.about.best_step
    record = next((r for r in about.valid if r["step"] == best), about.valid[-1])
    what = f"Validation set at step {record['step']:,}, as stored by the run"
    return _recorded(about.name, what, record)


def _recorded(name: str, what: str, record: Record) -> Scored:
    titles = {"bleu": bleu_title(record.get("tokenizer")), "chrf": "chrF++", "ter": "TER"}
    values = {title: _number(record, key, 2) for key, title in titles.items()}
    shown = [(title, value, "") for title, value in values.items() if value]
    return Scored(name, what, shown)


def _validations(about: RunFacts) -> list[list[str]]:
    """Return rows of step, epoch, loss, perplexity, BLEU, chrF++ and time.

    Of many validations, these are the best, the last and others at equal distances.
    """
    best, count = about.about.best_step, len(about.valid)
    every = max(1, math.ceil(count / _ROWS))
    kept = {*range(count - 1, -1, -every)}
    return [
        _validation(record, record["step"] == best)
        for number, record in enumerate(about.valid)
        if number in kept or record["step"] == best
    ]


def _validation(record: Record, best: bool) -> list[str]:
    step = f"{record['step']:,}{' (best)' * best}"
    numbers = [_number(record, key, 3) for key in ("nll", "perplexity")]
    numbers += [_number(record, key, 2) for key in ("bleu", "chrf")]
    seconds = number_in(record, "seconds")
    return [
        step,
        str(record.get("epoch", "")),
        *numbers,
        duration(seconds) if math.isfinite(seconds) else "",
    ]


def _number(record: Record, key: str, digits: int) -> str:
    value = number_in(record, key)
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def _differences(first: RunFacts, other: RunFacts) -> list[tuple[str, str, str]]:
    found = differences(first.config, other.config)
    return [(key, _value(ours), _value(theirs)) for key, (ours, theirs) in sorted(found.items())]


def _commands(about: RunFacts) -> list[str]:
    path = about.run.path
    if path.name in ("", ".."):  # The new run has the name of the folder.
        path = path.resolve()
    return [
        shell("nmt", "train", "--config", str(about.run.config_file), "--run-dir", f"{path}-again"),
        shell("nmt", "evaluate", "--model", f"{path}-again", "--against", str(path)),
    ]
