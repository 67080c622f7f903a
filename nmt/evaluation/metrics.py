"""BLEU, chrF++ and TER of detokenized text, computed by sacrebleu.

Nothing is computed here that sacrebleu computes: its classes, its bootstrap (1,000 resamples,
seed 12345 unless SACREBLEU_SEED is set) and its paired tests give the scores, so the `sacrebleu`
command prints the same scores for the same files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from nmt.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sacrebleu.metrics.base import Metric
    from sacrebleu.significance import Result

_RESAMPLES = 1000


@dataclass(frozen=True)
class Score:
    """One metric of one system, from 0 to 100 (TER can exceed 100, and lower is better)."""

    name: str
    value: float
    signature: str
    """sacrebleu's signature: how the score was computed."""
    mean: float | None = None
    """Mean over the bootstrap resamples."""
    interval: float | None = None
    """95 % of the resamples lie within mean ± interval."""


@dataclass(frozen=True)
class Scores:
    """The metrics of one system over a corpus."""

    bleu: Score
    bleu_lowercase: Score
    """BLEU with both sides lower-cased."""
    chrf: Score
    """chrF++: character n-grams up to 6, word n-grams up to 2."""
    ter: Score
    """sacrebleu's TER ignores case by default."""
    hypothesis_length: int
    """Number of tokens of the hypotheses, as BLEU counts them (13a)."""
    reference_length: int
    """Number of tokens of the references that are closest in length."""

    def distinct(self) -> list[Score]:
        """Return the four scores, or three if BLEU ignores case in any event."""
        mixed = [] if self.bleu is self.bleu_lowercase else [self.bleu]
        return [*mixed, self.bleu_lowercase, self.chrf, self.ter]

    @property
    def brevity_ratio(self) -> float:
        """Length of the hypotheses divided by that of the references; BLEU penalizes below 1."""
        return self.hypothesis_length / max(self.reference_length, 1)


@dataclass(frozen=True)
class PairedScore:
    """One metric of a system and of the baseline that it is compared with."""

    system: Score
    baseline: Score
    p_value: float
    """Probability of a difference of this size if both systems were equally good.

    It is 1 if the scores are equal in every resample, where sacrebleu has 1 / (resamples + 1).
    """


def corpus_scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    lowercase: bool = False,
    confidence: bool = False,
) -> Scores:
    """Score detokenized translations; `references` has one list per set of references.

    `lowercase` makes every metric ignore case (`bleu` is then `bleu_lowercase`); `confidence`
    adds mean and 95 % interval by bootstrap. Raises DataError for unequal counts or no sentences.
    """
    from sacrebleu.metrics.bleu import BLEU

    _check(hypotheses, references)
    scores: dict[str, Score] = {}
    for name, metric in _metrics(lowercase):
        if confidence:
            result = _with_interval(metric, hypotheses, references)
        else:
            result = metric.corpus_score(hypotheses, references)
        spread = (float(result._mean), float(result._ci)) if confidence else (None, None)
        scores[name] = Score(name, float(result.score), str(metric.get_signature()), *spread)
        if isinstance(metric, BLEU):
            lengths = (int(result.sys_len), int(result.ref_len))
    bleu_lowercase = scores["BLEU lower-case"]
    bleu = scores.get("BLEU", bleu_lowercase)
    return Scores(bleu, bleu_lowercase, scores["chrF++"], scores["TER"], *lengths)


