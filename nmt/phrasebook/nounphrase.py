"""Aligned noun phrases and pronouns in both languages, in every case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from nmt.phrasebook import english, german
from nmt.phrasebook.german import Case, Gender
from nmt.phrasebook.phrase import Tokens, link_tokens, new_link


class NounEntry(NamedTuple):
    """A noun of the lexicon; the ``plural`` of a mass noun is empty."""

    singular: tuple[str, ...]
    plural: tuple[str, ...]
    german: german.Noun
    classes: frozenset[str]

    @property
    def mass(self) -> bool:
        """Whether the noun is a mass noun, which has no plural."""
        return not self.german.plural


class AdjectiveEntry(NamedTuple):
    """An adjective, as lists of positive, comparative and superlative (or positive only)."""

    english: tuple[tuple[str, ...], ...]
    german: tuple[str, ...]
    classes: frozenset[str]


# English singular and plural, German stem.
_DETERMINERS: dict[str, tuple[str, str, str]] = {
    "": ("", "", ""), "the": ("the", "the", "der"), "a": ("a", "", "ein"),
    "no": ("no", "no", "kein"), "this": ("this", "these", "dies"), "every": ("every", "", "jed"),
    "any": ("any", "any", "kein"), "not a": ("a", "", "kein"),  # under negation
    "which": ("which", "which", "welch"), "some": ("some", "some", "einig"),
    "some mass": ("some", "some", "etwas"), "many": ("", "many", "viel"),
    "two": ("", "two", "zwei"), "three": ("", "three", "drei"), "four": ("", "four", "vier"),
    "five": ("", "five", "fünf"), "my": ("my", "my", "mein"), "your": ("your", "your", "dein"),
    "your ihr": ("your", "your", "euer"), "your Sie": ("your", "your", "Ihr"),
    "his": ("his", "his", "sein"), "her": ("her", "her", "ihr"), "our": ("our", "our", "unser"),
    "their": ("their", "their", "ihr"),
}  # fmt: skip

_CONTRACTED = {
    ("in", "dem"): "im", ("in", "das"): "ins", ("an", "dem"): "am",
    ("zu", "dem"): "zum", ("zu", "der"): "zur", ("bei", "dem"): "beim", ("von", "dem"): "vom",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NP:
    """A noun phrase.

    ``index`` chooses the German verb form (ich, du, er, wir, ihr, sie/Sie), ``agreement`` the
    English one (0: I, 1: he, 2: all others).
    """

    index: int
    agreement: int
    gender: Gender
    subject: Tokens
    object: Tokens
    german: Callable[[Case], Tokens]
    pronoun: bool = False
    definite: bool = True
    article: bool = False

    def followed_by(self, en: Tokens, de: Tokens) -> NP:
        """Return the phrase followed by an attribute (a relative clause, "in the garden")."""
        inner = self.german
        return NP(
            self.index, self.agreement, self.gender, self.subject + en, self.object + en,
            lambda case: inner(case) + de, False, self.definite, self.article,
        )  # fmt: skip


# English cases, German cases, person (see NP.index), English agreement, gender.
_PRONOUNS: dict[str, tuple[str, str, int, int, Gender]] = {
    "I": ("I me", "ich mich mir", 0, 0, "m"), "du": ("you you", "du dich dir", 1, 2, "m"),
    "he": ("he him", "er ihn ihm", 2, 1, "m"), "she": ("she her", "sie sie ihr", 2, 1, "f"),
    "it": ("it it", "es es ihm", 2, 1, "n"), "it m": ("it it", "er ihn ihm", 2, 1, "m"),
    "it f": ("it it", "sie sie ihr", 2, 1, "f"), "who": ("who who", "wer wen wem", 2, 1, "n"),
    "we": ("we us", "wir uns uns", 3, 2, "p"), "ihr": ("you you", "ihr euch euch", 4, 2, "p"),
    "they": ("they them", "sie sie ihnen", 5, 2, "p"),
    "Sie": ("you you", "Sie Sie Ihnen", 5, 2, "p"),
}  # fmt: skip

REFLEXIVE = {
    "acc": ("mich", "dich", "sich", "uns", "euch", "sich"),
    "dat": ("mir", "dir", "sich", "uns", "euch", "sich"),
}


def pronoun(key: str) -> NP:
    """Return a personal pronoun or "who"."""
    en, de, index, agreement, gender = _PRONOUNS[key]
    link = new_link()
    subject, object_ = en.split()
    cases = dict(zip(("nom", "acc", "dat"), de.split(), strict=True))
    return NP(
        index, agreement, gender, [(subject, link)], [(object_, link)],
        lambda case: [(cases[case], link)], pronoun=True,
    )  # fmt: skip


def name(text: str, gender: Gender, titled: bool = False, german_text: str = "") -> NP:
    """Return the name of a person or a city; ``titled`` adds "Mr" or "Mrs"."""
    link, before = new_link(), new_link()
    title_en, title_de = ("Mr", "Herr") if gender == "m" else ("Mrs", "Frau")
    en: Tokens = [(title_en, before)] if titled else []

    def inflected(case: Case) -> Tokens:
        shown = (german_text or text) + ("s" if case == "gen" else "")
        title = "Herrn" if title_de == "Herr" and case != "nom" else title_de
        return [(title, before), (shown, link)] if titled else [(shown, link)]

    en = [*en, (text, link)]
    return NP(2, 1, gender, en, en, inflected)


@cache
def _german(
    noun: german.Noun, plural: bool, stem: str, adjective: str, case: Case
) -> tuple[str, str, str]:
    gender: Gender = "p" if plural else noun.gender
    shown = german.inflect(adjective, stem, gender, case) if adjective else ""
    article = german.determiner(stem, gender, case) if stem else ""
    return article, shown, german.decline(noun, plural, case)


def noun_phrase(
    noun: NounEntry,
    determiner: str,
    plural: bool = False,
    adjective: AdjectiveEntry | None = None,
    degree: int = 0,
    negation: tuple[int, ...] = (),
) -> NP:
    """Return determiner, adjective (degree 0, 1, 2) and noun.

    ``negation`` is the link of an English "not" that is "kein" in this German phrase.
    """
    singular, many, german_stem = _DETERMINERS[determiner]
    plural_en = plural or "pluralmass" in noun.classes
    det_link, adj_link, noun_link = new_link(), new_link(), new_link()
    adjective_en = adjective.english[degree] if adjective else ()
    adjective_de = adjective.german[degree] if adjective else ""
    noun_en = noun.plural if plural_en else noun.singular
    article = many if plural_en else singular
    if article == "a":
        article = english.indefinite((adjective_en or noun_en)[0])
    en: Tokens = [(article, det_link)] if article else []
    en += link_tokens(adjective_en, adj_link) + link_tokens(noun_en, noun_link)
    stem = german_stem or ("kein" if negation else "")
    stem_links = (det_link if article else ()) + negation

    def inflected(case: Case) -> Tokens:
        det, adj, word = _german(noun.german, plural, stem, adjective_de, case)
        tokens: Tokens = [(det, stem_links)] if det else []
        if adj:
            tokens.append((adj, adj_link))
        tokens.append((word, noun_link))
        return tokens

    return NP(
        5 if plural else 2, 2 if plural_en else 1, "p" if plural else noun.german.gender, en, en,
        inflected, definite=stem not in ("", "ein", "kein", "einig", "etwas", "viel"),
        article=stem == "der",
    )  # fmt: skip


def possessed(owner: NP, noun: NounEntry, plural: bool = False) -> NP:
    """Return a phrase like "my brother's car"; in German, only a name is before the noun."""
    thing = noun_phrase(noun, "", plural)
    mark = new_link()
    text, links = owner.object[-1]
    en = [*owner.object[:-1], (text + ("'" if text.endswith("s") else "'s"), links + mark)]
    en += thing.object
    gender = thing.gender
    if len(owner.object) == 1:  # One word is a name.
        return NP(
            thing.index, thing.agreement, gender, en, en,
            lambda case: owner.german("gen") + thing.german(case),
        )  # fmt: skip
    return NP(
        thing.index, thing.agreement, gender, en, en,
        lambda case: [
            (german.determiner("der", gender, case), mark),
            *thing.german(case),
            *owner.german("gen"),
        ],
        article=True,
    )  # fmt: skip


def prepositional(
    en: str, de: str, np: NP, case: Case, link: tuple[int, ...] = ()
) -> tuple[Tokens, Tokens]:
    """Return a preposition and a noun phrase; German contracts "in dem" to "im".

    If one preposition is ``-`` (none), the other one gets the link of the verb.
    """
    link = link or new_link()
    tokens = np.german(case)
    en_tokens = np.object if en == "-" else link_tokens(tuple(en.split("_")), link) + np.object
    if de == "-":
        return en_tokens, tokens
    short = _CONTRACTED.get((de, tokens[0][0])) if np.article else None
    if short:
        return en_tokens, [(short, link + tokens[0][1]), *tokens[1:]]
    return en_tokens, [(de, link), *tokens]
