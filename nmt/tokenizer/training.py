"""Training of a tokenizer in a child process, because SentencePiece may abort its process."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nmt.errors import ConfigError, DataError, NmtError
from nmt.tokenizer import Tokenizer, Vocabulary
from nmt.tokenizer.child import END, LONGEST

if TYPE_CHECKING:
    from nmt.config import TokenizerConfig


def train_tokenizer(
    lines: Callable[[], Iterator[tuple[str, str]]],
    config: TokenizerConfig,
    folder: Path,
    check_stop: Callable[[], None] = lambda: None,
) -> Tokenizer:
    """Train a tokenizer on pairs of texts, save it in `folder`, and return it.

    Each call of `lines` gives all pairs. `check_stop` is called often and may raise. Raises
    ConfigError (with the nearest possible size) if the vocabulary is too large or too small for
    the text, DataError if the text is empty.
    """
    total = sum(1 for _ in lines())

    def train(*sides: int) -> Vocabulary:
        # Train on `wanted` evenly spaced pairs: those where i * wanted / total reaches an integer.
        wanted = min(total, max(1, config.max_training_lines // len(sides)))
        texts = (
            pair[side][:LONGEST]
            for i, pair in enumerate(lines())
            if (i + 1) * wanted // total > i * wanted // total
            for side in sides
        )
        return Vocabulary(_train_in_child(texts, config, check_stop))

    if config.shared:
        source = target = train(0, 1)
    else:
        source, target = train(0), train(1)
    tokenizer = Tokenizer(source, target)
    tokenizer.save(folder)
    return tokenizer


def _train_in_child(
    texts: Iterator[str], config: TokenizerConfig, check_stop: Callable[[], None]
) -> bytes:
    options = {
        "vocab_size": config.vocab_size,
        "model_type": config.type,
        "character_coverage": config.character_coverage,
        "byte_fallback": config.byte_fallback,
        "normalization_rule_name": config.normalization,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "nmt.tokenizer.child", json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Only the parent gets Ctrl-C; the child ends with the parent.
    ) as child:
        assert child.stdin and child.stdout and child.stderr
        # Pipes instead of files: a full disk cannot truncate the model.
        model, messages = _Drain(child.stdout), _Drain(child.stderr)
        try:
            # After a broken pipe the child has failed, and its messages contain the reason.
            with contextlib.suppress(BrokenPipeError), child.stdin:
                for number, text in enumerate(texts):
                    child.stdin.write(text.encode() + b"\n")
                    if number % 1000 == 0:
                        check_stop()
                child.stdin.write(END)
            while child.poll() is None:
                check_stop()
                time.sleep(0.02)
        finally:
            child.kill()
        if child.wait() == 0:
            return model.all()
        text = messages.all().decode(errors="replace").strip()
        raise _explained(text or f"exit status {child.returncode}", config.vocab_size)


class _Drain(threading.Thread):
    """Thread that reads a pipe to its end, so that the writing process never waits."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._content = b""
        self.start()

    def run(self) -> None:
        self._content = self._pipe.read()

    def all(self) -> bytes:
        """Return the content of the pipe, after the other end is closed."""
        self.join()
        return self._content


def _explained(messages: str, size: int) -> NmtError:
    """Return the error to raise for messages of SentencePiece."""
    if found := re.search(r"too high.*?<= *(\d+)", messages, re.DOTALL):
        return ConfigError(
            f"tokenizer.vocab_size: {size} is too large for this text: "
            f"the largest possible size is {found[1]}",
            f"use --set tokenizer.vocab_size={found[1]} or less, or train on more text",
        )
    if found := re.search(r"required_chars\D+\d+ vs (\d+)", messages):
        return ConfigError(
            f"tokenizer.vocab_size: {size} is too small for the characters of this text: "
            f"the smallest possible size is {found[1]}",
            "raise vocab_size, or lower tokenizer.character_coverage (for example to 0.9995)",
        )
    if "sentences_.empty" in messages:
        return DataError("the text for training the tokenizer is empty")
    last = messages.rpartition("\n")[2]
    return DataError(f"SentencePiece could not train on this text: {last[:300]}")
