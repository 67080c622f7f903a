"""Progress bars on standard error that fit the terminal and vanish at their end."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any, TextIO, cast

from tqdm import tqdm
from tqdm.contrib import DummyTqdmFile

from nmt import terminal
from nmt.terminal import Color, Look, cut

SECONDS_PER_REFRESH = 0.5
_BAR = 3
"""Importance of the bar itself; see `bar_format`."""


class Bar(tqdm):  # type: ignore[type-arg]  # tqdm is not generic at run time.
    """A bar on a terminal, and nothing elsewhere."""

    def __init__(
        self, layout: Callable[[Look], str], total: float | None, initial: int = 0
    ) -> None:
        """Start a bar. `layout` returns its format, as `bar_format` does, at each refresh."""
        self._layout = layout
        super().__init__(
            total=total,
            initial=initial,
            disable=not is_live(),
            file=sys.stderr,
            leave=False,
            position=0,
            mininterval=SECONDS_PER_REFRESH,
            miniters=0,  # An update without work shows the time.
        )

    @property
    def format_dict(self) -> MutableMapping[str, Any]:
        look = Look.of(sys.stderr)
        values = super().format_dict
        values.update(ncols=look.columns, bar_format=self._layout(look))
        return values


def is_live() -> bool:
    """Return whether standard error can redraw a line."""
    return terminal.is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


@contextmanager
def track(what: str, total: float | None) -> Iterator[Callable[[float], object]]:
    """Show a bar until the block ends; it yields a function that adds to the finished work.

    total: the work; None, if it is not known, shows how much is finished and the time. Lines that
    are printed to standard error appear above the bar.
    """
    fields = [] if total else [(1, "{n:,.0f}"), (2, "{elapsed}")]
    with Bar(lambda look: bar_format(what, fields, look, bool(total)), total) as bar:
        if bar.disable:
            yield lambda _: None
        else:
            with redirect_stderr(cast("TextIO", DummyTqdmFile(sys.stderr))):
                yield lambda work: bar.update(min(work, total - bar.n) if total else work)


class Screen(io.BytesIO):
    """Standard output on a terminal, which shows what was written at `flush`, above the bars."""

    def flush(self) -> None:
        with tqdm.external_write_mode(sys.stdout):
            sys.stdout.buffer.write(self.getvalue())
            sys.stdout.buffer.flush()
        self.seek(0)
        self.truncate()


def bar_format(title: str, fields: Sequence[tuple[int, str]], look: Look, has_total: bool) -> str:
    """Return the format of a tqdm bar: a title, the bar if there is a total, and fields.

    fields: a text and its importance, from 1, the highest. Fields that do not fit are left out.
    """
    columns = look.columns or terminal.DEFAULT_WIDTH
    ends = "▕▏" if look.blocks else "[]"
    parts = {_BAR: f"{ends[0]}{'=' * 8}{ends[1]}100 %"} if has_total else {}
    parts = {0: title} | parts | {rank: text for rank, text in fields if text}
    while len(" | ".join(parts.values())) > columns and len(parts) > 1:
        del parts[max(parts)]
    if _BAR in parts:
        width = min(8 + columns - len(" | ".join(parts.values())), 30)
        drawn = look.paint(Color.BLUE, f"{{bar:{width}}}")
        parts[_BAR] = f"{ends[0]}{drawn}{ends[1]}{{percentage:3.0f}} %"
        return " | ".join(parts.values())
    return cut(" | ".join(parts.values()), columns)
