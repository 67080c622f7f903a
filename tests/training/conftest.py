"""Fixtures of the training tests: finished runs on the tiny corpus."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny import both_directions_config, text_config

from nmt.runs import Run
from nmt.training.pipeline import run_training


@pytest.fixture(autouse=True)
def _skip_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip fsync to save time. No test cuts the power; the test of syncing counts the calls."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(autouse=True)
def _restore_threads() -> Iterator[None]:
    """Reset the number of threads, because a training run changes it."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def multilingual(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Run:
    """Return a finished run of `both_directions_config`. A test that changes it must copy it."""
    folder = tmp_path_factory.mktemp("multilingual")
    return run_training(both_directions_config(digits), folder / "run")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Run:
    """Return a finished run with checkpoints at steps 4, 8 and 10.

    A test that changes the run must copy it first.
    """
    return run_training(text_config(digits), tmp_path_factory.mktemp("trained") / "run")
