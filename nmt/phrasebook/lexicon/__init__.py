"""Words of the corpus, as text tables with one entry per line, and their readers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from nmt.phrasebook import english, german
from nmt.phrasebook.clause import Modal, Verb
from nmt.phrasebook.german import Gender, Noun
from nmt.phrasebook.lexicon import adjectives, nouns, verbs
from nmt.phrasebook.nounphrase import AdjectiveEntry, NounEntry

_NOUN = re.compile(r"(\w[\w/ ]*?) ((?:der|die|das)[^,]*)")
_GENDERS: dict[str, Gender] = {"der": "m", "die": "f", "das": "n"}


class Place(NamedTuple):
    """A place in town, with its prepositions of direction (German) and of location."""

    noun: NounEntry
    to: str
    at_en: str
    at_de: str


class Placement(NamedTuple):
    """A verb of position or placement with the classes of places for a preposition."""

    verb: Verb
    where: tuple[str, ...]
    en: str
    de: str


def rows(table: str) -> Iterator[list[str]]:
    """Return the fields of each entry; entries end with a line or a semicolon."""
    for entry in re.split(r"[;\n]\s*", table.strip()):
        yield [field.strip() for field in entry.split(" |")]


@cache
def pairs(table: str) -> tuple[tuple[str, str], ...]:
    return tuple((en, de) for en, de in rows(table))


@cache
def word_pairs(table: str) -> tuple[tuple[str, str], ...]:
    """Return the English and German words of a list "Rome Rom, London"."""
    entries = (entry.split() for entry in table.split(","))
    return tuple((entry[0], entry[-1]) for entry in entries)


def _noun(en: str, de: str, kinds: str) -> NounEntry:
    classes = frozenset(kinds.split())
    singular, _, irregular = en.partition("/")
    words = tuple(singular.split())
    plural = (*words[:-1], irregular or english.add_s(words[-1]))
    article, german_singular, german_plural = de.split()
    if "pluralmass" in classes:
        plural = words
    gender, weak = _GENDERS[article.removesuffix("*")], article.endswith("*")
    entry = Noun(german_singular, german_plural.removeprefix("-"), gender, weak)
    return NounEntry(words, plural, entry, classes)


def _adjective(en: str, de: str, classes: str) -> AdjectiveEntry:
    first, *more = en.split()
    english_forms: tuple[tuple[str, ...], ...] = ((first,),)
    if more == ["more"]:
        english_forms = ((first,), ("more", first), ("most", first))
    elif more != ["-"]:
        english_forms = ((first,), (more[0],), (more[1],))
    forms = de.split()
    if len(forms) == 1:
        e = "e" if de.endswith(("t", "s", "ß", "z")) else ""
        forms = [de, de.removesuffix("e") + "er", f"{de}{e}st"]
    return AdjectiveEntry(english_forms, tuple(forms), frozenset(classes.split()))


@cache
def verb(en: str, de: str, frame: str = "-", classes: str = "") -> Verb:
    """Parse the fields of a verb, which `verbs` describes."""
    return Verb(
        english.parse_verb(en.lstrip("*+")),
        german.parse_verb(de.removeprefix("sich ")),
        frame,
        tuple(classes.split()),
        de.startswith("sich "),
        en[0] if en[0] in "*+" else "",
    )


@cache
def all_nouns() -> tuple[NounEntry, ...]:
    groups = (group.split(":") for group in re.split(r"\n(?=\S)", nouns.NOUNS.strip()))
    return tuple(
        _noun(match[1], match[2], classes)
        for classes, entries in groups
        for match in _NOUN.finditer(" ".join(entries.split()))
    )


@cache
def nouns_of(*classes: str) -> tuple[NounEntry, ...]:
    """Return the nouns that belong to at least one of the classes."""
    found = tuple(noun for noun in all_nouns() if not noun.classes.isdisjoint(classes))
    if not found:
        raise KeyError(f"no noun of the classes {classes}")
    return found


@cache
def all_adjectives() -> tuple[AdjectiveEntry, ...]:
    return tuple(_adjective(*row) for row in rows(adjectives.ADJECTIVES))


@cache
def adjectives_of(classes: frozenset[str], compared: bool = False) -> tuple[AdjectiveEntry, ...]:
    """Return the adjectives for a noun of these classes, with degrees only if ``compared``."""
    return tuple(
        adjective
        for adjective in all_adjectives()
        if not adjective.classes.isdisjoint(classes)
        and (len(adjective.english) == 3 or not compared)
    )


@cache
def main_verbs(*frames: str) -> tuple[Verb, ...]:
    """Return the verbs of the frames, or all verbs."""
    found = (verb(*row) for row in rows(verbs.VERBS))
    return tuple(entry for entry in found if not frames or entry.frame in frames)


@cache
def placements(table: str) -> tuple[Placement, ...]:
    """Return the rows of `verbs.PLACEMENT` or `verbs.POSITION`."""
    return tuple(
        Placement(verb(en, de, "", things), tuple(where.split()), *at.split())
        for en, de, things, where, at in rows(table)
    )


@cache
def modals(use: str) -> tuple[Modal, ...]:
    """Return the modal verbs for a use ("stated", "denied", "asked"), as often as named."""
    result = []
    for en, de, uses in rows(verbs.MODALS):
        first, *rest = en.split()
        lexical = rest == ["to"]
        modal = Modal(
            "" if lexical else first,
            english.parse_verb(first) if lexical else None,
            tuple(rest),
            None if de == "-" else german.parse_verb(de),
            "past" in uses,
        )
        result += [modal] * uses.split().count(use)
    return tuple(result)


@cache
def places(kind: str = "place") -> tuple[Place, ...]:
    """Return the places of a class."""
    found = (
        Place(_noun(en, de, f"place {kinds}"), to, *at.split())
        for en, de, to, at, kinds in rows(nouns.PLACES)
    )
    return tuple(place for place in found if kind in place.noun.classes)


@cache
def first_names() -> tuple[tuple[str, Gender], ...]:
    women: list[tuple[str, Gender]] = [(name, "f") for name in nouns.WOMEN.split()]
    return (*women, *((name, "m") for name in nouns.MEN.split()))


@cache
def content_lemmas() -> dict[str, str]:
    """Return the lemma of every English form of a noun, adjective or verb of the lexicon.

    Entries that share a form, such as the verb and the noun "play", have one lemma.
    """
    table: dict[str, str] = {}

    def enter(lemma: str, *forms: str) -> None:
        lemma = table.get(lemma, lemma)
        for form in forms:
            table.setdefault(form, lemma)

    for adjective in all_adjectives():
        enter(adjective.english[0][0], *(form[-1] for form in adjective.english))
    for noun in (*all_nouns(), *(place.noun for place in places())):
        for one, many in zip(noun.singular, noun.plural, strict=True):
            enter(one, one, many)
    placed = (*placements(verbs.PLACEMENT), *placements(verbs.POSITION))
    for entry in (*main_verbs(), *(p.verb for p in placed)):
        en = entry.en
        enter(en.base, en.base, en.third, en.past, en.participle, en.ing)
    for fixed in (nouns.LANGUAGES, nouns.GAMES, nouns.INSTRUMENTS, nouns.CITIES):
        for text, _ in word_pairs(fixed):
            enter(text, text)
    light = ("have", "be", "do", "go", "get", "hard-working")
    return {form: lemma for form, lemma in table.items() if lemma not in light}
