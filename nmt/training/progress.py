"""Output of a training run: progress bar, train.log, metrics.jsonl and TensorBoard.

A log that cannot be written prints one warning and does not stop training.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

from nmt import storage
from nmt.bars import Bar, is_live
from nmt.config.data import language_of
from nmt.errors import NmtError, Stopped, StorageError
from nmt.evaluation.metrics import mean_scores
from nmt.terminal import Look, fit
from nmt.text import shell
from nmt.training.lines import (
    StepFigures,
    step_bar,
    step_line,
    test_text,
    validation_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch.utils.tensorboard import SummaryWriter

    from nmt.config import TrainingConfig
    from nmt.evaluation.metrics import Scores
    from nmt.runs import Run
    from nmt.training.state import TrainState
    from nmt.training.time_left import TimeLeft
    from nmt.training.validation import Comparison, Figures

_KEPT = 500
"""Characters of an example that metrics.jsonl keeps."""
SECONDS_PER_LINE = 10.0
"""Where standard error is not a terminal, lines of steps are at least this far apart."""


class Progress:
    """Context that reports a run and its error on standard error and in logs."""

    def __init__(self, run: Run) -> None:
        self.records: list[str] = []
        """The lines of metrics.jsonl."""
        self._run = run
        self._bar: tqdm[Any] = tqdm(disable=True)
        self._board: SummaryWriter | None = None
        self._step = 0
        self._total: int | None = None
        self._figures: StepFigures | None = None
        self._time_left: TimeLeft | None = None
        self._line_printed = -math.inf
        self._speed = (0, time.monotonic())
        self._warned: set[str] = set()
        self._hook_before = threading.excepthook

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, NmtError):
            self.log(error.message if isinstance(error, Stopped) else f"error: {error.message}")
        self._bar.close()
        if self._board is not None:
            self._guard("tensorboard", self._board.close)
        threading.excepthook = self._hook_before

    def say(self, text: str) -> None:
        """Print lines above the progress bar, and write them to train.log."""
        self._print(fit(text, Look.of(sys.stderr).columns))
        self.log(text)

    def _print(self, text: str) -> None:
        with suppress(OSError, ValueError):  # The terminal may be closed.
            tqdm.write(text, file=sys.stderr)

    def log(self, text: str) -> None:
        """Write lines to train.log."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        lines = "".join(f"{stamp} {line}\n" for line in text.split("\n"))
        self._guard("train.log", lambda: _append(self._run.log_file, lines))

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}")

    def start(
        self, step: int, total: int | None, records: Sequence[str], time_left: TimeLeft
    ) -> None:
        """Start the progress bar after `step` steps of `total`; metrics.jsonl becomes `records`."""
        self.records = list(records)
        self._step = step
        self._total = total
        self._time_left = time_left
        self._guard("metrics.jsonl", self._rewrite_metrics)
        self._guard("tensorboard", lambda: self._open_board(step))
        self._bar = Bar(self._layout, total, step)
        self.restart_clock((self._validations() or [{}])[-1].get("validation_seconds"))

    def _layout(self, look: Look) -> str:
        has_total = self._total is not None
        return step_bar(self._position, self._figures, self._left, look, has_total)

    @property
    def _position(self) -> str:
        return f"step {self._step}" + (f"/{self._total}" if self._total else "")

    @property
    def _left(self) -> str:
        return self._time_left.text if self._time_left else ""

    def step(self, tokens: int) -> None:
        self._step += 1
        if self._time_left:
            self._time_left.step()
        self._bar.update()
        before, since = self._speed
        self._speed = (before + tokens, since)

    def restart_clock(self, validation_seconds: float | None = None) -> None:
        """Measure speed and time from now on, after a validation if its duration is given."""
        if self._time_left:
            self._time_left.restart(validation_seconds)
        self._speed = (0, time.monotonic())

    def skipped(self, step: int, learning_rate: float, pairs: Sequence[int]) -> None:
        """Warn of a skipped update; pairs are numbered from 1."""
        shown = ", ".join(map(str, pairs[:10])) + (" ..." if len(pairs) > 10 else "")
        self.warn(
            f"step {step} is skipped: its loss or gradient is not finite "
            f"(learning rate {learning_rate:.1e}, training pairs {shown})"
        )

    def train(self, state: TrainState, learning_rate: float, grad_norm: float) -> None:
        """Report the mean loss and the speed since the last report."""
        tokens, since = self._speed
        speed = tokens / max(time.monotonic() - since, 1e-9)
        self._speed = (0, time.monotonic())
        epoch, nll = state.epoch_of_last_update, state.nll / state.tokens
        self.record(
            {
                "event": "train",
                "step": state.step,
                "epoch": epoch,
                "nll": nll,
                "smoothed_loss": state.objective / state.tokens,
                "learning_rate": learning_rate,
                "grad_norm": grad_norm,
                "skipped": state.skipped,
                **({"drawn": state.drawn} if state.drawn else {}),
                "tokens_per_second": round(speed, 1),
                "seconds": round(state.seconds, 2),
            }
        )
        self._figures = StepFigures(epoch, nll, speed, learning_rate)
        now = time.monotonic()
        if is_live() or now - self._line_printed < SECONDS_PER_LINE:
            return
        self._line_printed = now
        self._print(step_line(self._position, self._figures, self._left))

    def validation(
        self, state: TrainState, figures: Figures, config: TrainingConfig, seconds: float
    ) -> None:
        earlier = self._validations()
        before = earlier[-1].get("examples", []) if earlier else []
        position = {"step": state.step, "epoch": state.epoch_of_last_update}
        self.record(
            {
                "event": "valid",
                **position,
                **figures.as_dict(),
                "examples": [translation[:_KEPT] for _, _, translation in figures.examples],
                "validation_seconds": round(seconds, 2),
                "seconds": round(state.seconds, 2),
            }
        )
        history = [float(record["bleu"]) for record in self._validations()]
        text = partial(validation_text, state, figures, config, history, before)
        self._print(text(Look.of(sys.stderr)))
        self.log(text(Look()))

    def _validations(self) -> list[dict[str, Any]]:
        return [record for record in map(json.loads, self.records) if record["event"] == "valid"]

    def check_loss(self, which: str, loss: float, untrained_loss: float) -> None:
        """Warn if a loss (`after step 30`) is not below `untrained_loss`, if that is finite."""
        if math.isfinite(untrained_loss) and not loss < untrained_loss:  # The loss may be NaN.
            self.warn(
                f"the validation loss {which} is {loss:.3f}, but before training it was "
                f"{untrained_loss:.3f} (hint: lower training.learning_rate or raise "
                "training.warmup_steps)"
            )

    def end(self, state: TrainState, config: TrainingConfig) -> None:
        """Remove the progress bar, and explain the end of training if `patience` ended it."""
        self._bar.close()
        if state.out_of_patience(config):
            count = state.stale_validations
            self.say(
                f"training ends at step {state.step}: no better validation in {count} since step "
                f"{state.best_step} (hint: raise training.patience above {count} to train longer)"
            )

    def comparison(self, comparison: Comparison, seconds: float) -> None:
        self.record({"event": "average", **comparison.as_dict(), "seconds": round(seconds, 2)})
        self.say(comparison.text())

    def test(
        self, step: int, sets: Mapping[str, tuple[Scores, int]], beam: int, seconds: float
    ) -> None:
        """Report the scores and the number of sentences of each test set, and their mean."""
        values = mean_scores([scores for scores, _ in sets.values()])
        if len(sets) > 1:
            values["sets"] = {name: scores.as_dict() for name, (scores, _) in sets.items()}
        self.record({"event": "test", "step": step, **values, "seconds": round(seconds, 2)})
        self.say(test_text(sets, values, beam, seconds))

    def suggest(self) -> None:
        """Name commands for a finished run."""
        path = os.path.relpath(self._run.path)
        shown = shell(str(self._run.path) if path.startswith("..") else path)
        part = self._run.config.data.parts("train")[0]
        to = f" --to {part.target_language}" if any(map(language_of, part.tags)) else ""
        commands = (
            "next:\n"
            f'  nmt translate --model {shown}{to} "..."\n'
            f"  nmt evaluate --model {shown}\n"
            f"  nmt info {shown}"
        )
        self._print(commands)  # A command is not broken into lines.
        self.log(commands)

    def record(self, record: dict[str, Any]) -> None:
        """Append a record to metrics.jsonl and its numbers to TensorBoard."""
        line = json.dumps(record)
        self.records.append(line)
        self._guard("metrics.jsonl", lambda: _append(self._run.metrics_file, f"{line}\n"))
        self._guard("tensorboard", lambda: self._draw(record))

    def _rewrite_metrics(self) -> None:
        path = self._run.metrics_file
        content = "".join(f"{line}\n" for line in self.records).encode()
        if path.exists() and not path.read_bytes().startswith(content):
            self.warn(f"{path} is damaged; it is restored from the checkpoint")
        storage.replace_file(path, content)

    def _open_board(self, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = str(self._run.tensorboard_folder)
        self._board = SummaryWriter(folder, purge_step=step + 1)
        # TensorBoard writes in a thread. The next call of the writer raises its errors.
        threading.excepthook = self._ignore_board

    def _draw(self, record: dict[str, Any]) -> None:
        if self._board is None:
            return
        for name, value in record.items():
            if name not in ("event", "step", "epoch") and isinstance(value, int | float):
                self._board.add_scalar(f"{record['event']}/{name}", value, record["step"])
        for name, scores in record.get("sets", {}).items():
            self._draw({**scores, "event": f"{record['event']}/{name}", "step": record["step"]})

    def _ignore_board(self, failure: threading.ExceptHookArgs) -> None:
        if not type(failure.thread).__module__.startswith("tensorboard."):
            self._hook_before(failure)

    def _guard(self, what: str, write: Callable[[], object]) -> None:
        try:
            write()
        except (OSError, StorageError, ImportError, ValueError) as error:
            if what == "tensorboard":
                self._board = None
            if what not in self._warned:
                self._warned.add(what)
                with suppress(OSError, ValueError):
                    print(f"warning: cannot write {what}: {error}", file=sys.stderr)


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)
