"""The report of an evaluation: scores, scores by length, worst sentences, a verdict.

A `Report` is data; `to_dict` is its JSON form and `text` its plain-text form. User text is never
marked up, and control characters in it are shown as escapes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from nmt.evaluation import metrics
from nmt.tables import table_lines
from nmt.text import escape_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nmt.evaluation.metrics import PairedScore, Score, Scores

SIGNIFICANCE = 0.05
"""A difference with a p-value below this is called significant."""
_BUCKET_STARTS = (0, 6, 11, 16, 21, 31, 41, 61)


@dataclass(frozen=True)
class LengthRow:
    """The sentences of one length."""

    first: int
    """Number of words of the shortest sentences in this row."""
    last: int | None
    """Number of words of the longest sentences in this row; None: no limit."""
    sentences: int
    bleu: list[float]
    """BLEU of each system on these sentences."""


@dataclass(frozen=True)
class WorstSentence:
    """A sentence with a low score."""

    line: int
    """Line number, from 1."""
    chrf: float
    """chrF++ of the sentence."""
    source: str | None
    references: list[str]
    hypothesis: str


@dataclass(frozen=True)
class Comparison:
    """The comparison of a system with a baseline."""

    baseline: str
    test: Literal["bs", "ar"]
    metrics: list[PairedScore]


@dataclass(frozen=True)
class Report:
    """The evaluation of a system, and its comparison with a baseline if there is one."""

    system: str
    data: str
    """The text that was translated: a split of a run, or files."""
    sentences: int
    scores: Scores
    length_of: Literal["source", "reference"]
    """The side whose words `lengths` counts."""
    lengths: list[LengthRow]
    worst: list[WorstSentence]
    comparison: Comparison | None

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON; numbers are not rounded."""
        result = asdict(self)
        result["scores"] = [asdict(score) for score in self.scores.distinct()]
        result["brevity_ratio"] = self.scores.brevity_ratio
        if self.comparison:
            result["comparison"]["verdict"] = verdict(self.comparison, self.system)
        return result

    def text(self) -> str:
        """Return the report for people, without a final newline."""
        on = f"{escape_controls(self.data)}, {_count(self.sentences, 'sentence')}"
        heading = f"{escape_controls(self.system)} on {on}"
        parts = [heading, _score_table(self.scores)]
        if self.comparison:
            parts.append(_comparison_table(self.comparison, self.system))
        parts.append(_length_table(self.lengths, self.length_of, self.comparison is not None))
        if self.worst:
            parts.append(_worst_list(self.worst))
        return "\n\n".join(parts)


def make_report(
    system: str,
    data: str,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    sources: Sequence[str] | None = None,
    baseline: tuple[str, Sequence[str]] | None = None,
    test: Literal["bs", "ar"] = "bs",
    lowercase: bool = False,
    worst: int = 0,
) -> Report:
    """Evaluate translations, and compare them with the `baseline` (name, translations) if given.

    `system` and `data` are names for the report.

    Raises DataError for unequal counts or no sentences.
    """
    comparison = None
    systems = [hypotheses]
    if baseline is not None:
        name, other = baseline
        paired = metrics.compare(hypotheses, other, references, test=test, lowercase=lowercase)
        comparison = Comparison(name, test, paired)
        systems.append(other)
    return Report(
        system=system,
        data=data,
        sentences=len(hypotheses),
        scores=metrics.corpus_scores(hypotheses, references, lowercase=lowercase, confidence=True),
        length_of="reference" if sources is None else "source",
        lengths=scores_by_length(
            references[0] if sources is None else sources, systems, references, lowercase
        ),
        worst=worst_sentences(hypotheses, references, sources, worst, lowercase),
        comparison=comparison,
    )


def scores_by_length(
    texts: Sequence[str],
    systems: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    lowercase: bool = False,
) -> list[LengthRow]:
    """Return BLEU of every system by the number of words in `texts`, separated by spaces.

    Lengths without sentences are left out.
    """
    words = [len(text.split()) for text in texts]
    rows = []
    ends = [start - 1 for start in _BUCKET_STARTS[1:]]
    for first, last in zip(_BUCKET_STARTS, [*ends, None], strict=True):
        chosen = [i for i, n in enumerate(words) if first <= n and (last is None or n <= last)]
        if chosen:
            part = [[reference[i] for i in chosen] for reference in references]
            bleu = [
                metrics.corpus_bleu([system[i] for i in chosen], part, lowercase=lowercase)
                for system in systems
            ]
            rows.append(LengthRow(first, last, len(chosen), bleu))
    return rows


