"""Constructions, of which each function writes one kind of sentence with a `Sampler`."""

from __future__ import annotations

from functools import cache

from nmt.phrasebook import english, lexicon
from nmt.phrasebook.clause import (
    Clause,
    Complement,
    Rank,
    Tense,
    english_question,
    english_statement,
    german_last,
    german_second,
    imperative,
    infinitive,
)
from nmt.phrasebook.german import Case, relative_pronoun
from nmt.phrasebook.lexicon import nouns, verbs
from nmt.phrasebook.nounphrase import (
    NP,
    REFLEXIVE,
    AdjectiveEntry,
    NounEntry,
    noun_phrase,
    prepositional,
    pronoun,
)
from nmt.phrasebook.phrase import Phrase, Tokens, link_tokens, new_link, phrase
from nmt.phrasebook.sampler import Choice, Sampler

BE = lexicon.verb("be/was/been", "sein")
COMMA: Tokens = [(",", ())]
STOP, QUESTION, SHOUT = phrase(".", "."), phrase("?", "?"), phrase("!", "!")


# Parts of sentences


def word_group(en: str, de: str) -> Phrase:
    link = new_link()
    return Phrase(link_tokens(tuple(en.split()), link), link_tokens(tuple(de.split()), link))


def said(clause: Clause) -> Phrase:
    return Phrase(english_statement(clause), german_second(clause))


def asked(clause: Clause, word: Phrase | None = None) -> Phrase:
    """Return the clause as a question, after a question word if one is given."""
    word = word or Phrase([], [])
    return Phrase(word.en + english_question(clause), german_second(clause, word.de)) + QUESTION


def said_or_asked(s: Sampler, clause: Clause) -> Phrase:
    """Return the clause as a statement, or sometimes as a question about others."""
    others = clause.subject.index not in (0, 3) and clause.subject.object[0][0] not in ("my", "our")
    return asked(clause) if others and s.chance(0.2) else said(clause) + STOP


def last(clause: Clause) -> Phrase:
    return Phrase(english_statement(clause), german_last(clause))


def subordinate(
    s: Sampler, main: Clause, conjunction: Phrase, part: Clause, front: bool = False
) -> Phrase:
    """Join a main and a subordinate clause, which is first at random, or always with ``front``."""
    if front or s.chance(0.25):
        en = conjunction.en + english_statement(part) + COMMA + english_statement(main)
        de = conjunction.de + german_last(part) + COMMA + german_second(main, [])
        return Phrase(en, de) + STOP
    return said(main) + Phrase([], COMMA) + conjunction + last(part) + STOP


def described_as(adjective: AdjectiveEntry | None) -> Complement:
    """Return the adjective as predicate."""
    assert adjective
    link = new_link()
    en = link_tokens(adjective.english[0], link)
    return Complement(en, [(adjective.german[0], link)], Rank.PREDICATE)


def feeling(text: str) -> Complement:
    return described_as(next(a for a in lexicon.all_adjectives() if a.english[0] == (text,)))


def direct(np: NP) -> Complement:
    """Return the noun phrase as direct object."""
    if np.pronoun:
        return Complement(np.object, np.german("acc"), Rank.ACCUSATIVE_PRONOUN, True)
    rank = Rank.DEFINITE if np.definite else Rank.INDEFINITE
    return Complement(np.object, np.german("acc"), rank)


def located(en: str, de: str, np: NP, case: Case = "dat") -> Complement:
    return Complement(*prepositional(en, de, np, case), Rank.PLACE)


def known(s: Sampler, noun: NounEntry, adjective: float = 0.0, plural: bool | None = None) -> NP:
    """Return a definite noun phrase; only pairs are plural if ``plural`` is False."""
    many = s.plural(noun) if plural is None else "pair" in noun.classes
    return s.described(noun, s.known_determiner(noun), many, adjective)


# Simple sentences


def statement(s: Sampler) -> Phrase:
    """Write a sentence like "The woman is buying a red dress"."""
    clause = s.clause()
    time = s.timed(clause)
    if time and s.chance(0.3):
        clause.complements.remove(time)
        return Phrase(time.en + english_statement(clause), german_second(clause, time.de)) + STOP
    return said(clause) + STOP


# Tenses in which a German question begins with a frequent word ("hast", "wirst"), not with a rare
# capitalized form of its verb.
_BRACKETS: tuple[Choice, ...] = ("past", "past", "perfect", "future", "modal")


