"""Campaigns report what they did; the end of the test run shows it as a table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_RESULTS = pytest.StashKey[list[tuple[str, int, int]]]()

RecordFault = Callable[[str, int, int], None]


@pytest.fixture
def record_fault(request: pytest.FixtureRequest) -> RecordFault:
    """Call with (fault, tries, survived) to get a line in the table."""

    def record(fault: str, tries: int, survived: int) -> None:
        request.config.stash.setdefault(_RESULTS, []).append((fault, tries, survived))

    return record


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    results = config.stash.get(_RESULTS, [])
    if not results:
        return
    width = max(len(fault) for fault, _, _ in results)
    terminalreporter.section("faults")
    terminalreporter.write_line(f"{'fault':{width}}  {'tries':>6}  {'survived':>8}  {'lost':>5}")
    for fault, tries, survived in results:
        line = f"{fault:{width}}  {tries:6}  {survived:8}  {tries - survived:5}"
        terminalreporter.write_line(line)
