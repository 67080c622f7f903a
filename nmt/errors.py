"""Errors that are shown to the user, with the exit code of the command.

Exit codes: 0 done, 1 a bug in nmt, 2 usage or config, 3 training diverged, 4 data,
5 checkpoint or disk, 130/143 stopped by Ctrl-C/SIGTERM with the state saved.
"""

from __future__ import annotations


class NmtError(Exception):
    """Base class of errors shown to the user: a message and an optional hint how to fix it."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(NmtError):
    """A command or its options cannot be executed."""

    exit_code = 2


class ConfigError(NmtError):
    """A config file has an unknown key, a wrong value or values that contradict each other."""

    exit_code = 2


class DivergedError(NmtError):
    """Training produced non-finite losses or gradients too many times in a row."""

    exit_code = 3


class DataError(NmtError):
    """Parallel text is missing, unreadable, empty, or has sides of different lengths."""

    exit_code = 4


class StorageError(NmtError):
    """A checkpoint or run folder is damaged, locked, from another run, or cannot be written."""

    exit_code = 5


class Stopped(NmtError):
    """A signal (Ctrl-C: 2, SIGTERM: 15) stopped the command, and the state was saved."""

    def __init__(self, signal_number: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.exit_code = 128 + signal_number
