"""New sentences from the lexicon, with the translations that are right."""

from __future__ import annotations

import re
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from german_check import faults

from nmt.phrasebook import generate, lexicon
from nmt.phrasebook.generator import stream
from nmt.phrasebook.lexicon import phrases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nmt.phrasebook import Example

_ADVERBIALS = sorted(
    {
        re.sub(r":\w+", "", german)
        for table in (*phrases.TIMES.values(), *phrases.ADVERBS.values())
        for _, german in lexicon.rows(table)
    },
    key=len,
    reverse=True,
)


def compose(count: int, seed: int) -> list[Example]:
    """Return different pairs of the grammar that are not in the corpus."""
    known = {pair.source for split in ("train", "valid", "test") for pair in generate(split)}

    def new() -> Iterator[Example]:
        for pair in stream(Random(seed)):
            if pair.source not in known:
                known.add(pair.source)
                yield pair

    return list(islice(new(), count))


def variants(german: str) -> set[str]:
    """Return the sentence, and the correct sentences with its adverbial in another place."""
    words, end = german[:-1].split(), german[-1]
    for adverbial in map(str.split, _ADVERBIALS):
        for place in range(2, len(words) - len(adverbial) + 1):
            if words[place : place + len(adverbial)] == adverbial:
                rest = words[:place] + words[place + len(adverbial) :]
                last = len(rest) + (place == len(rest))
                moved = [" ".join(rest[:i] + adverbial + rest[i:]) + end for i in range(2, last)]
                return {german, *(text for text in moved if not faults(text))}
    return {german}
