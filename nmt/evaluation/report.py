"""The report of an evaluation: scores, scores by length, worst sentences, a verdict."""

from __future__ import annotations

from bisect import bisect
from dataclasses import asdict, dataclass
from operator import ne
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt.evaluation import metrics
from nmt.evaluation.texts import normalized
from nmt.languages import words
from nmt.tables import table_lines
from nmt.text import counted, escape_controls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nmt.evaluation.metrics import PairedScore, Score, Scores
    from nmt.languages import BleuTokenizer

SIGNIFICANCE = 0.05
"""A difference with a p-value below this is called significant."""
_BUCKET_STARTS = (0, 6, 11, 16, 21, 31, 41, 61)


class System(NamedTuple):
    """The translations of a system."""

    name: str
    lines: Sequence[str]
    decoding: Mapping[str, Any] | None = None
    """How they were found, by name; None if it is not known, as for a file."""


@dataclass(frozen=True)
class LengthRow:
    """The sentences of `first` to `last` words (None: no limit)."""

    first: int
    last: int | None
    sentences: int
    bleu: list[float]
    """BLEU of each system."""


@dataclass(frozen=True)
class WorstSentence:
    line: int
    chrf: float
    source: str | None
    references: list[str]
    hypothesis: str


@dataclass(frozen=True)
class Comparison:
    baseline: str
    test: Literal["bs", "ar"]
    metrics: list[PairedScore]
    decoding: Mapping[str, Any] | None = None
    """`System.decoding` of the baseline."""


@dataclass(frozen=True)
class Report:
    """The evaluation of a system."""

    system: str
    data: str
    """Name of the text that was translated."""
    sentences: int
    scores: Scores
    left_out: str | None
    """Why there is no TER."""
    changed_lines: int
    """Number of lines that `normalized` changed before scoring."""
    length_of: Literal["source", "reference"]
    """The side whose words `lengths` counts."""
    lengths: list[LengthRow]
    worst: list[WorstSentence]
    comparison: Comparison | None
    decoding: Mapping[str, Any] | None
    """`System.decoding` of the system."""

    def to_dict(self) -> dict[str, Any]:
        result = asdict(self)
        result["scores"] = [asdict(score) for score in self.scores.distinct()]
        result["brevity_ratio"] = self.scores.brevity_ratio
        for key in ("brevity_penalty", "precisions", "hypothesis_length", "reference_length"):
            result[key] = getattr(self.scores, key)
        if self.comparison:
            result["comparison"]["verdict"] = verdict(self.comparison, self.system)
        return result

    def text(self) -> str:
        """Return the report for people, with control characters as escapes."""
        on = f"{escape_controls(self.data)}, {counted(self.sentences, 'sentence')}"
        heading = f"{escape_controls(self.system)} on {on}"
        if self.decoding:
            heading += f"\ndecoded with {_settings(self.decoding)}"
        parts = [heading, _score_table(self.scores)]
        parts += [self.left_out] if self.left_out else []
        if self.changed_lines:
            parts.append(
                f"{counted(self.changed_lines, 'line')} changed before scoring: Unicode NFC, "
                "invisible characters removed"
            )
        if self.comparison:
            parts.append(_comparison_table(self.comparison, self.system))
        parts.append(_length_table(self))
        if self.worst:
            parts.append(_worst_list(self.worst))
        return "\n\n".join(parts)


def make_report(
    system: System,
    data: str,
    references: Sequence[Sequence[str]],
    *,
    sources: Sequence[str] | None = None,
    baseline: System | None = None,
    test: Literal["bs", "ar"] = "bs",
    tokenize: BleuTokenizer = "13a",
    lowercase: bool = False,
    worst: int = 0,
) -> Report:
    """Evaluate translations, and compare them with a baseline (name, translations).

    `data` is a name. Raises DataError for unequal counts or no sentences.
    """
    given = [system.lines, *([baseline.lines] if baseline else []), *references]
    texts = [normalized(lines) for lines in given]
    changed = sum(sum(map(ne, *sides)) for sides in zip(given, texts, strict=True))
    systems, references = texts[: -len(references)], texts[-len(references) :]
    left_out = metrics.ter_obstacle(systems, references)
    options: Any = {"tokenize": tokenize, "lowercase": lowercase, "ter": not left_out}
    comparison = None
    if baseline:
        paired = metrics.compare(systems[0], systems[1], references, test=test, **options)
        comparison = Comparison(baseline.name, test, paired, baseline.decoding)
    return Report(
        system=system.name,
        data=data,
        sentences=len(system.lines),
        scores=metrics.corpus_scores(systems[0], references, confidence=True, **options),
        left_out=left_out,
        changed_lines=changed,
        length_of="reference" if sources is None else "source",
        lengths=scores_by_length(
            references[0] if sources is None else sources, systems, references, tokenize, lowercase
        ),
        worst=worst_sentences(systems[0], references, sources, worst, lowercase),
        comparison=comparison,
        decoding=system.decoding,
    )


