"""Measure how often translations loop, are cut at the length limit, or are empty.

    python scripts/measure_degenerate.py --model runs/demo

Translates the test sentences of a run and, made of them, inputs that models are known to fail on:
many sentences in one, the words of a sentence shuffled, one word many times, upper case, single
words, letters in random order. Each is translated as the run's config says and once more with
decoding.no_repeat_ngram and min_length set. A loop is a 4-gram of output words that occurs more
than once and more often than any 4-gram of the input does.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from nmt.config import DecodingConfig
from nmt.data.sources import read_pairs
from nmt.decoding.translator import Translator
from nmt.runs import find_run


def hard_sets(sentences: list[str], rng: random.Random) -> dict[str, list[str]]:
    """Inputs by kind, as many of each as there are sentences (of the joined ones an eighth)."""

    def each(change: Callable[[list[str]], list[str]]) -> list[str]:
        return [" ".join(change(sentence.split())) for sentence in sentences]

    return {
        "as they are": sentences,
        "8 in one": [" ".join(sentences[i : i + 8]) for i in range(0, len(sentences), 8)],
        "words shuffled": each(lambda words: rng.sample(words, len(words))),
        "one word 20 times": each(lambda words: [rng.choice(words)] * 20),
        "upper case": [sentence.upper() for sentence in sentences],
        "single words": each(lambda words: [rng.choice(words)]),
        "letters shuffled": each(lambda ws: ["".join(rng.sample(word, len(word))) for word in ws]),
    }


def most_repeated(text: str, n: int = 4) -> int:
    """How often the most frequent n-gram of words occurs."""
    words = text.split()
    counts = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    return max(counts.values(), default=0)


def measure(translator: Translator, sources: list[str]) -> tuple[float, float, float]:
    """Shares of outputs that loop, that reach the length limit, and that are empty."""
    found = [best[0] for best in translator.translate_nbest(sources, 1, lambda *_: None)]
    loops = sum(
        most_repeated(output.text) > max(1, most_repeated(source))
        for source, output in zip(sources, found, strict=True)
    )
    limit, empty = sum(f.at_limit for f in found), sum(not f.text for f in found)
    return loops / len(found), limit / len(found), empty / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="run folder")
    parser.add_argument("--sentences", type=int, default=400, help="of the test split")
    parser.add_argument("--no-repeat-ngram", type=int, default=6, help="subword tokens")
    arguments = parser.parse_args()

    run = find_run(arguments.model)
    split = run.config.data.test or run.config.data.valid
    pairs = read_pairs(split, "test" if run.config.data.test else "valid")
    sources = [pair.source for pair, _ in zip(pairs, range(arguments.sentences), strict=False)]
    plain: DecodingConfig = run.config.decoding
    options = {"no_repeat_ngram": arguments.no_repeat_ngram, "min_length": 1}
    translator = Translator.load(run)
    print(f"{len(sources)} sentences, beam {plain.beam_size}; guarded: {options}")
    print(f"{'':18} {'plain':^23}   {'guarded':^23}")
    print(f"{'':18}" + f" {'loops':>7} {'limit':>7} {'empty':>7}  " * 2)
    for name, inputs in hard_sets(sources, random.Random(1)).items():
        row = f"{name:18}"
        for decoding in (plain, plain.model_copy(update=options)):
            translator.decoding = decoding
            row += "".join(f" {share:7.2%}" for share in measure(translator, inputs)) + "  "
        print(row, flush=True)


if __name__ == "__main__":
    main()
