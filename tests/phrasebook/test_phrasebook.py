"""The built-in corpus: sizes, splits, alignment and German grammar."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from itertools import combinations
from random import Random
from typing import get_args

import pytest

from nmt.phrasebook import Example, generate, lexicon, words
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
from nmt.phrasebook.generator import HELD_OUT_SIZE, TRAIN_SIZE, Split, content_words
from nmt.phrasebook.german import Case, parse_verb
from nmt.phrasebook.nounphrase import (
    NP,
    AdjectiveEntry,
    NounEntry,
    name,
    noun_phrase,
    possessed,
    prepositional,
    pronoun,
)
from nmt.phrasebook.numbers import clock, date, english_number, german_number
from nmt.phrasebook.phrase import Phrase, example, phrase
from nmt.phrasebook.sampler import Sampler
from nmt.phrasebook.sentences import statement

SPLITS: tuple[Split, ...] = get_args(Split)
DIGEST = """
import hashlib
from nmt.phrasebook import generate
digest = hashlib.sha256()
for split in ("train", "valid", "test"):
    for pair in generate(split):
        digest.update(repr(tuple(pair)).encode())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def corpus() -> dict[Split, list[Example]]:
    return {split: list(generate(split)) for split in SPLITS}


def test_splits_have_fixed_sizes_and_distinct_sources(corpus: dict[Split, list[Example]]) -> None:
    assert {split: len(pairs) for split, pairs in corpus.items()} == {
        "train": TRAIN_SIZE,
        "valid": HELD_OUT_SIZE,
        "test": HELD_OUT_SIZE,
    }
    sources = [pair.source for pairs in corpus.values() for pair in pairs]
    # Distinct sources: the splits share no sentence, and English to German is a function.
    assert len(set(sources)) == len(sources)


def test_both_languages_have_900_frequent_words(corpus: dict[Split, list[Example]]) -> None:
    sides = zip(*((pair.source, pair.target) for pair in corpus["train"]), strict=True)
    for side in sides:
        counts = Counter(word for text in side for word in words(text.lower()))
        assert sum(count >= 20 for count in counts.values()) >= 900


def test_corpus_is_the_same_in_every_process(corpus: dict[Split, list[Example]]) -> None:
    digest = hashlib.sha256()
    for split in SPLITS:
        for pair in corpus[split]:
            digest.update(repr(tuple(pair)).encode())
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", DIGEST]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest.hexdigest()


def test_different_seeds_give_different_sentences() -> None:
    first, second = (statement(Sampler(Random(seed))) for seed in (1, 2))
    assert example(first) != example(second)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_held_out_text_has_new_word_pairs(corpus: dict[Split, list[Example]], split: Split) -> None:
    trained = {
        pair
        for text in (known.source for known in corpus["train"])
        for pair in combinations(sorted(content_words(text)), 2)
    }
    for text in (held_out.source for held_out in corpus[split]):
        assert set(combinations(sorted(content_words(text)), 2)) - trained, text


def test_every_word_is_frequent_in_the_training_set(corpus: dict[Split, list[Example]]) -> None:
    counts = Counter(lemma for pair in corpus["train"] for lemma in content_words(pair.source))
    rare = {lemma for lemma in lexicon.content_lemmas().values() if counts[lemma] < 20}
    assert not rare
    trained = Counter(word for pair in corpus["train"] for word in vocabulary(pair))
    for pair in (*corpus["valid"], *corpus["test"]):
        assert min(trained[word] for word in vocabulary(pair)) >= 20, pair


def vocabulary(pair: Example) -> set[tuple[str, str]]:
    texts = {"en": pair.source.lower(), "de": pair.target.lower()}
    return {(side, word) for side, text in texts.items() for word in words(text)}


def test_alignment_links_all_words_except_commas(corpus: dict[Split, list[Example]]) -> None:
    for pairs in corpus.values():
        for source, target, alignment in pairs:
            en, de = words(source), words(target)
            assert list(alignment) == sorted(set(alignment))
            assert all(i < len(en) and j < len(de) for i, j in alignment)
            free = {word for i, word in enumerate(en) if i not in {a for a, _ in alignment}}
            free |= {word for j, word in enumerate(de) if j not in {b for _, b in alignment}}
            assert free <= {","}, (source, target, free)