def _settings(decoding: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in decoding.items())


def reports_text(reports: Mapping[str, Report]) -> str:
    """Return the reports of one or several sets, by name, with the mean of their scores."""
    texts = [report.text() for report in reports.values()]
    if len(reports) > 1:
        mean = metrics.mean_scores([report.scores for report in reports.values()])
        names = {"bleu": "BLEU", "chrf": "chrF++", "ter": "TER"}
        scores = (f"{title} {mean[key]:.2f}" for key, title in names.items() if key in mean)
        texts.append(f"mean of {len(reports)} sets: {' | '.join(scores)}")
    return "\n\n\n".join(texts)


def reports_to_dict(reports: Mapping[str, Report]) -> dict[str, Any]:
    """Return JSON values: one report, or `sets` and their `mean`."""
    if len(reports) == 1:
        return next(iter(reports.values())).to_dict()
    mean = metrics.mean_scores([report.scores for report in reports.values()])
    return {"sets": [report.to_dict() for report in reports.values()], "mean": mean}


def scores_by_length(
    texts: Sequence[str],
    systems: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    tokenize: BleuTokenizer = "13a",
    lowercase: bool = False,
) -> list[LengthRow]:
    """Return BLEU of every system by the number of `words` in `texts`, without empty rows."""
    buckets: list[list[int]] = [[] for _ in _BUCKET_STARTS]
    for i, text in enumerate(texts):
        buckets[bisect(_BUCKET_STARTS, len(words(text))) - 1].append(i)
    rows = []
    ends = [start - 1 for start in _BUCKET_STARTS[1:]]
    for first, last, chosen in zip(_BUCKET_STARTS, [*ends, None], buckets, strict=True):
        if chosen:
            part = [[reference[i] for i in chosen] for reference in references]
            bleu = [
                metrics.corpus_bleu([system[i] for i in chosen], part, tokenize, lowercase)
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
    """Return a sentence that says which system is better, and by which metrics."""
    better, worse, open_ = [], [], []
    for pair in comparison.metrics:
        gain = pair.system.value - pair.baseline.value
        figure = f"{pair.system.title} ({gain:+.2f}, p = {pair.p_value:.3f})"
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
    rows = [(s.title, f"{s.value:.2f}", _spread(s)) for s in scores.distinct()]
    lines = table_lines(rows, head=("", "score", "95 % (bootstrap)"))
    lines.append(
        f"\nlength ratio {scores.brevity_ratio:.3f} "
        f"({counted(scores.hypothesis_length, 'token')}, reference {scores.reference_length:,}), "
        f"brevity penalty {scores.brevity_penalty:.3f}\n"
        f"precisions of 1- to 4-grams {' / '.join(f'{p:.1f}' for p in scores.precisions)}\n"
    )
    lines += [f"{s.title}: {s.signature}" for s in scores.distinct()]
    return "\n".join(lines)


def _comparison_table(comparison: Comparison, system: str) -> str:
    rows = []
    for pair in comparison.metrics:
        sides = [f"{s.value:.2f} {_spread(s)}".rstrip() for s in (pair.system, pair.baseline)]
        gain = pair.system.value - pair.baseline.value
        rows.append((pair.system.title, *sides, f"{gain:+.2f}", f"{pair.p_value:.4f}"))
    decoding = comparison.decoding
    names = {"bs": "paired bootstrap", "ar": "paired approximate randomization"}
    lines = [
        f"A: {escape_controls(system)}",
        f"B: {escape_controls(comparison.baseline)}",
        *([f"B was decoded with {_settings(decoding)}"] if decoding else []),
        *table_lines(rows, head=("", "A", "B", "A - B", "p")),
        f"\n{verdict(comparison, system)} ({names[comparison.test]})",
    ]
    if comparison.test == "ar":  # The intervals of the bootstrap are printed below the scores.
        lines += ["", *(f"{p.system.title}: {p.system.signature}" for p in comparison.metrics)]
    return "\n".join(lines)


def _length_table(report: Report) -> str:
    bleu = metrics.bleu_title(report.scores.bleu.tokenizer)
    titles = (f"{bleu} A", f"{bleu} B") if report.comparison else (bleu,)
    head = (f"{report.length_of} words", "sentences", *titles)
    body = [
        (
            f"{row.first}+" if row.last is None else f"{row.first}-{row.last}",
            f"{row.sentences:,}",
            *(f"{score:.2f}" for score in row.bleu),
        )
        for row in report.lengths
    ]
    return "\n".join(table_lines(body, head=head))


def _worst_list(worst: list[WorstSentence]) -> str:
    blocks = [f"worst {counted(len(worst), 'sentence')} by chrF++"]
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
    if score.mean is None or score.interval is None:
        return ""
    return f"(μ = {score.mean:.2f} ± {score.interval:.2f})"


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1])] * bool(parts[:-1]) + parts[-1:])
