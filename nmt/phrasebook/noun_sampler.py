"""Random noun phrases for people and things, and forms of address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Literal, TypeVar

from nmt.phrasebook import lexicon
from nmt.phrasebook.german import Gender
from nmt.phrasebook.lexicon import nouns
from nmt.phrasebook.nounphrase import (
    NP,
    AdjectiveEntry,
    NounEntry,
    name,
    noun_phrase,
    possessed,
    pronoun,
)
from nmt.phrasebook.phrase import Phrase, phrase

T = TypeVar("T")
Address = Literal["du", "ihr", "Sie"]

_WHOSE = ("my", "my", "your", "his", "her", "our", "their")
_POSSESSIVE = {"du": "your", "ihr": "your ihr", "Sie": "your Sie"}
_SURNAMES = tuple(nouns.SURNAMES.split())

_DESCRIBABLE = (
    "person", "animal", "fruit", "meal", "dish", "drink", "vehicle", "reading", "device", "thing",
    "luggage", "upright", "clothing", "pair", "furniture", "room", "home", "building", "way",
    "nature", "town", "event", "trip", "show", "idea", "task", "point", "plant", "opening",
)  # fmt: skip
# Classes of nouns that are objects of few verbs.
_SELDOM = ("way", "nature", "town", "water", "high", "answer", "sight", "song", "festive")
_OWN = frozenset({"own", "clothing", "pair", "small", "luggage", "pet", "home"})
_NOBODYS = frozenset({"person", "animal", "building", "nature", "public", "festive", "show"})
_SINGULAR = ("a",) * 8 + ("the",) * 6 + ("this", "this", "own", "own", "own")
_PLURAL = ("the", "", "", "many", "two", "three", "this", "own")
_KNOWN = ("the",) * 14 + ("this", "this", "this", "own", "own", "own")


class NounSampler:
    """Sampler of noun phrases, one sentence after the other; `begin` starts a sentence."""

    def __init__(self, random: Random) -> None:
        self._random = random.random
        self._uses: Counter[object] = Counter()
        self.begin()

    def begin(self) -> None:
        """Start a sentence, and choose its form of address."""
        self._used: set[object] = set()
        roll = self._random()
        self.address: Address = "du" if roll < 0.64 else "Sie" if roll < 0.87 else "ihr"
        self.addressed = False  # whether the sentence says "you" or "your"
        self.said_so = False  # whether the sentence shows the form of address
        self.name_last = False  # whether a name can only be at the end of the sentence
        self.name_first = False  # whether the sentence needs a name before its first word
        self.definite = False  # whether to prefer definite objects ("open the window")

    # Random choices

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, all equally likely."""
        return options[int(self._random() * len(options))]

    def between(self, low: int, high: int) -> int:
        return low + int(self._random() * (high - low + 1))

    def fresh(self, options: Sequence[T]) -> T:
        """Return one of the options that is new in the sentence and rare so far."""
        random, uses, used, count = self._random, self._uses, self._used, len(options)
        few = [options[int(random() * count)] for _ in range(3)]
        found = min(few, key=lambda option: (option in used, uses[option]))
        used.add(found)
        uses[found] += 1
        return found

    # Noun phrases

    def noun(self, *classes: str) -> NounEntry:
        """Return a noun of one of the classes."""
        return self.fresh(lexicon.nouns_of(*classes))

    def adjective(self, noun: NounEntry, compared: bool = False) -> AdjectiveEntry | None:
        """Return an adjective that fits the noun, if there is one."""
        options = lexicon.adjectives_of(noun.classes, compared)
        return self.fresh(options) if options else None

    def you(self) -> NP:
        """Return the pronoun "you" in the sentence's form of address."""
        self.addressed = True
        return pronoun(self.address)

    def possessive(self, subject: NP | None = None) -> str:
        """Return a possessive determiner, which often refers to the subject."""
        options: tuple[str, ...] = _WHOSE
        if subject:
            third = {"m": "his", "f": "her"}.get(subject.gender, "my")
            own = ("my", "your", third, "our", "your", "their")[subject.index]
            formal = self.addressed and self.address == "Sie" and subject.pronoun
            if subject.index == 5 and formal:
                own = "your"
            # "Their" after a singular subject can be singular.
            options = tuple(who for who in _WHOSE if who != "their") + (own,) * 9
        choice = self.pick(options)
        return self.yours() if choice == "your" else choice

    def yours(self) -> str:
        """Return the determiner "your" in the sentence's form of address."""
        self.addressed = True
        return _POSSESSIVE[self.address]

    def person(self) -> NP:
        if self.chance(0.35):
            return name(self.fresh(_SURNAMES), self.gender(), True)
        return name(*self.fresh(lexicon.first_names()))

    def gender(self) -> Gender:
        return "m" if self.chance(0.5) else "f"

    def relative(self, subject: NP | None = None) -> NP:
        """Return a person by relation, such as "my brother" or "her colleague"."""
        noun = self.noun("related")
        return self.described(noun, self.possessive(subject), self.plural(noun), 0.1)

    def described(
        self, noun: NounEntry, determiner: str, plural: bool, probability: float,
        negation: tuple[int, ...] = (),
    ) -> NP:  # fmt: skip
        """Return a noun with its determiner and, with the probability, an adjective."""
        adjective = self.adjective(noun) if self.chance(probability) else None
        return noun_phrase(noun, determiner, plural, adjective, negation=negation)

    def thing(self, classes: tuple[str, ...], subject: NP | None = None, known: bool = False) -> NP:
        """Return a noun phrase of one of the classes, definite if ``known``."""
        noun = self.noun(*classes)
        if "related" in noun.classes:
            return self.described(noun, self.possessive(subject), False, 0.12)
        if noun.mass:
            determiner = "the" if known else self.pick(("the", "some mass", "", ""))
            return self.described(noun, determiner, False, 0.4)
        plural = "pair" in noun.classes or ("one" not in classes and self.plural(noun))
        if known:
            determiner = self.pick(_KNOWN)
        elif not plural and subject and self.chance(0.06) and noun.classes & {"own", "small"}:
            return possessed(self.owner(), noun)
        else:
            determiner = self.pick(_PLURAL if plural else _SINGULAR)
        if plural and "one" in classes and not known:
            determiner = self.pick(("the", "own", "this"))
        if determiner == "own":
            determiner = self.possessive(subject) if _NOBODYS.isdisjoint(noun.classes) else "the"
        return self.described(noun, determiner, plural, 0.5)

    def owner(self) -> NP:
        if self.chance(0.5):
            return name(*self.fresh(lexicon.first_names()))
        return noun_phrase(self.noun("family"), self.possessive())

    def subject(self, asked: bool = False) -> NP:
        """Return a subject, which suits a question if ``asked``."""
        roll = self._random()
        if roll < 0.22 and not asked:
            return pronoun("I")
        if roll < 0.44:
            return pronoun(self.pick(("he", "she", "they", "they" if asked else "we")))
        if roll < 0.66:
            return self.you()
        if roll < 0.77:
            return self.person()
        if roll < 0.87:
            return self.relative()
        noun = self.noun("person")
        plural = self.plural(noun)
        options = ("these", "two", "many") if plural else ("this", "a", "a" if asked else "every")
        determiner = self.pick(("the", "the", "the", *options)).replace("these", "this")
        return self.described(noun, determiner, plural, 0.45)

    def twice(self) -> tuple[NP, NP]:
        """Return a person, and a pronoun for the same person."""
        roll = self._random()
        if roll < 0.15:
            return self.you(), self.you()
        if roll < 0.5:
            first = self.person() if self.chance(0.7) else noun_phrase(self.noun("person"), "the")
            if first.gender != "n":
                return first, pronoun("he" if first.gender == "m" else "she")
        key = self.pick(("I", "I", "he", "she", "we", "they"))
        return pronoun(key), pronoun(key)

    def describable(self) -> NounEntry:
        return self.noun(*(_SELDOM if self.chance(0.25) else _DESCRIBABLE))

    def known_determiner(self, noun: NounEntry) -> str:
        """Return a definite determiner that fits the noun."""
        if "related" in noun.classes or (noun.classes & _OWN and self.chance(0.5)):
            return self.possessive()
        return "the" if noun.mass or "pair" in noun.classes or self.chance(0.8) else "this"

    def plural(self, noun: NounEntry) -> bool:
        return "pair" in noun.classes or (
            not noun.classes.isdisjoint({"many", "kin"}) and self.chance(0.35)
        )

    def vocative(self) -> Phrase:
        """Return the addressee, as a name or title that shows the form of address."""
        self.said_so = True
        if self.address == "Sie":
            return _called(name(self.fresh(_SURNAMES), self.gender(), True))
        first = _called(name(*self.fresh(lexicon.first_names())))
        if self.address == "du":
            return first
        if self.chance(0.3):
            return phrase(*self.pick((("children", "Kinder"), ("friends", "Freunde"))))
        return first + phrase("and", "und") + _called(name(*self.fresh(lexicon.first_names())))


def _called(np: NP) -> Phrase:
    return Phrase(np.subject, np.german("nom"))
