"""Phrases of the tables in `lexicon.phrases`, whose slots the grammar fills.

A slot ``{1 KIND ARGUMENTS}`` has a number, by which the German side refers to it. Its kinds are the
tables and functions below, or the kind of a noun phrase with the classes of its noun.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple, cast

from nmt.phrasebook import lexicon, numbers
from nmt.phrasebook.clause import Clause, english_statement, german_last, german_second
from nmt.phrasebook.german import Case
from nmt.phrasebook.lexicon import nouns, phrases
from nmt.phrasebook.nounphrase import (
    NP,
    AdjectiveEntry,
    name,
    noun_phrase,
    possessed,
    prepositional,
    pronoun,
)
from nmt.phrasebook.phrase import Part, Phrase, Tokens, new_block, phrase, template
from nmt.phrasebook.sampler import Choice, Sampler

_NEAREST = AdjectiveEntry((("nearest",),), ("nächst",), frozenset())
_NUMBERS = {
    "age": tuple(range(12, 21)),
    "number": (*range(2, 21), 30, 40, 50, 60, 70, 80, 90, 100),
    "many": (*range(2, 21), 30, 40, 50),
    "small": tuple(range(2, 21)),
    "few": tuple(range(2, 10)),
}
# Half and quarter hours are frequent, because a model must learn each of them for 12 hours.
_MINUTES = (0, 0, 0, 30, 30, 30, 30, 15, 15, 45, 45, 5, 10, 20, 40, 50, 55)
_HOURS = {"clock": (1, 12), "early": (6, 9)}
_TABLES = {
    "language": lexicon.word_pairs(nouns.LANGUAGES),
    "game": lexicon.word_pairs(nouns.GAMES),
    "instrument": lexicon.word_pairs(nouns.INSTRUMENTS),
    "weather": lexicon.word_pairs(phrases.WEATHER),
    "weekday": lexicon.word_pairs(numbers.WEEKDAYS),
    "city": lexicon.word_pairs(nouns.CITIES),
    "ache": lexicon.pairs(phrases.ACHES),
    "condition": lexicon.pairs(phrases.CONDITIONS),
}


class _Slot(NamedTuple):
    """English tokens, and the German tokens for a request such as a case."""

    en: Tokens
    german: Callable[[str], Tokens]


def _fixed(whole: Phrase) -> _Slot:
    return _Slot(whole.en, lambda _: whole.de)


def _declined(np: NP) -> _Slot:
    def german(request: str) -> Tokens:
        if request == "zu":
            return prepositional("to", "zu", np, "dat")[1]
        return np.german(cast("Case", request))

    return _Slot(np.object, german)


def _ordered(clause: Clause, before: Phrase) -> _Slot:
    def german(request: str) -> Tokens:
        if request == "last":
            return german_last(clause, before.de)
        return german_second(clause, [] if request == "first" else None)

    return _Slot(before.en + english_statement(clause), german)


def _slot(s: Sampler, request: str) -> _Slot:
    kind, *rest = request.split()
    if kind in _NUMBERS:
        return _fixed(numbers.number(s.fresh(_NUMBERS[kind])))
    if kind in _TABLES:
        return _fixed(phrase(*s.fresh(_TABLES[kind])))
    match kind:
        case "clock" | "early":
            return _fixed(numbers.clock(s.between(*_HOURS[kind]), s.pick(_MINUTES)))
        case "date":
            months = lexicon.word_pairs(numbers.MONTHS)
            month = s.fresh(months)
            day = s.between(1, numbers.MONTH_DAYS[months.index(month)])
            return _fixed(numbers.date(day, month))
        case "time":
            adverbial = s.time(rest[0])
            return _fixed(Phrase(adverbial.en, adverbial.de))
        case "in" | "on":
            if rest == ["place"]:
                there = s.where("place")
                return _fixed(Phrase(there.en, there.de))
            np = noun_phrase(s.noun(*rest), "the")
            return _fixed(Phrase(*prepositional(kind, "auf" if kind == "on" else "in", np, "dat")))
        case "way":
            np = noun_phrase(s.fresh(lexicon.places()).noun, "the")
            return _fixed(Phrase(*prepositional("to", "zu", np, "dat")))
        case "clause":
            return _clause(s, rest)
        case "asking":
            return _asking(s)
    return _declined(s.person() if kind == "person" else _noun_phrase(s, kind, rest))


def _clause(s: Sampler, options: list[str]) -> _Slot:
    if "free" in options:
        subject = next((pronoun(key) for key in ("I", "we") if key in options), None)
        free: Choice = s.pick(("future", "modal", "present"))
        clause = s.clause(subject, 0.0, verb=s.leisure_verb(), tense=free)
        if clause.tense == "progressive" or (clause.modal and clause.modal.past):
            clause.modal, clause.tense = None, "future"
    else:
        hope: Choice | None = s.pick(("future", "perfect")) if "hope" in options else None
        verb = s.verb(durative=True) if hope else None
        clause = s.clause(s.subject(asked=bool(hope)), verb=verb, tense=hope)
        s.timed(clause)
    return _ordered(clause, Phrase([], []))


def _asking(s: Sampler) -> _Slot:
    """Return a question as a subordinate clause ("whether he is coming")."""
    word = s.pick(lexicon.pairs(phrases.ASKING))
    verb = s.verb(*(["acc"] if word[0] == "where" else []), durative=word[0] != "whether")
    clause = s.clause(s.subject(asked=True), 0.0, verb=verb, place=0.0)
    return _ordered(clause, phrase(*word))


def _noun_phrase(s: Sampler, kind: str, classes: list[str]) -> NP:
    """Return a noun phrase of a kind ("a", "the", "bare", "pl" ...) with a noun of the classes."""
    places = lexicon.places(classes[0])
    noun = s.fresh(places).noun if places else s.noun(*classes)
    pair = "pair" in noun.classes
    match kind:
        case "nearest":
            return noun_phrase(noun, "the", False, _NEAREST)
        case "adj":
            return s.described(noun, "a", False, 1.0)
        case "plural":
            return s.described(noun, "", True, 0.8)
        case "most":
            return noun_phrase(noun, "the", False, s.adjective(noun, compared=True), 2)
        case "whose":
            return possessed(s.owner(), noun, pair)
        case "bare":
            return noun_phrase(noun, "")
        case "pl":
            return noun_phrase(noun, "", True)
        case "these":
            return noun_phrase(noun, "this", True)
        case "my" | "your":
            first = pronoun("I" if kind == "my" else "du")
            body = "body" in noun.classes
            if kind == "your":
                s.addressed = True
                return noun_phrase(noun, s.yours(), pair)
            return noun_phrase(noun, "my" if body else s.possessive(first), pair)
        case "some":
            return noun_phrase(noun, "some mass")
        case "own" | "ownpl":
            if s.chance(0.4):
                return possessed(name(*s.fresh(lexicon.first_names())), noun, kind == "ownpl")
            return noun_phrase(noun, s.pick(("my", "my", "his", "her")), kind == "ownpl")
    return s.described(noun, kind, pair, 0.15 if kind in ("a", "this") and not places else 0.0)


def _tokens(s: Sampler, parts: tuple[Part, ...], base: int, slots: dict[str, _Slot]) -> Tokens:
    result: Tokens = []
    for part in parts:
        if not part.slot:
            result.append((part.text, tuple(base + link for link in part.links)))
            continue
        number, request = part.slot
        if number in slots:
            result += slots[number].german(request)
        else:
            slots[number] = _slot(s, request)
            result += slots[number].en
    return result


@cache
def _rows(table: str) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, lexicon.rows(table)))


def written(s: Sampler, table: str) -> Phrase:
    """Write a phrase of a table, in the sentence's form of address."""
    english_row, *german_rows = s.pick(_rows(table))
    german = german_rows[0]
    if len(german_rows) > 1:
        if s.address == "ihr" and len(german_rows) < 3:
            s.address = "du"
        s.addressed = True
        german = german_rows[("du", "Sie", "ihr").index(s.address)]
    compiled, base = template(english_row, german), new_block()
    slots: dict[str, _Slot] = {}
    en = _tokens(s, compiled.en, base, slots)
    return Phrase(en, _tokens(s, compiled.de, base, slots))


def spoken(s: Sampler) -> Phrase:
    """Write a phrase of everyday life, often after a greeting or with a name."""
    whole = written(s, phrases.SPOKEN)
    end = whole.en[-1][0]
    texts = [text for text, _ in whole.en]
    if end == "!" and s.chance(0.4):
        end = "."
        whole = Phrase(
            [*whole.en[:-1], (end, whole.en[-1][1])], [*whole.de[:-1], (end, whole.de[-1][1])]
        )
    s.addressed, s.name_last = s.addressed or s.chance(0.7), True
    if "," in texts or len(texts) < 4 or s.chance(0.5):
        return whole
    formal = not s.addressed or s.address == "Sie"
    options = [
        (en, de)
        for en, de, ends in _rows(phrases.OPENERS)
        if end in ends and (formal or en != "excuse me,")
    ]
    if not options:
        return whole
    opener = phrase(*s.pick(options))
    s.said_so = s.said_so or opener.en[0][0] == "excuse"
    if opener.en[-1][0] == "!" and s.chance(0.6):
        mark = Phrase(opener.en[-1:], opener.de[-1:])
        opener = Phrase(opener.en[:-1], opener.de[:-1]) + phrase(",", ",") + s.vocative() + mark
    return opener + whole
