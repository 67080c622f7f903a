"""Errors that are shown to the user, with the exit code of the command."""

from __future__ import annotations


class NmtError(Exception):
    """A message and an optional hint how to fix the error. Exit code 1 means a bug in nmt."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(NmtError):
    """A command or its options cannot be executed."""

    exit_code = 2


class ConfigError(NmtError):
    """A config has an unknown key, a wrong value or values that contradict each other."""

    exit_code = 2


class DivergedError(NmtError):
    """Too many losses or gradients in a row were not finite."""

    exit_code = 3


class DataError(NmtError):
    """Parallel text is missing, unreadable, empty, or of unequal lengths."""

    exit_code = 4


class StorageError(NmtError):
    """A checkpoint or run folder is damaged, locked, from another run, or cannot be written."""

    exit_code = 5


class VersionError(StorageError):
    """A newer version of nmt wrote the run."""


class Stopped(NmtError):
    """A signal (Ctrl-C: 2, SIGTERM: 15) stopped the command; exit code 128 + signal."""

    def __init__(self, signal_number: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.exit_code = 128 + signal_number
