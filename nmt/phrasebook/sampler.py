"""Random clauses: verbs with objects and adverbials that fit in meaning."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

from nmt.phrasebook import lexicon
from nmt.phrasebook.clause import Clause, Complement, Rank, Tense, Verb
from nmt.phrasebook.german import Case
from nmt.phrasebook.lexicon import phrases
from nmt.phrasebook.lexicon.nouns import CITIES
from nmt.phrasebook.modals import ASKED, DENIED, LIKE, STATED
from nmt.phrasebook.noun_sampler import NounSampler
from nmt.phrasebook.nounphrase import NP, NounEntry, noun_phrase, prepositional, pronoun
from nmt.phrasebook.phrase import new_link, phrase

_TENSES: tuple[tuple[Tense | Literal["modal"], float], ...] = (
    ("present", 0.3), ("past", 0.25), ("perfect", 0.1), ("future", 0.13), ("modal", 0.22),
)  # fmt: skip
_NO_COMMANDS = frozenset(
    {"arrive", "wake", "miss", "lose", "fall", "dream", "hike", "find", "meet", "look"}
)
_LEISURE = (
    "swim", "hike", "cook", "dance", "sleep", "read", "watch", "go", "walk", "drive", "travel",
    "visit", "play", "eat", "drink", "bake", "draw", "meet", "rest", "photograph", "sing",
)  # fmt: skip
_UNWANTED = frozenset({"lose", "miss", "forget", "wake", "fall"})
_LASTING = frozenset({"love", "like", "know", "own"})
_ACTIVE = frozenset({"perfect", "modal"})
_EVENTS = (
    "meet", "call", "find", "lose", "open", "close", "ask", "help", "thank", "eat", "drink", "read",
    "write", "cook", "visit", "see", "look", "cry", "laugh", "wash", "hear", "sit",
)  # fmt: skip
_GETTING = frozenset({"buy", "rent", "order"})


@cache
def _lines(table: str) -> tuple[tuple[str, str], ...]:
    return lexicon.pairs(table)


class Sampler(NounSampler):
    """Sampler of clauses, one sentence after the other."""

    def place(self, *kinds: str) -> tuple[NP, str, str]:
        """Return a place and its English and German preposition of location."""
        kind = self.pick(kinds)
        if kind == "city":
            city = self.pick(_lines(CITIES))
            link = new_link()
            return NP(2, 1, "n", [(city[0], link)], [(city[0], link)],
                      lambda case: [(city[1], link)]), "in", "in"  # fmt: skip
        if kind == "place":
            noun, _, en, de = self.pick(lexicon.places())
            return noun_phrase(noun, "the"), en, de
        return noun_phrase(self.noun(kind), "the"), "in", "in"

    def where(self, *kinds: str) -> Complement:
        """Return an adverbial of place."""
        np, en, de = self.place(*kinds)
        return Complement(*prepositional(en, de, np, "dat"), Rank.PLACE)

    def direction(self, kind: str) -> Complement:
        """Return an adverbial of direction, to a city or to a place in town."""
        if kind == "city":
            np, _, _ = self.place("city")
            return Complement(*prepositional("to", "nach", np, "acc"), Rank.PLACE)
        noun, de, _, _ = self.pick(lexicon.places())
        case: Case = "dat" if de == "zu" else "acc"
        return Complement(*prepositional("to", de, noun_phrase(noun, "the"), case), Rank.PLACE)

    def time(self, tense: str) -> Complement:
        """Return an adverbial of time that fits the tense."""
        return Complement(*phrase(*self.pick(_lines(phrases.TIMES[tense]))), Rank.TIME)

    def adverb(self, tense: str) -> Complement:
        """Return an adverb such as "often" or "already"."""
        return Complement(*phrase(*self.pick(_lines(phrases.ADVERBS[tense]))), Rank.TIME)

    def object(self, clause: Clause, case: Case, classes: tuple[str, ...]) -> Complement:
        """Return an object, which may be a pronoun or express the negation by "kein"."""
        people = "person" in classes or "related" in classes
        index = clause.subject.index
        if people and clause.verb.frame != "give" and self.chance(0.2):
            np = self.someone(index)
            rank = Rank.ACCUSATIVE_PRONOUN if case == "acc" else Rank.DATIVE_PRONOUN
            if not np.pronoun:
                rank = Rank.DEFINITE if case == "acc" else Rank.DATIVE
            return Complement(np.object, np.german(case), rank, np.pronoun)
        likes = clause.modal is LIKE
        if clause.negation == "nicht" and case == "acc" and self.chance(0.6) and not likes:
            noun = self.noun(*classes)
            if "related" not in noun.classes:
                return self.denied(clause, noun)
        known = self.definite or bool(clause.negation) or case == "dat"
        np = self.thing(classes, index, known)
        rank = Rank.DEFINITE if np.definite else Rank.INDEFINITE
        return Complement(np.object, np.german(case), rank if case == "acc" else Rank.DATIVE)

    def denied(self, clause: Clause, noun: NounEntry) -> Complement:
        """Return an object with "kein", such as "not a dog", "not any apples", "not milk"."""
        plural = not noun.mass and ("pair" in noun.classes or self.chance(0.3))
        many = noun.mass or plural
        determiner = ("any" if self.chance(0.6) else "") if many else "not a"
        np = self.described(noun, determiner, plural, 0.2, negation=clause.negation_link)
        clause.negation = "kein"
        return Complement(np.object, np.german("acc"), Rank.INDEFINITE)

    def someone(self, index: int) -> NP:
        """Return a pronoun or a name as object, for a person other than the subject."""
        if self.chance(0.4):
            return self.person()
        options = {0: ("he", "she", "they", "you"), 3: ("he", "she", "they", "you")}
        key = self.pick(options.get(index, ("I", "we") if index in (1, 4) else ("I", "we", "you")))
        if index == 5 and self.address == "Sie" and key == "you":
            key = "I"
        return self.you() if key == "you" else pronoun(key)

    def complete(self, clause: Clause, with_place: float = 0.35) -> None:
        """Add the objects and adverbials that the verb requires."""
        verb = clause.verb
        match verb.frame.split():
            case ["-"]:
                if verb.classes and self.chance(with_place):
                    clause.complements.append(self.where(*verb.classes))
            case ["acc"]:
                clause.complements.append(self.object(clause, "acc", verb.classes))
            case ["dat"]:
                clause.complements.append(self.object(clause, "dat", verb.classes))
            case ["give"]:
                if self.chance(0.4):
                    np = self.someone(clause.subject.index)
                else:
                    np = self.thing(("person", "related"), clause.subject.index, known=True)
                rank = Rank.DATIVE_PRONOUN if np.pronoun else Rank.DATIVE
                clause.complements.append(Complement(np.object, np.german("dat"), rank, np.pronoun))
                clause.complements.append(self.object(clause, "acc", verb.classes))
            case ["to"]:
                clause.complements.append(self.direction(verb.classes[0]))
            case [en, de, ("acc" | "dat") as case]:
                clause.complements.append(self.about(clause, en, de, case, verb.classes))

    def about(
        self, clause: Clause, en: str, de: str, case: Case, classes: tuple[str, ...]
    ) -> Complement:
        """Return a prepositional object."""
        people = "person" in classes or "related" in classes
        if people and self.chance(0.25):
            np = self.someone(clause.subject.index)
        else:
            np = self.thing(classes, clause.subject.index, known=bool(clause.negation))
        link = clause.verb_link if "-" in (en, de) else ()
        en_tokens, de_tokens = prepositional(en, de, np, case, link)
        if de == "-":
            rank = Rank.DATIVE_PRONOUN if np.pronoun else Rank.DATIVE
            if case == "acc":
                rank = Rank.DEFINITE if np.definite else Rank.INDEFINITE
                rank = Rank.ACCUSATIVE_PRONOUN if np.pronoun else rank
        else:
            rank = Rank.PLACE
        return Complement(en_tokens, de_tokens, rank, np.pronoun and en == "-")

    def verb(self, frames: Sequence[str] = ()) -> Verb:
        """Return a verb, which has one of the frames if any are given."""
        if frames:
            return self.pick(lexicon.main_verbs(self.pick(frames)))
        return self.pick(lexicon.main_verbs())

    def plain_verb(self) -> Verb:
        """Return a verb that is not stative."""
        while True:
            verb = self.verb()
            if not verb.stative:
                return verb

    def command_verb(self) -> Verb:
        """Return a verb that is possible in a command."""
        while True:
            verb = self.plain_verb()
            if verb.en.base not in _NO_COMMANDS:
                return verb

    def named_verb(self, base: str, classes: str = "") -> Verb:
        """Return the verb with an English base, with different classes of objects if given."""
        wanted = classes.split()
        options = [verb for verb in lexicon.main_verbs() if verb.en.base == base]
        fitting = [verb for verb in options if not set(wanted).isdisjoint(verb.classes)]
        found = self.pick(fitting or options)
        return found._replace(classes=tuple(wanted)) if wanted else found

    def leisure_verb(self) -> Verb:
        """Return a verb for a leisure activity."""
        return self.named_verb(self.pick(_LEISURE))

    def event_verb(self) -> Verb:
        """Return a verb for a momentary event."""
        return self.named_verb(self.pick(_EVENTS))

    def getting_verb(self, noun: NounEntry) -> Verb:
        """Return a verb for getting a thing, such as buying, renting or ordering."""
        options = [v for v in lexicon.main_verbs("acc") if v.en.base in _GETTING]
        return self.pick([v for v in options if not noun.classes.isdisjoint(v.classes)])

    def tense(self, verb: Verb) -> Tense | Literal["modal"]:
        """Return a tense or "modal" that fits the verb."""
        roll = self._random()
        for tense, share in _TENSES:
            roll -= share
            if roll < 0:
                if tense == "modal" and verb.en.base in _UNWANTED:
                    return "past"
                lasting = verb.en.base in _LASTING and tense == "future"
                return "present" if lasting or (verb.stative and tense in _ACTIVE) else tense
        return "present"

    def clause(
        self, subject: NP | None = None, negated: float = 0.15, question: bool = False,
        verb: Verb | None = None, tense: Tense | Literal["modal", ""] = "", place: float = 0.35,
    ) -> Clause:  # fmt: skip
        """Return a clause, with random values for arguments that are not given."""
        verb = verb or self.verb()
        subject = subject or (self.other_subject() if question else self.subject())
        tense = tense or self.tense(verb)
        clause = Clause(subject, verb)
        if self.chance(negated) and subject.subject[0][0] != "every":
            clause.negation = "nicht"
        if tense == "modal":
            options = ASKED if question else DENIED if clause.negation else STATED
            clause.modal = self.pick(options)
        else:
            clause.tense = self.progressive(verb) if tense == "present" else tense
        self.complete(clause, place)
        return clause

    def progressive(self, verb: Verb) -> Tense:
        """Return present or progressive, always progressive if past and present look alike."""
        if verb.stative:
            return "present"
        same = verb.en.past == verb.en.base
        return "progressive" if same or self.chance(0.5) else "present"

    def timed(self, clause: Clause) -> Complement | None:
        """Return an adverbial of time for the clause, or add an adverb, or do neither."""
        if clause.modal:
            past = clause.modal.past
            key = "past" if past else "modal"
            fits = clause.modal is not LIKE
        else:
            key = clause.tense
            unusual = clause.verb.stative or clause.negation
            fits = key in phrases.TIMES and not (unusual and key == "present")
        roll = self._random()
        if roll < 0.35 and fits:
            return self.time(key)
        plain = not clause.modal and not clause.negation
        if roll > 0.75 and plain and key in phrases.ADVERBS:
            clause.adverb = self.adverb(key)
        return None
