"""Write long sentence pairs by joining one to eight lines of the built-in corpus.

    python scripts/experiments/long_lines.py runs/experiments/long-lines

The other experiments accept the folder as --data. Each number of joined lines is equally frequent
in every split.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Literal

import common

from nmt import storage
from nmt.phrasebook import generate

SPLITS: dict[str, tuple[Literal["train", "valid", "test"], int]] = {
    "train": ("train", 20_000),
    "val": ("valid", 304),
    "test": ("test", 1_000),
}
LONGEST = 8


def write(folder: Path) -> None:
    """Write train, val and test in English and German, except files that exist."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (split, count) in SPLITS.items():
        paths = [folder / f"{name}.{language}" for language in ("en", "de")]
        if all(path.exists() for path in paths):
            continue
        examples = [(example.source, example.target) for example in generate(split)]
        chance = random.Random(name)
        pairs = []
        for number in range(count):
            parts = chance.sample(examples, 1 + number % LONGEST)
            pairs.append([" ".join(sides) for sides in zip(*parts, strict=True)])
        for path, lines in zip(paths, zip(*pairs, strict=True), strict=True):
            storage.replace_file(path, "".join(f"{line}\n" for line in lines).encode())
        words = sorted(len(source.split()) for source, _ in pairs)
        print(
            f"{name}: {count:,} pairs, {words[0]} to {words[-1]} words, median {words[count // 2]}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="folder for the files")
    write(parser.parse_args().folder)


if __name__ == "__main__":
    common.run(main)
