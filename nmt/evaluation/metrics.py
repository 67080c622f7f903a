"""BLEU, chrF++ and TER of detokenized text, computed by sacrebleu.

The scores, the bootstrap (1,000 resamples, seed 12345 unless SACREBLEU_SEED is set) and the paired
tests are sacrebleu's, so the `sacrebleu` command prints the same scores for the same files.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, cast

from nmt.errors import DataError
from nmt.languages import is_unspaced
from nmt.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.significance import Result

    from nmt.languages import BleuTokenizer

_RESAMPLES = 1000
# Products of the numbers of words of a hypothesis and its reference: of one line, of all lines.
_TER_COST_OF_LINE, _TER_COST = 200**2, 10_000_000


@dataclass(frozen=True)
class Score:
    """One metric of one system, from 0 to 100; TER can exceed 100, and lower TER is better."""

    name: str
    value: float
    signature: str
    """How sacrebleu computed the score."""
    mean: float | None = None
    interval: float | None = None
    """95 % of the resamples are within mean ± interval."""
    tokenizer: BleuTokenizer | None = None

    @property
    def title(self) -> str:
        return self.name.replace("BLEU", bleu_title(self.tokenizer))


@dataclass(frozen=True)
class Scores:
    bleu: Score
    bleu_lowercase: Score
    chrf: Score
    """chrF++: character n-grams up to 6, word n-grams up to 2."""
    ter: Score | None
    """TER, which ignores case. None: it was left out."""
    hypothesis_length: int
    reference_length: int
    """Number of tokens of the references that are closest in length."""
    brevity_penalty: float
    """Factor of `bleu`, from 0 to 1, for translations shorter than the references."""
    precisions: list[float]
    """Precision of the 1- to 4-grams that `bleu` counts, from 0 to 100."""

    def distinct(self) -> list[Score]:
        """Return the scores, with BLEU once if it ignores case in any event."""
        scores = (self.bleu, self.bleu_lowercase, self.chrf, self.ter)
        return list(dict.fromkeys(score for score in scores if score))

    def as_dict(self) -> dict[str, Any]:
        """Return the values for metrics.jsonl."""
        ter = {"ter": self.ter.value} if self.ter else {}
        return {
            "bleu": self.bleu.value,
            "bleu_lowercase": self.bleu_lowercase.value,
            "chrf": self.chrf.value,
            **ter,
            "signature": self.bleu.signature,
            "tokenizer": self.bleu.tokenizer,
        }

    @property
    def brevity_ratio(self) -> float:
        """Length of the hypotheses divided by that of the references."""
        return self.hypothesis_length / max(self.reference_length, 1)


@dataclass(frozen=True)
class PairedScore:
    """One metric of a system and of the baseline that it is compared with."""

    system: Score
    baseline: Score
    p_value: float
    """Probability of a difference of this size if both systems were equally good. It is 1 if the
    scores are equal in every resample, where sacrebleu has 1 / (resamples + 1)."""


def mean_scores(sets: Sequence[Scores]) -> dict[str, Any]:
    """Return the values of `Scores.as_dict`, or of several sets the mean of each number."""
    first, *others = [scores.as_dict() for scores in sets]
    if not others:
        return first
    numbers = (key for key, value in first.items() if isinstance(value, float))
    return {
        key: fmean([first[key], *(values[key] for values in others)])
        for key in numbers
        if all(key in values for values in others)
    }


def bleu_title(tokenizer: str | None) -> str:
    """Return the name of BLEU for people, with the tokenizer unless it is 13a, the usual one."""
    return "BLEU" if tokenizer in (None, "13a") else f"BLEU ({tokenizer})"


def corpus_scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    tokenize: BleuTokenizer = "13a",
    lowercase: bool = False,
    confidence: bool = False,
    ter: bool = True,
) -> Scores:
    """Score detokenized translations; `references` has one list per set of references.

    lowercase: whether every metric ignores case; confidence: whether to add mean and interval by
    bootstrap. Raises DataError for unequal counts or no sentences.
    """
    _check(hypotheses, references)
    scores: dict[str, Score] = {}
    for name, metric in _tracked("scoring", _metrics(tokenize, lowercase, ter)):
        if confidence:
            result = _with_interval(metric, hypotheses, references)
        else:
            result = metric.corpus_score(hypotheses, references)
        mean, interval = (float(result._mean), float(result._ci)) if confidence else (None, None)
        used = tokenize if "BLEU" in name else None
        signature = str(metric.get_signature())
        scores[name] = Score(name, float(result.score), signature, mean, interval, used)
        if len(scores) == 1:  # The first metric is BLEU.
            details = (result.sys_len, result.ref_len, float(result.bp), [*result.precisions])
    bleu_lowercase = scores["BLEU lower-case"]
    bleu = scores.get("BLEU", bleu_lowercase)
    return Scores(bleu, bleu_lowercase, scores["chrF++"], scores.get("TER"), *details)


def validation_scores(
    hypotheses: Sequence[str], references: Sequence[str], tokenize: BleuTokenizer = "13a"
) -> tuple[float, float]:
    """Return BLEU and chrF++ with case. Raises DataError for unequal counts or no sentences."""
    bleu = corpus_bleu(hypotheses, [references], tokenize)
    return bleu, float(_chrf(False).corpus_score(hypotheses, [references]).score)


def corpus_bleu(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenize: BleuTokenizer = "13a",
    lowercase: bool = False,
) -> float:
    """Return BLEU only. Raises DataError for unequal counts or no sentences."""
    _check(hypotheses, references)
    return float(_bleu(tokenize, lowercase).corpus_score(hypotheses, references).score)


def sentence_chrf(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
) -> list[float]:
    """Return chrF++ of each sentence. Raises DataError for unequal counts or no sentences."""
    _check(hypotheses, references)
    metric = _chrf(lowercase)
    by_sentence = zip(hypotheses, *references, strict=True)
    return [float(metric.sentence_score(hyp, refs).score) for hyp, *refs in by_sentence]


def compare(
    system: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    test: Literal["bs", "ar"] = "bs",
    tokenize: BleuTokenizer = "13a",
    lowercase: bool = False,
    ter: bool = True,
) -> list[PairedScore]:
    """Test whether the difference of two systems is more than chance, by each metric.

    `bs`: paired bootstrap (Koehn, 2004), 1,000 resamples; `ar`: approximate randomization
    (Riezler and Maxwell, 2005), 10,000 trials, which gives no intervals. Raises DataError for
    unequal counts or no sentences.
    """
    from sacrebleu.significance import PairedTest

    _check(system, references)
    _check(baseline, references)
    systems = [("baseline", baseline), ("system", system)]
    compared = []
    for name, metric in _tracked("comparing", _metrics(tokenize, lowercase, ter)):
        used = tokenize if "BLEU" in name else None
        # sacrebleu would take both cases of BLEU for one metric, so each metric has its own test.
        # The seed is fixed, so all of them use the same resamples.
        paired = PairedTest(systems, {name: metric}, references, test_type=test)
        signatures, columns = paired()
        (key,) = signatures
        before, after = cast("list[Result]", columns[key])
        signature = str(signatures[key])
        system_score, baseline_score = (
            Score(name, float(side.score), signature, _float(side.mean), _float(side.ci), used)
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
    try:
        return metric.corpus_score(hypotheses, references, n_bootstrap=_RESAMPLES)
    except TypeError:
        # sacrebleu 2.6 fails for a few sentences, because it cannot average the float 0.0 of some
        # resamples and the NumPy float32 of others. These are its steps with floats only.
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


def ter_obstacle(
    systems: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> str | None:
    """Return a sentence that says why TER should be left out, or None.

    The time of TER grows with the product of the lengths of two lines, to a minute for 600 words.
    Raises DataError for unequal counts or no sentences.
    """
    for system in systems:
        _check(system, references)
    if is_unspaced(references[0]):
        return "TER is left out, because it needs spaces between words"
    costs = [
        hypothesis.count(" ") * reference.count(" ")
        for system in systems
        for lines in references
        for hypothesis, reference in zip(system, lines, strict=True)
    ]
    if max(costs, default=0) > _TER_COST_OF_LINE or sum(costs) > _TER_COST:
        return "TER is left out, because it would take too long for lines of this length"
    return None


def _bleu(tokenize: BleuTokenizer, lowercase: bool) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    # `force` only silences a warning about text that looks tokenized.
    return BLEU(lowercase=lowercase, force=True, tokenize=tokenize)


def _chrf(lowercase: bool) -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=2, lowercase=lowercase)


def _metrics(tokenize: BleuTokenizer, lowercase: bool, ter: bool) -> list[tuple[str, Metric]]:
    from sacrebleu.metrics.ter import TER

    mixed: list[tuple[str, Metric]] = [] if lowercase else [("BLEU", _bleu(tokenize, False))]
    return [
        *mixed,
        ("BLEU lower-case", _bleu(tokenize, True)),
        ("chrF++", _chrf(lowercase)),
        *([("TER", TER())] if ter else []),
    ]


def _tracked(what: str, metrics: Sequence[tuple[str, Metric]]) -> Iterator[tuple[str, Metric]]:
    from nmt.bars import track

    with track(what, len(metrics)) as advance:
        for metric in metrics:
            yield metric
            advance(1)


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if not hypotheses:
        raise DataError("there are no sentences to score")
    for number, reference in enumerate(references, 1):
        if len(reference) != len(hypotheses):
            which = f"reference set {number}" if len(references) > 1 else "the references"
            raise DataError(
                f"{counted(len(hypotheses), 'hypothesis', 'hypotheses')} but "
                f"{counted(len(reference), 'line')} in {which}"
            )