def yes_no_question(s: Sampler) -> Phrase:
    """Write a question like "Did you read the letter?"."""
    if s.chance(0.12):
        us = pronoun(s.pick(("I", "we", "we")))
        return asked(s.completed(s.tensed(us, s.verb(durative=True), "ours", "modal")))
    if s.chance(0.5):
        clause = s.clause(s.you(), 0.08, question=True)
        s.name_first = not clause.modal and clause.tense in ("present", "progressive")
    else:
        verb = s.verb(durative=True)
        clause = s.clause(None, 0.08, True, verb, s.tense(verb, _BRACKETS))
    s.timed(clause)
    return asked(clause)


_WORDS = (("where", "wo"), ("when", "wann"), ("why", "warum"), ("how often", "wie oft"))


def where_question(s: Sampler) -> Phrase:
    """Write a question like "Where did you buy the book?"; also with when, why, how often."""
    word = s.pick(_WORDS)
    frames = ("acc", "give") if word[0] == "where" else ()
    verb = s.verb(*frames, durative=True)
    subject = s.you() if s.chance(0.4) else None
    clause = s.clause(subject, 0.0, question=True, verb=verb, place=0.0)
    if word[0] == "how often" and clause.tense == "progressive":
        clause.tense = "present"
    return asked(clause, phrase(*word))


def what_question(s: Sampler) -> Phrase:
    """Write a question like "What are you reading?" or "Which book did he buy?"."""
    subject = s.you() if s.chance(0.4) else s.subject(asked=True)
    people = {"person", "related", "drivable", "ride"}
    while people & set((verb := s.verb("acc")).classes) or verb.aspect == "+":
        pass
    clause = s.tensed(subject, verb, "asked")
    if s.chance(0.5):
        return asked(clause, phrase("what", "was"))
    noun = s.noun(*verb.classes)
    np = noun_phrase(noun, "which", "pair" in noun.classes)
    return asked(clause, Phrase(np.object, np.german("acc")))


def whom_question(s: Sampler) -> Phrase:
    """Write a question like "Who did you meet?" or "Who is she waiting for?"."""
    people = {"person", "related"}
    verb = s.pick([v for v in lexicon.main_verbs() if people & set(v.classes) and v.frame != "to"])
    clause = s.clause(s.you() if s.chance(0.4) else s.subject(asked=True), 0.0, True, verb)
    clause.complements.clear()
    who, link = pronoun("who"), new_link()
    *prepositions, case = verb.frame.split()
    front = who.german("dat" if case == "dat" else "acc")
    end: Tokens = []
    if prepositions:
        link = clause.verb_link if "-" in prepositions else link
        en, de = prepositions
        end = [(en, link)] if en != "-" else []
        front = [(de, link), *front] if de != "-" else front
    clause.complements.append(Complement(end, [], Rank.PLACE))
    return asked(clause, Phrase(who.subject, front))


def who_question(s: Sampler) -> Phrase:
    """Write a question like "Who has bought the car?"."""
    return said(s.clause(pronoun("who"), 0.0, question=True)) + QUESTION


def command(s: Sampler) -> Phrase:
    """Write a command like "Please open the window!" or "Do not open the window, Paul!"."""
    s.definite = s.chance(0.8)
    clause = s.clause(s.you(), 0.15, verb=s.command_verb(), tense="present")
    order = imperative(clause)
    if s.chance(0.4):
        return word_group("please", "bitte") + order + STOP
    s.name_first = True
    return order + SHOUT


def copula(s: Sampler) -> Phrase:
    """Write a sentence like "The house is very old"."""
    noun = s.describable()
    adjective = s.adjective(noun)
    return _predicate(s, known(s, noun, 0.08), adjective)


def people_copula(s: Sampler) -> Phrase:
    """Write a sentence like "We are very tired"."""
    adjective = s.fresh(lexicon.adjectives_of(frozenset({"person"})))
    return _predicate(s, s.subject(), adjective)


def _predicate(s: Sampler, subject: NP, adjective: AdjectiveEntry | None) -> Phrase:
    clause = Clause(subject, BE, "past" if s.chance(0.2) else "present")
    predicate = described_as(adjective)
    degree = s.pick((("", ""), ("", ""), ("very", "sehr"), ("too", "zu"), ("not", "nicht")))
    if degree[0] == "not":
        clause.negation = "nicht" if subject.subject[0][0] != "every" else ""
    elif degree[0] and adjective and len(adjective.english) == 3:
        more = phrase(*degree)
        predicate = Complement(more.en + predicate.en, more.de + predicate.de, Rank.PREDICATE)
    clause.complements.append(predicate)
    return said_or_asked(s, clause)


