"""Training of a tokenizer in a child process, because SentencePiece may abort its process."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nmt.bars import track
from nmt.errors import ConfigError, DataError, NmtError
from nmt.tokenizer import Tokenizer, Vocabulary
from nmt.tokenizer.child import END, LONGEST
from nmt.tokenizer.vocabulary import normalizer

if TYPE_CHECKING:
    from nmt.config import TokenizerConfig

_MINIMUM = 16  # of tokenizer.vocab_size


def train_tokenizer(
    lines: Callable[[], Iterator[tuple[str, str]]],
    config: TokenizerConfig,
    folder: Path,
    check_stop: Callable[[], None] = lambda: None,
    tags: Sequence[str] = (),
) -> Tokenizer:
    """Train a tokenizer on pairs of texts, save it in `folder`, and return it.

    tags: pieces of the source vocabulary that no text is encoded to.
    Each call of `lines` gives all pairs. `check_stop` is called often and may raise. The default
    vocabulary is reduced if the text is too small. Raises ConfigError, with the nearest possible
    size, for another unsuitable size, and DataError if the text is empty.
    """
    total = sum(1 for _ in lines())
    rules = (config.source_normalization, config.target_normalization)
    normalizers = tuple(map(normalizer, rules))

    def train(size: int, *sides: int) -> Vocabulary:
        # Evenly spaced pairs are those where i * wanted / total reaches an integer.
        wanted = min(total, max(1, config.max_training_lines // len(sides)))
        texts = (
            normalizers[side](pair[side])[:LONGEST]
            for i, pair in enumerate(lines())
            if (i + 1) * wanted // total > i * wanted // total
            for side in sides
        )
        model = _train_in_child(texts, config, size, tags if 0 in sides else (), check_stop)
        return Vocabulary(model, rules[sides[0]])

    def train_sides(size: int) -> Tokenizer:
        try:
            source = train(size, 0, 1) if config.shared else train(size, 0)
            target = source.normalized_by(rules[1]) if config.shared else train(size, 1)
        except _TooLargeError as error:
            if "vocab_size" in config.model_fields_set or error.largest < _MINIMUM:
                raise
            return train_sides(error.largest)
        return Tokenizer(source, target)

    tokenizer = train_sides(config.vocab_size)
    tokenizer.save(folder)
    return tokenizer


class _TooLargeError(ConfigError):
    def __init__(self, size: int, largest: int) -> None:
        super().__init__(
            f"tokenizer.vocab_size: {size} is too large for this text: "
            f"the largest possible size is {largest}",
            f"use --set tokenizer.vocab_size={largest} or less, or train on more text",
        )
        self.largest = largest


def _train_in_child(
    texts: Iterator[str],
    config: TokenizerConfig,
    size: int,
    tags: Sequence[str],
    check_stop: Callable[[], None],
) -> bytes:
    options = {
        "vocab_size": size,
        "model_type": config.type,
        "character_coverage": config.character_coverage,
        "byte_fallback": config.byte_fallback,
        "user_defined_symbols": config.user_defined_symbols or [],
        "control_symbols": list(tags),
        "normalization_rule_name": "identity",  # `Vocabulary` normalizes.
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-m", "nmt.tokenizer.child", json.dumps(options), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Only the parent gets Ctrl-C; the child ends with the parent.
        ) as child,
        track("tokenizer: training", None) as advance,
    ):
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
                        advance(1000)
                child.stdin.write(END)
            while child.poll() is None:
                check_stop()
                advance(0)
                time.sleep(0.02)
        finally:
            child.kill()
        if child.wait() == 0:
            return model.all()
        text = messages.all().decode(errors="replace").strip()
        raise _explained(text or f"exit status {child.returncode}", size, config.byte_fallback)


class _Drain(threading.Thread):
    """Thread that reads a pipe, so that the writing process never waits."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._content = b""
        self.start()

    def run(self) -> None:
        self._content = self._pipe.read()

    def all(self) -> bytes:
        self.join()
        return self._content


def _explained(messages: str, size: int, byte_fallback: bool) -> NmtError:
    if found := re.search(r"too high.*?<= *(\d+)", messages, re.DOTALL):
        return _TooLargeError(size, int(found[1]))
    if found := re.search(r"required_chars\D+\d+ vs (\d+)", messages):
        smallest = int(found[1])
        hint = f"use --set tokenizer.vocab_size={smallest} or more"
        if byte_fallback and smallest - 256 <= size:
            hint += ", or --set tokenizer.byte_fallback=false, which needs 256 fewer pieces"
        else:
            hint += ", or lower tokenizer.character_coverage (for example to 0.9995)"
        return ConfigError(
            f"tokenizer.vocab_size: {size} is too small for the characters of this text: "
            f"the smallest possible size is {smallest}",
            hint,
        )
    if "sentences_.empty" in messages:
        return DataError("the text for training the tokenizer is empty")
    last = messages.rpartition("\n")[2]
    return DataError(f"SentencePiece could not train on this text: {last[:300]}")
