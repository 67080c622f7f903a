"""Small parallel corpora in eight languages, made of subjects, activities and templates.

Each column of sentences.tsv is a language, and each row has translations of one another. `{s}` in a
template is the subject, `{0}`, `{1}`, ... are the parts of the activity, which `|` separates. All
subjects are masculine singular, so that no language needs agreement.
"""

from __future__ import annotations

import csv
import itertools
import random
from functools import cache
from pathlib import Path
from typing import NamedTuple

_TABLE = Path(__file__).with_name("sentences.tsv")


class Pair(NamedTuple):
    source: str
    target: str


@cache
def sentences(language: str) -> list[str]:
    """Return all sentences of a language; sentence N of one language translates N of another."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    kinds = ("template", "subject", "activity")
    parts = ([row[language] for row in rows if row["kind"] == kind] for kind in kinds)
    texts = (t.format(*a.split("|"), s=s) for t, s, a in itertools.product(*parts))
    return [text[0].upper() + text[1:] for text in texts]


def splits(source: str, target: str) -> dict[str, list[Pair]]:
    """Return 150 training, 20 validation and 20 test pairs, all different."""
    pairs = list(map(Pair, sentences(source), sentences(target)))
    random.Random(1).shuffle(pairs)
    return {"train": pairs[:150], "valid": pairs[150:170], "test": pairs[170:190]}


def write(folder: Path, source: str, target: str) -> None:
    """Write SPLIT.SOURCE and SPLIT.TARGET for each split."""
    for split, pairs in splits(source, target).items():
        for language, lines in zip((source, target), zip(*pairs, strict=True), strict=True):
            text = "".join(f"{line}\n" for line in lines)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8", newline="\n")