def test_text_is_clean(corpus: dict[Split, list[Example]]) -> None:
    for pairs in corpus.values():
        for pair in pairs:
            for text in (pair.source, pair.target):
                assert text == " ".join(text.split())
                assert text[0].isupper()
                assert text[-1] in ".?!"
                assert " ," not in text
                assert ",," not in text
                assert "{" not in text


def noun(en: str) -> NounEntry:
    entries = (*lexicon.all_nouns(), *(place.noun for place in lexicon.places()))
    return next(entry for entry in entries if " ".join(entry.singular) == en)


def adjective(en: str) -> AdjectiveEntry:
    return next(entry for entry in lexicon.all_adjectives() if entry.english[0] == (en,))


def text_of(np: NP, case: Case) -> str:
    return " ".join(word for word, _ in np.german(case))


@pytest.mark.parametrize(
    ("determiner", "adjective_", "noun_", "plural", "degree", "case", "expected"),
    [
        ("the", "old", "man", False, 0, "nom", "der alte Mann"),
        ("the", "old", "man", False, 0, "acc", "den alten Mann"),
        ("the", "old", "man", False, 0, "dat", "dem alten Mann"),
        ("the", "old", "man", False, 0, "gen", "des alten Mannes"),
        ("a", "small", "child", False, 0, "nom", "ein kleines Kind"),
        ("a", "small", "child", False, 0, "dat", "einem kleinen Kind"),
        ("a", "tall", "woman", False, 0, "dat", "einer großen Frau"),
        ("a", "expensive", "suitcase", False, 0, "acc", "einen teuren Koffer"),
        ("", "fresh", "bread", False, 0, "acc", "frisches Brot"),
        ("", "cold", "milk", False, 0, "dat", "kalter Milch"),
        ("", "cold", "beer", False, 0, "dat", "kaltem Bier"),
        ("", "red", "apple", True, 0, "acc", "rote Äpfel"),
        ("", "red", "apple", True, 0, "dat", "roten Äpfeln"),
        ("my", "new", "key", True, 0, "nom", "meine neuen Schlüssel"),
        ("our", "friendly", "neighbour", False, 0, "acc", "unseren freundlichen Nachbarn"),
        ("your ihr", "old", "aunt", False, 0, "dat", "eurer alten Tante"),
        ("your Sie", "new", "house", False, 0, "gen", "Ihres neuen Hauses"),
        ("this", "young", "student", False, 0, "dat", "diesem jungen Studenten"),
        ("every", "good", "doctor", False, 0, "nom", "jeder gute Arzt"),
        ("which", "", "book", False, 0, "acc", "welches Buch"),
        ("many", "beautiful", "city", True, 0, "dat", "vielen schönen Städten"),
        ("some", "big", "tree", True, 0, "nom", "einige große Bäume"),
        ("three", "white", "cat", True, 0, "acc", "drei weiße Katzen"),
        ("no", "dark", "room", False, 0, "acc", "kein dunkles Zimmer"),
        ("a", "fast", "car", False, 1, "acc", "ein schnelleres Auto"),
        ("the", "good", "idea", False, 2, "nom", "die beste Idee"),
        ("the", "high", "tower", False, 2, "acc", "den höchsten Turm"),
        ("the", "high", "mountain", True, 0, "nom", "die hohen Berge"),
        ("not a", "big", "dog", False, 0, "acc", "keinen großen Hund"),
        ("the", "", "teacher", True, 0, "dat", "den Lehrern"),
        ("some mass", "hot", "coffee", False, 0, "acc", "etwas heißen Kaffee"),
        ("the", "tired", "boy", False, 0, "gen", "des müden Jungen"),
    ],
)
def test_noun_phrases_are_declined(
    determiner: str, adjective_: str, noun_: str, plural: bool, degree: int, case: Case,
    expected: str,
) -> None:  # fmt: skip
    entry = adjective(adjective_) if adjective_ else None
    assert text_of(noun_phrase(noun(noun_), determiner, plural, entry, degree), case) == expected


