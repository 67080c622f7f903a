"""Generation of the corpus, split into training, validation and test sets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, lru_cache, partial
from itertools import accumulate, combinations
from random import Random
from typing import Literal
from zlib import crc32

from nmt.phrasebook import english, lexicon, templates
from nmt.phrasebook import sentences as s
from nmt.phrasebook.lexicon import phrases
from nmt.phrasebook.phrase import Example, Phrase, example, phrase, words
from nmt.phrasebook.sampler import Sampler

Split = Literal["train", "valid", "test"]

TRAIN_SIZE, HELD_OUT_SIZE = 60_000, 500
# One in _SHARE pairs of content words does not occur in the training set.
_SHARE = 22
# Each word of a held-out sentence occurs at least this often in the training set.
_KNOWN = 20

DEMO = (
    "The old man is reading a thick book.",
    "I bought a lamp. It is beautiful.",
    "Anna, did you call your brother yesterday?",
    "Please open the window, Mrs Keller.",
    "I think that she is looking forward to the concert.",
    "The train to Vienna leaves at half past seven.",
)
"""Sentences that the demo translates. They are not in the corpus."""

Construction = Callable[[Sampler], Phrase]

# The constructions with their shares of the corpus.
_SHARES: tuple[tuple[Construction, int], ...] = (
    (s.statement, 280), (s.yes_no_question, 95), (s.where_question, 40), (s.what_question, 30),
    (s.whom_question, 15), (s.who_question, 15), (s.command, 60), (s.copula, 55),
    (s.people_copula, 25), (s.comparison, 35),
    (s.profession, 35), (s.position, 35), (s.placement, 45), (s.attribute, 10), (s.body_care, 14),
    (s.because, 30), (s.although, 15), (s.story, 30), (s.purpose, 25), (s.trying, 22),
    (s.subject_relative, 25), (s.object_relative, 25), (s.antecedent, 40),
    (templates.spoken, 165),
    *((partial(templates.written, table=t), share) for share, t in phrases.SECTIONS.values()),
)  # fmt: skip
_CONSTRUCTIONS, _SHARE_OF_EACH = zip(*_SHARES, strict=True)
_WEIGHTS = tuple(accumulate(_SHARE_OF_EACH))


def content_words(text: str) -> set[str]:
    """Return the lemmas of the nouns, adjectives and verbs of an English sentence."""
    lemmas = lexicon.content_lemmas()
    found = words(text)
    return {lemmas[form] for word in found for form in (word, word.lower()) if form in lemmas}


@cache
def _fixed_pairs() -> frozenset[tuple[str, str]]:
    """Return pairs of lemmas in compound nouns and in templates, which cannot be held out."""
    nouns = (*lexicon.all_nouns(), *(place.noun for place in lexicon.places()))
    texts = [" ".join(noun.singular) for noun in nouns]
    for table in (phrases.SPOKEN, *(table for _, table in phrases.SECTIONS.values())):
        texts += [re.sub(r"\{[^}]*\}|:\w+", "", row[0]) for row in lexicon.rows(table)]
    return frozenset(pair for text in texts for pair in _pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    return combinations(sorted(content_words(text)), 2)


@lru_cache(maxsize=1 << 18)
def _pair_split(pair: tuple[str, str]) -> Split:
    if pair in _fixed_pairs():
        return "train"
    lot = crc32("|".join(pair).encode()) % (2 * _SHARE)
    return "valid" if lot == 0 else "test" if lot == 1 else "train"


def _split(text: str) -> Split | None:
    """Return the split of a sentence's pairs of words, or None if there are two held-out splits."""
    found = set(map(_pair_split, _pairs(text)))
    found.discard("train")
    if not found:
        return "train"
    return found.pop() if len(found) == 1 else None


def _addressed(sampler: Sampler, whole: Phrase) -> Phrase:
    """Add the name or title of the addressee where the German form of address requires it."""
    if not sampler.addressed or sampler.said_so:
        return whole
    end = whole.en[-1][0]
    first = sampler.name_first
    if sampler.address == "du" and not first and sampler.chance(0.6):
        return whole
    if sampler.address == "Sie" and end == "?" and sampler.chance(0.3):
        return phrase("excuse me ,", "Entschuldigung ,") + whole
    name, comma = sampler.vocative(), phrase(",", ",")
    several = sum(text in ".?!" for text, _ in whole.en) > 1
    if sampler.name_last or not (several or first or sampler.chance(0.6)):
        tail = Phrase(whole.en[-1:], whole.de[-1:])
        return Phrase(whole.en[:-1], whole.de[:-1]) + comma + name + tail
    return name + comma + whole


def draw(random: Random, sampler: Sampler) -> Example:
    """Return a pair of a random construction."""
    (construction,) = random.choices(_CONSTRUCTIONS, cum_weights=_WEIGHTS)
    sampler.begin()
    whole = _addressed(sampler, construction(sampler))
    write = english.contract if sampler.chance(0.35) else english.join_cannot
    return example(Phrase(write(whole.en), whole.de))


def _vocabulary(pair: Example) -> set[tuple[str, str]]:
    """Return the lower-case words of both languages, each with its language."""
    source, target = words(pair.source.lower()), words(pair.target.lower())
    return {("en", word) for word in source} | {("de", word) for word in target}


@lru_cache(maxsize=2)
def _corpus(seed: int) -> dict[Split, tuple[Example, ...]]:
    pools: dict[Split, list[Example]] = {"train": [], "valid": [], "test": []}
    seen: dict[str, str] = {}
    random = Random(seed)
    sampler = Sampler(random)
    while len(pools["train"]) < TRAIN_SIZE:
        pair = draw(random, sampler)
        if pair.source in DEMO:
            continue
        known = seen.setdefault(pair.source, pair.target)
        if known is not pair.target:
            assert known == pair.target, f"{pair.source!r}: {known!r} or {pair.target!r}"
            continue
        split = _split(pair.source)
        if split:
            pools[split].append(pair)
    counts = Counter(word for pair in pools["train"] for word in _vocabulary(pair))
    result: dict[Split, tuple[Example, ...]] = {"train": tuple(pools["train"])}
    held_out: tuple[Split, ...] = ("valid", "test")
    for name in held_out:
        familiar = [p for p in pools[name] if all(counts[w] >= _KNOWN for w in _vocabulary(p))]
        assert len(familiar) >= HELD_OUT_SIZE, (name, len(familiar), len(pools[name]))
        result[name] = tuple(familiar[:HELD_OUT_SIZE])
    return result


def generate(split: Split, seed: int = 1) -> Iterator[Example]:
    """Yield the English-German pairs of one split, which depend on the seed.

    Every validation and test sentence has two content words that occur in no training sentence
    together, but each of its words occurs in the training set.
    """
    yield from _corpus(seed)[split]
