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
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

from nmt import storage
from nmt.errors import NmtError, Stopped, StorageError
from nmt.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch.utils.tensorboard import SummaryWriter

    from nmt.config import TrainingConfig
    from nmt.evaluation.metrics import Scores
    from nmt.runs import Run
    from nmt.training.state import TrainState
    from nmt.training.validation import Comparison, Figures

_SHOWN = 100
"""Characters shown of an example."""


class Progress:
    """Context that reports a run and its error on standard error and in logs."""

    def __init__(self, run: Run) -> None:
        self.records: list[str] = []
        """The lines of metrics.jsonl."""
        self._run = run
        self._bar: tqdm[Any] = tqdm(disable=True)
        self._board: SummaryWriter | None = None
        self._total: int | None = None
        self._started = (0, time.monotonic())
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
        with suppress(OSError, ValueError):  # The terminal may be closed.
            tqdm.write(text, file=sys.stderr)
        self.log(text)

    def log(self, text: str) -> None:
        """Write lines to train.log."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        lines = "".join(f"{stamp} {line}\n" for line in text.split("\n"))
        self._guard("train.log", lambda: _append(self._run.log_file, lines))

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}")

    def start(self, step: int, total: int | None, records: Sequence[str]) -> None:
        """Start the progress bar after `step` steps of `total`; metrics.jsonl becomes `records`."""
        self.records = list(records)
        self._total = total
        self._started = (step, time.monotonic())
        self._guard("metrics.jsonl", self._rewrite_metrics)
        self._guard("tensorboard", lambda: self._open_board(step))
        self._bar = tqdm(
            initial=step, total=total, disable=None, unit="step", mininterval=0.5, file=sys.stderr
        )
        self.restart_speed()

    def step(self, tokens: int) -> None:
        self._bar.update()
        before, since = self._speed
        self._speed = (before + tokens, since)

    def restart_speed(self) -> None:
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
        self.restart_speed()
        loss, epoch = state.objective / state.tokens, state.epoch_of_last_update
        self.record(
            {
                "event": "train",
                "step": state.step,
                "epoch": epoch,
                "loss": loss,
                "nll": state.nll / state.tokens,
                "learning_rate": learning_rate,
                "grad_norm": grad_norm,
                "skipped": state.skipped,
                "tokens_per_second": round(speed, 1),
                "seconds": round(state.seconds, 2),
            }
        )
        parts = [f"epoch {epoch}", f"loss {loss:.2f}"]
        parts += [f"{speed:,.0f} tok/s", f"lr {learning_rate:.1e}"]
        if not self._bar.disable:
            self._bar.set_postfix_str(", ".join(parts))
            return
        parts.insert(0, f"step {state.step}" + (f"/{self._total}" if self._total else ""))
        first, started = self._started
        if self._total and state.step > first:
            per_step = (time.monotonic() - started) / (state.step - first)
            parts.append(f"{duration(per_step * (self._total - state.step))} left")
        with suppress(OSError, ValueError):
            print(" | ".join(parts), file=sys.stderr, flush=True)

    def validation(self, state: TrainState, figures: Figures, best: bool) -> None:
        position = {"step": state.step, "epoch": state.epoch_of_last_update}
        seconds = round(state.seconds, 2)
        self.record({"event": "valid", **position, **figures.as_dict(), "seconds": seconds})
        self.say(validation_text(state, figures, best))

    def check_loss(self, which: str, loss: float, untrained_loss: float) -> None:
        """Warn if a loss (`after step 30`) is not below `untrained_loss`, if that is finite."""
        if math.isfinite(untrained_loss) and not loss < untrained_loss:  # The loss may be NaN.
            self.warn(
                f"the validation loss {which} is {loss:.3f}, but the untrained model had "
                f"{untrained_loss:.3f} (hint: lower training.learning_rate or raise "
                "training.warmup_steps)"
            )

    def end(self, state: TrainState, config: TrainingConfig) -> None:
        """Explain the end of training if `patience` ended it."""
        if state.out_of_patience(config):
            count = state.stale_validations
            self.say(
                f"training ends at step {state.step}: no better validation in {count} since step "
                f"{state.best_step} (hint: raise training.patience above {count} to train longer)"
            )

    def comparison(self, comparison: Comparison, seconds: float) -> None:
        self.record({"event": "average", **comparison.as_dict(), "seconds": round(seconds, 2)})
        self.say(comparison.text())

    def test(self, step: int, scores: Scores, sentences: int, beam: int, seconds: float) -> None:
        ter = {"ter": scores.ter.value} if scores.ter else {}
        self.record(
            {
                "event": "test",
                "step": step,
                "bleu": scores.bleu.value,
                "bleu_lowercase": scores.bleu_lowercase.value,
                "chrf": scores.chrf.value,
                **ter,
                "signature": scores.bleu.signature,
                "tokenizer": scores.bleu.tokenizer,
                "seconds": round(seconds, 2),
            }
        )
        self.say(
            f"test | {counted(sentences, 'sentence')} | beam {beam} | "
            f"{scores.bleu.title} {scores.bleu.value:.2f} "
            f"(lower-case {scores.bleu_lowercase.value:.2f}) | chrF++ {scores.chrf.value:.2f} | "
            f"{f'TER {scores.ter.value:.2f} | ' if scores.ter else ''}{duration(seconds)}"
        )

    def suggest(self) -> None:
        """Name commands for a finished run."""
        path = os.path.relpath(self._run.path)
        shown = str(self._run.path) if path.startswith("..") else path
        self.say(
            f'next: nmt translate --model {shown} "..."\n'
            f"      nmt evaluate --model {shown}\n"
            f"      nmt info {shown}"
        )

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


def validation_text(state: TrainState, figures: Figures, best: bool) -> str:
    """Return scores and translations as lines for the user."""
    loss, perplexity = figures.loss, figures.perplexity
    lines = [
        f"valid | step {state.step} | epoch {state.epoch_of_last_update} | loss {loss:.3f} | "
        f"perplexity {format(perplexity, '.2f' if perplexity < 1e5 else '.1e')} | "
        f"{figures.scores} | "
        f"{duration(state.seconds)}{' | best so far' if best else ''}"
    ]
    for example in figures.examples:
        for name, text in zip(("source", "reference", "now"), example, strict=True):
            shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
            lines.append(f"  {name:9}  {shown}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Return a time as 1h02m03s, 2m03s or 3s."""
    whole = int(seconds + 0.5)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes:02}m{rest:02}s"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)
