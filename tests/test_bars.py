"""Progress bars fit the terminal, and show what matters most."""

from __future__ import annotations

import io
import re
import sys

import pytest
from tqdm import tqdm

from nmt import bars
from nmt.bars import Screen, bar_format, track
from nmt.terminal import Look, display_width

FIELDS = [(4, "epoch 12"), (2, "nll 2.87"), (5, "12,310 tok/s"), (1, "1m 48s left")]


def drawn(columns: int, look: Look = Look(), total: int | None = 1400) -> str:  # noqa: B008
    look = look._replace(columns=columns)
    text = bar_format("step 640/1400", FIELDS, look, total is not None)
    return tqdm.format_meter(640, total, 10.0, ncols=columns, bar_format=text)


@pytest.mark.parametrize("columns", range(8, 160))
@pytest.mark.parametrize("look", [Look(), Look(color=True, blocks=False)])
def test_bar_fits_the_columns(columns: int, look: Look) -> None:
    assert display_width(drawn(columns, look)) <= columns
    assert display_width(drawn(columns, look, total=None)) <= columns


def test_least_important_fields_are_left_out() -> None:
    wide = drawn(120)
    assert wide.startswith("step 640/1400 | ▕█")
    assert wide.endswith("▏ 46 % | epoch 12 | nll 2.87 | 12,310 tok/s | 1m 48s left")
    assert drawn(40) == "step 640/1400 | nll 2.87 | 1m 48s left"
    assert drawn(30) == "step 640/1400 | 1m 48s left"
    assert drawn(10) == "step 640/…"


def test_bar_without_a_total_has_only_fields() -> None:
    assert drawn(80, total=None).startswith("step 640/1400 | epoch 12 | nll 2.87 | ")


def test_nothing_is_drawn_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with track("working", 3) as advance:
        advance(2)
        advance(2)
    assert stream.getvalue() == ""


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def shown(stream: Terminal) -> list[str]:
    """Return the lines of a screen, where a carriage return overwrites a line."""
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    text = re.sub("\x1b\\[[0-9;]*m", "", stream.buffer.getvalue().decode())
    lines = []
    for line in text.split("\n"):
        cells = ""
        for part in line.split("\r"):
            cells = part + cells[len(part) :]
        lines.append(cells.rstrip())
    return lines


@pytest.mark.parametrize("total", [3, None])
def test_lines_appear_above_a_bar_which_vanishes(
    monkeypatch: pytest.MonkeyPatch, total: int | None
) -> None:
    terminal = Terminal(io.BytesIO(), encoding="utf-8")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(bars, "SECONDS_PER_REFRESH", 0.0)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    output = Screen()
    with track("working", total) as advance:
        print("a warning", file=sys.stderr)
        output.write(b"first\nsecond\n")
        advance(2)
        during = shown(terminal)
        output.flush()
        advance(0)
    assert during[0] == "a warning"
    assert during[1].startswith("working | ")
    assert "67 %" in during[1] if total else "| 2 |" in during[1]
    assert shown(terminal) == ["a warning", "first", "second", ""]
    assert sys.stderr is terminal
