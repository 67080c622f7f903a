"""Train a tokenizer, in a child process (`nmt.tokenizer.child`): SentencePiece may abort."""

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
    """Train on pairs of texts, save in `folder`, and return what was trained.

    `lines` gives the pairs, anew with each call. `check_stop` is called often and may raise.
    Raises ConfigError if the vocabulary is larger than the text supports or too small for its
    characters (naming the nearest possible size), DataError if there is no text.
    """
    total = sum(1 for _ in lines())

    def train(*sides: int) -> Vocabulary:
        # `wanted` of the pairs, evenly spread: those where i * wanted / total reaches an integer.
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
        start_new_session=True,  # Ctrl-C is the parent's to handle; the child ends with it
    ) as child:
        assert child.stdin and child.stdout and child.stderr
        # Pipes, not files: a full disk cannot cut the model short.
        model, messages = _Drain(child.stdout), _Drain(child.stderr)
        try:
            # A broken pipe: the child failed, and says why in its messages.
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
        told = messages.all().decode(errors="replace").strip()
        raise _explained(told or f"exit status {child.returncode}", config.vocab_size)


class _Drain(threading.Thread):
    """Reads a pipe to its end, so that who writes into it never waits."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._content = b""
        self.start()

    def run(self) -> None:
        self._content = self._pipe.read()

    def all(self) -> bytes:
        """What was written, once the other end is closed."""
        self.join()
        return self._content


def _explained(messages: str, size: int) -> NmtError:
    """What SentencePiece's messages mean for the user."""
    if found := re.search(r"too high.*?<= *(\d+)", messages, re.DOTALL):
        return ConfigError(
            f"tokenizer.vocab_size: {size} is more than this text supports: "
            f"the largest possible is {found[1]}",
            f"--set tokenizer.vocab_size={found[1]} or less, or train on more text",
        )
    if found := re.search(r"required_chars\D+\d+ vs (\d+)", messages):
        return ConfigError(
            f"tokenizer.vocab_size: {size} is too small for the characters of this text: "
            f"the smallest possible is {found[1]}",
            "raise it, or lower tokenizer.character_coverage (for example to 0.9995)",
        )
    if "sentences_.empty" in messages:
        return DataError("there is no text to train the tokenizer on")
    last = messages.rpartition("\n")[2]
    return DataError(f"SentencePiece could not train on this text: {last[:300]}")
