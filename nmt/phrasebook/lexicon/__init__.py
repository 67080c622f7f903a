"""Words of the corpus, as text tables with one entry per line, and their readers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import cast

from nmt.phrasebook import english, german
from nmt.phrasebook.clause import Verb
from nmt.phrasebook.german import Gender, Noun
from nmt.phrasebook.lexicon import adjectives, nouns, verbs
from nmt.phrasebook.nounphrase import AdjectiveEntry, NounEntry

_GENDERS: dict[str, Gender] = {"der": "m", "die": "f", "das": "n"}


def rows(table: str) -> Iterator[list[str]]:
    """Return the fields of each line that is not empty."""
    for line in table.strip().split("\n"):
        if line.strip():
            yield [field.strip() for field in line.split(" |")]


def _noun(en: str, de: str, classes: frozenset[str]) -> NounEntry:
    singular, _, irregular = en.partition("/")
    words = tuple(singular.split())
    plural = (*words[:-1], irregular or english.add_s(words[-1]))
    article, german_singular, german_plural = de.split()
    if "pluralmass" in classes:
        plural = words
    entry = Noun(
        german_singular,
        german_plural.removeprefix("-"),
        _GENDERS[article.removesuffix("*")],
        article.endswith("*"),
    )
    return NounEntry(words, plural, entry, classes)


def _adjective(en: str, de: str, classes: str) -> AdjectiveEntry:
    first, *more = en.split()
    if more == ["-"]:
        english_forms: tuple[tuple[str, ...], ...] = ((first,),)
    elif more == ["more"]:
        english_forms = ((first,), ("more", first), ("most", first))
    else:
        english_forms = ((first,), (more[0],), (more[1],))
    forms = de.split()
    if len(forms) == 1:
        base = forms[0]
        e = "e" if base.endswith(("t", "s", "ß", "z")) else ""
        forms = [base, base.removesuffix("e") + "er", f"{base}{e}st"]
    return AdjectiveEntry(english_forms, tuple(forms), frozenset(classes.split()))


def verb(en: str, de: str, frame: str = "-", classes: str = "") -> Verb:
    """Parse the fields of a verb, which `verbs` describes."""
    reflexive = de.startswith("sich ")
    return Verb(
        english.parse_verb(en.removeprefix("*")),
        german.parse_verb(de.removeprefix("sich ")),
        frame,
        tuple(classes.split()),
        reflexive,
        en.startswith("*"),
    )


@cache
def all_nouns() -> tuple[NounEntry, ...]:
    """Return all nouns except the places in town."""
    table = rows(nouns.NOUNS)
    return tuple(_noun(en, de, frozenset(classes.split())) for en, de, classes in table)


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
        # Adjectives with few classes are repeated, so that they are drawn as often as others.
        for _ in range(max(1, 6 - len(adjective.classes)))
    )


@cache
def verbs_of(table: str) -> tuple[Verb, ...]:
    """Return the verbs of one table."""
    return tuple(verb(*row) for row in rows(table))


@cache
def main_verbs(frame: str = "") -> tuple[Verb, ...]:
    """Return the verbs of one frame, or all verbs."""
    return tuple(v for v in verbs_of(verbs.VERBS) if frame in ("", v.frame))


@cache
def placements(table: str) -> tuple[tuple[Verb, tuple[str, ...], tuple[str, ...]], ...]:
    """Return (verb, classes of the place, (English preposition, German preposition))."""
    result = []
    for en, de, things, where, prepositions in rows(table):
        result.append((verb(en, de, "", things), tuple(where.split()), tuple(prepositions.split())))
    return tuple(result)


@cache
def places() -> tuple[tuple[NounEntry, str, str, str], ...]:
    """Return (noun, German preposition of direction, English and German ones of location)."""
    result = []
    for en, de, to, at in rows(nouns.PLACES):
        at_en, at_de = at.split()
        result.append((_noun(en, de, frozenset({"place"})), to, at_en, at_de))
    return tuple(result)


@cache
def pairs(table: str) -> tuple[tuple[str, str], ...]:
    """Return a table of two fields."""
    return tuple((en, de) for en, de in rows(table))


@cache
def first_names() -> tuple[tuple[str, Gender], ...]:
    """Return first names with their gender."""
    return tuple(
        cast("tuple[str, Gender]", tuple(row[0].split())) for row in rows(nouns.FIRST_NAMES)
    )


@cache
def content_lemmas() -> dict[str, str]:
    """Return the lemma of every English form of a noun, adjective or verb of the lexicon.

    Entries that share a form, such as the verb and the noun "play", have one lemma.
    """
    table: dict[str, str] = {}

    def enter(lemma: str, forms: tuple[str, ...]) -> None:
        lemma = table.get(lemma, lemma)
        for form in forms:
            table.setdefault(form, lemma)

    for adjective in all_adjectives():
        first = adjective.english[0][0]
        enter(first, tuple(form[-1] for form in adjective.english))
    for noun in (*all_nouns(), *(place[0] for place in places())):
        for one, many in zip(noun.singular, noun.plural or noun.singular, strict=True):
            enter(one, (one, many))
    tables = (verbs.VERBS, verbs.PLACEMENT, verbs.POSITION)
    for entry in (v for t in tables[:1] for v in verbs_of(t)):
        en = entry.en
        enter(en.base, (en.base, en.third, en.past, en.participle, en.ing))
    for placed in (p for t in tables[1:] for p in placements(t)):
        en = placed[0].en
        enter(en.base, (en.base, en.third, en.past, en.participle, en.ing))
    for fixed in (nouns.LANGUAGES, nouns.GAMES, nouns.INSTRUMENTS, nouns.CITIES):
        for text, _ in pairs(fixed):
            enter(text, (text,))
    for light in ("have", "be", "do", "go", "get", "hard-working"):
        for form in [form for form, lemma in table.items() if lemma == light]:
            del table[form]
    return table
