"""Sentences with several clauses: subordinate and relative clauses, infinitives, pairs."""

from __future__ import annotations

from nmt.phrasebook import lexicon
from nmt.phrasebook.clause import (
    Clause,
    Complement,
    Rank,
    Tense,
    english_question,
    english_statement,
    german_last,
    german_second,
    infinitive,
)
from nmt.phrasebook.german import Case, Gender, relative_pronoun
from nmt.phrasebook.modals import WANT
from nmt.phrasebook.nounphrase import NP, noun_phrase, prepositional, pronoun
from nmt.phrasebook.phrase import Phrase, Tokens, new_link, phrase
from nmt.phrasebook.sampler import Sampler
from nmt.phrasebook.sentences import (
    BE,
    COMMA,
    QUESTION,
    STOP,
    both,
    described_as,
    word_group,
)

_DONE: tuple[Tense, ...] = ("past", "perfect")
_EITHER: tuple[Tense, ...] = ("past", "past", "progressive")
_GOING: tuple[Tense, ...] = ("past", "progressive", "future", "perfect")
_STATE: tuple[Tense, ...] = ("present", "past")
_ACTION: tuple[Tense, ...] = ("progressive", "past")


def last(clause: Clause) -> Phrase:
    """Return the clause with the German verb last."""
    return Phrase(english_statement(clause), german_last(clause))


def subordinate(
    s: Sampler, main: Clause, conjunction: Phrase, part: Clause, front: bool = False
) -> Phrase:
    """Join a main and a subordinate clause, which is first at random, or always with ``front``."""
    if front or s.chance(0.25):
        en = conjunction.en + english_statement(part) + COMMA + english_statement(main)
        de = conjunction.de + german_last(part) + COMMA + german_second(main, [])
        return Phrase(en, de) + STOP
    return both(main) + Phrase([], COMMA) + conjunction + last(part) + STOP


def that_clause(s: Sampler) -> Phrase:
    """Write a sentence like "I think that he is waiting for the bus"."""
    front = phrase(*s.pick(_SAYING))
    hope = front.en[1][0] == "hope"
    clause = s.clause(s.other_subject(), tense=s.pick(("future", "perfect")) if hope else "")
    time = s.timed(clause)
    if time:
        clause.complements.append(time)
    return front + last(clause) + STOP


_SAYING = (
    ("I know that", "ich weiß , dass"), ("I think that", "ich denke , dass"),
    ("I believe that", "ich glaube , dass"), ("I hope that", "ich hoffe , dass"),
    ("we know that", "wir wissen , dass"), ("we hope that", "wir hoffen , dass"),
    ("he says that", "er sagt , dass"), ("she says that", "sie sagt , dass"),
    ("they say that", "sie sagen , dass"), ("she thinks that", "sie denkt , dass"),
    ("I have heard:h that", "ich habe gehört:h , dass"),
)  # fmt: skip


def whether_clause(s: Sampler) -> Phrase:
    """Write a sentence like "I do not know whether she is coming back"."""
    roll = s.pick((0, 1, 2))
    if roll == 2:
        front = phrase("do:k you:y know:k", "weißt:k du:y")
        s.addressed, s.explicit = True, False
        if s.address == "Sie":
            front = phrase("do:k you:y know:k", "wissen:k Sie:y")
        elif s.address == "ihr":
            front = phrase("do:k you:y know:k", "wisst:k ihr:y")
        end = QUESTION
    else:
        options = (
            ("I:i do:n not:n know:k", "ich:i weiß:k nicht:n"),
            ("we:i do:n not:n know:k", "wir:i wissen:k nicht:n"),
            ("she:i does:n not:n know:k", "sie:i weiß:k nicht:n"),
            ("he:i asks:k me:m", "er:i fragt:k mich:m"),
            ("they:i ask:k us:m", "sie:i fragen:k uns:m"),
        )
        front, end = phrase(*s.pick(options)), STOP
    words = (
        ("whether", "ob"),
        ("whether", "ob"),
        ("when", "wann"),
        ("why", "warum"),
        ("where", "wo"),
    )
    word = s.pick(words)
    verb = s.verb(("acc",) if word[0] == "where" else ())
    while word[0] != "whether" and verb.stative:
        verb = s.verb(("acc",))
    clause = s.clause(s.other_subject(), verb=verb, negated=0.0, place=0.0)
    return front + Phrase([], COMMA) + phrase(*word) + last(clause) + end


_INDIRECT = (
    ("whether", "ob"), ("whether", "ob"), ("when", "wann"), ("why", "warum"), ("where", "wo"),
)  # fmt: skip


