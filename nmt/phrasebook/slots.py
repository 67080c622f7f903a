"""Phrases of a phrasebook: fixed phrases, and phrases with slots that the grammar fills."""

from __future__ import annotations

import re
from functools import cache

from nmt.phrasebook import lexicon, numbers
from nmt.phrasebook.german import Case
from nmt.phrasebook.lexicon import nouns, phrases
from nmt.phrasebook.nounphrase import (
    NP,
    AdjectiveEntry,
    noun_phrase,
    prepositional,
)
from nmt.phrasebook.phrase import Part, Phrase, Tokens, new_block, phrase, template
from nmt.phrasebook.sampler import Sampler

_CASES: dict[str, Case] = {"nom": "nom", "acc": "acc", "dat": "dat"}
_NEAREST = AdjectiveEntry((("nearest",),), ("nächst",), frozenset())
_NUMBERS = {
    "number": (*range(2, 41), 50, 60, 70, 80, 90, 100),
    "many": (*range(2, 31), 40, 50),
    "small": tuple(range(2, 21)),
    "few": tuple(range(2, 10)),
}
# Half and quarter hours are frequent, because a model must learn each of them for 12 hours.
_MINUTES = (0, 0, 0, 30, 30, 30, 30, 15, 15, 45, 45, 5, 10, 20, 40, 50, 55)
_TABLES = {
    "language": nouns.LANGUAGES,
    "game": nouns.GAMES,
    "instrument": nouns.INSTRUMENTS,
    "city": nouns.CITIES,
    "ache": phrases.ACHES,
}


class _Slot:
    """The content of a slot: a fixed phrase, or a noun phrase with all its German cases."""

    def __init__(self, fixed: Phrase | None = None, np: NP | None = None) -> None:
        self.fixed, self.np = fixed, np
        self.en: Tokens = fixed.en if fixed else np.object if np else []

    def german(self, request: str) -> Tokens:
        """Return the German tokens, for a noun phrase in the requested case or after "zu"."""
        if self.fixed or not self.np:
            return self.fixed.de if self.fixed else []
        if request == "zu":
            return prepositional("to", "zu", self.np, "dat")[1]
        return self.np.german(_CASES[request])


def _slot(s: Sampler, request: str) -> _Slot:
    kind, _, rest = request.partition(" ")
    if kind in _NUMBERS:
        return _Slot(numbers.number(s.pick(_NUMBERS[kind])))
    if kind in _TABLES:
        return _Slot(phrase(*s.pick(lexicon.pairs(_TABLES[kind]))))
    match kind:
        case "clock":
            return _Slot(numbers.clock(s.between(1, 12), s.pick(_MINUTES)))
        case "date":
            month = s.between(0, 11)
            day = s.between(1, numbers.MONTH_DAYS[month])
            return _Slot(numbers.date(day, month, rest == "dat"))
        case "weekday":
            return _Slot(phrase(*s.pick(numbers.WEEKDAYS).split()))
        case "name":
            np = s.person()
            return _Slot(Phrase(np.subject, np.german("nom")))
        case "person":
            np = s.person()
            return _Slot(Phrase(np.subject, np.german("dat")))
        case "in" if rest == "place":
            return _Slot(Phrase(*_there(*s.place("place"))))
        case "in" | "on":
            np = noun_phrase(s.noun(rest), "the")
            return _Slot(Phrase(*prepositional(kind, "in" if kind == "in" else "auf", np, "dat")))
        case "way":
            noun = s.pick(lexicon.places())[0]
            np = noun_phrase(noun, "the")
            return _Slot(Phrase(*prepositional("to", "zu", np, "dat")))
    return _Slot(np=_noun_phrase(s, kind, rest))


def _there(np: NP, en: str, de: str) -> tuple[Tokens, Tokens]:
    return prepositional(en, de, np, "dat")