def validation_scores(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, float]:
    """Return BLEU and chrF++ for one set of references, with case, for use during training.

    Raises DataError for unequal counts or no sentences.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    _check(hypotheses, [references])
    bleu = BLEU(force=True).corpus_score(hypotheses, [references])
    chrf = CHRF(word_order=2).corpus_score(hypotheses, [references])
    return float(bleu.score), float(chrf.score)


def corpus_bleu(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
) -> float:
    """Return BLEU only. Raises DataError for unequal counts or no sentences."""
    from sacrebleu.metrics.bleu import BLEU

    _check(hypotheses, references)
    metric = BLEU(lowercase=lowercase, force=True)
    return float(metric.corpus_score(hypotheses, references).score)


def sentence_chrf(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
) -> list[float]:
    """Return chrF++ of each sentence, because sentence-level BLEU is mostly zero.

    Raises DataError for unequal counts or no sentences.
    """
    from sacrebleu.metrics.chrf import CHRF

    _check(hypotheses, references)
    metric = CHRF(word_order=2, lowercase=lowercase)
    by_sentence = zip(hypotheses, *references, strict=True)
    return [float(metric.sentence_score(hyp, refs).score) for hyp, *refs in by_sentence]


def compare(
    system: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    test: Literal["bs", "ar"] = "bs",
    lowercase: bool = False,
) -> list[PairedScore]:
    """Test whether the difference of two systems on the same sentences is more than chance.

    `bs`: paired bootstrap (Koehn, 2004), 1,000 resamples; `ar`: approximate randomization
    (Riezler and Maxwell, 2005), 10,000 trials, which gives no intervals. The metrics are those
    of `corpus_scores`, lower-case BLEU once. The p-values equal sacrebleu's, except where the
    scores are equal in every resample (see `PairedScore`). Raises DataError for unequal counts or
    no sentences.
    """
    from sacrebleu.significance import PairedTest

    _check(system, references)
    _check(baseline, references)
    systems = [("baseline", baseline), ("system", system)]
    compared = []
    for name, metric in _metrics(lowercase):
        # One test a metric: sacrebleu would take both cases of BLEU for the same. The seed is
        # fixed, so that each metric is judged by the same resamples all the same.
        paired = PairedTest(systems, {name: metric}, references, test_type=test)
        signatures, columns = paired()
        (key,) = signatures
        before, after = cast("list[Result]", columns[key])
        signature = str(signatures[key])
        system_score, baseline_score = (
            Score(name, float(side.score), signature, _float(side.mean), _float(side.ci))
            for side in (after, before)
        )
        p_value = float(cast("float", after.p_value))
        # sacrebleu counts the resamples whose difference is above the mean difference (bootstrap)
        # or above the real one. If none is and the real difference is 0, all differences are 0.
        if before.score == after.score and p_value == 1 / (paired.n_samples + 1):
            p_value = 1.0
        compared.append(PairedScore(system_score, baseline_score, p_value))
    return compared


def _with_interval(
    metric: Metric, hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> Any:
    """Return sacrebleu's score with its mean and interval."""
    try:
        return metric.corpus_score(hypotheses, references, n_bootstrap=_RESAMPLES)
    except TypeError:
        # Up to sacrebleu 2.6 at least it fails for a few sentences: some resamples score 0.0, a
        # float, others a NumPy float32, and it cannot average the two. The same steps with floats:
        from sacrebleu.significance import _bootstrap_resample

        result = metric.corpus_score(hypotheses, references)
        stats = metric._extract_corpus_statistics(hypotheses, references)
        metric.n_bootstrap = _RESAMPLES
        metric.seed, resampled = _bootstrap_resample(stats, metric, _RESAMPLES)
        for score in resampled:
            score.score = float(score.score)
        result.estimate_ci(resampled)
        return result


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _metrics(lowercase: bool) -> list[tuple[str, Metric]]:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    # force only silences a warning about text that looks tokenized
    mixed: list[tuple[str, Metric]] = [] if lowercase else [("BLEU", BLEU(force=True))]
    return [
        *mixed,
        ("BLEU lower-case", BLEU(lowercase=True, force=True)),
        ("chrF++", CHRF(word_order=2, lowercase=lowercase)),
        ("TER", TER()),
    ]


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if not hypotheses:
        raise DataError("there are no sentences to score")
    for number, reference in enumerate(references, 1):
        if len(reference) != len(hypotheses):
            which = f"reference set {number}" if len(references) > 1 else "the references"
            raise DataError(
                f"{len(hypotheses):,} hypotheses but {len(reference):,} lines in {which}"
            )
