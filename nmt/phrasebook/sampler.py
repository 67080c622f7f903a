"""Random clauses: verbs with objects and adverbials that fit in meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nmt.phrasebook import lexicon
from nmt.phrasebook.clause import Clause, Complement, Rank, Tense, Verb
from nmt.phrasebook.german import Case
from nmt.phrasebook.lexicon import phrases
from nmt.phrasebook.lexicon.nouns import CITIES
from nmt.phrasebook.noun_sampler import NounSampler
from nmt.phrasebook.nounphrase import NP, NounEntry, name, noun_phrase, prepositional, pronoun
from nmt.phrasebook.phrase import phrase

Choice = Tense | Literal["modal"]

_TENSES: tuple[Choice, ...] = (
    ("present",) * 50 + ("past",) * 19 + ("perfect",) * 7 + ("future",) * 10 + ("modal",) * 14
)  # fmt: skip
_NO_COMMANDS = frozenset({"hike", "meet", "laugh", "work"})
_LEISURE = (
    "swim", "hike", "cook", "dance", "sleep", "read", "watch", "go", "walk", "drive",
    "visit", "play", "draw", "meet", "sing",
)  # fmt: skip
_LASTING = frozenset({"love", "like", "know", "own", "need", "have"})
# Verbs of which the German preterite would be rare.
_PRESENT = frozenset({"like", "know", "have"})
_EVENTS = (
    "meet", "call", "find", "lose", "open", "close", "ask", "help", "thank", "eat", "drink", "read",
    "write", "visit", "see", "hear",
)  # fmt: skip
_GETTING = frozenset({"buy", "order"})


class Sampler(NounSampler):
    """Sampler of clauses, one sentence after the other."""

    # Adverbials

    def city(self) -> NP:
        en, de = self.fresh(lexicon.word_pairs(CITIES))
        return name(en, "n", german_text=de)

    def where(self, *kinds: str) -> Complement:
        """Return an adverbial of place, for classes of nouns or of places, or "city"."""
        kind = self.pick(kinds)
        places = lexicon.places(kind)
        en = de = "in"
        if kind == "city":
            np = self.city()
        elif places:
            noun, _, en, de = self.fresh(places)
            np = noun_phrase(noun, "the")
        else:
            np = noun_phrase(self.noun(kind), "the")
        return Complement(*prepositional(en, de, np, "dat"), Rank.PLACE)

    def direction(self, kind: str) -> Complement:
        """Return an adverbial of direction, for the argument of the frame "to"."""
        if kind == "city":
            return Complement(*prepositional("to", "nach", self.city(), "acc"), Rank.PLACE)
        noun, de, _, _ = self.fresh(lexicon.places("place" if kind == "foot" else kind))
        de = "zu" if kind == "foot" else de
        case: Case = "dat" if de == "zu" else "acc"
        return Complement(*prepositional("to", de, noun_phrase(noun, "the"), case), Rank.PLACE)

    def time(self, tense: str) -> Complement:
        return Complement(*phrase(*self.pick(lexicon.pairs(phrases.TIMES[tense]))), Rank.TIME)

    def timed(self, clause: Clause) -> Complement | None:
        """Add an adverbial of time, which is returned, or an adverb to the clause, or neither."""
        modal, lasting = clause.modal, clause.verb.en.base in _LASTING
        key = ("past" if modal.past else "modal") if modal else clause.tense
        fits = key in phrases.TIMES and not (modal and not modal.german)
        if (key == "present" and (clause.verb.aspect or clause.negation)) or lasting:
            return None
        roll = self._random()
        if roll < 0.35 and fits:
            clause.complements.append(self.time(key))
            return clause.complements[-1]
        if roll > 0.75 and not modal and not clause.negation and key in phrases.ADVERBS:
            words = phrase(*self.pick(lexicon.pairs(phrases.ADVERBS[key])))
            clause.adverb = Complement(*words, Rank.ADVERB)
        return None

    # Objects

    def completed(self, clause: Clause, with_place: float = 0.35) -> Clause:
        """Add the objects and adverbials that the verb requires, and return the clause."""
        verb, add = clause.verb, clause.complements.append
        match verb.frame.split():
            case ["-"]:
                if verb.classes and self.chance(with_place):
                    add(self.where(*verb.classes))
            case ["acc" | "dat" as case]:
                add(self.object(clause, case, verb.classes))
            case ["give"]:
                if self.chance(0.4):
                    np = self.someone(clause.subject)
                else:
                    np = self.thing(("person", "related"), clause.subject, known=True)
                add(_complement(np, "dat"))
                add(self.object(clause, "acc", verb.classes))
            case ["to"]:
                add(self.direction(verb.classes[0]))
            case [en, de, ("acc" | "dat") as case]:
                add(self.about(clause, en, de, case))
        return clause

    def object(self, clause: Clause, case: Case, classes: tuple[str, ...]) -> Complement:
        """Return an object, which may be a pronoun or express the negation by "kein"."""
        people = "person" in classes or "related" in classes
        if people and clause.verb.frame != "give" and self.chance(0.2):
            return _complement(self.someone(clause.subject), case)
        likes = clause.modal and not clause.modal.german
        if clause.negation == "nicht" and case == "acc" and self.chance(0.6) and not likes:
            noun = self.noun(*classes)
            if "related" not in noun.classes:
                return self.denied(clause, noun)
        known = self.definite or bool(clause.negation) or case == "dat"
        return _complement(self.thing(classes, clause.subject, known), case)

    def denied(self, clause: Clause, noun: NounEntry) -> Complement:
        """Return an object with "kein", such as "not a dog", "not any apples", "not milk"."""
        plural = self.plural(noun)
        determiner = self.pick(("any", "any", "")) if noun.mass or plural else "not a"
        np = self.described(noun, determiner, plural, 0.4, negation=clause.negation_link)
        clause.negation = "kein"
        return _complement(np, "acc")

    def someone(self, subject: NP) -> NP:
        """Return a pronoun or a name as object, for a person other than the subject."""
        if self.chance(0.4):
            return self.person()
        if subject.index in (0, 3):
            keys: tuple[str, ...] = ("he", "she", "they", "you")
        elif subject.index in (1, 4) or (subject.index == 5 and self.address == "Sie"):
            keys = ("I", "we")
        else:
            keys = ("I", "we", "you")
        key = self.pick(keys)
        return self.you() if key == "you" else pronoun(key)

    def about(self, clause: Clause, en: str, de: str, case: Case) -> Complement:
        classes = clause.verb.classes
        if ("person" in classes or "related" in classes) and self.chance(0.25):
            np = self.someone(clause.subject)
        else:
            np = self.thing(classes, clause.subject, known=bool(clause.negation))
        link = clause.verb_link if "-" in (en, de) else ()
        both = prepositional(en, de, np, case, link)
        rank = _complement(np, case).rank if de == "-" else Rank.PLACE
        return Complement(*both, rank, np.pronoun and en == "-")

    # Verbs

    def verb(self, *frames: str, durative: bool = False) -> Verb:
        """Return a verb of one of the frames, no state and no momentary event if ``durative``."""
        verbs = lexicon.main_verbs(*frames)
        return self.fresh([verb for verb in verbs if not (durative and verb.aspect)])

    def command_verb(self) -> Verb:
        while (verb := self.verb(durative=True)).en.base in _NO_COMMANDS:
            pass
        return verb

    def named_verb(self, base: str, classes: str = "") -> Verb:
        """Return the verb with an English base, with different classes of objects if given."""
        wanted = classes.split()
        options = [verb for verb in lexicon.main_verbs() if verb.en.base == base]
        fitting = [verb for verb in options if not set(wanted).isdisjoint(verb.classes)]
        found = self.pick(fitting or options)
        return found._replace(classes=tuple(wanted)) if wanted else found

    def leisure_verb(self) -> Verb:
        verb = self.named_verb(self.pick(_LEISURE))
        return verb._replace(classes=("leisure",)) if verb.classes == ("place",) else verb

    def event_verb(self) -> Verb:
        return self.named_verb(self.pick(_EVENTS))

    def getting_verb(self, noun: NounEntry) -> Verb:
        """Return a verb for getting a thing, such as buying, renting or ordering."""
        options = [v for v in lexicon.main_verbs("acc") if v.en.base in _GETTING]
        return self.pick([v for v in options if not noun.classes.isdisjoint(v.classes)])

    def tense(self, verb: Verb, options: Sequence[Choice] = _TENSES) -> Choice:
        """Return a tense or "modal" that fits the verb."""
        tense = "present" if verb.en.base in _PRESENT else self.pick(options)
        if verb.aspect == "+" and tense in ("present", "modal"):
            return "past"
        if verb.aspect == "*" and tense in ("perfect", "modal"):
            return "present"
        return "present" if verb.aspect == "*" and tense == "future" else tense

    # Clauses

    def clause(
        self, subject: NP | None = None, negated: float = 0.15, question: bool = False,
        verb: Verb | None = None, tense: Choice | None = None, place: float = 0.35,
    ) -> Clause:  # fmt: skip
        """Return a clause, with random values for arguments that are not given."""
        verb = verb or self.verb()
        subject = subject or self.subject(asked=question)
        denied = self.chance(negated) and subject.subject[0][0] != "every"
        use = "asked" if question else "denied" if denied else "stated"
        clause = self.tensed(subject, verb, use, tense)
        clause.negation = "nicht" if denied else ""
        return self.completed(clause, place)

    def tensed(self, subject: NP, verb: Verb, use: str, tense: Choice | None = None) -> Clause:
        """Return a clause without objects, with a modal verb for the use or with a tense."""
        tense = tense or self.tense(verb)
        if tense == "modal":
            return Clause(subject, verb, modal=self.pick(lexicon.modals(use)))
        return Clause(subject, verb, self.progressive(verb) if tense == "present" else tense)

    def progressive(self, verb: Verb) -> Tense:
        """Return present or progressive, always progressive if past and present look alike."""
        if verb.aspect:
            return "present"
        same = verb.en.past == verb.en.base
        return "progressive" if same or self.chance(0.5) else "present"


def _complement(np: NP, case: Case) -> Complement:
    """Return an object with the rank of its case, pronouns first."""
    if case == "dat":
        rank = Rank.DATIVE_PRONOUN if np.pronoun else Rank.DATIVE
    elif np.pronoun:
        rank = Rank.ACCUSATIVE_PRONOUN
    else:
        rank = Rank.DEFINITE if np.definite else Rank.INDEFINITE
    return Complement(np.object, np.german(case), rank, np.pronoun)
