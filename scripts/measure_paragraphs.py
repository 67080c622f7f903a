"""Measure how many sentences of a paragraph reach its translation, by decoding.split_sentences.

    python scripts/measure_paragraphs.py --model runs/demo

A paragraph is 2 to 8 random test sources of a run, joined by spaces. "complete" counts paragraphs
whose output contains the translation that each sentence has alone; "equal number" counts those with
as many sentences in the output as in the source.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from nmt.data.sources import read_split
from nmt.decoding.translator import Translator
from nmt.languages import split_sentences
from nmt.runs import find_run

MODES = ("never", "auto", "always")


def paragraphs(lines: list[str], count: int) -> list[list[str]]:
    """Return the sentences of each paragraph; a line may have several."""
    rng = random.Random(1)
    chosen = (rng.choices(lines, k=rng.randint(2, 8)) for _ in range(count))
    return [[s.strip() for line in lines for s in split_sentences(line, "en")] for lines in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--count", type=int, default=300)
    arguments = parser.parse_args()
    run = find_run(arguments.model)
    lines = [pair.source for pair in read_split(run.config.data, "test")]
    sources = paragraphs(lines, arguments.count)
    sentences = sorted({sentence for paragraph in sources for sentence in paragraph})

    def translate(texts: list[str], mode: str) -> list[str]:
        decoding = run.config.decoding.model_copy(update={"split_sentences": mode})
        return Translator.load(run, "cpu", decoding).translate(texts, lambda *_: None)

    alone = dict(zip(sentences, translate(sentences, "never"), strict=True))
    print(f"{len(sources)} paragraphs\nmode     complete  equal number")
    for mode in MODES:
        outputs = translate([" ".join(paragraph) for paragraph in sources], mode)
        pairs = list(zip(sources, outputs, strict=True))
        complete = sum(all(alone[s] in output for s in paragraph) for paragraph, output in pairs)
        equal = sum(len(split_sentences(output, "de")) == len(p) for p, output in pairs)
        print(f"{mode:8} {complete:8} {equal:13}")


if __name__ == "__main__":
    main()
