"""The estimate of the time until a training run ends, with a simulated clock."""

from __future__ import annotations

from typing import Any

import pytest
from tiny import tiny_config

from nmt.training import time_left
from nmt.training.state import TrainState
from nmt.training.time_left import TimeLeft


class Simulation:
    """A training run on a simulated clock: 0.1 s per step and 6 s per validation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **training: Any) -> None:
        self.now = 0.0
        monkeypatch.setattr(time_left.time, "monotonic", lambda: self.now)
        values = {"max_steps": 1000, "valid_every": 100, **training}
        self.config = tiny_config(**values).training
        self.total = self.config.max_steps
        self.step = 0
        self.left = TimeLeft(self.config, TrainState(), self.total, validation=4.0, at_end=2.0)

    def train(self, steps: int) -> None:
        for _ in range(steps):
            slow = 20 if self.step < 5 else 1
            twice = 2 if self.config.rdrop and self.step >= self.config.rdrop_after else 1
            self.now += 0.1 * slow * twice
            self.step += 1
            self.left.step()
            if self.step % self.config.valid_every == 0 or self.step == self.total:
                self.now += 6.0
                self.left.restart(6.0)

    def end(self) -> float:
        """Train to the end, and return the time then, with averaging and the test."""
        self.train(1000 - self.step)
        return self.now + 2 * 6.0


@pytest.mark.parametrize("steps", [6, 50, 99, 100, 101, 500, 999])
@pytest.mark.parametrize(
    "training", [{}, {"valid_every": 300}, {"rdrop": 1.0}, {"rdrop": 1.0, "rdrop_after": 400}]
)
def test_estimate_is_right(
    monkeypatch: pytest.MonkeyPatch, steps: int, training: dict[str, Any]
) -> None:
    """The estimate counts validations, averaging and the test, but not the slow first steps."""
    run = Simulation(monkeypatch, **training)
    run.train(steps)
    predicted, begin = run.left.seconds, run.now
    assert predicted is not None
    measured_before = run.step >= run.config.valid_every
    actual = run.end() - begin
    assert predicted == pytest.approx(actual, rel=0.001 if measured_before else 0.2)


def test_estimate_follows_a_change_of_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Simulation(monkeypatch, max_steps=100_000, valid_every=100_000)
    run.train(5000)
    for _ in range(2000):
        run.now += 0.3
        run.left.step()
    assert run.left.seconds == pytest.approx(93_000 * 0.3, rel=0.02)


def test_no_estimate_before_steps_are_measured_or_without_a_last_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Simulation(monkeypatch)
    assert run.left.text == ""
    run.train(5)
    assert run.left.seconds is None
    endless = Simulation(monkeypatch, max_steps=None, patience=3)
    endless.train(100)
    assert endless.left.text == ""


def test_patience_makes_the_estimate_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for patience, expected in ((None, "1m 27s left"), (3, "at most 1m 27s left")):
        run = Simulation(monkeypatch, patience=patience)
        run.train(550)
        assert run.left.text == expected


def test_resumed_run_counts_the_validations_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Simulation(monkeypatch)
    state = TrainState(step=950, validated=900)
    left = TimeLeft(run.config, state, 1000, validation=6.0, at_end=0.0)
    for _ in range(10):
        run.now += 0.1
        left.step()
    assert left.seconds == pytest.approx(40 * 0.1 + 6)
