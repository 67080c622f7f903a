"""What a training tells: a bar or plain lines, train.log, metrics.jsonl, TensorBoard.

Telling must never harm the training: a full disk under a log is a warning, once.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from nmt import storage
from nmt.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch.utils.tensorboard import SummaryWriter

    from nmt.runs import Run


class Progress:
    """Standard error and the logs of one run. `records` are the lines of metrics.jsonl."""

    def __init__(self, run: Run) -> None:
        self.records: list[str] = []
        self._run = run
        self._bar: tqdm[Any] | None = None
        self._board: SummaryWriter | None = None
        self._total: int | None = None
        self._begun = (0, time.monotonic())
        self._warned: set[str] = set()
        self._hook_before = threading.excepthook

    def say(self, text: str) -> None:
        """A line that stays, on standard error and in train.log."""
        with suppress(OSError, ValueError):  # the terminal may be gone
            tqdm.write(text, file=sys.stderr)
        self.log(text)

    def log(self, text: str) -> None:
        """Lines for train.log only."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        lines = "".join(f"{stamp} {line}\n" for line in text.split("\n"))
        self._guard("train.log", lambda: _append(self._run.log_file, lines))

    def warn(self, text: str) -> None:
        """A line that begins with `warning:`."""
        self.say(f"warning: {text}")

    def start(self, step: int, total: int | None, records: Sequence[str]) -> None:
        """Training begins (or goes on) after `step` updates of `total`, if that is known.

        metrics.jsonl becomes exactly `records`: what the run wrote after the checkpoint it
        resumes from will be written again.
        """
        self.records = list(records)
        self._total = total
        self._begun = (step, time.monotonic())
        text = "".join(f"{line}\n" for line in records)
        self._guard("metrics.jsonl", lambda: self._rewrite_metrics(text))
        self._guard("tensorboard", lambda: self._open_board(step))
        self._bar = tqdm(
            initial=step, total=total, disable=None, unit="step", mininterval=0.5, file=sys.stderr
        )

    def step(self) -> None:
        """One update is done."""
        if self._bar is not None:
            self._bar.update()

    def train(self, record: dict[str, Any]) -> None:
        """Figures of the updates since the last record."""
        self.record({"event": "train", **record})
        speed = f"{record['tokens_per_second']:,.0f} tok/s"
        rate, loss = f"lr {record['learning_rate']:.1e}", f"loss {record['loss']:.2f}"
        assert self._bar is not None
        if not self._bar.disable:
            self._bar.set_postfix_str(f"epoch {record['epoch']}, {loss}, {speed}, {rate}")
            return
        step = record["step"]
        of = f"/{self._total}" if self._total else ""
        parts = [f"step {step}{of}", f"epoch {record['epoch']}", loss, speed, rate]
        first, begun = self._begun
        if self._total and step > first:
            left = (time.monotonic() - begun) / (step - first) * (self._total - step)
            parts.append(f"{duration(left)} left")
        with suppress(OSError, ValueError):
            print(" | ".join(parts), file=sys.stderr, flush=True)

    def record(self, record: dict[str, Any]) -> None:
        """Append to metrics.jsonl, and draw its numbers in TensorBoard."""
        line = json.dumps(record)
        self.records.append(line)
        self._guard("metrics.jsonl", lambda: _append(self._run.metrics_file, f"{line}\n"))
        self._guard("tensorboard", lambda: self._draw(record))

    def close(self) -> None:
        """Put the terminal and the logs in order."""
        if self._bar is not None:
            self._bar.close()
        if self._board is not None:
            self._guard("tensorboard", self._board.close)
        threading.excepthook = self._hook_before

    def _rewrite_metrics(self, text: str) -> None:
        path = self._run.metrics_file
        if path.exists() and not path.read_bytes().startswith(text.encode()):
            self.warn(f"{path} is damaged; it is restored from the checkpoint")
        storage.replace_file(path, text.encode())

    def _open_board(self, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = str(self._run.tensorboard_folder)
        self._board = SummaryWriter(folder, purge_step=step + 1)
        # Its thread writes; what fails there, the next call of the writer raises here.
        threading.excepthook = self._ignore_board

    def _draw(self, record: dict[str, Any]) -> None:
        if self._board is None:
            return
        for name, value in record.items():
            if name not in ("event", "step", "epoch") and isinstance(value, int | float):
                self._board.add_scalar(f"{record['event']}/{name}", value, record["step"])

    def _ignore_board(self, failure: threading.ExceptHookArgs) -> None:
        if not type(failure.thread).__module__.startswith("tensorboard."):
            self._hook_before(failure)

    def _guard(self, what: str, write: Callable[[], object]) -> None:
        """Run a write that may fail: the first failure of each kind is a warning."""
        try:
            write()
        except (OSError, StorageError, ImportError, ValueError) as error:
            if what == "tensorboard":
                self._board = None
            if what not in self._warned:
                self._warned.add(what)
                with suppress(OSError, ValueError):
                    print(f"warning: cannot write {what}: {error}", file=sys.stderr)


def duration(seconds: float) -> str:
    """1h02m03s, 2m03s or 3s."""
    whole = int(seconds + 0.5)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes:02}m{rest:02}s"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)