def place_question(s: Sampler) -> Phrase:
    """Write a question like "Can you tell me where the station is?"."""
    np, _, _ = s.place("place")
    clause = Clause(np, BE)
    s.addressed, s.explicit = True, False
    polite = {"du": "kannst:c du:y", "ihr": "könnt:c ihr:y", "Sie": "können:c Sie:y"}[s.address]
    know = {"du": "weißt:k du:y", "ihr": "wisst:k ihr:y", "Sie": "wissen:k Sie:y"}[s.address]
    if s.chance(0.5):
        front = phrase("can:c you:y tell:s me:m where:w", f"{polite} mir:m sagen:s , wo:w")
    else:
        front = phrase("do:k you:y know:k where:w", f"{know} , wo:w")
    english = [*np.subject, ("is", clause.verb_link)]
    return front + Phrase(english, german_last(clause)) + QUESTION


def because(s: Sampler) -> Phrase:
    """Write a sentence like "I am happy because my brother is visiting me"."""
    feeling, reasons = s.pick(_REASONS)
    subject, again = s.twice()
    main = Clause(subject, BE, "past" if s.chance(0.25) else "present")
    adjective = next(a for a in lexicon.all_adjectives() if a.english[0] == (feeling,))
    main.complements.append(described_as(adjective))
    verb_name, classes = s.pick(reasons)
    verb = s.named_verb(verb_name, classes)
    tense: Tense = "past" if main.tense == "past" else s.pick(_DONE)
    reason = s.clause(again, 0.0, verb=verb, tense=tense)
    return subordinate(s, main, word_group("because", "weil"), reason)


# Reasons for a feeling: verbs with the classes of their objects.
_REASONS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("happy", (
        ("find", "small toy pet"), ("visit", "related"), ("meet", "related"), ("buy", "own device"),
        ("travel", "city"), ("solve", "task"), ("sing", ""), ("dance", ""), ("plant", "plant"),
        ("build", "building"), ("repair", "vehicle device"), ("win", "game"),
    )),
    ("sad", (
        ("lose", "small toy"), ("miss", "show"), ("miss", "event"), ("sell", "own animal"),
        ("lose", "game"), ("believe", "related"),
    )),
    ("tired", (
        ("work", "place"), ("hike", "wild"), ("dance", ""), ("clean", "room"), ("wash", "own"),
        ("carry", "luggage furniture"), ("build", "building"), ("swim", "water"),
        ("study", "place"), ("tidy", "room"), ("walk", "place"),
    )),
    ("nervous", (
        ("lose", "small document"), ("forget", "event task"), ("miss", "public"),
        ("wait", "related public"), ("drink", "hot"),
    )),
)  # fmt: skip


def although(s: Sampler) -> Phrase:
    """Write a sentence like "Although she was tired, she went to the cinema"."""
    again, subject = s.twice()
    state = Clause(again, BE)
    feeling = s.pick(("tired", "ill", "nervous", "sad"))
    adjective = next(a for a in lexicon.all_adjectives() if a.english[0] == (feeling,))
    state.complements.append(described_as(adjective))
    tense: Tense = s.pick(_EITHER)
    state.tense = "past" if tense == "past" else "present"
    main = s.clause(subject, 0.0, verb=s.plain_verb(), tense=tense)
    return subordinate(s, main, word_group("although", "obwohl"), state, front=True)


def condition(s: Sampler) -> Phrase:
    """Write a sentence like "If it rains, we will stay at home"."""
    options = (
        ("it rains", "es regnet"), ("the sun shines", "die Sonne scheint"),
        ("it snows", "es schneit"), ("the:t weather:w is nice:n", "das:t Wetter:w schön:n ist"),
        ("I have:h time:t", "ich Zeit:t habe:h"), ("we have:h time:t", "wir Zeit:t haben:h"),
        ("we have:h money:t", "wir Geld:t haben:h"), ("I have:h a:a day:t off:o",
         "ich einen:a Tag:t frei:o habe:h"), ("it is:i cold:c", "es kalt:c ist:i"),
        ("it is:i warm:c", "es warm:c ist:i"),
    )  # fmt: skip
    conjunction = word_group(s.pick(("if", "when")), "wenn")
    test = conjunction + phrase(*s.pick(options))
    verb = s.leisure_verb()
    condition_subject = test.en[1][0]
    subject = pronoun(condition_subject) if condition_subject in ("I", "we") else s.subject()
    clause = s.clause(subject, 0.1, verb=verb, tense=s.pick(("future", "modal", "present")))
    if clause.modal and clause.modal.past:
        clause.modal = WANT
    if clause.tense == "progressive":
        clause.tense = "future"
    if s.chance(0.5):
        de = test.de + COMMA + german_second(clause, [])
        return Phrase(test.en + COMMA + english_statement(clause), de) + STOP
    de = german_second(clause) + COMMA + test.de
    return Phrase(english_statement(clause) + test.en, de) + STOP


