"""An estimate of the time until a training run ends."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from nmt.text import duration

if TYPE_CHECKING:
    from nmt.config import TrainingConfig
    from nmt.training.state import TrainState

_WARM_UP = 5
"""The first steps, which take longer and are not measured."""
_WINDOW = 500
"""Steps after which the weight of a step in the mean has fallen to 1/e."""


class TimeLeft:
    """An estimate from the duration of the last steps and of the last validation."""

    def __init__(
        self,
        config: TrainingConfig,
        state: TrainState,
        total: int | None,
        validation: float,
        at_end: float,
    ) -> None:
        """Create an estimate that starts at `state`.

        total: steps of the run; validation: expected seconds of the first validation; at_end:
        duration of averaging and test, in validations.
        """
        self._config = config
        self._step = state.step
        self._validated = state.validated
        self._total = total
        self._validation = validation
        self._at_end = at_end
        self._warm_up = _WARM_UP
        self._cost = self._seconds = 0.0
        self._last = time.monotonic()

    def step(self) -> None:
        """Measure a step, from the end of the step before or from `restart`."""
        now = time.monotonic()
        self._step += 1
        self._warm_up -= 1
        if self._warm_up < 0:
            decay = 1 - 1 / _WINDOW
            self._cost = self._cost * decay + self._costs(self._step - 1, self._step)
            self._seconds = self._seconds * decay + now - self._last
        self._last = now

    def restart(self, validation_seconds: float | None = None) -> None:
        """Measure the next step from now, after a validation if its duration is given."""
        if validation_seconds is not None:
            self._validation = validation_seconds
            self._validated = self._step
        self._last = time.monotonic()

    @property
    def seconds(self) -> float | None:
        """The estimate, or None as long as there is none."""
        if self._total is None or not self._cost:
            return None
        steps = self._costs(self._step, self._total) * self._seconds / self._cost
        every = self._config.valid_every
        validations = math.ceil(self._total / every) - self._validated // every + self._at_end
        return steps + validations * self._validation

    @property
    def text(self) -> str:
        """A text such as `1m 48s left`, or an empty text."""
        if self.seconds is None:
            return ""
        return f"{'at most ' if self._config.patience else ''}{duration(self.seconds)} left"

    def _costs(self, begin: int, end: int) -> int:
        """Return the passes through the model from step `begin` to step `end`."""
        twice = max(0, end - max(begin, self._config.rdrop_after)) if self._config.rdrop else 0
        return end - begin + twice
