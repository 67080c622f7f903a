"""The counters that training carries from step to step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nmt.config import TrainingConfig


@dataclass
class TrainState:
    """Everything that resuming needs besides the weights and the optimizer's moments.

    The order of the data is a function of (seed, epoch), and all randomness is a function of
    (seed, step). There is no state of a generator or an iterator to save.
    """

    step: int = 0
    """Steps done, including skipped ones."""
    epoch: int = 1
    """Epoch of the next batch, from 1."""
    batch: int = 0
    """Number of the next batch within its epoch, from 0."""
    validated: int = 0
    """Step of the last validation."""
    scores: list[tuple[int, float]] = field(default_factory=list)
    """(step, score) of each validation; a higher score is better."""
    best_step: int = 0
    """Step of the best validation."""
    stale_validations: int = 0
    """Validations in a row without a new best score."""
    skipped: int = 0
    """Steps whose update was skipped because of a non-finite loss or gradient."""
    skipped_in_row: int = 0
    """Steps skipped since the last update."""
    seconds: float = 0.0
    """Time spent on training and validation."""
    objective: float = 0.0
    """Sum of the objective over the target tokens since the last log record, in nats."""
    nll: float = 0.0
    """Sum of the negative log-likelihood since the last log record, in nats."""
    tokens: int = 0
    """Target tokens since the last log record, including eos."""

    @property
    def epoch_of_last_update(self) -> int:
        """Epoch of the last update; `epoch` is one more when an epoch has just ended."""
        return self.epoch if self.batch or self.step == 0 else self.epoch - 1

    def ended(self, config: TrainingConfig) -> bool:
        """Return whether max_steps, max_epochs or patience ends the training run here."""
        return (
            (config.max_steps is not None and self.step >= config.max_steps)
            or (config.max_epochs is not None and self.epoch > config.max_epochs)
            or (config.patience is not None and self.stale_validations >= config.patience)
        )

    def note_score(self, score: float) -> bool:
        """Record the score of a validation at this step; return whether it is the best so far."""
        score = -math.inf if math.isnan(score) else score
        best = not self.scores or score > max(earlier for _, earlier in self.scores)
        self.scores.append((self.step, score))
        self.validated = self.step
        self.best_step = self.step if best else self.best_step
        self.stale_validations = 0 if best else self.stale_validations + 1
        return best

    def best_steps(self, count: int) -> list[int]:
        """Return the steps of the `count` best validations, best first; of ties the earlier."""
        return [step for step, _ in sorted(self.scores, key=lambda s: (-s[1], s[0]))[:count]]

    def averaged_steps(self, config: TrainingConfig) -> list[int]:
        """Return the steps of the checkpoints whose mean is the final model."""
        count = config.average_checkpoints
        if config.average == "last":
            return [step for step, _ in self.scores[-count:]]
        return self.best_steps(count)