# Things of different kinds are not compared.
_KINDS = """
person animal fruit dish drink vehicle reading device clothing pair furniture room home building
town nature way show luggage dishes cloth event game learnable answerable
"""


@cache
def _comparable() -> tuple[tuple[AdjectiveEntry, tuple[NounEntry, ...]], ...]:
    """Return adjectives with several nouns of one kind that they fit."""
    groups = (
        (adjective, tuple(n for n in lexicon.nouns_of(kind) if n.classes & adjective.classes))
        for adjective in lexicon.all_adjectives()
        for kind in _KINDS.split()
        if len(adjective.english) == 3
    )
    return tuple(group for group in groups if len(group[1]) > 1)


def comparison(s: Sampler) -> Phrase:
    """Write a sentence like "The car is faster than the train" or "as fast as"."""
    adjective, options = s.fresh(_comparable())
    noun = s.fresh(options)
    other = s.fresh([option for option in options if option != noun])
    first, second = known(s, noun, plural=False), known(s, other, plural=False)
    link, than = new_link(), new_link()
    if s.chance(0.7):
        en = [*link_tokens(adjective.english[1], link), ("than", than)]
        de = [(adjective.german[1], link), ("als", than)]
    else:
        so = new_link()
        en = [("as", so), *link_tokens(adjective.english[0], link), ("as", than)]
        de = [("so", so), (adjective.german[0], link), ("wie", than)]
    whole = Complement(en + second.object, de + second.german("nom"), Rank.PREDICATE)
    return said_or_asked(s, Clause(first, BE, complements=[whole]))


def profession(s: Sampler) -> Phrase:
    """Write a sentence like "My sister is a doctor" (in German feminine, without article)."""
    if s.chance(0.4):
        subject = noun_phrase(s.noun("family"), s.possessive())
    else:
        subject = pronoun(s.pick(("he", "she"))) if s.chance(0.4) else s.person()
    en, man, woman = s.pick(tuple(lexicon.rows(nouns.PROFESSIONS)))
    article, link = new_link(), new_link()
    words: Tokens = [(english.indefinite(en.split()[0]), article)]
    words += link_tokens(tuple(en.split()), link)
    word = [(woman if subject.gender == "f" else man, link + article)]
    clause = Clause(subject, BE, s.pick(("present", "present", "past")))
    clause.complements.append(Complement(words, word, Rank.PREDICATE))
    return said_or_asked(s, clause)


def position(s: Sampler) -> Phrase:
    """Write a sentence like "The cat is lying under the table" (preposition with dative)."""
    verb, where, en, de = s.pick(lexicon.placements(verbs.POSITION))
    place = s.described(s.noun(*where), "the", False, 0.15)
    subject = known(s, s.noun(*verb.classes), 0.2)
    clause = Clause(subject, verb, "progressive" if s.chance(0.7) else "past")
    clause.negation = "nicht" if s.chance(0.15) else ""
    clause.complements.append(located(en, de, place))
    return said_or_asked(s, clause)


def placement(s: Sampler) -> Phrase:
    """Write a sentence like "She put the book on the table" (preposition with accusative)."""
    verb, where, en, de = s.pick(lexicon.placements(verbs.PLACEMENT))
    subject = s.subject()
    thing = s.thing(verb.classes, subject, known=s.chance(0.7))
    clause = s.tensed(subject, verb, "stated")
    place = noun_phrase(s.noun(*where), "the")
    clause.complements += [direct(thing), located(en, de, place, "acc")]
    return said_or_asked(s, clause)


def attribute(s: Sampler) -> Phrase:
    """Write a sentence like "The book on the table is new"."""
    verb, where, en, de = s.pick(lexicon.placements(verbs.POSITION))
    noun = s.noun(*verb.classes)
    place = noun_phrase(s.noun(*where), "the")
    subject = noun_phrase(noun, "the", s.plural(noun))
    subject = subject.followed_by(*prepositional(en, de, place, "dat"))
    return said(Clause(subject, BE, complements=[described_as(s.adjective(noun))])) + STOP


_CARING: tuple[Choice, ...] = ("past", "past", "present", "present", "future")
_DONE: tuple[Choice, ...] = ("past", "perfect")


