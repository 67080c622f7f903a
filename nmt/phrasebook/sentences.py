"""Constructions, of which each function writes one kind of sentence with a `Sampler`."""

from __future__ import annotations

from nmt.phrasebook import lexicon
from nmt.phrasebook.clause import (
    Clause,
    Complement,
    Rank,
    english_question,
    english_statement,
    german_second,
    imperative,
)
from nmt.phrasebook.lexicon import nouns, verbs
from nmt.phrasebook.modals import HAVE_TO, MUST, SHOULD, WANT
from nmt.phrasebook.nounphrase import (
    NP,
    REFLEXIVE,
    AdjectiveEntry,
    noun_phrase,
    possessed,
    prepositional,
    pronoun,
)
from nmt.phrasebook.phrase import Phrase, Tokens, link_tokens, new_link, phrase
from nmt.phrasebook.sampler import Sampler

BE = lexicon.verb("be/was/been", "sein")
COMMA: Tokens = [(",", ())]
STOP, QUESTION, SHOUT = phrase(".", "."), phrase("?", "?"), phrase("!", "!")


def tokens_of(text: str, link: tuple[int, ...]) -> Tokens:
    return link_tokens(tuple(text.split()), link)


def word_group(en: str, de: str) -> Phrase:
    """Return words that are all aligned with each other."""
    link = new_link()
    return Phrase(tokens_of(en, link), tokens_of(de, link))


def both(clause: Clause) -> Phrase:
    """Return the clause as a statement."""
    return Phrase(english_statement(clause), german_second(clause))


def asked(clause: Clause) -> Phrase:
    """Return the clause as a yes/no question."""
    return Phrase(english_question(clause), german_second(clause, [], question=True))


def described_as(adjective: AdjectiveEntry) -> Complement:
    """Return the adjective as predicate."""
    link = new_link()
    return Complement(
        link_tokens(adjective.english[0], link), [(adjective.german[0], link)], Rank.PREDICATE
    )


def statement(s: Sampler) -> Phrase:
    """Write a sentence like "The woman is buying a red dress"."""
    clause = s.clause()
    time = s.timed(clause)
    if time and s.chance(0.3):
        return Phrase(time.en + english_statement(clause), german_second(clause, time.de)) + STOP
    if time:
        clause.complements.append(time)
    return both(clause) + STOP


def yes_no_question(s: Sampler) -> Phrase:
    """Write a question like "Did you read the letter?"."""
    clause = s.clause(s.you() if s.chance(0.4) else None, 0.08, question=True)
    time = s.timed(clause)
    if time:
        clause.complements.append(time)
    return asked(clause) + QUESTION


def where_question(s: Sampler) -> Phrase:
    """Write a question like "Where did you buy the book?"; also with when, why, how often."""
    front = s.pick((("where", "wo"), ("when", "wann"), ("why", "warum"), ("how often", "wie oft")))
    frames = ("acc", "acc", "-", "give") if front[0] == "where" else ()
    verb = s.verb(frames)
    while verb.stative:
        verb = s.verb(frames)
    subject = s.you() if s.chance(0.4) else None
    clause = s.clause(subject, 0.0, question=True, verb=verb, place=0.0)
    word = phrase(*front)
    return (
        Phrase(word.en + english_question(clause), german_second(clause, word.de, question=True))
        + QUESTION
    )


def what_question(s: Sampler) -> Phrase:
    """Write a question like "What are you reading?" or "Who is she waiting for?"."""
    kind = s.pick(("what", "which", "whom"))
    subject = s.you() if s.chance(0.4) else s.other_subject()
    if kind == "whom":
        verb = s.pick([v for v in lexicon.main_verbs() if {"person", "related"} & set(v.classes)])
        return _whom(s.clause(subject, 0.0, True, verb))
    verb = s.verb(("acc",))
    while "related" in verb.classes or "person" in verb.classes:
        verb = s.verb(("acc",))
    clause = s.clause(subject, 0.0, True, verb)
    clause.complements.clear()
    if kind == "what":
        word = phrase("what", "was")
        front_en, front_de = word.en, word.de
    else:
        noun = s.noun(*verb.classes)
        np = noun_phrase(noun, "which", "pair" in noun.classes)
        front_en, front_de = np.object, np.german("acc")
    de = german_second(clause, front_de, question=True)
    return Phrase(front_en + english_question(clause), de) + QUESTION


