"""Child process that trains SentencePiece on standard input; the model goes to standard output."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from nmt.tokenizer.ids import BOS, EOS, PAD, UNK
from nmt.tokenizer.seeds import seed_pieces

END = b"\x00end\n"
"""Last line of the input. Clean text does not contain NUL."""
LONGEST = 1000
"""Maximum number of characters per line."""
_SEEDS = "seeds.tsv"
_THREADS = 2  # constant, because a unigram model depends on the number of training threads


def _train(options: str, folder: str) -> None:
    """Train with options in JSON. `folder` is temporary, and deleted if the parent process dies."""
    import sentencepiece

    parent = os.getppid()

    def leave() -> NoReturn:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        leave()

    def texts() -> Iterator[bytes]:
        for line in sys.stdin.buffer:
            if line == END:
                return
            if line != b"\n":
                yield line[:-1]
        leave()  # Without END, the parent process has died.

    threading.Thread(target=end_with_parent, daemon=True).start()
    words = Counter[str]()
    for text in texts():
        words.update(text.decode().split(" "))
    del words[""]
    trainer: Any = sentencepiece.SentencePieceTrainer
    model = io.BytesIO()
    settings = json.loads(options)
    os.chdir(folder)  # The model records the path of the seeds, so that path must not vary.
    # Text without spaces has words that do not repeat; there, SentencePiece's own seeds are better.
    repeated = words.total() >= 2 * len(words)
    if settings["model_type"] == "unigram" and repeated:
        marked = {f"\u2581{word}": count for word, count in words.items()}
        rows = (f"{piece}\t{count}\n" for piece, count in seed_pieces(marked))
        with Path(_SEEDS).open("w", encoding="utf-8") as file:
            file.writelines(rows)
        settings["seed_sentencepieces_file"] = _SEEDS
    trainer.train(
        # The model depends on the counts of the words only.
        sentence_iterator=(f"{word}\t{count}" for word, count in words.items()),
        input_format="tsv",
        model_writer=model,
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        max_sentence_length=4 * LONGEST + 20,
        num_threads=_THREADS,
        minloglevel=1,
        **settings,
    )
    sys.stdout.buffer.write(model.getvalue())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _train(*sys.argv[1:])