def body_care(s: Sampler) -> Phrase:
    """Write a sentence like "I am washing my hands" (in German with a dative reflexive)."""
    en, de, part = s.pick(tuple(lexicon.rows(verbs.CARE)))
    who = s.you() if s.chance(0.4) else pronoun(s.pick(("I", "he", "she", "we", "they")))
    verb = lexicon.verb(en, de)
    clause = s.tensed(who, verb, "stated", s.pick(_DONE if verb.aspect else _CARING))
    noun = next(n for n in lexicon.all_nouns() if n.singular == (part.split("/")[0],))
    third = "his" if who.gender == "m" else "her"
    own = ("my", "your", third, "our", "your", "their")[who.index]
    own = "your" if who.subject[0][0] == "you" else own
    np_en, np_de = (noun_phrase(noun, word, "/" in part) for word in (own, "the"))
    links = (link for _, link in np_en.object)
    body = [(text, link) for (text, _), link in zip(np_de.german("acc"), links, strict=True)]
    reflexive = (REFLEXIVE["dat"][who.index], clause.verb_link)
    clause.complements = [
        Complement([], [reflexive], Rank.DATIVE_PRONOUN),
        Complement(np_en.object, body, Rank.DEFINITE),
    ]
    if clause.tense != "perfect":
        s.timed(clause)
    return said_or_asked(s, clause)


# Sentences with several clauses


def because(s: Sampler) -> Phrase:
    """Write a sentence like "I am happy because my brother has visited me"."""
    state, base, classes = s.pick(tuple(lexicon.rows(verbs.REASONS)))
    subject, again = s.twice()
    main = Clause(subject, BE, "past" if s.chance(0.3) else "present", complements=[feeling(state)])
    done: Tense = "past" if main.tense == "past" else "perfect"
    reason = s.clause(again, 0.0, verb=s.named_verb(base, classes), tense=done)
    return subordinate(s, main, word_group("because", "weil"), reason)


def although(s: Sampler) -> Phrase:
    """Write a sentence like "Although she was tired, she went to the cinema"."""
    again, subject = s.twice()
    state = Clause(again, BE, complements=[feeling(s.pick(("tired", "ill", "nervous", "sad")))])
    verb = s.verb(durative=True)
    main = s.clause(subject, 0.0, verb=verb, tense=s.pick(("past", "past", "progressive")))
    state.tense = "past" if main.tense == "past" else "present"
    return subordinate(s, main, word_group("although", "obwohl"), state, front=True)


_FIRST = {
    "when": ("arrive", "get"),
    "while": ("cook", "wait", "work", "study", "hike"),
    "before": ("eat", "go", "sleep", "cook", "work", "buy", "clean"),
}


def story(s: Sampler) -> Phrase:
    """Write a sentence like "When he arrived in Berlin, he met his uncle"."""
    first, second = s.twice()
    word = s.pick((("when", "als"), ("when", "als"), ("before", "bevor"), ("while", "während")))
    part = s.clause(first, 0.0, verb=s.named_verb(s.pick(_FIRST[word[0]])), tense="past")
    main = s.clause(second, 0.0, verb=s.event_verb(), tense="past")
    return subordinate(s, main, word_group(*word), part, front=True)


def purpose(s: Sampler) -> Phrase:
    """Write a sentence like "He is going to the bakery to buy bread" (um ... zu)."""
    shop, base, classes = s.pick(tuple(lexicon.rows(verbs.ERRANDS)))
    subject = s.subject()
    tense: Tense = s.pick(("past", "progressive", "future", "perfect"))
    main = Clause(subject, s.named_verb(s.pick(("go", "walk")), "place foot"), tense)
    place = next(p for p in lexicon.places() if p.noun.singular == tuple(shop.split()))
    to = "zu" if main.verb.en.base == "walk" else place.to
    goal = noun_phrase(place.noun, "the")
    main.complements.append(located("to", to, goal, "dat" if to == "zu" else "acc"))
    aim = s.completed(Clause(subject, s.named_verb(base, classes)))
    part = infinitive(aim)
    um: Tokens = [*COMMA, ("um", part.en[0][1])]
    return Phrase(english_statement(main) + part.en, german_second(main) + um + part.de) + STOP


