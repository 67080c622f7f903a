"""The errors that reach a user. Each knows the exit code of the command that raises it.

Exit codes: 0 done, 1 a bug in nmt, 2 usage or config, 3 training diverged, 4 data,
5 checkpoint or disk, 130/143 stopped by Ctrl-C/SIGTERM with the state saved.
"""

from __future__ import annotations


class NmtError(Exception):
    """A failure with a message for the user: what is wrong and where, and a hint how to mend it."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(NmtError):
    """The command line asks for something impossible."""

    exit_code = 2


class ConfigError(NmtError):
    """A config file has an unknown key, a wrong value or values that contradict each other."""

    exit_code = 2


class DivergedError(NmtError):
    """Training produced non-finite losses or gradients too many times in a row."""

    exit_code = 3


class DataError(NmtError):
    """Parallel text cannot be used: missing, unreadable, unequal sides, nothing left."""

    exit_code = 4


class StorageError(NmtError):
    """A checkpoint or run folder is damaged, locked, of another run, or cannot be written."""

    exit_code = 5


class Stopped(NmtError):
    """Work ended early on a signal (Ctrl-C: 2, SIGTERM: 15), with the state saved."""

    def __init__(self, signal_number: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.exit_code = 128 + signal_number
