"""Validation: the loss without dropout, and BLEU and chrF++ of greedy translations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from nmt.data.batching import collate, plan
from nmt.devices import Precision, autocast
from nmt.training.state import Validated
from nmt.training.stop import InterruptibleProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from nmt.config import Config
    from nmt.data.corpus import Corpus
    from nmt.decoding.translator import Translator
    from nmt.tokenizer import Tokenizer
    from nmt.training.objective import TrainingObjective

Metric = Literal["bleu", "chrf", "loss"]

_CHUNK = 500
"""Sentences translated between two checks of the stop signal."""


@dataclass(frozen=True)
class Figures:
    """Results of one validation: loss in nats per target token, BLEU and chrF++ in percent."""

    loss: float
    bleu: float
    chrf: float
    examples: tuple[tuple[str, str, str], ...]
    """(source, reference, current translation) of a few sentences, fixed for a validation set."""

    @property
    def perplexity(self) -> float:
        """The perplexity exp(loss), or infinity if exp overflows."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    def score(self, metric: Metric) -> float:
        """Return the result that `training.valid_metric` names; a higher score is better.

        BLEU and chrF++ are rounded to the two decimals that are printed, so that equal printed
        scores are equal.
        """
        scores = {"bleu": round(self.bleu, 2), "chrf": round(self.chrf, 2), "loss": -self.loss}
        return scores[metric]

    def as_dict(self) -> dict[str, float]:
        """Return the scores for metrics.jsonl; `chrf` is chrF++."""
        return {
            "loss": self.loss,
            "perplexity": self.perplexity,
            "bleu": self.bleu,
            "chrf": self.chrf,
        }


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
        """Whether the mean is at least as good as the best checkpoint."""
        score = self.mean.score(self.metric)
        return Validated(self.steps[-1], score, self.mean.loss).rank >= self.best.rank

    def text(self) -> str:
        """Return the results of the mean and of the best checkpoint as lines for the user."""
        best = f"best checkpoint: step {self.best.step}"
        if math.isfinite(self.best.loss):
            best += f" | loss {self.best.loss:.3f}"
        if self.metric != "loss":
            best += f" | {'BLEU' if self.metric == 'bleu' else 'chrF++'} {self.best.score:.2f}"
        return (
            f"mean of steps {', '.join(map(str, self.steps))} | loss {self.mean.loss:.3f} | "
            f"BLEU {self.mean.bleu:.2f} | chrF++ {self.mean.chrf:.2f}\n{best}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the results for metrics.jsonl; `best_score` is higher for a better checkpoint."""
        return {
            "step": self.steps[-1],
            "averaged_steps": self.steps,
            **self.mean.as_dict(),
            "best_step": self.best.step,
            "best_score": self.best.score,
            "best_loss": self.best.loss,
            "kept": "mean" if self.mean_is_better else "best",
        }


def _quietly(index: int, message: str) -> None:
    """Print nothing: overlong sentences were reported when the data was prepared."""


class Validation:
    """Measurement of the current weights of a model on the validation set."""

    def __init__(
        self,
        objective: TrainingObjective,
        corpus: Corpus,
        tokenizer: Tokenizer,
        config: Config,
        device: torch.device,
        precision: Precision,
    ) -> None:
        self.objective = objective
        self.corpus = corpus
        self.tokenizer = tokenizer
        self.config = config
        self.device = device
        self.precision = precision
        lengths = corpus.source_lengths, corpus.target_lengths
        self.batches = plan(*lengths, config.training.batch_tokens, seed=0, epoch=0)
        texts = corpus.texts(range(len(corpus)))
        self.sources = [source for source, _ in texts]
        self.references = [reference for _, reference in texts]

    def __call__(self, check_stop: Callable[[], None]) -> Figures:
        """Return the results of the current weights. Leaves the model in evaluation mode.

        check_stop is called before each batch and may raise.
        """
        from nmt.evaluation.metrics import validation_scores

        loss = self.loss(check_stop)
        translator = self._translator(check_stop)
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

    def of_weights(self, weights: Mapping[str, Tensor], check_stop: Callable[[], None]) -> Figures:
        """Copy weights, given by name, to the model, and return the results of the model."""
        with torch.no_grad():
            for name, parameter in self.objective.model.named_parameters():
                parameter.copy_(weights[name])
        return self(check_stop)

    @torch.no_grad()
    def loss(self, check_stop: Callable[[], None]) -> float:
        """Return the negative log-likelihood per target token, in nats.

        check_stop is called before each batch and may raise. Leaves the model in evaluation mode.
        """
        self.objective.eval()
        nll = torch.zeros((), dtype=torch.float64, device=self.device)
        tokens = 0
        for indices in self.batches:
            check_stop()
            batch = collate(self.corpus.read(indices), indices).to(self.device)
            with autocast(self.device, self.precision):
                nll += self.objective(batch).nll
            tokens += batch.target_tokens
        return nll.item() / tokens

    def _translator(self, check_stop: Callable[[], None]) -> Translator:
        """Return a greedy translator with the current weights of the model."""
        from nmt.decoding.engine import build_program
        from nmt.decoding.translator import Translator

        program = build_program(self.objective.model, self.precision, self.device)
        greedy = {"beam_size": 1, "max_length": self.config.max_target_tokens}
        return Translator(
            InterruptibleProgram(program, check_stop),
            self.tokenizer,
            self.config.decoding.model_copy(update=greedy),
            self.config.max_source_tokens,
        )