def _whom(clause: Clause) -> Phrase:
    """Write a question for the person that is the clause's object."""
    clause.complements.clear()
    who, link = pronoun("who"), new_link()
    *prepositions, case = clause.verb.frame.split()
    en = who.subject + english_question(clause)
    front = who.german("dat" if case == "dat" else "acc")
    if prepositions:
        en_word, de_word = prepositions
        both = "-" not in prepositions
        if en_word != "-":
            en = [*en, (en_word, link if both else clause.verb_link)]
        if de_word != "-":
            front = [(de_word, link if both else clause.verb_link), *front]
    return Phrase(en, german_second(clause, front, question=True)) + QUESTION


def who_question(s: Sampler) -> Phrase:
    """Write a question like "Who has bought the car?"."""
    clause = s.clause(pronoun("who"), 0.0, question=True)
    de = german_second(clause, question=True)
    return Phrase(english_statement(clause), de) + QUESTION


def command(s: Sampler) -> Phrase:
    """Write a command like "Please open the window!" or "Do not open the window, Paul!"."""
    s.definite = s.chance(0.8)
    clause = s.clause(s.you(), 0.15, verb=s.command_verb(), tense="present")
    order = imperative(clause)
    if s.address == "ihr":
        s.explicit = s.said_so = False
    if s.chance(0.4):
        return word_group("please", "bitte") + order + STOP
    return order + SHOUT


def copula(s: Sampler) -> Phrase:
    """Write a sentence like "The house is very old"."""
    noun = s.describable()
    subject = s.described(noun, s.known_determiner(noun), s.plural(noun), 0.1)
    adjective = s.pick(lexicon.adjectives_of(noun.classes))
    return _predicate(s, subject, adjective)


def _predicate(s: Sampler, subject: NP, adjective: AdjectiveEntry) -> Phrase:
    clause = Clause(subject, BE, "past" if s.chance(0.2) else "present")
    degree = s.pick((("", ""), ("", ""), ("very", "sehr"), ("too", "zu"), ("not", "nicht")))
    predicate = described_as(adjective)
    if degree[0] == "not" and subject.subject[0][0] == "every":
        return _predicate(s, subject, adjective)
    if degree[0] in ("very", "too") and len(adjective.english) < 3:
        degree = ("", "")
    if degree[0] == "not":
        clause.negation = "nicht"
    elif degree[0]:
        more = phrase(*degree)
        predicate = Complement(more.en + predicate.en, more.de + predicate.de, Rank.PREDICATE)
    clause.complements.append(predicate)
    if s.chance(0.2) and subject.index != 0:
        return asked(clause) + QUESTION
    return both(clause) + STOP


def people_copula(s: Sampler) -> Phrase:
    """Write a sentence like "We are very tired"."""
    subject = s.subject()
    adjective = s.pick(lexicon.adjectives_of(frozenset({"person"})))
    return _predicate(s, subject, adjective)


def comparison(s: Sampler) -> Phrase:
    """Write a sentence like "The car is faster than the train" or "as fast as"."""
    noun = s.describable()
    adjective = s.pick(lexicon.adjectives_of(noun.classes, compared=True))
    fits = (adjective.classes & noun.classes) - {"worker"}
    other = s.noun(*sorted(fits)) if fits else noun
    if other == noun:
        return comparison(s)
    first = noun_phrase(noun, s.known_determiner(noun), "pair" in noun.classes)
    second = noun_phrase(other, s.known_determiner(other), "pair" in other.classes)
    link, than = new_link(), new_link()
    if s.chance(0.7):
        en = [*link_tokens(adjective.english[1], link), ("than", than)]
        de = [(adjective.german[1], link), ("als", than)]
    else:
        so = new_link()
        en = [("as", so), *link_tokens(adjective.english[0], link), ("as", than)]
        de = [("so", so), (adjective.german[0], link), ("wie", than)]
    clause = Clause(first, BE)
    whole = Complement(en + second.object, de + second.german("nom"), Rank.PREDICATE)
    clause.complements.append(whole)
    if s.chance(0.2):
        return asked(clause) + QUESTION
    return both(clause) + STOP