@pytest.mark.parametrize(
    ("verb", "du", "er", "past", "participle", "command"),
    [
        ("essen isst aß gegessen", "isst", "isst", "aß", "gegessen", "iss"),
        ("lesen liest las gelesen", "liest", "liest", "las", "gelesen", "lies"),
        ("geben gibt gab gegeben", "gibst", "gibt", "gab", "gegeben", "gib"),
        ("fahren fährt fuhr gefahren ist", "fährst", "fährt", "fuhr", "gefahren", "fahre"),
        ("ein|laden lädt lud geladen", "lädst", "lädt", "lud", "eingeladen", "lade"),
        ("halten hält hielt gehalten", "hältst", "hält", "hielt", "gehalten", "halte"),
        ("waschen wäscht wusch gewaschen", "wäschst", "wäscht", "wusch", "gewaschen", "wasche"),
        ("arbeiten", "arbeitest", "arbeitet", "arbeitete", "gearbeitet", "arbeite"),
        ("öffnen", "öffnest", "öffnet", "öffnete", "geöffnet", "öffne"),
        ("zeichnen", "zeichnest", "zeichnet", "zeichnete", "gezeichnet", "zeichne"),
        ("lernen", "lernst", "lernt", "lernte", "gelernt", "lerne"),
        ("tanzen", "tanzt", "tanzt", "tanzte", "getanzt", "tanze"),
        ("besuchen", "besuchst", "besucht", "besuchte", "besucht", "besuche"),
        ("reparieren", "reparierst", "repariert", "reparierte", "repariert", "repariere"),
        ("wandern ist", "wanderst", "wandert", "wanderte", "gewandert", "wandere"),
        ("finden findet fand gefunden", "findest", "findet", "fand", "gefunden", "finde"),
        ("auf|räumen", "räumst", "räumt", "räumte", "aufgeräumt", "räume"),
    ],
)
def test_verbs_are_conjugated(
    verb: str, du: str, er: str, past: str, participle: str, command: str
) -> None:
    forms = parse_verb(verb)
    assert (forms.present[1], forms.present[2]) == (du, er)
    assert (forms.preterite[2], forms.participle, forms.imperative) == (past, participle, command)


SOMEBODY = {"Anna": name("Anna", "f"), "Mr Weber": name("Weber", "m", titled=True)}


def somebody(key: str) -> NP:
    """Return the noun phrase of a pronoun, a name or "determiner [adjective] noun"."""
    if key in SOMEBODY:
        return SOMEBODY[key]
    if " " not in key:
        return pronoun(key)
    determiner, *described, last = key.split()
    plural = last.endswith("+")
    entry = adjective(described[0]) if described else None
    return noun_phrase(noun(last.removesuffix("+")), determiner, plural, entry)


def clause(
    who: str, base: str, tense: Tense = "present", accusative: str = "", dative: str = "",
    about: str = "", *, deny: bool = False, german: str = "",
) -> Clause:  # fmt: skip
    """Return a clause of words given in English; `about` follows the verb's preposition."""
    verbs = [verb for verb in lexicon.main_verbs() if verb.en.base == base]
    wanted = [v for v in verbs if german in ("", v.de.infinitive)]
    if about:
        wanted = [verb for verb in wanted if len(verb.frame.split()) == 3]
    made = Clause(somebody(who), wanted[0], tense)
    if deny:
        made.negation = "nicht"
    if dative:
        np = somebody(dative)
        rank = Rank.DATIVE_PRONOUN if np.pronoun else Rank.DATIVE
        made.complements.append(Complement(np.object, np.german("dat"), rank, np.pronoun))
    if accusative:
        np = somebody(accusative)
        rank = Rank.DEFINITE if np.definite else Rank.INDEFINITE
        if np.pronoun:
            rank = Rank.ACCUSATIVE_PRONOUN
        made.complements.append(Complement(np.object, np.german("acc"), rank, np.pronoun))
    if about:
        en, de, case = wanted[0].frame.split()
        assert case in ("acc", "dat")
        both = prepositional(en, de, somebody(about), "acc" if case == "acc" else "dat")
        made.complements.append(Complement(*both, Rank.PLACE))
    return made


def texts(whole: Phrase, end: str = ".") -> tuple[str, str]:
    pair = example(whole + phrase(end, end))
    return pair.source, pair.target


def statement_texts(made: Clause) -> tuple[str, str]:
    return texts(Phrase(english_statement(made), german_second(made)))


