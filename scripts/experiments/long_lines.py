"""Write long sentence pairs: lines of the built-in corpus, one to eight of them joined.

    python scripts/experiments/long_lines.py runs/long-lines

The folder then serves the other experiments as --data. Every number of parts is equally
frequent in every split.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Literal

from nmt.data.phrasebook import generate

SPLITS: dict[str, tuple[Literal["train", "valid", "test"], int]] = {
    "train": ("train", 20_000),
    "val": ("valid", 400),
    "test": ("test", 1_600),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--longest", type=int, default=8, help="parts of the longest lines")
    parser.add_argument("--pairs", type=int, help="training pairs (default 20000)")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, (split, count) in SPLITS.items():
        if name == "train" and arguments.pairs:
            count = arguments.pairs
        examples = [(example.source, example.target) for example in generate(split)]
        chance = random.Random(name)
        pairs = []
        for number in range(count):
            parts = chance.sample(examples, 1 + number % arguments.longest)
            pairs.append([" ".join(sides) for sides in zip(*parts, strict=True)])
        for language, lines in zip(("en", "de"), zip(*pairs, strict=True), strict=True):
            path = arguments.folder / f"{name}.{language}"
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        words = sorted(len(source.split()) for source, _ in pairs)
        print(f"{name}: {count} pairs, {words[0]} to {words[-1]} words, median {words[count // 2]}")


if __name__ == "__main__":
    main()