_OUTSTANDING = (
    "building", "vehicle", "reading", "town", "show", "nature", "device", "home", "way",
)  # fmt: skip


def superlative(s: Sampler) -> Phrase:
    """Write a sentence like "This is the most expensive hotel in Berlin"."""
    noun = s.noun(
        "building", "vehicle", "reading", "town", "show", "nature", "device", "home", "way"
    )
    adjective = s.pick(lexicon.adjectives_of(noun.classes, compared=True))
    np = noun_phrase(noun, "the", False, adjective, 2)
    be = word_group("is", "ist")
    that = word_group("that", "das")
    if s.chance(0.5) and not noun.classes.isdisjoint({"building", "worker", "home", "sight"}):
        where = s.where("city")
        np = np.followed_by(where.en, where.de)
    return that + be + Phrase(np.object, np.german("nom")) + STOP


def introduction(s: Sampler) -> Phrase:
    """Write a sentence like "That is a beautiful old house"."""
    roll = s.pick((0, 0, 1, 2))
    link, be = new_link(), new_link()
    question = s.chance(0.25)
    if roll == 1:
        noun = s.noun("own", "clothing", "small", "reading", "animal", "home", "luggage")
        np = possessed(s.owner(), noun, "pair" in noun.classes)
        plural = "pair" in noun.classes
    else:
        noun = s.noun("thing", "building", "animal", "clothing", "vehicle", "fruit", "furniture")
        plural = s.chance(0.25)
        np = s.described(noun, "" if plural else "a", plural, 0.8)
    en_word = "those" if plural else "that"
    verb = ("are", "sind") if plural else ("is", "ist")
    that: Phrase = Phrase([(en_word, link)], [("das", link)])
    is_: Phrase = Phrase([(verb[0], be)], [(verb[1], be)])
    rest = Phrase(np.object, np.german("nom"))
    if question:
        return is_ + that + rest + QUESTION
    return that + is_ + rest + STOP


def profession(s: Sampler) -> Phrase:
    """Write a sentence like "My sister is a doctor" (in German feminine, without article)."""
    from_family = s.chance(0.4)
    if from_family:
        subject = noun_phrase(s.noun("family"), s.possessive())
    else:
        subject = pronoun(s.pick(("he", "she"))) if s.chance(0.4) else s.person()
    en, man, woman = s.pick(tuple(lexicon.rows(nouns.PROFESSIONS)))
    article, link = new_link(), new_link()
    first = en.split()[0]
    a: Tokens = [("an" if first[0] in "aeiou" else "a", article)]
    de_word = woman if subject.gender == "f" else man
    tense = s.pick(("present", "present", "past"))
    clause = Clause(subject, BE, "past" if tense == "past" else "present")
    predicate = Complement(a + tokens_of(en, link), [(de_word, link + article)], Rank.PREDICATE)
    clause.complements.append(predicate)
    if s.chance(0.25) and subject.object[0][0] not in ("my", "our"):
        return asked(clause) + QUESTION
    return both(clause) + STOP


def position(s: Sampler) -> Phrase:
    """Write a sentence like "The cat is lying under the table" (preposition with dative)."""
    verb, where, (en, de) = s.pick(lexicon.placements(verbs.POSITION))
    noun = s.noun(*verb.classes)
    place = s.described(s.noun(*where), "the", False, 0.2)
    subject = s.described(noun, s.known_determiner(noun), s.plural(noun), 0.2)
    clause = Clause(subject, verb, "progressive" if s.chance(0.7) else "past")
    if s.chance(0.15):
        clause.negation = "nicht"
    there = Complement(*prepositional(en, de, place, "dat"), Rank.PLACE)
    clause.complements.append(there)
    if s.chance(0.15):
        return asked(clause) + QUESTION
    return both(clause) + STOP


