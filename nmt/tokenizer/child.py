"""The process that trains: lines on standard input, the SentencePiece model on standard output."""

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
"""What ends the lines: no clean line holds a NUL."""
LONGEST = 1000
"""Characters of a line; SentencePiece would leave out longer lines altogether."""
_THREADS = 2  # fixed: a unigram model depends on the number of threads that trained it


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
        os._exit(1)  # the parent is gone

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
