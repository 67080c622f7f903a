"""Learning-rate schedules at selected steps; weight decay excludes biases and norms."""

from __future__ import annotations

import pytest
import torch

from nmt.config import ModelConfig, TrainingConfig
from nmt.loading import build_model
from nmt.training.optimizer import build_optimizer, learning_rate


def config(schedule: str, warmup: int = 100) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {
            "learning_rate": 0.002,
            "schedule": schedule,
            "warmup_steps": warmup,
            "max_steps": 1100,
            "weight_decay": 0.1,
        }
    )


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "cosine", "constant"])
def test_warmup_is_linear_to_the_peak(schedule: str) -> None:
    assert learning_rate(1, config(schedule)) == pytest.approx(0.00002)
    assert learning_rate(50, config(schedule)) == pytest.approx(0.001)
    assert learning_rate(100, config(schedule)) == pytest.approx(0.002)
    assert learning_rate(1, config(schedule, warmup=0)) == pytest.approx(0.002, rel=1e-3)


def test_schedules_after_warmup_equal_their_formulas() -> None:
    assert learning_rate(400, config("inverse_sqrt")) == pytest.approx(0.001)
    assert learning_rate(600, config("cosine")) == pytest.approx(0.001)
    assert learning_rate(1100, config("cosine")) == pytest.approx(0.0)
    assert learning_rate(1100, config("constant")) == pytest.approx(0.002)


def test_weight_decay_acts_on_matrices_only() -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig(d_model=16, heads=2, feedforward=32), 20, 20, True)
    decayed, kept = build_optimizer(model, config("constant")).param_groups
    assert decayed["weight_decay"] == 0.1 and all(p.ndim == 2 for p in decayed["params"])
    assert kept["weight_decay"] == 0.0 and all(p.ndim == 1 for p in kept["params"])
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))
