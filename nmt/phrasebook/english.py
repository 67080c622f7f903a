"""English morphology: plurals, verb forms, articles, contractions."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from nmt.phrasebook.phrase import Token, Tokens

_VOWELS = "aeiou"
# Verbs that double their last letter before -ing.
_DOUBLING = frozenset(["get", "put", "swim", "sit", "forget"])
_AN = frozenset({"hour"})
_A = frozenset({"university", "uniform", "used", "useful", "euro", "European"})

_AUXILIARIES = ("do", "does", "did", "is", "are", "was", "were", "has", "have", "should", "would")
_NEGATED = {word: f"{word}n't" for word in (*_AUXILIARIES, "could")}
_NEGATED |= {"can": "can't", "will": "won't"}
_SHORT = {("I", "am"): "I'm"}
_SHORT |= {(who, "are"): f"{who}'re" for who in ("you", "we", "they")}
_SHORT |= {(who, "is"): f"{who}'s" for who in ("he", "she", "it")}
_SHORT |= {(who, "will"): f"{who}'ll" for who in ("I", "you", "he", "she", "we", "they")}


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
    return _NEGATED[auxiliary]


def join_cannot(tokens: Tokens) -> Tokens:
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
            # "Yes, I am." cannot be contracted, and "will not" becomes "won't".
            after = tokens[index + 1][0] if index + 1 < len(tokens) else ""
            uncontracted = not after[:1].isalpha() or (word == "will" and after == "not")
            if short and (word == "not" or not uncontracted):
                result[-1] = (short, result[-1][1] + links)
                continue
        result.append((word, links))
    return result
