"""Width, colors and characters of a terminal."""

from __future__ import annotations

import io
import math
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from typing import TextIO

import pytest

from nmt import terminal
from nmt.inspection.terminal import SHADES
from nmt.terminal import Color, cut, display_width, sparkline, wrap

PACKAGE = Path(terminal.__file__).parent


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def screen() -> Iterator[TextIO]:
    """Open a pseudo-terminal of 40 columns."""
    reader, writer = pty.openpty()
    ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(reader, "rb"), os.fdopen(writer, "w") as stream:
        yield stream


def test_width_is_that_of_the_terminal_or_80(
    screen: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert terminal.width(screen) == 40
    assert terminal.width(io.StringIO()) == 80
    monkeypatch.setenv("COLUMNS", "33")
    assert terminal.width(screen) == 33


def test_colors_are_for_terminals(screen: TextIO) -> None:
    assert terminal.colored(screen)
    assert not terminal.colored(io.StringIO())


@pytest.mark.parametrize(
    ("name", "value", "on_terminal", "in_file"),
    [
        ("NO_COLOR", "1", False, False),
        ("NO_COLOR", "", True, False),
        ("TERM", "dumb", False, False),
        ("CLICOLOR_FORCE", "1", True, True),
        ("CLICOLOR_FORCE", "0", True, False),
    ],
)
def test_environment_chooses_colors(
    screen: TextIO,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    on_terminal: bool,
    in_file: bool,
) -> None:
    monkeypatch.setenv(name, value)
    assert terminal.colored(screen) == on_terminal
    assert terminal.colored(io.StringIO()) == in_file


def test_no_color_wins_over_forced_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert not terminal.colored(io.StringIO())


def test_width_counts_wide_letters_twice_and_marks_not_at_all() -> None:
    assert display_width("日本") == 4
    assert display_width("e\u0301") == 1
    assert display_width("कि") == 2
    assert display_width(Color.RED("red")) == 3


def test_cut_text_keeps_letters_intact() -> None:
    assert cut("short", 5) == "short"
    assert cut("too long", 5) == "too…"
    assert cut("日本語テスト", 6) == "日本…"
    assert cut("e\u0301" * 4, 3) == "e\u0301" * 2 + "…"
    assert cut("truncated", 4, end="~") == "tru~"


@pytest.mark.parametrize("columns", range(2, 20))
@pytest.mark.parametrize(
    "text", ["日本語テスト" * 3, "a word, unbreakablelongword", "नमस्ते दुनिया", ""]
)
def test_text_fits_the_columns(text: str, columns: int) -> None:
    assert display_width(cut(text, columns)) <= columns
    lines = wrap(text, columns)
    assert lines
    assert max(map(display_width, lines)) <= columns
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_wrapped_lines_are_indented() -> None:
    assert wrap("one two three", 8, "  ") == ["one two", "  three"]


def test_sparkline_scales_values_to_at_most_40_bars() -> None:
    assert sparkline([], blocks=True) == ""
    assert sparkline([1.0, 1.0], blocks=True) == "▁▁"
    assert sparkline([0.0, math.nan, 7.0], blocks=True) == "▁ █"
    assert len(sparkline([float(i) for i in range(1000)])) == 40


def test_sparkline_is_ascii_where_blocks_cannot_be_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding, expected in (("utf-8", "▁ █"), ("latin-1", "_ #"), ("ascii", "_ #")):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
        assert sparkline([0.0, math.nan, 7.0]) == expected


def test_lines_break_between_fields_or_else_between_words() -> None:
    line = "valid | step 5 | nll 1.0\nunchanged"
    assert terminal.fit(line, 80) == line
    assert terminal.fit(line, 14) == "valid | step 5\n  nll 1.0\nunchanged"
    assert terminal.fit("  one two three", 11) == "  one two\n    three"
    assert terminal.fit("a | one two three", 9) == "a\n  one two\n  three"


@pytest.mark.parametrize("columns", [10, 20, 40])
def test_colored_lines_fit_and_keep_their_text(columns: int) -> None:
    text = f"valid | {Color.GREEN('new best')} | 日本語テスト日本語 | {'x' * 50} and words"
    lines = terminal.fit(text, columns).split("\n")
    assert max(map(display_width, lines)) <= columns
    assert terminal.plain(Color.GREEN("new best")) == "new best"


def rgb(color: int) -> tuple[int, ...]:
    """Return the red, green and blue of one of the colors 16 to 255, which no theme changes."""
    if color >= 232:
        return (8 + 10 * (color - 232),) * 3
    levels = (0, 95, 135, 175, 215, 255)
    return tuple(levels[(color - 16) // base % 6] for base in (36, 6, 1))


def luminance(color: int) -> float:
    """Return the relative luminance of WCAG 2.2."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / 255 for part in rgb(color))
    ]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("color", [*Color, *SHADES])
def test_colors_are_readable_on_black_and_on_white(color: Color) -> None:
    assert 16 <= color <= 255
    assert (luminance(color) + 0.05) / 0.05 >= 3
    assert 1.05 / (luminance(color) + 0.05) >= 3


def test_contrast_of_the_earlier_attention_map_was_too_low() -> None:
    assert 1.05 / (luminance(159) + 0.05) < 1.2


def test_only_one_place_writes_colors() -> None:
    escapes = {
        path.name: found
        for path in PACKAGE.rglob("*.py")
        if (found := re.findall(r"x1b\[[0-9;{]|033\[|\bstyle\(|\bsecho\(", path.read_text("utf-8")))
    }
    assert list(escapes) == ["terminal.py"]