def _noun_phrase(s: Sampler, kind: str, classes: str) -> NP:
    """Return a noun phrase of a kind ("a", "the", "bare", "pl" ...) with a noun of the classes."""
    if classes == "place":
        noun = s.pick(lexicon.places())[0]
        if kind == "nearest":
            return noun_phrase(noun, "the", False, _NEAREST)
        return noun_phrase(noun, kind)
    if kind == "adj":
        return s.described(s.noun(classes.split()[-1]), "a", False, 1.0)
    noun = s.noun(*classes.split())
    match kind:
        case "bare":
            return noun_phrase(noun, "")
        case "pl":
            return noun_phrase(noun, "", True)
        case "these":
            return noun_phrase(noun, "this", True)
        case "my" | "your":
            owner = s.possessive(0 if kind == "my" else None)
            return noun_phrase(noun, "my" if classes == "body" and kind == "my" else owner)
        case "some":
            return noun_phrase(noun, "some mass")
        case "own" | "ownpl":
            owner = s.pick(("my", "my", "his", "her"))
            return noun_phrase(noun, owner, kind == "ownpl")
    return s.described(noun, kind, "pair" in noun.classes, 0.0 if classes == "dish" else 0.15)


def _tokens(s: Sampler, parts: tuple[Part, ...], base: int, slots: dict[str, _Slot]) -> Tokens:
    result: Tokens = []
    for part in parts:
        if part.slot:
            name, request = part.slot
            if name in slots:
                result += slots[name].german(request)
            else:
                slots[name] = _slot(s, request)
                result += slots[name].en
        else:
            result.append((part.text, tuple(base + link for link in part.links)))
    return result


@cache
def _rows(table: str, *requests: str) -> tuple[tuple[str, ...], ...]:
    """Return the rows of a table, or only the rows with a requested slot if there are requests."""
    return tuple(
        tuple(row)
        for row in lexicon.rows(table)
        if not requests or any(re.search(rf"\b{request}\b", row[0]) for request in requests)
    )


def _spoken(s: Sampler, rows: tuple[tuple[str, ...], ...]) -> Phrase:
    row = s.pick(rows)
    german = row[1]
    if len(row) > 2:
        while s.address == "ihr":
            s.begin()
        s.addressed = True
        german = row[2] if s.address == "Sie" else row[1]
    compiled, base = template(row[0], german), new_block()
    slots: dict[str, _Slot] = {}
    en = _tokens(s, compiled.en, base, slots)
    return Phrase(en, _tokens(s, compiled.de, base, slots))


def fixed(s: Sampler) -> Phrase:
    return _spoken(s, _rows(phrases.FIXED))


def addressed(s: Sampler) -> Phrase:
    """Write a phrase that addresses somebody."""
    return _spoken(s, _rows(phrases.ADDRESSED))


def slotted(s: Sampler) -> Phrase:
    """Write a phrase about travel, restaurants, hotels, shops or the calendar."""
    return _spoken(s, _rows(phrases.SLOTTED))


def numbered(s: Sampler) -> Phrase:
    """Write a phrase with a number."""
    return _spoken(s, _rows(phrases.SLOTTED, "number", "many"))


def calendar(s: Sampler) -> Phrase:
    """Write a phrase with a date, a day or a time of day."""
    return _spoken(s, _rows(phrases.SLOTTED, "date", "weekday", "clock"))


def times(s: Sampler) -> Phrase:
    """Write a phrase with a time of day (frequent, so that a model learns every hour)."""
    return _spoken(s, _rows(phrases.SLOTTED, "clock"))


def skills(s: Sampler) -> Phrase:
    """Write a phrase about languages, games or music."""
    return _spoken(s, _rows(phrases.SLOTTED, "language", "game", "instrument"))


def body(s: Sampler) -> Phrase:
    """Write a phrase about pain."""
    return _spoken(s, _rows(phrases.SLOTTED, "body", "limb", "cool", "ache"))