def question_texts(made: Clause) -> tuple[str, str]:
    return texts(Phrase(english_question(made), german_second(made, [])), "?")


@pytest.mark.parametrize(
    ("made", "en", "de"),
    [
        (clause("I", "drink", "progressive", "a cold beer"),
         "I am drinking a cold beer.", "Ich trinke ein kaltes Bier."),
        (clause("he", "give", "past", "a apple", "the child"),
         "He gave the child an apple.", "Er hat dem Kind einen Apfel gegeben."),
        (clause("I", "give", "past", "a apple", "she"),
         "I gave her an apple.", "Ich habe ihr einen Apfel gegeben."),
        (clause("we", "call", "future", "my brother"),
         "We will call my brother.", "Wir werden meinen Bruder anrufen."),
        (clause("my sister", "turn", "progressive", "the lamp"),
         "My sister is turning on the lamp.", "Meine Schwester schaltet die Lampe ein."),
        (clause("they", "get", "perfect", german="aufstehen"),
         "They have got up.", "Sie sind aufgestanden."),
        (clause("the man", "read", "present", "the letter", deny=True),
         "The man does not read the letter.", "Der Mann liest den Brief nicht."),
        (clause("the woman", "wait", "past", about="the train", deny=True),
         "The woman did not wait for the train.", "Die Frau hat nicht auf den Zug gewartet."),
        (clause("I", "look", "present", about="the party", german="freuen"),
         "I look forward to the party.", "Ich freue mich auf die Party."),
        (clause("she", "remember", "present", about="the trip"),
         "She remembers the trip.", "Sie erinnert sich an die Reise."),
        (clause("ihr", "help", "present", "", "the old woman+"),
         "You help the old women.", "Ihr helft den alten Frauen."),
        (clause("Sie", "thank", "past", "", "Mr Weber"),
         "You thanked Mr Weber.", "Sie haben Herrn Weber gedankt."),
        (clause("Anna", "swim", "past"), "Anna swam.", "Anna ist geschwommen."),
        (clause("du", "sit", "past", german="setzen"), "You sat down.", "Du hast dich gesetzt."),
        (clause("I", "know", "past", "the teacher"),
         "I knew the teacher.", "Ich kannte den Lehrer."),
    ],
)  # fmt: skip
def test_statements_have_the_expected_texts(made: Clause, en: str, de: str) -> None:
    assert statement_texts(made) == (en, de)


@pytest.mark.parametrize(
    ("modal", "made", "en", "de"),
    [
        (("can", "können"), clause("I", "help", dative="du"),
         "I can help you.", "Ich kann dir helfen."),
        (("can", "können"), clause("she", "sleep", deny=True),
         "She can not sleep.", "Sie kann nicht schlafen."),
        (("must", "dürfen"), clause("du", "forget", accusative="the key", deny=True),
         "You must not forget the key.", "Du darfst den Schlüssel nicht vergessen."),
        (("have", "müssen"), clause("he", "work", deny=True),
         "He does not have to work.", "Er muss nicht arbeiten."),
        (("want", "wollen"), clause("Anna", "turn", accusative="the lamp", german="einschalten"),
         "Anna wants to turn on the lamp.", "Anna will die Lampe einschalten."),
        (("would", "möchten"), clause("we", "order", accusative="a pizza"),
         "We would like to order a pizza.", "Wir möchten eine Pizza bestellen."),
        (("like", ""), clause("they", "dance"), "They like to dance.", "Sie tanzen gern."),
    ],
)  # fmt: skip
def test_modal_verbs_have_the_expected_texts(
    modal: tuple[str, str], made: Clause, en: str, de: str
) -> None:
    for entry in (*lexicon.modals("stated"), *lexicon.modals("denied")):
        lexical = entry.lexical.base if entry.lexical else ""
        infinitive = entry.german.infinitive if entry.german else ""
        if (entry.auxiliary or lexical, infinitive) == modal:
            made.modal = entry
    assert statement_texts(made) == (en, de)


