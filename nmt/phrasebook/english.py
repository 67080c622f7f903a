"""English morphology: plurals, verb forms, articles, contractions."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from nmt.phrasebook.phrase import Token, Tokens

_VOWELS = "aeiou"
# Verbs that double their last letter before -ing.
_DOUBLING = frozenset(
    ["get", "put", "swim", "sit", "cut", "forget", "begin", "plan", "win", "travel"]
)
_AN = frozenset({"hour"})
_A = frozenset({"university", "uniform", "used", "useful", "euro", "European"})

_NEGATED = {
    "do": "don't", "does": "doesn't", "did": "didn't", "is": "isn't", "are": "aren't",
    "was": "wasn't", "were": "weren't", "can": "can't", "will": "won't", "has": "hasn't",
    "have": "haven't", "should": "shouldn't", "would": "wouldn't", "could": "couldn't",
}  # fmt: skip
_SHORT = {
    ("I", "am"): "I'm", ("you", "are"): "you're", ("he", "is"): "he's", ("she", "is"): "she's",
    ("it", "is"): "it's", ("we", "are"): "we're", ("they", "are"): "they're",
    ("I", "will"): "I'll", ("you", "will"): "you'll", ("he", "will"): "he'll",
    ("she", "will"): "she'll", ("we", "will"): "we'll", ("they", "will"): "they'll",
}  # fmt: skip


class EnglishVerb(NamedTuple):
    """Forms of a verb, and the ``particle`` after the verb ("get up"), which may be empty."""

    base: str
    third: str
    past: str
    participle: str
    ing: str
    particle: tuple[str, ...]


def _ends_in_consonant_y(word: str) -> bool:
    return word.endswith("y") and word[-2] not in _VOWELS


def add_s(word: str) -> str:
    """Return the plural of a regular noun, or the third person of a regular verb."""
    if word.endswith(("s", "x", "z", "ch", "sh")) or word in ("go", "do", "potato", "tomato"):
        return word + "es"
    return word[:-1] + "ies" if _ends_in_consonant_y(word) else word + "s"


def parse_verb(text: str) -> EnglishVerb:
    """Parse ``base[/past/participle] [particle ...]``; a regular verb has only its base."""
    head, *particle = text.split()
    base, *irregular = head.split("/")
    if irregular:
        past, participle = irregular
    else:
        past = base + "d" if base.endswith("e") else base + "ed"
        if _ends_in_consonant_y(base):
            past = base[:-1] + "ied"
        participle = past
    if base in _DOUBLING:
        ing = base + base[-1] + "ing"
    elif base == "lie":
        ing = "lying"
    elif base.endswith("e") and not base.endswith("ee"):
        ing = base[:-1] + "ing"
    else:
        ing = base + "ing"
    third = "has" if base == "have" else add_s(base)
    return EnglishVerb(base, third, past, participle, ing, tuple(particle))


@cache
def indefinite(next_word: str) -> str:
    """Return the article "a" or "an" for the next word."""
    if next_word in _AN:
        return "an"
    return "an" if next_word[0].lower() in _VOWELS and next_word not in _A else "a"


def negated(auxiliary: str) -> str:
    """Return the contraction of an auxiliary and "not"."""
    return _NEGATED[auxiliary]


def join_cannot(tokens: Tokens) -> Tokens:
    """Write "can not" as one word."""
    return _merge(tokens, _CANNOT)


def contract(tokens: Tokens) -> Tokens:
    """Contract words as in spoken English ("do not", "I am"), and unite their links."""
    return _merge(tokens, _CONTRACTIONS)


_CANNOT = {("can", "not"): "cannot"}
_CONTRACTIONS = {(word, "not"): short for word, short in _NEGATED.items()} | _SHORT


def _merge(tokens: Tokens, table: dict[tuple[str, str], str]) -> Tokens:
    result: list[Token] = []
    for index, (word, links) in enumerate(tokens):
        if result:
            short = table.get((result[-1][0], word))
            # "Yes, I am." cannot be contracted.
            final = index + 1 == len(tokens) or not tokens[index + 1][0][0].isalpha()
            if short and not (final and word != "not"):
                result[-1] = (short, result[-1][1] + links)
                continue
        result.append((word, links))
    return result
