"""Random noun phrases for people and things, and forms of address."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal, TypeVar

from nmt.phrasebook import german, lexicon
from nmt.phrasebook.nounphrase import (
    NP,
    NounEntry,
    name,
    noun_phrase,
    possessed,
    pronoun,
    you_plural,
)
from nmt.phrasebook.phrase import Phrase, phrase

T = TypeVar("T")
Address = Literal["du", "ihr", "Sie"]

_YOU_PLURAL = (
    ("two", {"nom": "beiden", "acc": "beide", "dat": "beiden"}),
    ("all", {"nom": "alle", "acc": "alle", "dat": "allen"}),
)
_OWNERS = {0: "my", 1: "your", 3: "our", 4: "your", 5: "their"}
_WHOSE = ("my", "my", "your", "his", "her", "our", "their")
_POSSESSIVE = {"du": "your", "ihr": "your ihr", "Sie": "your Sie"}


_DESCRIBABLE = (
    "person", "animal", "fruit", "meal", "dish", "drink", "vehicle", "reading", "device", "thing",
    "luggage", "upright", "clothing", "pair", "furniture", "room", "home", "building", "way",
    "nature", "town", "event", "trip", "show", "idea", "task", "point", "plant", "opening",
)  # fmt: skip
# Classes of nouns that are objects of few verbs.
_SELDOM = ("way", "nature", "town", "water", "high", "answer", "sight")


class NounSampler:
    """Sampler of noun phrases, one sentence after the other; `begin` starts a sentence."""

    def __init__(self, random: Random) -> None:
        self._random = random.random
        self.begin()

    def begin(self) -> None:
        """Start a sentence, and choose its form of address."""
        self._used: set[NounEntry] = set()
        roll = self._random()
        self.address: Address = "du" if roll < 0.55 else "Sie" if roll < 0.82 else "ihr"
        self.explicit = self.address == "ihr" and self.chance(0.6)
        self.addressed = False
        self.said_so = False
        self.definite = False  # whether to prefer definite objects ("open the window")

    # Random choices

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self._random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, all equally likely."""
        return options[int(self._random() * len(options))]

    def between(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    # Noun phrases

    def noun(self, *classes: str) -> NounEntry:
        """Return a noun of one of the classes, if possible one that is new in the sentence."""
        options = lexicon.nouns_of(*classes)
        found = self.pick(options)
        for _ in range(4):
            if found not in self._used:
                break
            found = self.pick(options)
        self._used.add(found)
        return found

    def you(self) -> NP:
        """Return the pronoun "you" in the sentence's form of address."""
        self.addressed = True
        if self.explicit and not self.said_so:
            self.said_so = True
            return you_plural(*self.pick(_YOU_PLURAL))
        return pronoun(self.address)

    def possessive(self, index: int | None = None) -> str:
        """Return a possessive determiner that fits the subject ``index``."""
        own = _OWNERS.get(index, "") if index is not None else ""
        choice = own if own and self.chance(0.6) else self.pick(_WHOSE)
        if index == 5 and self.address == "Sie" and self.addressed and choice == "their":
            choice = "your"
        if choice == "your":
            self.addressed = True
            return _POSSESSIVE[self.address]
        return choice

    def person(self) -> NP:
        """Return a name."""
        if self.chance(0.25):
            title, gender = self.pick(_TITLES)
            return name(self.pick(lexicon.nouns.SURNAMES), gender, title)
        return name(*self.pick(lexicon.first_names()))

    def relative(self, index: int | None = None) -> NP:
        """Return a person by relation, such as "my brother" or "her colleague"."""
        noun = self.noun("related")
        plural = "family" not in noun.classes and self.chance(0.2)
        plural = plural or ("many" in noun.classes and self.chance(0.15))
        return self.described(noun, self.possessive(index), plural, 0.12)

    def described(
        self, noun: NounEntry, determiner: str, plural: bool, probability: float,
        negation: tuple[int, ...] = (),
    ) -> NP:  # fmt: skip
        """Return a noun with its determiner and, with the probability, an adjective."""
        if not self.chance(probability):
            return noun_phrase(noun, determiner, plural, negation=negation)
        degree = 0
        if determiner == "a" and "thing" in noun.classes and self.chance(0.15):
            degree = 1
        elif determiner == "the" and "person" not in noun.classes and self.chance(0.12):
            degree = 2
        options = lexicon.adjectives_of(noun.classes, degree > 0)
        adjective = self.pick(options) if options else None
        return noun_phrase(noun, determiner, plural, adjective, degree, negation)

    def thing(self, classes: tuple[str, ...], index: int | None = None, known: bool = False) -> NP:
        """Return a noun phrase of one of the classes, definite if ``known``."""
        noun = self.noun(*classes)
        if "related" in noun.classes:
            return self.described(noun, self.possessive(index), False, 0.15)
        roll = self._random()
        if noun.mass:
            determiner = "the" if known or roll < 0.4 else "some mass" if roll < 0.65 else ""
            return self.described(noun, determiner, False, 0.25)
        plural = "pair" in noun.classes or self.chance(0.22)
        if known:
            determiner = "the" if roll < 0.7 else "this" if roll < 0.85 else self.possessive(index)
        elif plural:
            options = (
                "the",
                "",
                "",
                "some",
                "many",
                "two",
                "three",
                "four",
                "five",
                "this",
                "poss",
            )
            determiner = self.pick(options)
        elif roll < 0.06 and index is not None and not noun.classes.isdisjoint(("own", "small")):
            return possessed(self.owner(), noun)
        else:
            determiner = (
                "a" if roll < 0.45 else "the" if roll < 0.75 else "this" if roll < 0.83 else "poss"
            )
        if determiner == "poss":
            person = not noun.classes.isdisjoint(("person", "animal", "building", "nature"))
            determiner = "the" if person else self.possessive(index)
        return self.described(noun, determiner, plural, 0.35)

    def owner(self) -> NP:
        """Return a possible owner, by name or by relation."""
        if self.chance(0.5):
            return name(*self.pick(lexicon.first_names()))
        return noun_phrase(self.noun("family"), self.possessive())

    def other_subject(self) -> NP:
        """Return a subject other than "I"."""
        return self.subject(0.16)

    def subject(self, low: float = 0.0) -> NP:
        """Return a subject; ``low`` 0.16 excludes "I", 0.48 all pronouns except "you"."""
        roll = low + (1 - low) * self._random()
        if roll < 0.16:
            return pronoun("I")
        if roll < 0.48:
            return pronoun(self.pick(("he", "she", "we", "they")))
        if roll < 0.60:
            return self.you()
        if roll < 0.72:
            return self.person()
        if roll < 0.84:
            return self.relative()
        noun = self.noun("person")
        plural = self.chance(0.2)
        determiner = self.pick(("the", "the", "the", "this", "two" if plural else "a", "every"))
        if determiner == "every" and plural:
            determiner = "many"
        return self.described(noun, determiner, plural, 0.3)

    def twice(self) -> tuple[NP, NP]:
        """Return a person, and a pronoun for the same person."""
        roll = self._random()
        if roll < 0.15:
            first = self.you()
            return first, self.you()
        if roll < 0.45:
            given, gender = self.pick(lexicon.first_names())
            return name(given, gender), pronoun("he" if gender == "m" else "she")
        key = self.pick(("I", "I", "he", "she", "we", "they"))
        return pronoun(key), pronoun(key)

    def describable(self) -> NounEntry:
        """Return a noun that fits with adjectives."""
        return self.noun(*(_SELDOM if self.chance(0.25) else _DESCRIBABLE))

    def known_determiner(self, noun: NounEntry) -> str:
        """Return a definite determiner that fits the noun."""
        if "related" in noun.classes and "person" not in noun.classes:
            return self.possessive()
        own = ("own", "clothing", "pair", "small", "luggage", "pet", "home")
        if not noun.classes.isdisjoint(own) and self.chance(0.5):
            return self.possessive()
        return "the" if noun.mass or "pair" in noun.classes or self.chance(0.8) else "this"

    def plural(self, noun: NounEntry) -> bool:
        """Choose whether the noun is plural."""
        if noun.mass or "family" in noun.classes:
            return False
        return "pair" in noun.classes or self.chance(0.2)

    def vocative(self) -> Phrase:
        """Return the addressee, as a name or title that shows the form of address."""
        if self.address == "du":
            return Phrase(*_split(name(*self.pick(lexicon.first_names()))))
        if self.address == "ihr":
            if self.chance(0.3):
                return phrase(*self.pick((("children", "Kinder"), ("friends", "Freunde"))))
            first, second = name(*self.pick(lexicon.first_names())), None
            while second is None or second.subject[0][0] == first.subject[0][0]:
                second = name(*self.pick(lexicon.first_names()))
            return Phrase(*_split(first)) + phrase("and", "und") + Phrase(*_split(second))
        if self.chance(0.2):
            return phrase(*self.pick((("sir", "mein Herr"), ("madam", "meine Dame"))))
        title, gender = self.pick(_TITLES)
        return Phrase(*_split(name(self.pick(lexicon.nouns.SURNAMES), gender, title)))


def _split(np: NP) -> Phrase:
    return Phrase(np.subject, np.german("nom"))


_TITLES: tuple[tuple[tuple[str, str], german.Gender], ...] = (
    (("Mr", "Herr"), "m"),
    (("Mrs", "Frau"), "f"),
)