def story(s: Sampler) -> Phrase:
    """Write a sentence like "When he arrived at the station, he met his uncle"."""
    first, second = s.twice()
    word = s.pick((("when", "als"), ("when", "als"), ("before", "bevor"), ("while", "während")))
    if word[0] == "when":
        verb = s.named_verb(s.pick(("arrive", "wake", "get", "come", "go")))
    elif word[0] == "while":
        verb = s.named_verb(s.pick(("cook", "wait", "work", "study", "rest", "swim", "hike")))
    else:
        verb = s.plain_verb()
    part = s.clause(first, 0.0, verb=verb, tense="past")
    doing = s.event_verb() if word[0] == "when" else s.plain_verb()
    main = s.clause(second, 0.0, verb=doing, tense="past")
    return subordinate(s, main, word_group(*word), part, front=True)


def purpose(s: Sampler) -> Phrase:
    """Write a sentence like "He is going to the bakery to buy bread" (um ... zu)."""
    subject = s.subject()
    main = Clause(subject, s.verb(("to",)))
    while main.verb.classes != ("place",):
        main.verb = s.verb(("to",))
    main.tense = s.pick(_GOING)
    shop, wares = s.pick(_SHOPPING)
    place = next(p for p in lexicon.places() if p[0].singular == tuple(shop.split()))
    np = noun_phrase(place[0], "the")
    case: Case = "dat" if place[1] == "zu" else "acc"
    main.complements.append(Complement(*prepositional("to", place[1], np, case), Rank.PLACE))
    verb_name, classes = wares
    verb = next(v for v in lexicon.main_verbs() if v.en.base == verb_name)
    aim = Clause(subject, verb)
    aim.complements.append(s.object(aim, "acc", classes))
    part = infinitive(aim)
    um = [("um", part.en[0][1])]
    return (
        Phrase(english_statement(main) + part.en, german_second(main) + COMMA + um + part.de) + STOP
    )


_SHOPPING: tuple[tuple[str, tuple[str, tuple[str, ...]]], ...] = (
    ("bakery", ("buy", ("baked",))), ("supermarket", ("buy", ("meal", "drink", "fruit"))),
    ("market", ("buy", ("fruit", "grocery"))), ("library", ("read", ("reading",))),
    ("station", ("meet", ("related",))), ("airport", ("meet", ("related",))),
    ("museum", ("see", ("picture",))), ("zoo", ("see", ("animal",))),
    ("cinema", ("see", ("show",))), ("hospital", ("visit", ("related",))),
    ("restaurant", ("eat", ("dish",))), ("café", ("drink", ("hot",))),
    ("shop", ("buy", ("clothing", "thing", "pair"))), ("market", ("sell", ("fruit",))),
    ("office", ("write", ("writing",))), ("park", ("draw", ("plant",))),
    ("hotel", ("pick", ("luggage",))),
)  # fmt: skip


def trying(s: Sampler) -> Phrase:
    """Write a sentence like "She is trying to repair the car" (infinitive with zu)."""
    subject = s.subject()
    verb = s.command_verb()
    main = Clause(subject, s.pick(_TRYING))
    main.tense = s.pick(_STATE if main.verb.stative else _ACTION)
    aim = s.clause(subject, 0.0, verb=verb, tense="present", place=0.2)
    part = infinitive(aim)
    return Phrase(english_statement(main) + part.en, german_second(main) + COMMA + part.de) + STOP


_TRYING = (
    lexicon.verb("try/tried/tried", "versuchen"),
    lexicon.verb("*hope", "hoffen"),
    lexicon.verb("begin/began/begun", "an|fangen fängt fing gefangen"),
    lexicon.verb("*forget/forgot/forgotten", "vergessen vergisst vergaß vergessen"),
    lexicon.verb("*decide", "beschließen beschließt beschloss beschlossen"),
)


def _relative(np: NP, who: str, gender: Gender, plural: bool) -> NP:
    """Return the relative pronoun as the subject of its clause."""
    link = new_link()
    return NP(
        5 if plural else 2, 2 if plural else 1, gender, [(who, link)], [(who, link)],
        lambda case: [(relative_pronoun(gender, case), link)], pronoun=True,
    )  # fmt: skip


