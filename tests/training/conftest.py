from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests do not cut the power; tests/faults counts the calls."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
