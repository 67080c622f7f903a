"""Validation: the loss, and BLEU and chrF++ of greedy translations."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from nmt.bars import track
from nmt.data.sets import sets_of
from nmt.decoding.engine import build_program
from nmt.decoding.translator import Translator
from nmt.devices import Precision, autocast
from nmt.evaluation.metrics import bleu_title, validation_scores
from nmt.evaluation.texts import normalized
from nmt.languages import bleu_tokenizer
from nmt.training.state import Validated
from nmt.training.stop import InterruptibleProgram
from nmt.training.updates import batches_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from nmt.config import Config
    from nmt.config.data import Part
    from nmt.data.batching import Batches
    from nmt.data.corpus import Corpus
    from nmt.decoding.translator import Warn
    from nmt.languages import BleuTokenizer
    from nmt.tokenizer import Tokenizer
    from nmt.training.objective import TrainingObjective

Metric = Literal["bleu", "chrf", "loss"]

_CHUNK = 500
"""Sentences that are batched together."""


@dataclass(frozen=True)
class Figures:
    """Loss in nats per target token, BLEU and chrF++ in percent, of a set or the mean of sets."""

    loss: float
    bleu: float
    chrf: float
    examples: tuple[tuple[str, str, str], ...]
    """(source, reference, translation) of the same few sentences each time."""
    tokenizer: BleuTokenizer | Literal["mixed"] = "13a"
    """sacrebleu's tokenizer for BLEU; `mixed` if that of the sets differs."""
    sets: Mapping[str, Figures] = field(default_factory=dict)
    """The results of each set by its name, if there are several."""

    @classmethod
    def mean(cls, sets: Mapping[str, Figures]) -> Figures:
        """Return the unweighted mean of the sets' results; a single set's results are unchanged."""
        if len(sets) == 1:
            return next(iter(sets.values()))

        def mean(key: str) -> float:
            return statistics.fmean(getattr(figures, key) for figures in sets.values())

        tokenizers = {figures.tokenizer for figures in sets.values()}
        examples = [figures.examples[len(figures.examples) // 2] for figures in sets.values()]
        return cls(
            mean("loss"),
            mean("bleu"),
            mean("chrf"),
            tuple(examples),
            tokenizers.pop() if len(tokenizers) == 1 else "mixed",
            sets,
        )

    @property
    def scores(self) -> str:
        return f"{bleu_title(self.tokenizer)} {self.bleu:.2f} | chrF++ {self.chrf:.2f}"

    @property
    def perplexity(self) -> float:
        """exp(loss), or infinity."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    def score(self, metric: Metric) -> float:
        """Return a result, rounded as it is printed; higher is better."""
        scores = {"bleu": round(self.bleu, 2), "chrf": round(self.chrf, 2), "loss": -self.loss}
        return scores[metric]

    def as_dict(self) -> dict[str, Any]:
        """Return the values for metrics.jsonl; `chrf` is chrF++."""
        scores = {"bleu": self.bleu, "chrf": self.chrf, "tokenizer": self.tokenizer}
        sets = {name: figures.as_dict() for name, figures in self.sets.items()}
        extra = {"sets": sets} if sets else {}
        return {"nll": self.loss, "perplexity": self.perplexity, **scores, **extra}


@dataclass(frozen=True)
class Comparison:
    """Validation results of a mean of checkpoints and of the best checkpoint."""

    steps: list[int]
    """Steps of the averaged checkpoints, ascending."""
    mean: Figures
    best: Validated
    metric: Metric

    @property
    def mean_is_better(self) -> bool:
        """Whether the mean is at least as good."""
        score = self.mean.score(self.metric)
        return Validated(self.steps[-1], score, self.mean.loss).rank >= self.best.rank

    def text(self) -> str:
        best = f"best checkpoint: step {self.best.step}"
        if math.isfinite(self.best.loss):
            best += f" | nll {self.best.loss:.3f}"
        if self.metric != "loss":
            title = bleu_title(self.mean.tokenizer) if self.metric == "bleu" else "chrF++"
            best += f" | {title} {self.best.score:.2f}"
        return (
            f"mean of steps {', '.join(map(str, self.steps))} | nll {self.mean.loss:.3f} | "
            f"{self.mean.scores}\n{best}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the values for metrics.jsonl; a better checkpoint has a higher `best_score`."""
        return {
            "step": self.steps[-1],
            "averaged_steps": self.steps,
            **self.mean.as_dict(),
            "best_step": self.best.step,
            "best_score": self.best.score,
            "best_nll": self.best.loss,
            "kept": "mean" if self.mean_is_better else "best",
        }


def translate(
    translator: Translator,
    sentences: list[str],
    check_stop: Callable[[], None],
    warn: Warn,
    what: str,
) -> list[str]:
    """Return the best translations; a bar shows `what`.

    check_stop is called before each decoding step.
    """
    translations: list[str] = []
    with track(what, len(sentences)) as advance:
        translator.advance = advance
        translator.program = InterruptibleProgram(translator.program, check_stop)
        for begin in range(0, len(sentences), _CHUNK):
            translations += translator.translate(sentences[begin : begin + _CHUNK], warn)
    return translations


class _Set(NamedTuple):
    name: str
    part: Part
    batches: Batches
    plan: list[np.ndarray]
    sources: list[str]
    references: list[str]
    tokenizer: BleuTokenizer


class Validation:
    """Measurement of a model's weights on the validation sets."""

    def __init__(
        self,
        objective: TrainingObjective,
        corpus: Corpus,
        tokenizer: Tokenizer,
        config: Config,
        device: torch.device,
        precision: Precision,
        say: Callable[[str], None],
    ) -> None:
        self.objective = objective
        self.tokenizer = tokenizer
        self.config = config
        self.device = device
        self.precision = precision
        self._say = say
        self._tokenizers: dict[str | None, BleuTokenizer] = {}
        # Longer pairs are translated in pieces, but have no loss.
        within = corpus.within(config.data.max_tokens)
        self.sets = []
        for name, part, pairs in sets_of(config.data, "valid", len(corpus), corpus.parts):
            batches = batches_of(corpus, config.training, np.intersect1d(pairs, within))
            texts = corpus.texts(pairs)
            references = normalized([reference for _, reference in texts])
            self.sets.append(
                _Set(
                    name,
                    part,
                    batches,
                    batches.plan(seed=0, epoch=0),
                    [source for source, _ in texts],
                    references,
                    self.bleu_tokenizer(part.target_language, references),
                )
            )

    def bleu_tokenizer(self, language: str | None, references: Sequence[str]) -> BleuTokenizer:
        """Return the tokenizer of a language, which the first call with the language chooses."""
        if language not in self._tokenizers:
            self._tokenizers[language] = bleu_tokenizer(
                self.config.evaluation.tokenize, language, references, self._say
            )
        return self._tokenizers[language]

    def __call__(self, check_stop: Callable[[], None]) -> Figures:
        """Return the results of the current weights, and set evaluation mode.

        check_stop is called often and may raise.
        """
        losses = [self._loss(one, check_stop) for one in self.sets]
        translator = self._translator()
        return Figures.mean(
            {
                one.name: self._figures(one, loss, translator, check_stop)
                for one, loss in zip(self.sets, losses, strict=True)
            }
        )

    def _figures(
        self, one: _Set, loss: float, translator: Translator, check_stop: Callable[[], None]
    ) -> Figures:
        # Overlong sentences were reported when the data was prepared.
        translations = translate(
            translator.for_part(one.part),
            one.sources,
            check_stop,
            lambda *_: None,
            "validation: translating",
        )
        bleu, chrf = validation_scores(normalized(translations), one.references, one.tokenizer)
        examples = tuple(
            (one.sources[i], one.references[i], translations[i])
            for i in middle_lengths(one.sources)
        )
        return Figures(loss, bleu, chrf, examples, one.tokenizer)

    def of_weights(self, weights: Mapping[str, Tensor], check_stop: Callable[[], None]) -> Figures:
        """Copy weights to the model, and return its results."""
        with torch.no_grad():
            for name, parameter in self.objective.model.named_parameters():
                parameter.copy_(weights[name])
        return self(check_stop)

    def loss(self, check_stop: Callable[[], None]) -> float:
        """Return the mean of the sets' losses in nats per target token; see `__call__`."""
        return statistics.fmean(self._loss(one, check_stop) for one in self.sets)

    @torch.no_grad()
    def _loss(self, one: _Set, check_stop: Callable[[], None]) -> float:
        """Return the negative log-likelihood in nats per target token."""
        self.objective.eval()
        nll = torch.zeros((), dtype=torch.float64, device=self.device)
        tokens = 0
        with track("validation: nll", len(one.plan)) as advance:
            for batch in one.batches.read(one.plan, self.device):
                check_stop()
                with autocast(self.device, self.precision):
                    nll += self.objective(batch).nll
                tokens += batch.target_tokens
                advance(1)
        return nll.item() / tokens

    def _translator(self) -> Translator:
        program = build_program(self.objective.model, self.precision, self.device)
        greedy = {
            "beam_size": 1,
            "max_length": self.config.max_target_tokens,
            "split_sentences": "never",
        }
        return Translator(
            program,
            self.tokenizer,
            self.config.decoding.model_copy(update=greedy),
            self.config.max_source_tokens,
        )


def middle_lengths(sentences: list[str]) -> list[int]:
    """Return the indices of the sentences at the quartiles of length in characters, ascending."""
    by_length = sorted(range(len(sentences)), key=lambda i: (len(sentences[i]), i))
    count = len(sentences)
    return list(dict.fromkeys(by_length[count * quarter // 4] for quarter in (1, 2, 3)))
