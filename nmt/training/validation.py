"""Validation: the loss without dropout, and BLEU and chrF++ of greedy translations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from nmt.data.batching import collate, plan
from nmt.devices import Precision, autocast

if TYPE_CHECKING:
    from collections.abc import Callable

    from nmt.data.corpus import Corpus
    from nmt.decoding.translator import Translator
    from nmt.training.objective import TrainingObjective

_CHUNK = 500
"""Sentences translated between two checks of the stop signal."""


@dataclass(frozen=True)
class Figures:
    """Results of one validation: loss in nats per target token, BLEU and chrF++ in percent."""

    loss: float
    bleu: float
    chrf: float
    examples: tuple[tuple[str, str, str], ...]
    """(source, reference, current translation) of a few sentences, always the same ones."""

    @property
    def perplexity(self) -> float:
        """exp(loss), or infinity where exp overflows."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    def score(self, metric: Literal["bleu", "chrf", "loss"]) -> float:
        """Return the result that `training.valid_metric` names; a higher score is better."""
        return {"bleu": self.bleu, "chrf": self.chrf, "loss": -self.loss}[metric]

    def as_dict(self) -> dict[str, float]:
        """Return the scores for metrics.jsonl; `chrf` is chrF++."""
        return {
            "loss": self.loss,
            "perplexity": self.perplexity,
            "bleu": self.bleu,
            "chrf": self.chrf,
        }


def _quietly(index: int, message: str) -> None:
    """Print nothing: overlong sentences were reported when the data was prepared."""


class Validation:
    """Measures the current weights of a model on the validation set."""

    def __init__(
        self,
        objective: TrainingObjective,
        corpus: Corpus,
        make_translator: Callable[[], Translator],
        batch_tokens: int,
        device: torch.device,
        precision: Precision,
    ) -> None:
        """make_translator: returns a translator with the weights that the model has then."""
        self.objective = objective
        self.corpus = corpus
        self.make_translator = make_translator
        self.device = device
        self.precision = precision
        lengths = corpus.source_lengths, corpus.target_lengths
        self.batches = plan(*lengths, batch_tokens, seed=0, epoch=0)
        texts = corpus.texts(range(len(corpus)))
        self.sources = [source for source, _ in texts]
        self.references = [reference for _, reference in texts]

    def __call__(self, check_stop: Callable[[], None]) -> Figures:
        """Return the results; check_stop is called before each batch and may raise.

        Leaves the model in evaluation mode.
        """
        from nmt.evaluation.metrics import validation_scores

        self.objective.eval()
        loss = self._loss(check_stop)
        translator = self.make_translator()
        translations: list[str] = []
        for begin in range(0, len(self.sources), _CHUNK):
            check_stop()
            sentences = self.sources[begin : begin + _CHUNK]
            translations += translator.translate(sentences, warn=_quietly)
        bleu, chrf = validation_scores(translations, self.references)
        count = len(self.sources)
        examples = tuple(
            (self.sources[i], self.references[i], translations[i])
            for i in sorted({count // 4, count // 2, count * 3 // 4})
        )
        return Figures(loss, bleu, chrf, examples)

    @torch.no_grad()
    def _loss(self, check_stop: Callable[[], None]) -> float:
        """Return the negative log-likelihood per target token, in nats."""
        nll = torch.zeros((), dtype=torch.float64, device=self.device)
        tokens = 0
        for indices in self.batches:
            check_stop()
            batch = collate(self.corpus.read(indices), indices).to(self.device)
            with autocast(self.device, self.precision):
                nll += self.objective(batch).nll
            tokens += batch.target_tokens
        return nll.item() / tokens
