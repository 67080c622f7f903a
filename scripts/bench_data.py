"""How fast data is prepared, and in how much memory: pairs made of random words.

    python scripts/bench_data.py --pairs 1000000

Prints a line a stage and, at the end, lines (sentences of both sides) a second and the peak of
resident memory. The child that trains the tokenizer is counted apart: it works on at most
--training-lines lines whatever the size of the data.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from nmt.config import Config
from nmt.data.corpus import prepare_data

SYLLABLES = ["ba", "ko", "ri", "tel", "um", "fa", "sen", "do", "gru", "li"]
SYLLABLES += ["mar", "pe", "sta", "vo", "wen", "schi", "kna", "zu", "el", "in"]


def write_pairs(folder: Path, pairs: int, seed: int = 1) -> None:
    """Sentences of 5 to 25 words, Zipf-distributed over 200,000 words a language."""
    rng = np.random.default_rng(seed)
    for side in ("source", "target"):
        sizes = rng.integers(1, 5, 200_000)
        words = np.array(["".join(rng.choice(SYLLABLES, size)) for size in sizes])
        with (folder / side).open("w", encoding="utf-8") as file:
            for begin in range(0, pairs, 10_000):
                lengths = rng.integers(5, 25, min(10_000, pairs - begin))
                drawn = words[np.minimum(rng.zipf(1.2, lengths.sum()), 200_000) - 1]
                ends = np.cumsum(lengths)
                file.writelines(
                    f"{' '.join(drawn[end - length : end])}.\n"
                    for end, length in zip(ends, lengths, strict=True)
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--type", choices=["bpe", "unigram"], default="bpe")
    parser.add_argument("--training-lines", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_pairs(folder, arguments.pairs)
        (folder / "valid").mkdir()
        write_pairs(folder / "valid", 1000, seed=2)
        config = Config.model_validate(
            {
                "data": {
                    "train": {"source": str(folder / "source"), "target": str(folder / "target")},
                    "valid": {
                        "source": str(folder / "valid" / "source"),
                        "target": str(folder / "valid" / "target"),
                    },
                    "drop_duplicates": True,
                },
                "tokenizer": {
                    "type": arguments.type,
                    "vocab_size": 16_000,
                    "max_training_lines": arguments.training_lines,
                },
                "training": {"max_steps": 1},
            }
        )
        begin = time.perf_counter()
        stages: list[tuple[str, float]] = []

        def say(line: str) -> None:
            stages.append((line.partition("\n")[0], time.perf_counter() - begin))
            print(f"{stages[-1][1]:7.1f} s  {stages[-1][0]}", flush=True)

        prepared = prepare_data(config, folder / "data", folder / "tokenizer", say, lambda: None)
        seconds = time.perf_counter() - begin
        training = stages[2][1] - stages[1][1]  # between "tokenizer: ..." and "data: encoding"
        rng = np.random.default_rng(3)
        batches = [rng.integers(0, len(prepared.train), 200) for _ in range(100)]
        begin_read = time.perf_counter()
        for batch in batches:
            prepared.train.read(batch)
        read = (time.perf_counter() - begin_read) / len(batches)
        begin_again = time.perf_counter()
        prepare_data(config, folder / "data", folder / "tokenizer", lambda _: None, lambda: None)
        again = time.perf_counter() - begin_again
        size = (folder / "data" / "train.arrow").stat().st_size
    own, child = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    lines = 2 * arguments.pairs
    print(
        json.dumps(
            {
                "pairs": arguments.pairs,
                "seconds": round(seconds, 1),
                "tokenizer_seconds": round(training, 1),
                "lines_per_second": round(lines / seconds),
                "lines_per_second_without_tokenizer": round(lines / (seconds - training)),
                "peak_resident_mb": round(own),
                "peak_resident_mb_tokenizer_child": round(child),
                "corpus_mb": round(size / 1e6),
                "second_start_seconds": round(again, 1),
                "read_200_pairs_ms": round(read * 1e3, 2),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
