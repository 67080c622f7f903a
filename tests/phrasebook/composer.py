"""New sentences from the lexicon, with the translations that are right."""

from __future__ import annotations

import re
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, NamedTuple, get_args

from german_check import faults

from nmt.phrasebook import generate, lexicon
from nmt.phrasebook.generator import draw
from nmt.phrasebook.lexicon import phrases
from nmt.phrasebook.noun_sampler import Address
from nmt.phrasebook.sampler import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADVERBIALS = sorted(
    {
        re.sub(r":\w+", "", german)
        for table in (*phrases.TIMES.values(), *phrases.ADVERBS.values())
        for _, german in lexicon.rows(table)
    },
    key=len,
    reverse=True,
)


class Composed(NamedTuple):
    """An English sentence and the German sentences with its meaning, the corpus's first."""

    source: str
    targets: tuple[str, ...]

    def accepts(self, translation: str) -> bool:
        """Return whether the translation is one of the German sentences or of their variants."""
        return any(translation in variants(target) for target in self.targets)


class _Speaker(Sampler):
    """Sampler that can write its last sentence again, in another form of address."""

    def __init__(self, seed: int) -> None:
        self._source = Random(seed)
        self._forced: Address | None = None
        super().__init__(self._source)

    def begin(self) -> None:
        super().begin()
        if self._forced:
            # No name or title follows if the sentence shows the form of address.
            self.address, self.said_so = self._forced, True

    def compose(self) -> Composed:
        """Return a sentence; if it does not say who "you" is, du, ihr and Sie are right."""
        before, uses = self._source.getstate(), self._uses.copy()
        pair = draw(self._source, self)
        after, used = self._source.getstate(), self._uses
        targets = {pair.target: None}
        for self._forced in get_args(Address):
            self._source.setstate(before)
            self._uses = uses.copy()
            again = draw(self._source, self)
            if again.source == pair.source:
                targets[again.target] = None
        self._forced = None
        self._source.setstate(after)
        self._uses = used
        return Composed(pair.source, tuple(targets))


def compose(count: int, seed: int) -> list[Composed]:
    """Return different sentences of the grammar that are not in the corpus."""
    known = {pair.source for split in ("train", "valid", "test") for pair in generate(split)}
    speaker = _Speaker(seed)

    def new() -> Iterator[Composed]:
        while True:
            sentence = speaker.compose()
            if sentence.source not in known:
                known.add(sentence.source)
                yield sentence

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
