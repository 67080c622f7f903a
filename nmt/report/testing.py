"""The test set of a run: translated once, scored, and compared with another run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from nmt.decoding.translator import load_alone
from nmt.errors import DataError, StorageError, UsageError
from nmt.evaluation.held_out import read_split, report_sets, translate_sets
from nmt.evaluation.metrics import sentence_chrf
from nmt.evaluation.texts import normalized
from nmt.inspection.attention import translation_maps
from nmt.inspection.page import attention_fragment
from nmt.text import shell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nmt.decoding.translator import Translator
    from nmt.evaluation.held_out import HeldOutSet, Split
    from nmt.evaluation.report import Report, System, WorstSentence
    from nmt.report.facts import RunFacts
    from nmt.runs import Run

_CELLS = 1500
"""Cells of an attention map that is drawn; a larger one would fill the page."""
_CHARACTERS = 2000
"""Characters of a sentence or a translation that a command may contain."""
_DIFFERENT = 3
"""Sentences with the largest gains and as many with the largest losses."""


class Worst(NamedTuple):
    sentence: WorstSentence
    attention: str | None
    """An SVG element, or None if `without` says why there is none."""
    without: str
    command: str
    """See `attention_command`; empty if there are no attention maps."""


class Difference(NamedTuple):
    """A sentence that one of two runs translates better, by chrF++."""

    gain: float
    source: str
    reference: str
    hypothesis: str
    baseline: str


@dataclass(frozen=True)
class Tested:
    """The evaluation of each set of a split."""

    split: Split
    checkpoint: str
    """Name of the checkpoint whose weights were used; empty for the final model."""
    reports: dict[str, Report]
    worst: dict[str, list[Worst]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    """Sentences with the largest gains and losses against the other run, largest gain first."""
    note: str = ""
    """A warning about the comparison with the other run, or empty."""

    @property
    def title(self) -> str:
        return "Test set" if self.split == "test" else "Validation set"


def evaluate_runs(
    facts: Sequence[RunFacts],
    paired: Literal["bs", "ar"],
    worst: int,
    say: Callable[[str], None],
    warn: Callable[[str, str], None],
) -> Tested:
    """Translate the test set of a run, or without one the validation set, and score it.

    facts: the run, and another one that translates the same sentences. Raises UsageError if the
    other run translates other languages, StorageError without intact weights, and DataError if the
    set cannot be read.
    """
    run, *others = (about.run for about in facts)
    split: Split = "test" if run.config.data.test else "valid"
    for rival in others:
        _check_languages(run, rival, split)
    sources, references, sets = read_split(run, split)
    translators = [_translator(about.run, sets) for about in facts]
    system, *baselines = (
        translate_sets(translator, about.run, sources, sets, warn)._replace(name=about.name)
        for translator, about in zip(translators, facts, strict=True)
    )
    reports = report_sets(
        sets,
        system,
        [references],
        sources=sources,
        baseline=baselines[0] if baselines else None,
        tokenize=run.config.evaluation.tokenize,
        say=say,
        test=paired,
        worst=worst,
    )
    return Tested(
        split,
        "" if run.finished else run.weights_folder.name,
        reports,
        {one.name: _worst(translators[0], run, one, reports[one.name].worst) for one in sets},
        [d for other in baselines for d in find_differences(sources, references, system, other)],
        " ".join(_note(run, rival, split, sources, references) for rival in others),
    )


def _translator(run: Run, sets: Sequence[HeldOutSet]) -> Translator:
    return load_alone(run, "auto", None, run.config.decoding, *sets[0].direction(run))


def _check_languages(run: Run, rival: Run, split: Split) -> None:
    needed = {part.languages.lower() for part in run.config.data.parts(split)} - {""}
    known = {part.languages.lower() for part in rival.config.data.parts("train")} - {""}
    if known and needed - known:
        raise UsageError(
            f"{rival.path} translates {', '.join(sorted(known))}, but the {split} set of "
            f"{run.path} has {', '.join(sorted(needed))}, so the two cannot be compared",
            "choose a run with the same languages",
        )


def _note(
    run: Run, rival: Run, split: Split, sources: Sequence[str], references: Sequence[str]
) -> str:
    """Return a warning if the other run was made for other held-out sentences."""
    try:
        theirs = read_split(rival, split)[:2]
    except (DataError, StorageError, UsageError):
        theirs = ([], [])
    if theirs == (sources, references):
        return ""
    return (
        f"{rival.path} has another {split} set in its config. Both runs were scored on the set "
        f"of {run.path}, which the training data of {rival.path} may contain."
    )


def _worst(
    translator: Translator, run: Run, one: HeldOutSet, sentences: Sequence[WorstSentence]
) -> list[Worst]:
    to, tag = one.direction(run)
    directed = translator.into(to, tag)
    return [
        _with_attention(directed, sentence, attention_command(run, sentence, to, tag))
        for sentence in sentences
    ]


def _with_attention(translator: Translator, sentence: WorstSentence, command: str) -> Worst:
    try:
        maps = translation_maps(translator, sentence.source or "", sentence.hypothesis)["word"]
        if len(maps.source_pieces) * len(maps.target_pieces) > _CELLS:
            return Worst(sentence, None, "The attention map is too large for this page.", command)
        return Worst(sentence, attention_fragment(maps), "", command)
    except UsageError as error:
        return Worst(sentence, None, f"There is no attention map: {error.message}.", "")


def attention_command(run: Run, sentence: WorstSentence, to: str | None, tag: str | None) -> str:
    """Return the command that writes all attention maps to a page, or "" if it would be long."""
    source, target = sentence.source or "", sentence.hypothesis
    if max(len(source), len(target)) > _CHARACTERS:
        return ""
    direction = [*(("--to", to) if to else ()), *(("--tag", tag) if tag else ())]
    options = ["--target", target, "--model", str(run.path), *direction]
    options += ["--output", "attention.html"]
    # A sentence that begins with a dash would be read as an option.
    words = [*options, "--", source] if source.startswith("-") else [source, *options]
    return shell("nmt", "attention", *words)


def find_differences(
    sources: Sequence[str], references: Sequence[str], system: System, baseline: System
) -> list[Difference]:
    """Return the sentences with the largest gains and losses in chrF++, largest gain first."""
    ours, theirs, right = map(normalized, (system.lines, baseline.lines, references))
    scores = zip(*(sentence_chrf(lines, [right]) for lines in (ours, theirs)), strict=True)
    gains = [a - b for a, b in scores]
    order = sorted(range(len(gains)), key=lambda i: -gains[i])
    chosen = [i for i in order[:_DIFFERENT] if gains[i] > 0]
    chosen += [i for i in order[-_DIFFERENT:] if gains[i] < 0]
    return [Difference(gains[i], sources[i], references[i], ours[i], theirs[i]) for i in chosen]