def trying(s: Sampler) -> Phrase:
    """Write a sentence like "She is trying to repair the car" (infinitive with zu)."""
    subject = s.subject()
    verb = lexicon.verb(*s.pick(tuple(lexicon.rows(verbs.TRYING))))
    main = s.tensed(subject, verb, "stated", s.tense(verb, ("present", "past")))
    aim = s.clause(subject, 0.0, verb=s.command_verb(), tense="present", place=0.2)
    part = infinitive(aim)
    de = german_second(main) + COMMA + part.de
    return Phrase(english_statement(main) + part.en, de) + STOP


def subject_relative(s: Sampler) -> Phrase:
    """Write a sentence like "The man who is selling the car is my uncle"."""
    noun = s.noun("person")
    np = s.described(noun, "the", s.plural(noun), 0.15)
    link = new_link()
    who = NP(
        np.index, np.agreement, np.gender, [("who", link)], [("who", link)],
        lambda case: [(relative_pronoun(np.gender, case), link)], pronoun=True,
    )  # fmt: skip
    inner = s.clause(who, 0.1, verb=s.verb(durative=True))
    if s.chance(0.4):
        main = Clause(s.subject(), s.named_verb(s.pick(("see", "know", "like")), "person"))
        main.complements.append(direct(np))
        return said(main) + Phrase([], COMMA) + last(inner) + STOP
    np = np.followed_by(english_statement(inner), COMMA + german_last(inner) + COMMA)
    main = Clause(np, BE)
    relative = s.relative() if s.chance(0.4) else None
    if relative and relative.gender == np.gender:
        words = Complement(relative.object, relative.german("nom"), Rank.PREDICATE)
    else:
        words = described_as(s.adjective(noun))
    main.complements.append(words)
    return said(main) + STOP


def object_relative(s: Sampler) -> Phrase:
    """Write a sentence like "The book that I am reading is interesting"."""
    few = {"person", "related", "abstract"}
    while few & set((verb := s.verb("acc")).classes):
        pass
    noun = s.noun(*verb.classes)
    many = "pair" in noun.classes or ("one" not in verb.classes and s.plural(noun))
    np = noun_phrase(noun, "the", many)
    clause = s.tensed(s.subject(), verb, "stated")
    link = new_link()
    that: Tokens = [(relative_pronoun(np.gender, "acc"), link)]
    de = COMMA + german_last(clause, that) + COMMA
    np = np.followed_by([("that", link), *english_statement(clause)], de)
    return said(Clause(np, BE, complements=[described_as(s.adjective(noun))])) + STOP


_UNWANTED = frozenset({"bad", "ugly", "dirty", "broken", "heavy", "slow", "loud", "expensive"})


def antecedent(s: Sampler) -> Phrase:
    """Write sentences like "I have a dog. It is very old." with the German gender of the noun."""
    noun = s.noun("own", "clothing", "device", "thing", "furniture", "print", "home")
    it = pronoun({"m": "it m", "f": "it f"}.get(noun.german.gender, "it"))
    kind = s.pick(("is", "is", "where", "liked", "needed"))
    if kind == "where":
        at, classes = s.pick(tuple(lexicon.rows(verbs.WHEREABOUTS)))
        en, de = at.split()
        small = s.noun("small", "cutlery", "dishes", "print", "pet", "cloth")
        it = pronoun({"m": "it m", "f": "it f"}.get(small.german.gender, "it"))
        first = Clause(noun_phrase(small, s.known_determiner(small)), BE)
        place = located(en, de, noun_phrase(s.noun(*classes.split()), "the"))
        answer = Clause(it, BE, complements=[place])
        return asked(first, phrase("where", "wo")) + said(answer) + STOP
    subject, again = s.twice()
    entry = s.adjective(noun)
    adjective = described_as(entry)
    if kind == "liked" and entry and entry.english[0][0] not in _UNWANTED:
        first = Clause(noun_phrase(noun, s.known_determiner(noun)), BE, complements=[adjective])
        want = next(m for m in lexicon.modals("stated") if m.lexical and m.lexical.base == "want")
        second = Clause(subject, s.getting_verb(noun), modal=want, complements=[direct(it)])
        return said(first) + STOP + said(second) + STOP
    tense: Tense = s.pick(("past", "perfect", "future"))
    np = noun_phrase(noun, "a")
    first = Clause(subject, s.getting_verb(noun), tense, complements=[direct(np)])
    if kind == "is":
        second = Clause(it, BE, complements=[adjective])
    else:
        second = Clause(again, s.named_verb("need"), complements=[direct(it)])
    return said(first) + STOP + said(second) + STOP
