"""Validation: the loss without dropout, BLEU and chrF of greedy translations, three examples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from nmt.data.batching import collate, plan
from nmt.devices import Precision, autocast
from nmt.training.loss import batch_loss
from nmt.training.progress import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from nmt.data.corpus import Corpus
    from nmt.decoding.translator import Translator
    from nmt.model import Model

_CHUNK = 500
"""Sentences translated between two looks at the stop flag."""
_SHOWN = 100
"""Characters shown of an example: an untrained model may repeat itself to the length limit."""


@dataclass(frozen=True)
class Figures:
    """What one validation found: loss in nats a target token, BLEU and chrF in percent."""

    loss: float
    bleu: float
    chrf: float
    examples: tuple[tuple[str, str, str], ...]
    """A few fixed sentences: source, reference, translation now."""

    @property
    def perplexity(self) -> float:
        """exp(loss), infinite where that overflows."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    def as_dict(self) -> dict[str, float]:
        """The figures for metrics.jsonl."""
        return {
            "loss": self.loss,
            "perplexity": self.perplexity,
            "bleu": self.bleu,
            "chrf": self.chrf,
        }

    def line(self, step: int, epoch: int, seconds: float, best: bool) -> str:
        """What a user sees of a validation."""
        perplexity = f"{self.perplexity:.2f}" if self.perplexity < 1e5 else f"{self.perplexity:.1e}"
        lines = [
            f"valid | step {step} | epoch {epoch} | loss {self.loss:.3f} | "
            f"perplexity {perplexity} | BLEU {self.bleu:.2f} | chrF {self.chrf:.2f} | "
            f"{duration(seconds)}{' | best so far' if best else ''}"
        ]
        for example in self.examples:
            for name, text in zip(("source", "reference", "now"), example, strict=True):
                shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
                lines.append(f"  {name:9}  {shown}")
        return "\n".join(lines)


def _quietly(index: int, message: str) -> None:
    """Over-long validation sentences were reported when the data was prepared."""


class Validation:
    """Validates one model on one corpus, again and again, with the weights it has then."""

    def __init__(
        self,
        model: Model,
        corpus: Corpus,
        translator: Translator,
        batch_tokens: int,
        device: torch.device,
        precision: Precision,
    ) -> None:
        self.model = model
        self.corpus = corpus
        self.translator = translator
        self.device = device
        self.precision = precision
        lengths = corpus.source_lengths, corpus.target_lengths
        self.batches = plan(*lengths, batch_tokens, seed=0, epoch=0)
        texts = corpus.texts(range(len(corpus)))
        self.sources = [source for source, _ in texts]
        self.references = [reference for _, reference in texts]

    def __call__(self, check_stop: Callable[[], None]) -> Figures:
        """Measure; check_stop is called before each batch and may raise."""
        from nmt.evaluation.metrics import validation_scores

        self.model.eval()
        loss = self._loss(check_stop)
        translations: list[str] = []
        for begin in range(0, len(self.sources), _CHUNK):
            check_stop()
            sentences = self.sources[begin : begin + _CHUNK]
            translations += self.translator.translate(sentences, warn=_quietly)
        bleu, chrf = validation_scores(translations, self.references)
        count = len(self.sources)
        examples = tuple(
            (self.sources[i], self.references[i], translations[i])
            for i in sorted({count // 4, count // 2, count * 3 // 4})
        )
        return Figures(loss, bleu, chrf, examples)

    @torch.no_grad()
    def _loss(self, check_stop: Callable[[], None]) -> float:
        """Negative log-likelihood a target token."""
        nll = torch.zeros((), dtype=torch.float64, device=self.device)
        tokens = 0
        for indices in self.batches:
            check_stop()
            batch = collate(self.corpus.read(indices), indices).to(self.device)
            with autocast(self.device, self.precision):
                nll += batch_loss(self.model, batch).nll
            tokens += batch.target_tokens
        return nll.item() / tokens
