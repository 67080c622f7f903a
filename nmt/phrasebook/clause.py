"""Clauses in English and German, in every order of the verb.

The German finite verb is second, first or last. A participle, an infinitive or a separated particle
closes the verb bracket; the parts within the bracket are in the order of their `Rank`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple

from nmt.phrasebook import english, german
from nmt.phrasebook.nounphrase import NP, REFLEXIVE
from nmt.phrasebook.phrase import Phrase, Tokens, link_tokens, new_link

Tense = Literal["present", "progressive", "past", "perfect", "future"]
Links = tuple[int, ...]

# Participles of the verbs whose past is the preterite, even in spoken German.
_PRETERITE = frozenset(
    {"gewesen", "gehabt", "gewusst", "gemocht", "gekannt"} | {"gestanden", "gelegen", "gesessen"}
)
_BE = {"present": ("am", "is", "are"), "past": ("was", "was", "were")}
_WERDEN = german.parse_verb("werden")
_AUXILIARIES = {"haben": german.parse_verb("haben"), "sein": german.parse_verb("sein")}


class Rank(IntEnum):
    """Order of the parts within the German verb bracket."""

    ACCUSATIVE_PRONOUN = 0
    DATIVE_PRONOUN = 1
    TIME = 3
    DATIVE = 4
    DEFINITE = 5
    ADVERB = 6
    NICHT = 7
    MANNER = 8
    INDEFINITE = 9
    PLACE = 10
    PREDICATE = 11


class Verb(NamedTuple):
    """A verb in both languages; the last fields have the notation of the lexicon."""

    en: english.EnglishVerb
    de: german.GermanVerb
    frame: str
    classes: tuple[str, ...]
    reflexive: bool
    aspect: str


class Modal(NamedTuple):
    """A modal verb: in English an auxiliary, or a verb with "to" that needs "do".

    If ``german`` is None, the German clause has the adverb "gern" instead of a modal verb.
    """

    auxiliary: str
    lexical: english.EnglishVerb | None
    rest: tuple[str, ...]
    german: german.GermanVerb | None
    past: bool = False


class Complement(NamedTuple):
    """An object or adverbial, with its rank in the German clause."""

    en: Tokens
    de: Tokens
    rank: Rank
    pronoun: bool = False


@dataclass(slots=True)
class Clause:
    """A clause, with ``complements`` in English order and an ``adverb`` before the English verb.

    ``negation`` is "" for none, "nicht", or "kein" if an object is negated.
    """

    subject: NP
    verb: Verb
    tense: Tense = "present"
    modal: Modal | None = None
    complements: list[Complement] = field(default_factory=list)
    adverb: Complement | None = None
    negation: Literal["", "nicht", "kein"] = ""
    negation_link: Links = field(default_factory=new_link)
    verb_link: Links = field(default_factory=new_link)
    auxiliary_link: Links = field(default_factory=new_link)


def _finite(verb: english.EnglishVerb, past: bool, agreement: int) -> str:
    if verb.base == "be":
        return _BE["past" if past else "present"][agreement]
    if past:
        return verb.past
    return verb.third if agreement == 1 else verb.base


def _do(past: bool, agreement: int) -> str:
    return "did" if past else "does" if agreement == 1 else "do"


def _english_verbs(clause: Clause, support: bool) -> tuple[Tokens, Tokens]:
    """Return the auxiliary ("do" only if ``support`` is true) and the other verb forms."""
    verb, agreement = clause.verb.en, clause.subject.agreement
    main, aux = clause.verb_link, clause.auxiliary_link
    modal, past = clause.modal, clause.tense == "past"
    if modal:
        base: Tokens = [(verb.base, main)]
        if modal.auxiliary:
            return [(modal.auxiliary, aux)], link_tokens(modal.rest, aux) + base
        assert modal.lexical
        rest = link_tokens(modal.rest, aux) + base
        if support:
            return [(_do(modal.past, agreement), aux)], [(modal.lexical.base, aux), *rest]
        return [], [(_finite(modal.lexical, modal.past, agreement), aux), *rest]
    match clause.tense:
        case "future":
            return [("will", aux)], [(verb.base, main)]
        case "perfect":
            return [("has" if agreement == 1 else "have", aux)], [(verb.participle, main)]
        case "progressive":
            return [(_BE["present"][agreement], main)], [(verb.ing, main)]
    finite = _finite(verb, past, agreement)
    if verb.base == "be":
        return [(finite, main)], []
    if support:
        return [(_do(past, agreement), main)], [(verb.base, main)]
    return [], [(finite, main)]


def _english_tail(clause: Clause) -> Tokens:
    particle = link_tokens(clause.verb.en.particle, clause.verb_link)
    parts = [complement.en for complement in clause.complements]
    after = bool(parts) and clause.complements[0].pronoun
    parts.insert(1 if after else 0, particle)
    return [token for part in parts for token in part]


def english_statement(clause: Clause) -> Tokens:
    auxiliary, verbs = _english_verbs(clause, bool(clause.negation))
    negation: Tokens = [("not", clause.negation_link)] if clause.negation else []
    adverb = clause.adverb.en if clause.adverb else []
    return clause.subject.subject + auxiliary + negation + adverb + verbs + _english_tail(clause)


def english_question(clause: Clause) -> Tokens:
    """Return a question: auxiliary (contracted with "not"), subject, verb, complements."""
    auxiliary, verbs = _english_verbs(clause, True)
    if clause.negation:
        text, links = auxiliary[0]
        auxiliary = [(english.negated(text), links + clause.negation_link)]
    adverb = clause.adverb.en if clause.adverb else []
    return auxiliary + clause.subject.subject + adverb + verbs + _english_tail(clause)


def _german_verbs(clause: Clause) -> tuple[Tokens, Tokens]:
    """Return the finite verb, and the tokens that close the verb bracket."""
    verb, index = clause.verb.de, clause.subject.index
    main, aux = clause.verb_link, clause.auxiliary_link
    modal = clause.modal
    if modal and modal.german:
        return [(modal.german.present[index], aux)], [(verb.infinitive, main)]
    if clause.tense == "future":
        return [(_WERDEN.present[index], aux)], [(verb.infinitive, main)]
    past = clause.tense == "past"
    if clause.tense == "perfect" or (past and verb.participle not in _PRETERITE):
        auxiliary = _AUXILIARIES[verb.auxiliary].present[index]
        links = main if past else aux
        return [(auxiliary, links)], [(verb.participle, main)]
    finite = (verb.preterite if past else verb.present)[index]
    return [(finite, main)], [(verb.particle, main)] if verb.particle else []


def _german_middle(clause: Clause) -> list[tuple[Rank, Tokens]]:
    middle = [(complement.rank, complement.de) for complement in clause.complements]
    if clause.adverb:
        middle.append((clause.adverb.rank, clause.adverb.de))
    if clause.negation == "nicht":
        middle.append((Rank.NICHT, [("nicht", clause.negation_link)]))
    if clause.modal and not clause.modal.german:
        middle.append((Rank.MANNER, [("gern", clause.auxiliary_link)]))
    middle.sort(key=lambda part: part[0])
    return middle


def _reflexive(clause: Clause, index: int) -> Tokens:
    if not clause.verb.reflexive:
        return []
    return [(REFLEXIVE["acc"][index], clause.verb_link)]


def _flat(middle: list[tuple[Rank, Tokens]]) -> Tokens:
    return [token for _, part in middle for token in part]


def german_second(clause: Clause, front: Tokens | None = None) -> Tokens:
    """Return a clause with the verb after ``front`` (which can be empty) or the subject."""
    finite, closing = _german_verbs(clause)
    reflexive = _reflexive(clause, clause.subject.index)
    subject = clause.subject.german("nom")
    middle = _flat(_german_middle(clause))
    if front is None:
        return subject + finite + reflexive + middle + closing
    inner = subject + reflexive if clause.subject.pronoun else reflexive + subject
    return front + finite + inner + middle + closing


def german_last(clause: Clause, front: Tokens | None = None) -> Tokens:
    """Return a clause with the finite verb last; ``front`` is a word before the subject."""
    finite, closing = _german_verbs(clause)
    separated = clause.verb.de.particle
    if separated and closing and closing[0][0] == separated:
        finite, closing = [(separated + finite[0][0], finite[0][1])], []
    subject = clause.subject.german("nom")
    middle = _flat(_german_middle(clause))
    reflexive = _reflexive(clause, clause.subject.index)
    return (front or []) + subject + reflexive + middle + closing + finite


def infinitive(clause: Clause) -> Phrase:
    """Return an infinitive without subject, such as "to buy bread", "Brot zu kaufen"."""
    link = new_link()
    base: Tokens = [("to", link), (clause.verb.en.base, clause.verb_link)]
    de = _reflexive(clause, clause.subject.index) + _flat(_german_middle(clause))
    verb = clause.verb.de
    if verb.particle:
        de = [*de, (verb.zu_infinitive, clause.verb_link + link)]
    else:
        de = [*de, ("zu", link), (verb.infinitive, clause.verb_link)]
    return Phrase(base + _english_tail(clause), de)


def imperative(clause: Clause) -> Phrase:
    """Return a command to the clause's subject (du, ihr or Sie)."""
    verb, index, main = clause.verb.de, clause.subject.index, clause.verb_link
    not_: Tokens = []
    if clause.negation:
        not_ = [("do", clause.negation_link), ("not", clause.negation_link)]
    en = [*not_, (clause.verb.en.base, main), *_english_tail(clause)]
    if index == 1:
        de: Tokens = [(verb.imperative, main)]
    elif index == 4:
        de = [(verb.present[4], main)]
    else:
        de = [(verb.present[5], main), ("Sie", main)]
    de = de + _reflexive(clause, index) + _flat(_german_middle(clause))
    if verb.particle:
        de = [*de, (verb.particle, main)]
    return Phrase(en, de)
