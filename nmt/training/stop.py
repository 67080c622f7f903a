"""Stopping on a signal: a handler sets a flag that the program checks."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from nmt.decoding.engine import DecoderProgram
from nmt.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from torch import Tensor

# Batch systems send SIGUSR1 before they end a job.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class StopSignal:
    """Context in which Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 request a stop.

    A second Ctrl-C ends the process immediately. A signal that is ignored, for example under nohup,
    stays ignored. Outside the main thread, Python allows no handlers.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        """Number of the first signal, or None."""
        self._before: dict[signal.Signals, Any] = {}

    def check(self) -> None:
        """Raise Stopped if a signal was received."""
        if self.received is not None:
            raise stopped_by(self.received, "stopped; no training progress was lost")

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
            with suppress(OSError):  # After SIGHUP there may be no terminal.
                # print is not safe here: the handler may have interrupted a print.
                os.write(2, b"\nStopping (Ctrl-C again exits at once)\n")


def stopped_by(signal_number: int, message: str) -> Stopped:
    return Stopped(signal_number, message, "run the same command again to resume")


class InterruptibleProgram(DecoderProgram):
    """A decoder program that calls check_stop, which may raise, before each decoding step."""

    def __init__(self, program: DecoderProgram, check_stop: Callable[[], None]) -> None:
        super().__init__(program.model, program.device)
        self._program = program
        self._check_stop = check_stop

    def start(self, source: Tensor, max_length: int, width: int) -> Any:
        return self._program.start(source, max_length, width)

    def step(self, tokens: Tensor, state: Any) -> Tensor:
        self._check_stop()
        return self._program.step(tokens, state)
