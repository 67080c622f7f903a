"""Training process: reads lines from standard input, writes the SentencePiece model to output."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from nmt.tokenizer.ids import BOS, EOS, PAD, UNK

END = b"\x00end\n"
"""Marks the end of the input; a clean line does not contain NUL."""
LONGEST = 1000
"""Maximum number of characters per line; SentencePiece skips longer lines."""
_THREADS = 2  # constant, because a unigram model depends on the number of training threads


def _train(options: str) -> None:
    """Train on the lines of standard input and write the model to standard output."""
    import sentencepiece

    parent = os.getppid()

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    def texts() -> Iterator[bytes]:
        for line in sys.stdin.buffer:
            if line == END:
                return
            if line != b"\n":
                yield line[:-1]
        os._exit(1)  # Without END the parent process has ended.

    threading.Thread(target=end_with_parent, daemon=True).start()
    trainer: Any = sentencepiece.SentencePieceTrainer
    model = io.BytesIO()
    trainer.train(
        sentence_iterator=texts(),
        model_writer=model,
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        max_sentence_length=4 * LONGEST,
        num_threads=_THREADS,
        minloglevel=1,
        **json.loads(options),
    )
    sys.stdout.buffer.write(model.getvalue())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _train(sys.argv[1])
