"""Settings that cannot train a good model give a warning, but never stop the training run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tiny import text_config

from nmt.runs import Run
from nmt.training.checkpoint import read_state
from nmt.training.pipeline import run_training


def warnings_of(run: Run) -> list[str]:
    lines = run.log_file.read_text().splitlines()
    return [line.partition(" warning: ")[2] for line in lines if " warning: " in line]


def test_too_high_learning_rate_prints_warnings(digits: Path, tmp_path: Path) -> None:
    config = text_config(digits, learning_rate=30.0, warmup_steps=1)
    run = run_training(config, tmp_path / "run")
    assert run.finished
    state = read_state(run.checkpoints()[0])
    # An untrained model predicts about uniformly: log(40 pieces) is 3.7.
    assert math.log(40) <= state.untrained_loss < math.log(40) + 1
    assert [line.partition(" is ")[0] for line in warnings_of(run)] == [
        f"the validation loss {which}"
        for which in ("after step 4", "after step 8", "after step 10", "of the final model")
    ]


def test_good_settings_print_no_warning(trained: Run) -> None:
    assert warnings_of(trained) == []


@pytest.mark.parametrize(
    ("length", "warmup_steps", "last"),
    [
        ({"max_steps": 3}, 4, 3),
        ({"max_steps": 4}, 4, None),
        ({"max_steps": None, "max_epochs": 1}, 100, 6),
        ({"max_steps": None, "max_epochs": 1}, 6, None),
    ],
)
def test_end_before_the_end_of_the_warmup_prints_warning(
    digits: Path, tmp_path: Path, length: dict[str, int | None], warmup_steps: int, last: int | None
) -> None:
    config = text_config(digits, warmup_steps=warmup_steps, **length)
    warnings = warnings_of(run_training(config, tmp_path / "run"))
    found = [warning for warning in warnings if "rises until" in warning]
    assert [warning.partition(" (")[0] for warning in found] == (
        [f"training ends at step {last}, but the learning rate rises until step {warmup_steps}"]
        if last
        else []
    )


@pytest.mark.parametrize(("schedule", "count"), [("inverse_sqrt", 1), ("constant", 0)])
def test_inverse_sqrt_without_warmup_prints_warning(
    digits: Path, tmp_path: Path, schedule: str, count: int
) -> None:
    config = text_config(digits, warmup_steps=0, schedule=schedule, max_steps=1)
    warnings = warnings_of(run_training(config, tmp_path / "run"))
    assert sum("warmup_steps: 0" in warning for warning in warnings) == count
