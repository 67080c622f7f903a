"""The counters of a training run, which every checkpoint saves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nmt.config import TrainingConfig


class Validated(NamedTuple):
    """The score of one validation."""

    step: int
    score: float
    """A higher score is better."""
    loss: float = math.inf
    """In nats per target token; it orders equal scores. Earlier versions did not save it."""

    @property
    def rank(self) -> tuple[float, float]:
        """Key that orders validations; a greater key is better."""
        return self.score, -self.loss


@dataclass
class TrainState:
    """Everything that resuming needs in addition to the weights and the optimizer's moments.

    The order of the data is a function of (seed, epoch), and all randomness is a function of
    (seed, step). No state of a generator or iterator has to be saved.
    """

    step: int = 0
    """Number of finished steps, including skipped ones."""
    epoch: int = 1
    """Epoch of the next batch, from 1."""
    batch: int = 0
    """Number of the next batch within its epoch, from 0."""
    validated: int = 0
    """Step of the last validation."""
    untrained_loss: float = math.inf
    """Validation loss before the first step, in nats per target token; infinite if unknown."""
    scores: list[Validated] = field(default_factory=list)
    """All validations in order."""
    best_step: int = 0
    """Step of the best validation."""
    stale_validations: int = 0
    """Validations in a row without a new best score."""
    skipped: int = 0
    """Steps whose update was skipped because of a non-finite loss or gradient."""
    skipped_in_row: int = 0
    """Number of steps skipped since the last update."""
    seconds: float = 0.0
    """Seconds spent on training and validation."""
    objective: float = 0.0
    """Sum of the objective over the target tokens since the last log record, in nats."""
    nll: float = 0.0
    """Sum of the negative log-likelihood since the last log record, in nats."""
    tokens: int = 0
    """Target tokens since the last log record, including eos."""

    @property
    def epoch_of_last_update(self) -> int:
        """Epoch of the last update; `epoch` is one higher when an epoch has just ended."""
        return self.epoch if self.batch or self.step == 0 else self.epoch - 1

    def ended(self, config: TrainingConfig) -> bool:
        """Return whether max_steps, max_epochs or patience ends the training run here."""
        return (
            (config.max_steps is not None and self.step >= config.max_steps)
            or (config.max_epochs is not None and self.epoch > config.max_epochs)
            or self.out_of_patience(config)
        )

    def out_of_patience(self, config: TrainingConfig) -> bool:
        """Return whether `patience` validations in a row were not better than an earlier one."""
        return config.patience is not None and self.stale_validations >= config.patience

    def note_validation(self, score: float, loss: float) -> bool:
        """Record a validation at this step; return whether it is the best so far.

        Of two validations with the same score, the one with the lower loss is better. While all
        BLEU scores are zero, the loss shows whether the model improves.
        """
        score = -math.inf if math.isnan(score) else score
        validated = Validated(self.step, score, math.inf if math.isnan(loss) else loss)
        best = not self.scores or validated.rank > max(other.rank for other in self.scores)
        self.scores.append(validated)
        self.validated = self.step
        self.best_step = self.step if best else self.best_step
        self.stale_validations = 0 if best else self.stale_validations + 1
        return best

    def best_steps(self, count: int) -> list[int]:
        """Return the steps of the `count` best validations, best first, ties in order."""
        ordered = sorted(self.scores, key=lambda validated: validated.rank, reverse=True)
        return [validated.step for validated in ordered[:count]]

    def averaged_steps(self, config: TrainingConfig) -> list[int]:
        """Return the steps of the checkpoints whose mean is the final model."""
        count = config.average_checkpoints
        if config.average == "last":
            return [validated.step for validated in self.scores[-count:]]
        return self.best_steps(count)
