"""Campaigns record their results, and pytest prints them as a table at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import pytest


class _Row(NamedTuple):
    fault: str
    tries: int
    survived: int
    hit: Mapping[str, int]


_ROWS = pytest.StashKey[list[_Row]]()


class RecordFault(Protocol):
    def __call__(
        self, fault: str, tries: int, survived: int, hit: Mapping[str, int] | None = None
    ) -> None:
        """Add a row to the table; `hit`: number of faults in each phase of training."""


@pytest.fixture
def record_fault(request: pytest.FixtureRequest) -> RecordFault:
    def record(fault: str, tries: int, survived: int, hit: Mapping[str, int] | None = None) -> None:
        rows = request.config.stash.setdefault(_ROWS, [])
        rows.append(_Row(fault, tries, survived, hit or {}))

    return record


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash.get(_ROWS, [])
    if not rows:
        return
    width = max(len(row.fault) for row in rows)
    terminalreporter.section("faults")
    terminalreporter.write_line(f"{'fault':{width}}  {'tries':>6}  {'survived':>8}  {'lost':>5}")
    for fault, tries, survived, _ in rows:
        line = f"{fault:{width}}  {tries:6}  {survived:8}  {tries - survived:5}"
        terminalreporter.write_line(line)
    for row in rows:
        if row.hit:
            counts = ", ".join(f"{phase} {count}" for phase, count in sorted(row.hit.items()))
            terminalreporter.write_line(f"{row.fault}, by phase: {counts}")
