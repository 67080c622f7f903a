"""Measure how often translations loop, are cut at the length limit, or are empty.

    python scripts/measure_degenerate.py --model runs/demo

The inputs are the test sentences of a run and variants of them on which models often fail: many
sentences in one, shuffled words, one word many times, upper case, single words, shuffled letters.
Each input is translated with the config of the run ("plain"), and with decoding.no_repeat_ngram and
min_length ("guarded"). A loop is a 4-gram of output words that occurs more than once and more often
than any 4-gram of the input.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from nmt.config import DecodingConfig
from nmt.data.sources import read_split
from nmt.decoding.translator import Translator
from nmt.runs import find_run


def hard_sets(sentences: list[str], rng: random.Random) -> dict[str, list[str]]:
    """Return the inputs by kind: one per sentence, or one per eight sentences for "8 in one"."""

    def each(change: Callable[[list[str]], list[str]]) -> list[str]:
        return [" ".join(change(sentence.split())) for sentence in sentences]

    return {
        "test sentences": sentences,
        "8 in one": [" ".join(sentences[i : i + 8]) for i in range(0, len(sentences), 8)],
        "words shuffled": each(lambda words: rng.sample(words, len(words))),
        "one word 20 times": each(lambda words: [rng.choice(words)] * 20),
        "upper case": [sentence.upper() for sentence in sentences],
        "single words": each(lambda words: [rng.choice(words)]),
        "letters shuffled": each(lambda ws: ["".join(rng.sample(word, len(word))) for word in ws]),
    }


def most_repeated(text: str, n: int = 4) -> int:
    """Return the number of occurrences of the most frequent n-gram of words."""
    words = text.split()
    counts = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    return max(counts.values(), default=0)


def measure(translator: Translator, sources: list[str]) -> tuple[float, float, float]:
    """Return the shares of outputs that loop, reach the length limit, and are empty (0 to 1)."""
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
    parser.add_argument("--sentences", type=int, default=400, help="number of test sentences [400]")
    parser.add_argument(
        "--no-repeat-ngram", type=int, default=6, help="no_repeat_ngram of guarded, in tokens [6]"
    )
    arguments = parser.parse_args()

    run = find_run(arguments.model)
    data = run.config.data
    pairs = read_split(data, "test" if data.test else "valid")
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