def placement(s: Sampler) -> Phrase:
    """Write a sentence like "She put the book on the table" (preposition with accusative)."""
    verb, where, (en, de) = s.pick(lexicon.placements(verbs.PLACEMENT))
    subject = s.subject()
    thing = s.thing(verb.classes, subject.index, known=s.chance(0.7))
    rank = Rank.DEFINITE if thing.definite else Rank.INDEFINITE
    place = noun_phrase(s.noun(*where), "the")
    clause = Clause(subject, verb)
    tense = s.tense(verb)
    if tense == "modal":
        clause.modal = s.pick((WANT, MUST, SHOULD, HAVE_TO))
    else:
        clause.tense = s.progressive(verb) if tense == "present" else tense
    clause.complements.append(Complement(thing.object, thing.german("acc"), rank))
    clause.complements.append(Complement(*prepositional(en, de, place, "acc"), Rank.PLACE))
    if s.chance(0.15):
        return asked(clause) + QUESTION
    return both(clause) + STOP


def located(s: Sampler) -> Phrase:
    """Write a sentence like "The book on the table is new"."""
    verb, where, (en, de) = s.pick(lexicon.placements(verbs.POSITION))
    noun = s.noun(*verb.classes)
    place = noun_phrase(s.noun(*where), "the")
    subject = noun_phrase(noun, "the", s.plural(noun))
    subject = subject.followed_by(*prepositional(en, de, place, "dat"))
    clause = Clause(subject, BE)
    adjective = s.pick(lexicon.adjectives_of(noun.classes))
    clause.complements.append(described_as(adjective))
    return both(clause) + STOP


def body_care(s: Sampler) -> Phrase:
    """Write a sentence like "I am washing my hands" (in German with a dative reflexive)."""
    en, de, noun_name, plural = s.pick(_CARE)
    subject = s.pick((pronoun, pronoun, None, None))
    who = pronoun(s.pick(("I", "he", "she", "we", "they"))) if subject else s.you()
    clause = Clause(who, lexicon.verb(en, de))
    broken = noun_name in ("leg", "arm")
    clause.tense = s.pick(("past", "past", "progressive", "present", "perfect", "future"))
    if broken:
        clause.tense = s.pick(("past", "perfect"))
    noun = next(n for n in lexicon.all_nouns() if n.singular == (noun_name,))
    own = {0: "my", 1: "your", 2: "his", 3: "our", 4: "your", 5: "their"}[who.index]
    if who.subject[0][0] in ("you", "she"):
        own = "your" if who.subject[0][0] == "you" else "her"
    np_en, np_de = noun_phrase(noun, own, plural), noun_phrase(noun, "the", plural)
    links = {np_de.object[i][1]: np_en.object[i][1] for i in range(len(np_en.object))}
    article, word = ((text, links[link]) for text, link in np_de.german("acc"))
    reflexive = (REFLEXIVE["dat"][who.index], clause.verb_link)
    clause.complements = [
        Complement([], [reflexive], Rank.DATIVE_PRONOUN),
        Complement(np_en.object, [article, word], Rank.DEFINITE),
    ]
    if clause.tense == "past" or not broken:
        time = s.timed(clause)
        clause.complements += [time] if time else []
    if s.chance(0.2) and own != "my":
        return asked(clause) + QUESTION
    return both(clause) + STOP


_CARE = (
    ("wash", "waschen wäscht wusch gewaschen", "hand", True),
    ("wash", "waschen wäscht wusch gewaschen", "foot", True),
    ("brush", "putzen", "tooth", True),
    ("break/broke/broken", "brechen bricht brach gebrochen", "leg", False),
    ("break/broke/broken", "brechen bricht brach gebrochen", "arm", False),
)