def subject_relative(s: Sampler) -> Phrase:
    """Write a sentence like "The man who is selling the car is my uncle"."""
    plural = s.chance(0.2)
    noun = s.noun("person")
    np = s.described(noun, "the", plural, 0.2)
    inner = s.clause(_relative(np, "who", np.gender, plural), 0.1, verb=s.plain_verb())
    np = np.followed_by(english_statement(inner), COMMA + german_last(inner) + COMMA)
    if s.chance(0.4):
        main = Clause(s.subject(), s.pick(_SEEING), "past" if s.chance(0.4) else "present")
        main.complements.append(Complement(np.object, np.german("acc"), Rank.DEFINITE))
        return both(main) + STOP
    main = Clause(np, BE)
    if s.chance(0.4):
        relative = s.relative()
        if relative.gender == np.gender:
            words = Complement(relative.object, relative.german("nom"), Rank.PREDICATE)
            main.complements.append(words)
            return both(main) + STOP
    adjective = s.pick(lexicon.adjectives_of(noun.classes))
    main.complements.append(described_as(adjective))
    return both(main) + STOP


_SEEING = tuple(
    v for v in lexicon.main_verbs("acc") if v.en.base in ("see", "know", "love", "like")
)


def object_relative(s: Sampler) -> Phrase:
    """Write a sentence like "The book that I am reading is interesting"."""
    verb = s.verb(("acc",))
    while {"person", "related", "abstract", "bill", "limb"} & set(verb.classes):
        verb = s.verb(("acc",))
    noun = s.noun(*verb.classes)
    plural = s.plural(noun)
    np = noun_phrase(noun, "the", plural)
    clause = s.clause(None, 0.1, verb=verb)
    clause.negation = "nicht" if clause.negation else ""
    clause.complements.clear()
    link = new_link()
    pronoun_de: Tokens = [(relative_pronoun(np.gender, "acc"), link)]
    de = COMMA + german_last(clause, pronoun_de) + COMMA
    np = np.followed_by([("that", link), *english_statement(clause)], de)
    main = Clause(np, BE, "present")
    adjective = s.pick(lexicon.adjectives_of(noun.classes))
    main.complements.append(described_as(adjective))
    return both(main) + STOP


def antecedent(s: Sampler) -> Phrase:
    """Write sentences like "I have a dog. It is very old." with the German gender of the noun."""
    noun = s.noun("own", "clothing", "device", "thing", "furniture", "print", "home")
    it = pronoun({"m": "it m", "f": "it f"}.get(noun.german.gender, "it"))
    kind = s.pick(("is", "is", "where", "liked", "bought"))
    subject, again = s.twice()
    second = Clause(it, BE)
    if kind == "where":
        en, de, classes = s.pick(_ROOMS)
        first = Clause(noun_phrase(noun, s.known_determiner(noun)), BE)
        word = phrase("where", "wo")
        place = noun_phrase(s.noun(*classes), "the")
        second.complements.append(Complement(*prepositional(en, de, place, "dat"), Rank.PLACE))
        question = Phrase(word.en + english_question(first), german_second(first, word.de))
        return question + QUESTION + both(second) + STOP
    adjective = described_as(s.pick(lexicon.adjectives_of(noun.classes)))
    if kind == "liked":
        first = Clause(noun_phrase(noun, s.known_determiner(noun)), BE, complements=[adjective])
        second = Clause(subject, s.getting_verb(noun), modal=WANT)
        it_object = Complement(it.object, it.german("acc"), Rank.ACCUSATIVE_PRONOUN, True)
        second.complements.append(it_object)
        return both(first) + STOP + both(second) + STOP
    verb = s.getting_verb(noun)
    first = Clause(subject, verb, s.pick(("past", "perfect", "future")))
    np = noun_phrase(noun, "a")
    first.complements.append(Complement(np.object, np.german("acc"), Rank.INDEFINITE))
    if kind == "is":
        second.complements.append(adjective)
        return both(first) + STOP + both(second) + STOP
    second = Clause(again, s.named_verb("need"))
    it_object = Complement(it.object, it.german("acc"), Rank.ACCUSATIVE_PRONOUN, True)
    second.complements.append(it_object)
    return both(first) + STOP + both(second) + STOP


_ROOMS = (
    ("in", "in", ("room",)), ("in", "in", ("container",)), ("under", "unter", ("surface",)),
    ("next_to", "neben", ("surface", "seat")), ("behind", "hinter", ("opening", "furniture")),
)  # fmt: skip


def two_statements(s: Sampler) -> Phrase:
    """Write two short sentences on one line."""
    first, second = s.clause(place=0.1), s.clause(place=0.1)
    return both(first) + STOP + both(second) + STOP


def joined(s: Sampler) -> Phrase:
    """Join two clauses by "and" or "but"."""
    first, second = s.clause(place=0.1), s.clause(place=0.1)
    if s.chance(0.5):
        return both(first) + word_group("and", "und") + both(second) + STOP
    comma = phrase(",", ",")
    return both(first) + comma + word_group("but", "aber") + both(second) + STOP