@pytest.mark.parametrize(
    ("made", "en", "de"),
    [
        (clause("ihr", "call", "past", "the neighbour+"),
         "Did you call the neighbours?", "Habt ihr die Nachbarn angerufen?"),
        (clause("Sie", "sit", "progressive"), "Are you sitting down?", "Setzen Sie sich?"),
        (clause("my uncle", "sit", "past"),
         "Did my uncle sit down?", "Hat sich mein Onkel gesetzt?"),
        (clause("he", "eat", "present", "the soup", deny=True),
         "Doesn't he eat the soup?", "Isst er die Suppe nicht?"),
    ],
)  # fmt: skip
def test_questions_have_the_expected_texts(made: Clause, en: str, de: str) -> None:
    assert question_texts(made) == (en, de)


def test_subordinate_clauses_end_with_the_verb() -> None:
    made = clause("the bus", "arrive", "past")
    assert [word for word, _ in german_last(made)] == ["der", "Bus", "angekommen", "ist"]
    made = clause("he", "look", "perfect", about="the course", german="freuen")
    expected = ["er", "sich", "auf", "den", "Kurs", "gefreut", "hat"]
    assert [word for word, _ in german_last(made)] == expected
    made = clause("I", "turn", accusative="the lamp")
    both = infinitive(made)
    assert [word for word, _ in both.en] == ["to", "turn", "on", "the", "lamp"]
    assert [word for word, _ in both.de] == ["die", "Lampe", "einzuschalten"]


@pytest.mark.parametrize(
    ("who", "en", "de"),
    [
        ("du", "Do not sit down!", "Setze dich nicht!"),
        ("ihr", "Do not sit down!", "Setzt euch nicht!"),
        ("Sie", "Do not sit down!", "Setzen Sie sich nicht!"),
    ],
)
def test_commands_have_the_expected_texts(who: str, en: str, de: str) -> None:
    made = clause(who, "sit", german="setzen", deny=True)
    assert texts(imperative(made), "!") == (en, de)


def test_possessives_and_prepositional_phrases_are_declined() -> None:
    car = possessed(somebody("my brother"), noun("car"))
    assert text_of(car, "acc") == "das Auto meines Bruders"
    assert " ".join(word for word, _ in car.object) == "my brother's car"
    assert text_of(possessed(SOMEBODY["Anna"], noun("bag")), "dat") == "Annas Tasche"
    station, table = somebody("the station"), somebody("the table")
    for preposition, np, case, expected in (
        ("zu", station, "dat", "zum Bahnhof"),
        ("in", somebody("the cinema"), "acc", "ins Kino"),
        ("in", somebody("the cinema"), "dat", "im Kino"),
        ("auf", table, "acc", "auf den Tisch"),
        ("auf", table, "dat", "auf dem Tisch"),
        ("zu", somebody("my aunt"), "dat", "zu meiner Tante"),
    ):
        fixed: Case = "acc" if case == "acc" else "dat"
        german = prepositional("to", preposition, np, fixed)[1]
        assert " ".join(word for word, _ in german) == expected


def test_numbers_and_times_have_the_expected_texts() -> None:
    assert (english_number(21), german_number(21)) == ("twenty-one", "einundzwanzig")
    assert (english_number(67), german_number(67)) == ("sixty-seven", "siebenundsechzig")
    assert german_number(16) == "sechzehn"
    for made, en, de in (
        (clock(7, 30), "Half past seven.", "Halb acht."),
        (clock(12, 30), "Half past twelve.", "Halb eins."),
        (clock(1, 0), "One o'clock.", "Ein Uhr."),
        (clock(3, 45), "A quarter to four.", "Viertel vor vier."),
        (clock(9, 10), "Ten past nine.", "Zehn nach neun."),
        (date(3, ("May", "Mai")), "On the third of May.", "Am dritten Mai."),
        (
            date(21, ("December", "Dezember")),
            "On the twenty-first of December.",
            "Am einundzwanzigsten Dezember.",
        ),
    ):
        assert texts(made) == (en, de)


def test_words_separates_punctuation() -> None:
    assert words("Don't go, it's twenty-one o'clock!") == [
        "Don't", "go", ",", "it's", "twenty-one", "o'clock", "!",
    ]  # fmt: skip


def test_template_labels_become_the_alignment() -> None:
    pair = example(phrase("how:h are:a you:b ?", "wie:h geht:a es:a dir:b ?"))
    assert pair == ("How are you?", "Wie geht es dir?", ((0, 0), (1, 1), (1, 2), (2, 3), (3, 4)))
