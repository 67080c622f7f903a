"""Stopping in good order: a signal sets a flag, and the work looks at it where it can stop."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast

from nmt.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from nmt.model import Model

# SIGUSR1 is how batch systems warn before they end a job.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class StopSignal:
    """While entered, Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 ask for a stop; a second Ctrl-C leaves.

    What is ignored stays ignored: nohup makes it so with SIGHUP, a shell with Ctrl-C for a job in
    the background. Outside the main thread no handler can be installed, and none is.
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
            self._before = {
                number: signal.signal(number, self._handle)
                for number in _SIGNALS
                if signal.getsignal(number) is not signal.SIG_IGN
            }
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


def interruptible(model: Model, check_stop: Callable[[], None]) -> Model:
    """The same model, but each step of a search calls check_stop first, which may raise."""
    return cast("Model", _Interruptible(model, check_stop))


class _Interruptible:
    def __init__(self, model: Model, check_stop: Callable[[], None]) -> None:
        self._model = model
        self._check_stop = check_stop

    def step(self, *args: Any) -> Any:
        self._check_stop()
        return self._model.step(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
