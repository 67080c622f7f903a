"""Validation: the loss, and BLEU and chrF++ of greedy translations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

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
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from nmt.config import Config
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
    """Loss in nats per target token, BLEU and chrF++ in percent."""

    loss: float
    bleu: float
    chrf: float
    examples: tuple[tuple[str, str, str], ...]
    """(source, reference, translation) of the same few sentences each time."""
    tokenizer: BleuTokenizer = "13a"
    """sacrebleu's tokenizer for BLEU."""

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

    def as_dict(self) -> dict[str, float | str]:
        """Return the values for metrics.jsonl; `chrf` is chrF++."""
        scores = {"bleu": self.bleu, "chrf": self.chrf, "tokenizer": self.tokenizer}
        return {"loss": self.loss, "perplexity": self.perplexity, **scores}


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
            best += f" | loss {self.best.loss:.3f}"
        if self.metric != "loss":
            title = bleu_title(self.mean.tokenizer) if self.metric == "bleu" else "chrF++"
            best += f" | {title} {self.best.score:.2f}"
        return (
            f"mean of steps {', '.join(map(str, self.steps))} | loss {self.mean.loss:.3f} | "
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
            "best_loss": self.best.loss,
            "kept": "mean" if self.mean_is_better else "best",
        }


def translate(
    translator: Translator, sentences: list[str], check_stop: Callable[[], None], warn: Warn
) -> list[str]:
    """Return the best translations; check_stop is called before each decoding step."""
    translator.program = InterruptibleProgram(translator.program, check_stop)
    translations: list[str] = []
    for begin in range(0, len(sentences), _CHUNK):
        translations += translator.translate(sentences[begin : begin + _CHUNK], warn)
    return translations


class Validation:
    """Measurement of a model's weights on the validation set."""

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
        self.corpus = corpus
        self.tokenizer = tokenizer
        self.config = config
        self.device = device
        self.precision = precision
        # Longer pairs are translated in pieces, but have no loss.
        within = corpus.within(config.data.max_tokens)
        self.batches = batches_of(corpus, config.training, within)
        self.plan = self.batches.plan(seed=0, epoch=0)
        texts = corpus.texts(range(len(corpus)))
        self.sources = [source for source, _ in texts]
        self.references = normalized([reference for _, reference in texts])
        self.tokenize = bleu_tokenizer(
            config.evaluation.tokenize, config.data.target_language, self.references, say
        )

    def __call__(self, check_stop: Callable[[], None]) -> Figures:
        """Return the results of the current weights, and set evaluation mode.

        check_stop is called often and may raise.
        """
        loss = self.loss(check_stop)
        # Overlong sentences were reported when the data was prepared.
        translations = translate(self._translator(), self.sources, check_stop, lambda *_: None)
        bleu, chrf = validation_scores(normalized(translations), self.references, self.tokenize)
        count = len(self.sources)
        examples = tuple(
            (self.sources[i], self.references[i], translations[i])
            for i in sorted({count // 4, count // 2, count * 3 // 4})
        )
        return Figures(loss, bleu, chrf, examples, self.tokenize)

    def of_weights(self, weights: Mapping[str, Tensor], check_stop: Callable[[], None]) -> Figures:
        """Copy weights to the model, and return its results."""
        with torch.no_grad():
            for name, parameter in self.objective.model.named_parameters():
                parameter.copy_(weights[name])
        return self(check_stop)

    @torch.no_grad()
    def loss(self, check_stop: Callable[[], None]) -> float:
        """Return the negative log-likelihood in nats per target token; see `__call__`."""
        self.objective.eval()
        nll = torch.zeros((), dtype=torch.float64, device=self.device)
        tokens = 0
        for batch in self.batches.read(self.plan, self.device):
            check_stop()
            with autocast(self.device, self.precision):
                nll += self.objective(batch).nll
            tokens += batch.target_tokens
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
