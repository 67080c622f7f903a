"""Tables fit the terminal, and are not changed where the output is not a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable

import pytest

from nmt.cli.info import _history_lines, _parameter_lines, _test_lines
from nmt.data.report import DataReport, SideReport, SplitReport
from nmt.evaluation.report import System, make_report
from nmt.tables import table_lines

HEAD = ["", "first title", "second"]
ROWS = [["a name", "1,000,000", ""], ["another", "2", "best"]]
WIDE = [
    "         first title  second",
    "a name     1,000,000",
    "another            2    best",
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that makes standard output a terminal with some columns."""

    def make(columns: int) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))

    return make


def test_table_has_a_line_per_row_and_padded_columns() -> None:
    assert table_lines(ROWS, head=HEAD) == WIDE
    assert table_lines(ROWS)[0] == "a name   1,000,000"
    assert table_lines([["a", "b"], ["ccc", "d"]], left=range(2)) == ["a    b", "ccc  d"]
    assert table_lines([]) == []


def test_terminal_of_the_width_of_the_table_shows_the_table(
    terminal: Callable[[int], None],
) -> None:
    terminal(28)
    assert table_lines(ROWS, head=HEAD) == WIDE


def test_narrow_terminal_shows_a_block_per_row(terminal: Callable[[int], None]) -> None:
    terminal(27)
    assert table_lines(ROWS, head=HEAD) == [
        "a name",
        "  first title  1,000,000",
        "another",
        "  first title  2",
        "  second       best",
    ]
    terminal(10)
    assert table_lines(ROWS) == ["a name", "1,000,000", "another", "2", "best"]


def test_narrow_output_that_is_not_a_terminal_is_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    assert table_lines(ROWS, head=HEAD) == WIDE


def every_table() -> list[str]:
    """Return the lines of the tables of nmt, with long numbers in them."""
    texts = ["ein Hund sieht die Katze", "ja", "nein nein", "eins zwei drei vier fünf sechs sieben"]
    worse = ["ein Hund", "ja ja", "nein", "eins zwei drei fünf sechs sieben"]
    report = make_report(System("a", texts), "b", [worse], baseline=System("c", worse)).text()
    sentences = ("nrefs:", "significant", "length ratio", "precisions")
    lines = [line for line in report.split("\n") if not any(word in line for word in sentences)]
    side = SideReport(10**10, 10**6, 10**6, [10, 100, 1000, 10000], 10**5)
    counts = Counter({"carriage returns": 10**9, "control characters": 10**9})
    split = SplitReport(10**10, 10**10, counts, counts, counts, {}, side, side)
    lines += (
        DataReport(dict.fromkeys(("train", "valid", "test"), split), 10**5, 10**5)
        .table()
        .split("\n")
    )
    record = {"step": 10**6, "epoch": 1000, "loss": 9.5, "perplexity": 1e6, "bleu": 9.5}
    lines += _history_lines([record] * 100, [record] * 100, "bleu")
    lines += _parameter_lines({"embedding": 10**9, "total": 10**10})
    lines += _test_lines({"bleu": 99.5, "bleu_lowercase": 99.5, "chrf": 99.5, "ter": 100.5})
    return lines


def test_every_table_fits_40_columns(terminal: Callable[[int], None]) -> None:
    wide = every_table()
    assert max(map(len, wide)) > 80
    terminal(40)
    narrow = every_table()
    assert [line for line in narrow if len(line) > 40] == []
    assert len(narrow) > len(wide)
