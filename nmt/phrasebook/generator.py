"""Generation of the corpus, split into training, validation and test sets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import accumulate, combinations
from random import Random
from typing import Literal
from zlib import crc32

from nmt.phrasebook import complex_sentences as c
from nmt.phrasebook import english, slots
from nmt.phrasebook import sentences as b
from nmt.phrasebook.lexicon import all_nouns, content_lemmas, phrases, places, rows
from nmt.phrasebook.phrase import Example, Phrase, Tokens, example, phrase, words
from nmt.phrasebook.sampler import Sampler

Split = Literal["train", "valid", "test"]

TRAIN_SIZE, HELD_OUT_SIZE = 27_000, 500
# One in _SHARE pairs of content words does not occur in the training set.
_SHARE = 22
# Each word of a held-out sentence occurs at least this often in the training set.
_KNOWN = 20

_CONSTRUCTIONS: tuple[tuple[Callable[[Sampler], Phrase], int], ...] = (
    (b.statement, 260), (b.yes_no_question, 90), (b.where_question, 40), (b.what_question, 45),
    (b.who_question, 15), (b.command, 60), (b.copula, 55), (b.people_copula, 20),
    (b.comparison, 30), (b.superlative, 15), (b.introduction, 30), (b.profession, 15),
    (b.position, 35), (b.placement, 35), (b.located, 10), (b.body_care, 12),
    (c.that_clause, 45), (c.whether_clause, 30), (c.place_question, 8), (c.because, 30),
    (c.although, 15), (c.condition, 30), (c.story, 30), (c.purpose, 22), (c.trying, 22),
    (c.subject_relative, 25), (c.object_relative, 25), (c.antecedent, 35),
    (c.two_statements, 25), (c.joined, 15), (slots.slotted, 110), (slots.addressed, 16),
    (slots.fixed, 4), (slots.numbered, 45), (slots.calendar, 35), (slots.times, 110),
    (slots.skills, 38), (slots.body, 32),
)  # fmt: skip


def content_words(text: str) -> set[str]:
    """Return the lemmas of the nouns, adjectives and verbs of an English sentence."""
    lemmas = content_lemmas()
    return {lemmas[word] for word in map(str.lower, words(text)) if word in lemmas} | {
        lemmas[word] for word in words(text) if word in lemmas
    }


@cache
def _fixed_pairs() -> frozenset[tuple[str, str]]:
    """Return pairs of lemmas in compound nouns and in templates, which cannot be held out."""
    texts = [" ".join(noun.singular) for noun in all_nouns()]
    texts += [" ".join(place[0].singular) for place in places()]
    for table in (phrases.FIXED, phrases.ADDRESSED, phrases.SLOTTED):
        texts += [re.sub(r"\{[^}]*\}|:\w+", "", row[0]) for row in rows(table)]
    return frozenset(pair for text in texts for pair in _pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    return combinations(sorted(content_words(text)), 2)


@lru_cache(maxsize=1 << 18)
def _pair_split(pair: tuple[str, str]) -> Split:
    """Return the split of a pair of lemmas, which are in alphabetical order."""
    if pair in _fixed_pairs():
        return "train"
    lot = crc32("|".join(pair).encode()) % (2 * _SHARE)
    return "valid" if lot == 0 else "test" if lot == 1 else "train"


def _split(text: str) -> Split | None:
    """Return the split of a sentence, or None if it has pairs of validation and of test.

    A sentence belongs to the training set if all its pairs of content words do.
    """
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
    if sampler.address == "du" and sampler.chance(0.6):
        return whole
    if sampler.address == "Sie" and end == "?" and sampler.chance(0.3):
        return phrase("excuse me ,", "Entschuldigung ,") + whole
    name = sampler.vocative()
    several = sum(text in ".?!" for text, _ in whole.en) > 1
    comma = phrase(",", ",")
    if not several and sampler.chance(0.4):
        tail = Phrase(whole.en[-1:], whole.de[-1:])
        return Phrase(whole.en[:-1], whole.de[:-1]) + comma + name + tail
    return name + comma + whole


def _write(sampler: Sampler, construction: Callable[[Sampler], Phrase]) -> Example:
    sampler.begin()
    whole = _addressed(sampler, construction(sampler))
    write = english.contract if sampler.chance(0.35) else english.join_cannot
    en: Tokens = write(whole.en)
    return example(Phrase(en, whole.de))


def _vocabulary(pair: Example) -> set[tuple[str, str]]:
    """Return the lower-case words of both languages, each with its language."""
    source, target = words(pair.source.lower()), words(pair.target.lower())
    return {("en", word) for word in source} | {("de", word) for word in target}


@lru_cache(maxsize=2)
def _corpus(seed: int) -> dict[Split, tuple[Example, ...]]:
    random = Random(seed)
    sampler = Sampler(random)
    functions = [function for function, _ in _CONSTRUCTIONS]
    weights = list(accumulate(weight for _, weight in _CONSTRUCTIONS))
    pools: dict[Split, list[Example]] = {"train": [], "valid": [], "test": []}
    seen: dict[str, str] = {}
    while len(pools["train"]) < TRAIN_SIZE:
        (construction,) = random.choices(functions, cum_weights=weights)
        pair = _write(sampler, construction)
        known = seen.setdefault(pair.source, pair.target)
        if known is not pair.target:
            assert known == pair.target, f"{pair.source!r}: {known!r} or {pair.target!r}"
            continue
        split = _split(pair.source)
        if split:
            pools[split].append(pair)
    counts: Counter[tuple[str, str]] = Counter()
    for pair in pools["train"]:
        counts.update(_vocabulary(pair))
    result: dict[Split, tuple[Example, ...]] = {"train": tuple(pools["train"])}
    held_out: tuple[Split, ...] = ("valid", "test")
    for name in held_out:
        familiar = [
            pair
            for pair in pools[name]
            if all(counts[word] >= _KNOWN for word in _vocabulary(pair))
        ]
        assert len(familiar) >= HELD_OUT_SIZE, (name, len(familiar), len(pools[name]))
        result[name] = tuple(familiar[:HELD_OUT_SIZE])
    return result


def generate(split: Split, seed: int = 1) -> Iterator[Example]:
    """Yield the English-German pairs of one split, which depend on the seed.

    Every validation and test sentence has two content words that occur in no training sentence
    together, but each of its words occurs in the training set.
    """
    yield from _corpus(seed)[split]
