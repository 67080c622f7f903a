"""Stopping in good order: a signal sets a flag, and the work looks at it where it can stop."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from nmt.errors import Stopped

if TYPE_CHECKING:
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignal:
    """While entered, Ctrl-C, SIGTERM and SIGHUP ask for a stop; a second Ctrl-C leaves at once.

    Outside the main thread no handler can be installed, and none is.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def check(self) -> None:
        """Raise Stopped if a signal has come (used where there is nothing to save)."""
        if self.received is not None:
            raise Stopped(
                self.received, "stopped; nothing is lost", "the same command goes on from here"
            )

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            os._exit(128 + number)
        if self.received is None:
            self.received = number
            with suppress(OSError):  # the terminal may be gone, that is what SIGHUP tells
                # Not print: the handler may have interrupted a print.
                os.write(2, b"\nStopping: saving the state (Ctrl-C again leaves at once) ...\n")