def worst_sentences(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str] | None,
    count: int,
    lowercase: bool = False,
) -> list[WorstSentence]:
    """Return the `count` sentences with the lowest chrF++, without exact matches, worst first."""
    if count < 1:
        return []
    chrf = metrics.sentence_chrf(hypotheses, references, lowercase=lowercase)
    # An empty translation of an empty sentence is right and yet scores 0.
    wrong = [i for i, hyp in enumerate(hypotheses) if all(hyp != r[i] for r in references)]
    return [
        WorstSentence(
            line=i + 1,
            chrf=chrf[i],
            source=None if sources is None else sources[i],
            references=[reference[i] for reference in references],
            hypothesis=hypotheses[i],
        )
        for i in sorted(wrong, key=chrf.__getitem__)[:count]
    ]


def verdict(comparison: Comparison, system: str) -> str:
    """Return a sentence that says which system is better, by which metrics, or that none is."""
    better, worse, open_ = [], [], []
    for pair in comparison.metrics:
        gain = pair.system.value - pair.baseline.value
        figure = f"{pair.system.name} ({gain:+.2f}, p = {pair.p_value:.3f})"
        # Equal scores are not a difference, whatever the p-value is.
        if pair.p_value >= SIGNIFICANCE or gain == 0:
            open_.append(figure)
        elif (gain > 0) == (pair.system.name != "TER"):
            better.append(figure)
        else:
            worse.append(figure)
    ours, theirs = escape_controls(system), escape_controls(comparison.baseline)
    if better and worse:
        return (
            f"The metrics disagree: {ours} is significantly better than {theirs} by "
            f"{_and(better)}, but worse by {_and(worse)}."
        )
    if not better and not worse:
        return f"No significant difference between {ours} and {theirs}: {_and(open_)}."
    unsure = f"; not significant by {_and(open_)}" if open_ else ""
    word = "better" if better else "worse"
    return f"{ours} is significantly {word} than {theirs} by {_and(better or worse)}{unsure}."


def _score_table(scores: Scores) -> str:
    rows = [(s.name, f"{s.value:.2f}", _spread(s)) for s in scores.distinct()]
    lines = table_lines(rows, head=("", "score", "95 % (bootstrap)"))
    lines.append(
        f"\nlength ratio {scores.brevity_ratio:.3f} "
        f"({scores.hypothesis_length:,} tokens, reference {scores.reference_length:,})\n"
    )
    lines += [f"{s.name}: {s.signature}" for s in scores.distinct()]
    return "\n".join(lines)


def _comparison_table(comparison: Comparison, system: str) -> str:
    rows = []
    for pair in comparison.metrics:
        sides = [f"{s.value:.2f} {_spread(s)}".rstrip() for s in (pair.system, pair.baseline)]
        gain = pair.system.value - pair.baseline.value
        rows.append((pair.system.name, *sides, f"{gain:+.2f}", f"{pair.p_value:.4f}"))
    names = {"bs": "paired bootstrap", "ar": "paired approximate randomisation"}
    lines = [
        f"A: {escape_controls(system)}",
        f"B: {escape_controls(comparison.baseline)}",
        *table_lines(rows, head=("", "A", "B", "A - B", "p")),
        f"\n{verdict(comparison, system)} ({names[comparison.test]})",
    ]
    if comparison.test == "ar":  # The intervals of the bootstrap are printed below the scores.
        lines += ["", *(f"{p.system.name}: {p.system.signature}" for p in comparison.metrics)]
    return "\n".join(lines)


def _length_table(rows: list[LengthRow], length_of: str, compared: bool) -> str:
    head = (f"{length_of} words", "sentences", *(("BLEU A", "BLEU B") if compared else ("BLEU",)))
    body = [
        (
            f"{row.first}+" if row.last is None else f"{row.first}-{row.last}",
            f"{row.sentences:,}",
            *(f"{bleu:.2f}" for bleu in row.bleu),
        )
        for row in rows
    ]
    return "\n".join(table_lines(body, head=head))


def _worst_list(worst: list[WorstSentence]) -> str:
    blocks = [f"worst {_count(len(worst), 'sentence')} by chrF++"]
    for sentence in worst:
        lines = [f"line {sentence.line}, chrF++ {sentence.chrf:.1f}"]
        if sentence.source is not None:
            lines.append(f"  source      {escape_controls(sentence.source)}")
        lines += [
            f"  reference   {escape_controls(reference)}" for reference in sentence.references
        ]
        lines.append(f"  hypothesis  {escape_controls(sentence.hypothesis)}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _spread(score: Score) -> str:
    """Return the mean and the interval in the form that sacrebleu prints."""
    if score.mean is None or score.interval is None:
        return ""
    return f"(μ = {score.mean:.2f} ± {score.interval:.2f})"


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1])] * bool(parts[:-1]) + parts[-1:])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
