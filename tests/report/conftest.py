"""Finished runs on a tiny corpus, and pages of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import page_of
from tiny import both_directions_config, text_config

from nmt.runs import Run
from nmt.training.pipeline import run_training


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Run:
    """Return a finished run of 40 steps. A test that changes it must copy it first."""
    config = text_config(digits, max_steps=40, valid_every=20, learning_rate=0.03)
    return run_training(config, tmp_path_factory.mktemp("trained") / "first")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Run:
    """Return a run with another seed and learning rate."""
    config = text_config(digits, max_steps=40, valid_every=20, learning_rate=0.02, seed=2)
    return run_training(config, tmp_path_factory.mktemp("other") / "second")


@pytest.fixture(scope="session")
def multilingual(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Run:
    folder = tmp_path_factory.mktemp("multilingual")
    config = both_directions_config(digits)
    training = config.training.model_copy(update={"max_steps": 30, "learning_rate": 0.03})
    return run_training(config.model_copy(update={"training": training}), folder / "both")


@pytest.fixture(scope="session")
def page(trained: Run) -> str:
    return page_of(trained)


@pytest.fixture(scope="session")
def comparison(trained: Run, other: Run) -> str:
    return page_of(trained, other)
