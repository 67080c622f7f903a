"""Measure time and memory of data preparation for corpora of different sizes.

    python scripts/bench_data.py --pairs 1000000 2000000 5000000 \\
        --json > docs/results/growth-data.json

For each size, random pairs are written (--folder needs about 800 bytes per pair). One process
prepares them as `nmt train` does, and a second one starts from the cache of the first. A line is a
sentence of either side. The tokenizer is trained in a child process. The memory of this child is
reported separately, and lines per second with and without the time of the child.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from nmt.config import Config
from nmt.data.preparation import prepare_data

SYLLABLES = ["ba", "ko", "ri", "tel", "um", "fa", "sen", "do", "gru", "li"]
SYLLABLES += ["mar", "pe", "sta", "vo", "wen", "schi", "kna", "zu", "el", "in"]


WORDS = 200_000


def write_pairs(folder: Path, pairs: int, seed: int) -> None:
    """Write sentences of 5 to 24 Zipf-distributed words, with a separate vocabulary per side."""
    rng = np.random.default_rng(seed)
    for number, side in enumerate(("source", "target")):
        draws = np.random.default_rng(number)
        syllables = np.array(SYLLABLES)[draws.integers(0, len(SYLLABLES), (WORDS, 4))].tolist()
        sizes = draws.integers(1, 5, WORDS).tolist()
        words = np.array(
            ["".join(word[:size]) for word, size in zip(syllables, sizes, strict=True)]
        )
        with (folder / side).open("w", encoding="utf-8") as file:
            for begin in range(0, pairs, 10_000):
                lengths = rng.integers(5, 25, min(10_000, pairs - begin))
                drawn = words[np.minimum(rng.zipf(1.2, lengths.sum()), WORDS) - 1].tolist()
                ends = np.cumsum(lengths)
                file.writelines(
                    f"{' '.join(drawn[end - length : end])}.\n"
                    for end, length in zip(ends, lengths, strict=True)
                )


def measure(folder: Path, kind: str, training_lines: int) -> dict[str, float]:
    """Prepare the pairs in folder and folder/valid and return the results by name with unit."""
    splits = {"train": folder, "valid": folder / "valid"}
    files = {
        split: {side: str(path / side) for side in ("source", "target")}
        for split, path in splits.items()
    }
    tokenizer = {"type": kind, "vocab_size": 16_000, "max_training_lines": training_lines}
    config = Config.model_validate(
        {
            "data": {**files, "drop_duplicates": True},
            "tokenizer": tokenizer,
            "training": {"max_steps": 1},
        }
    )
    begin = time.perf_counter()
    started: dict[str, float] = {}

    def report(line: str) -> None:
        seconds = time.perf_counter() - begin
        started[line.partition(" ")[0]] = seconds
        print(f"{seconds:7.1f} s  {line}", file=sys.stderr, flush=True)

    data = prepare_data(config, folder / "data", folder / "tokenizer", report, lambda: None)
    seconds = time.perf_counter() - begin
    # The time between the progress lines "tokenizer: training" and "data: encoding".
    spent = started["data:"] - started["tokenizer:"] if "tokenizer:" in started else 0.0
    results = {
        "seconds": seconds,
        "tokenizer seconds": spent,
        "peak MiB": peak_mib(),
        "tokenizer's peak MiB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    rng = np.random.default_rng(3)
    batches = [rng.integers(0, len(data.train), 200) for _ in range(100)]
    begin = time.perf_counter()
    for batch in batches:
        data.train.read(batch)
    return results | {"batch ms": (time.perf_counter() - begin) * 1000 / len(batches)}


def peak_mib() -> float:
    """Return the peak resident memory of this process in MiB.

    getrusage would include the memory of the parent process.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) / 1024


def run(pairs: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Measure one size in new processes and return the results by name with unit."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        print(f"{pairs:,} pairs", file=sys.stderr, flush=True)
        write_pairs(folder, pairs, seed=1)
        (folder / "valid").mkdir()
        write_pairs(folder / "valid", 1000, seed=2)
        command = [sys.executable, __file__, "--measure", name, "--type", arguments.type]
        command += ["--training-lines", str(arguments.training_lines)]
        first, second = (
            json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            for _ in range(2)
        )
        size = (folder / "data" / "train.arrow").stat().st_size
    spent = first["seconds"]
    return {
        "pairs": pairs,
        "seconds": spent,
        "lines/s": 2 * pairs / spent,
        "lines/s without tokenizer": 2 * pairs / (spent - first["tokenizer seconds"]),
        "peak MiB": first["peak MiB"],
        "tokenizer's peak MiB": first["tokenizer's peak MiB"],
        "corpus MB": size / 1e6,
        "seconds, from the cache": second["seconds"],
        "200 random pairs, ms": first["batch ms"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--pairs", type=int, nargs="+", default=[1_000_000], help="corpus sizes in pairs [1000000]")
    add("--type", choices=["bpe", "unigram"], default="bpe", help="tokenizer type [bpe]")
    add("--training-lines", type=int, default=200_000, help="lines to train the tokenizer [200000]")
    add("--folder", type=Path, help="parent of the working folder [system default]")
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.type, arguments.training_lines)))
        return
    rows = [run(pairs, arguments) for pairs in arguments.pairs]
    if arguments.json:
        print(json.dumps(rows))
        return
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---:|" * len(rows[0]))
    for row in rows:
        cells = (f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in row.values())
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
