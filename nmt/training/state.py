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
    """In nats per target token. Earlier versions did not save it."""

    @property
    def rank(self) -> tuple[float, float]:
        """Greater is better: of equal scores, the one with the lower loss."""
        return self.score, -self.loss


@dataclass
class TrainState:
    """Training progress, saved with weights and moments."""

    step: int = 0
    """Number of finished steps, including skipped ones."""
    epoch: int = 1
    """Epoch of the next batch, from 1."""
    batch: int = 0
    """Number of the next batch within its epoch, from 0."""
    validated: int = 0
    """Step of the last validation."""
    untrained_loss: float = math.inf
    """Validation loss before step 1, in nats per target token; infinite if unknown."""
    scores: list[Validated] = field(default_factory=list)
    best_step: int = 0
    stale_validations: int = 0
    """Validations in a row without a new best score."""
    skipped: int = 0
    """Steps whose loss or gradient was not finite."""
    skipped_in_row: int = 0
    loss_scale: float = 2.0**16
    """See `nmt.training.loss_scale`."""
    steps_at_scale: int = 0
    seconds: float = 0.0
    """Seconds spent on training and validation."""
    objective: float = 0.0
    """Sum over the target tokens since the last log record, in nats, like `nll`."""
    nll: float = 0.0
    tokens: int = 0
    """Target tokens since the last log record, including eos."""
    drawn: list[int] = field(default_factory=list)
    """With a mixture, the number of pairs drawn from each part so far."""

    @property
    def epoch_of_last_update(self) -> int:
        """Epoch of the last update, from 1."""
        return self.epoch if self.batch or self.step == 0 else self.epoch - 1

    def ended(self, config: TrainingConfig) -> bool:
        return (
            (config.max_steps is not None and self.step >= config.max_steps)
            or (config.max_epochs is not None and self.epoch > config.max_epochs)
            or self.out_of_patience(config)
        )

    def out_of_patience(self, config: TrainingConfig) -> bool:
        return config.patience is not None and self.stale_validations >= config.patience

    def note_validation(self, score: float, loss: float) -> bool:
        """Record a validation at this step; return whether it is the best so far."""
        score = -math.inf if math.isnan(score) else score
        self.scores.append(Validated(self.step, score, math.inf if math.isnan(loss) else loss))
        self.validated = self.step
        self.best_step = self.best_steps(1)[0]
        best = self.best_step == self.step
        self.stale_validations = 0 if best else self.stale_validations + 1
        return best

    def best_steps(self, count: int) -> list[int]:
        """Return the steps of the `count` best validations, best first; ties in order."""
        ordered = sorted(self.scores, key=lambda validated: validated.rank, reverse=True)
        return [validated.step for validated in ordered[:count]]

    def averaged_steps(self, config: TrainingConfig) -> list[int]:
        """Return the steps of the checkpoints to average."""
        count = config.average_checkpoints
        if config.average == "last":
            return [validated.step for validated in self.scores[-count:]]
        return self.best_steps(count)
