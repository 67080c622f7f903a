"""A reader of the phrasebook's German that shares no grammar with the generator.

It takes base forms from the lexicon: nouns with gender and plural, adjectives, and the forms of
verbs with their objects. Articles, endings, pronouns and word order are its own.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from typing import NamedTuple

from nmt.phrasebook import lexicon
from nmt.phrasebook.german import parse_verb
from nmt.phrasebook.lexicon import nouns, phrases, verbs

# A cell is a case (n, a, d, g) and a gender (m, f, n, or p for the plural).
ALL = frozenset(case + gender for case in "nadg" for gender in "mfnp")


def cells(text: str) -> frozenset[str]:
    return frozenset(text.split())


DER = {
    "der": cells("nm df gf gp"),
    "die": cells("nf af np ap"),
    "das": cells("nn an"),
    "den": cells("am dp"),
    "dem": cells("dm dn"),
    "des": cells("gm gn"),
}
STRONG = {
    "er": cells("nm df gf gp"),
    "e": cells("nf af np ap"),
    "es": cells("nn an"),
    "en": cells("am dp gm gn"),
    "em": cells("dm dn"),
}
EIN = {
    "": cells("nm nn an"),
    "e": cells("nf af np ap"),
    "en": cells("am dp"),
    "em": cells("dm dn"),
    "er": cells("df gf gp"),
    "es": cells("gm gn"),
}
WEAK = {"e": cells("nm nf af nn an"), "en": ALL - cells("nm nf af nn an")}
MIXED = {"er": cells("nm"), "e": cells("nf af"), "es": cells("nn an")}
MIXED["en"] = ALL - cells("nm nf af nn an")

PRONOUNS = {  # case(s) and person: 0 ich, 1 du, 2 er, 3 wir, 4 ihr, 5 sie
    "ich": "n0", "mich": "a0", "mir": "d0", "du": "n1", "dich": "a1", "dir": "d1", "er": "n2",
    "ihn": "a2", "ihm": "d2", "es": "n2 a2", "sie": "n2 a2 n5 a5", "ihr": "n4 d2", "wir": "n3",
    "uns": "a3 d3", "euch": "a4 d4", "ihnen": "d5", "IHR": "n4", "DAS": "n5", "Sie": "n5 a5",
    "Ihnen": "d5", "wer": "n2", "wen": "a2", "wem": "d2", "was": "n2 a2", "das": "n2 a2 n5",
    "man": "n2", "etwas": "a2",
}  # fmt: skip
REFLEXIVE = ("mich", "dich", "sich", "uns", "euch", "sich")
DATIVE, ACCUSATIVE = ["mit", "von", "zu", "aus", "bei", "nach", "seit"], ["für", "um", "bis"]
TWO_WAY = ["in", "an", "auf", "neben", "unter", "über", "vor", "hinter"]
CONTRACTED = {"im": "in dem", "ins": "in das", "am": "an dem", "zum": "zu dem", "zur": "zu der",
              "beim": "bei dem", "vom": "von dem"}  # fmt: skip
_CONJUNCTIONS = "dass ob weil wenn als bevor während obwohl wann warum wo"
CONJUNCTIONS = frozenset(_CONJUNCTIONS.split())
QUESTION_WORDS = ["wo", "wann", "warum", "wie", "wohin", "woher"]
_INERT = """
nicht sehr zu gern gerade schon so als wie viel weit entfernt heute morgen gestern jetzt hier
immer oft nie manchmal meistens selten noch bald später da wenig kalt warm heiß schlecht langsamer
einmal geschlossen geöffnet geboren fertig verheiratet leid eilig auf kaputt
besetzt frei gut nett teuer richtig lecker bis bitte danke ja nein natürlich hallo lange schön Auf
Wiedersehen Vorsicht Hilfe herzlich willkommen weh erkältet vielleicht nur um prost groß
Entschuldigung krank
"""
INERT = frozenset(_INERT.split())
# Nouns and verbs of the fixed phrases: article noun plural; verb forms | objects.
NOUNS = """
das Frühstück -, die Nähe -, das Gleis Gleise, die Verspätung -, das Kilo Kilo, das Stück Stücke,
die Nummer Nummern, die Person Personen, die Nacht Nächte, die Woche Wochen, der Tag Tage,
die Stunde Stunden, der Name* Namen, der Geburtstag -, das Jahr Jahre, der Monat Monate, der Euro
Euro, die Minute Minuten, das Wetter -, die Sonne Sonnen, der Hunger -, der Durst -, die Rechnung -,
der Platz Plätze, die Toilette Toiletten, die Karte Karten, das Problem Probleme,
die Polizei -, der Moment Momente, die Frau Frauen, der Dank -, der Morgen -,
der Abend Abende, das Glück -, der Spaß -, der Appetit -, die Weihnachten
Weihnachten, das Neujahr -, die Schmerzen Schmerzen, die Kopfschmerzen Kopfschmerzen,
die Bauchschmerzen Bauchschmerzen, die Zahnschmerzen Zahnschmerzen,
die Halsschmerzen Halsschmerzen, die Geschwister Geschwister, das Gute -, das Weihnachtsfest -
"""
VERBS = {
    "-": """
beginnen beginnt begann begonnen, enden, funktionieren, wohnen,
ab|fahren fährt fuhr gefahren ist, ab|fliegen fliegt flog geflogen ist, stimmen, zahlen,
kommen kommt kam gekommen ist, regnen, hoffen, scheinen scheint schien geschienen, schneien,
liegen liegt lag gelegen, stehen steht stand gestanden, herein|kommen kommt kam gekommen ist,
bleiben bleibt blieb geblieben ist, öffnen, hören, wissen,
schließen schließt schloss geschlossen, glauben, denken denkt dachte gedacht, fragen, brauchen,
kosten, sagen, weh|tun tut tat getan
""",
    "acc": """
kosten, machen, dauern, reservieren, bleiben bleibt blieb geblieben ist, bedeuten, lernen, spielen,
untersuchen untersucht untersuchte untersucht, bewegen, sagen, sprechen spricht sprach gesprochen,
nehmen nimmt nahm genommen, geben gibt gab gegeben, treffen trifft traf getroffen, wissen
""",
    "dat": "gefallen gefällt gefiel gefallen, sagen",
    "give": "wünschen, zeigen, lassen lässt ließ gelassen",
    "any": "heißen heißt hieß geheißen, gehen geht ging gegangen ist, tun tut tat getan",
}


class Word(NamedTuple):
    """Readings of a word: finite (verb, person), infinitive, participle, or with "zu"."""

    verb: str
    kind: str
    person: int = -1


@cache
def noun_table() -> dict[str, frozenset[str]]:
    """Return the cells of every form of a noun."""
    table: dict[str, set[str]] = {}

    def enter(article: str, singular: str, plural: str) -> None:
        weak = "*" in article + singular
        singular = singular.removesuffix("*")
        gender = {"der": "m", "die": "f", "das": "n"}[article.removesuffix("*")]
        own = "n" if weak else "nad" if gender in "mn" else "nadg"
        table.setdefault(singular, set()).update(case + gender for case in own)
        if gender in "mn" and not weak:
            for ending in ("s", "es"):
                table.setdefault(singular + ending, set()).add("g" + gender)
        if plural == "-":
            return
        cases = "nag" if plural[-1] not in "ns" else "nagd"
        table.setdefault(plural, set()).update(case + "p" for case in cases)
        if plural[-1] not in "ns":
            table.setdefault(plural + "n", set()).add("dp")
        if weak:
            table[plural].update(case + gender for case in "adg")

    texts = nouns.NOUNS + nouns.PLACES
    for entry in re.findall(r"(?:der|die|das)\*? [^ ,]+ [^ ,\n]+", texts):
        enter(*entry.split())
    for entry in " ".join(NOUNS.split()).split(", "):
        enter(*entry.split())
    for _, language in lexicon.word_pairs(nouns.LANGUAGES):
        enter("das", language, "-")
    for _, man, woman in lexicon.rows(nouns.PROFESSIONS):
        table.setdefault(man, set()).add("nm")
        table.setdefault(woman, set()).add("nf")
    return {word: frozenset(found) for word, found in table.items()}


@cache
def adjective_table() -> dict[str, str]:
    """Return the ending of every declined form of an adjective."""
    table: dict[str, str] = {}
    stems = {"teuer": "teur", "dunkel": "dunkl", "hoch": "hoh"}
    for entry in lexicon.all_adjectives():
        for form in entry.german:
            for ending in STRONG:
                table[stems.get(form, form.removesuffix("e")) + ending] = ending
    for form, ending in product(("nächst", "froh", "herzlich", "viel", "neu"), STRONG):
        table[form + ending] = ending
    return table


@cache
def verb_table() -> tuple[dict[str, list[Word]], dict[str, list[str]]]:
    """Return the readings of verb forms, and the objects of verbs ("ist": with "sein")."""
    table: dict[str, list[Word]] = {}
    objects: dict[str, list[str]] = {}

    def enter(german: str, frame: str) -> None:
        verb = parse_verb(german.removeprefix("sich "))
        key = verb.infinitive + (" ist" if verb.auxiliary == "sein" else "")
        reflexive = "refl " if german.startswith("sich ") else ""
        objects.setdefault(key, []).append(reflexive + frame)
        separated = verb.particle
        for forms in (verb.present, verb.preterite):
            for person, form in enumerate(forms):
                table.setdefault(f"{form} {separated}".strip(), []).append(
                    Word(key, "finite", person)
                )
                table.setdefault(separated + form, []).append(Word(key, "last", person))
        for form, kind in (
            (verb.infinitive, "infinitive"),
            (verb.participle, "participle"),
            (verb.zu_infinitive, "zu" if separated else "infinitive"),
            (f"{verb.imperative} {separated}".strip(), "imperative"),
        ):
            if form:
                table.setdefault(form, []).append(Word(key, kind))

    for row in lexicon.rows(verbs.VERBS):
        enter(row[1], row[2])
    for row in lexicon.rows(verbs.PLACEMENT):
        enter(row[1], f"acc {row[4].split()[1]} direction")
    for row in lexicon.rows(verbs.POSITION):
        enter(row[1], "-")
    for row in lexicon.rows(verbs.CARE):
        enter(row[1], "dat acc")
    for row in lexicon.rows(verbs.TRYING):
        enter(row[1], "-")
    for row in lexicon.rows(verbs.MODALS):
        if row[1] != "-":
            enter(row[1], "modal")
    for frame, entries in VERBS.items():
        for entry in " ".join(entries.split()).split(", "):
            enter(entry, frame)
    for text, frame in (("sein ist", "be"), ("haben", "acc"), ("werden ist", "modal")):
        enter(text, frame)
    for stem, verb in (("hätt", "haben"), ("könnt", "können")):
        for person, ending in enumerate(("e", "est", "e", "en", "et", "en")):
            table.setdefault(stem + ending, []).append(Word(verb, "finite", person))
    return table, objects


# Chunks


class Chunk(NamedTuple):
    """Words that move together: kind, words, preposition, and pairs (case, person)."""

    kind: str  # np, verb, time, word, conjunction
    text: str
    preposition: str = ""
    cases: frozenset[tuple[str, int]] = frozenset()
    genders: frozenset[str] = frozenset()


NAMES = {*nouns.WOMEN.split(), *nouns.MEN.split()}
SURNAMES = set(nouns.SURNAMES.split())
PLACE_NAMES = {de for _, de in lexicon.word_pairs(nouns.CITIES)}
FREE_NOUNS = {
    de
    for table in (nouns.LANGUAGES, nouns.GAMES, nouns.INSTRUMENTS)
    for _, de in lexicon.word_pairs(table)
}
ONES = [
    "ein",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
]
NUMBER = re.compile(
    rf"(?:(?:{'|'.join(ONES)})und)?(?:zwanzig|dreißig|\w+zig)|\w*(?:zehn|hundert)"
    rf"|{'|'.join(ONES[1:])}|sechzehn|siebzehn"
)
HOUR = rf"(?:{'|'.join(ONES)})"
TIME = re.compile(
    rf"\b(?:um )?(?:halb {HOUR}|(?:Viertel|fünf|zehn|zwanzig) (?:nach|vor) {HOUR}|{HOUR} Uhr)\b"
    r"|\bam \w+ten (?:Januar|Februar|März|April|Mai|Ju[nl]i|August|\w+ber)\b"
    r"|\bam \w+(?:tag|woch)\b"
)
DATE = re.compile(
    r"\b(?:Mon|Diens|Donners|Frei|Sams|Sonn)tag\b|\bMittwoch\b"
    r"|\b[Dd]er \w+te (?:Januar|Februar|März|April|Mai|Ju[nl]i|August|\w+ber)\b"
)
TIMES = sorted(
    (re.sub(r":\w+", "", de) for table in phrases.TIMES.values() for _, de in lexicon.rows(table)),
    key=len,
    reverse=True,
)
RELATIVE = {**DER, "denen": cells("dp")}


MEASURES = {"Glas", "Flasche", "Flaschen", "Tasse", "Stück", "Kilo"}


class Fault(Exception):
    """A sentence that breaks a rule of grammar."""


def determiner(word: str) -> tuple[frozenset[str], dict[str, frozenset[str]]] | None:
    """Return the cells of a determiner and the endings of the adjectives after it."""
    if word in DER:
        return DER[word], WEAK
    for stem in ("dies", "jed", "welch"):
        if word.startswith(stem) and word.removeprefix(stem) in STRONG:
            return STRONG[word.removeprefix(stem)] - cells("gm gn"), WEAK
    for stem in ("viel", "einig"):
        if word.startswith(stem) and word.removeprefix(stem) in ("e", "er", "en"):
            plural = {cell for cell in STRONG[word.removeprefix(stem)] if cell[1] == "p"}
            return frozenset(plural), STRONG
    for stem in ("kein", "ein", "mein", "dein", "sein", "ihr", "Ihr", "unser", "eur", "euer"):
        ending = word.removeprefix(stem)
        if word.startswith(stem) and ending in EIN and (stem, bool(ending)) not in (
            ("eur", False), ("euer", True),
        ):  # fmt: skip
            found = EIN[ending]
            return (frozenset(c for c in found if c[1] != "p") if stem == "ein" else found), MIXED
    if NUMBER.fullmatch(word):
        return frozenset(cell for cell in ALL if cell[1] == "p"), STRONG
    return (ALL, STRONG) if word == "etwas" else None


def noun_phrase(words: list[str], start: int) -> tuple[Chunk, int] | None:
    """Return the noun phrase that starts here, and the position after it."""
    index, found, endings = start, ALL, STRONG
    title = words[index]
    titles = {"Herr": "n", "Herrn": "ad", "Frau": "nad"}
    if title in titles and not SURNAMES.isdisjoint(words[index + 1 : index + 2]):
        readings = frozenset((case, 2) for case in titles[title])
        return Chunk("np", title, "", readings, frozenset("mf")), index + 2
    if title in NAMES:
        return Chunk("np", title, "", frozenset({("n", 2), ("a", 2), ("d", 2)})), index + 1
    if title in PLACE_NAMES or title in FREE_NOUNS:
        return Chunk("np", title, "", frozenset({("a", 2), ("d", 2)})), index + 1
    if title.removesuffix("s") in NAMES:
        index += 1
    elif article := determiner(title):
        found, endings = article
        index += 1
    adjectives = adjective_table()
    while index < len(words) and words[index] in adjectives and words[index][0].islower():
        found = found & endings.get(adjectives[words[index]], frozenset())
        index += 1
    if index == len(words) or words[index] not in noun_table():
        return None
    found = found & noun_table()[words[index]]
    text = " ".join(words[start : index + 1])
    if not found and title in ("ihr", "das"):
        return None
    if not found:
        raise Fault(f"article, adjective and noun do not agree: {text}")
    readings = frozenset((cell[0], 5 if cell[1] == "p" else 2) for cell in found)
    return Chunk("np", text, "", readings, frozenset(cell[1] for cell in found)), index + 1


def chunks(words: list[str]) -> list[Chunk]:
    """Split a clause into chunks."""
    result: list[Chunk] = []
    index = 0
    table = verb_table()[0]
    heads = separable_heads()
    while index < len(words):
        word = words[index]
        preposition = CONTRACTED.get(word, word).split()[0]
        if preposition in (*DATIVE, *ACCUSATIVE, *TWO_WAY) and index + 1 < len(words):
            rest = words[index + 1 :]
            if word in CONTRACTED:
                rest = [CONTRACTED[word].split()[1], *rest]
            inner = noun_phrase(rest, 0)
            if not inner and rest[0] in PRONOUNS:
                inner = _pronoun(rest[0]), 1
            if inner:
                allowed = (
                    "d" if preposition in DATIVE else "a" if preposition in ACCUSATIVE else "ad"
                )
                cases = frozenset(c for c in inner[0].cases if c[0] in allowed)
                if not cases:
                    raise Fault(f"wrong case after {preposition}: {inner[0].text}")
                result.append(inner[0]._replace(preposition=preposition, cases=cases))
                index += inner[1] + (0 if word in CONTRACTED else 1)
                continue
        if word == "TIME":
            result.append(Chunk("time", word))
        elif word == "von" and words[index + 1] == "hier":
            result.append(Chunk("word", word))
        elif word == "DATE":
            result.append(Chunk("np", word, "", frozenset({("n", 2)})))
        elif made := noun_phrase(words, index):
            measure = result[-1].text.split()[-1] if result else ""
            if measure not in MEASURES:
                result.append(made[0])
            index = made[1]
            continue
        elif word in PRONOUNS and word != "etwas":
            result.append(_pronoun(word))
        elif word == "sich":
            result.append(Chunk("np", word, "", frozenset({("a", 9), ("d", 9)})))
        elif word in CONJUNCTIONS and not result:
            result.append(Chunk("conjunction", word))
        elif (word in table or word in heads or word == "zu") and not adverbial(
            words, index, result
        ):
            result.append(Chunk("verb", word))
        elif word in INERT or word in bare() or NUMBER.fullmatch(word):
            result.append(Chunk("word", word))
        else:
            raise Fault(f"unknown word {word}")
        index += 1
    return result


@cache
def separable_heads() -> frozenset[str]:
    return frozenset(form.split()[0] for form in verb_table()[0] if " " in form)


def adverbial(words: list[str], index: int, before: list[Chunk]) -> bool:
    """Return whether a word that can be a verb is "please", "thanks" or an adjective here."""
    word = words[index]
    if word in ("bitte", "danke"):
        return "ich" not in words
    return word in bare() and any(part.kind == "verb" for part in before)


@cache
def bare() -> frozenset[str]:
    """Return the undeclined forms of adjectives, and separable particles."""
    forms = {form for a in lexicon.all_adjectives() for form in a.german[:2]}
    particles = {
        parse_verb(row[1].removeprefix("sich ")).particle for row in lexicon.rows(verbs.VERBS)
    }
    return frozenset(forms | particles | {"ab", "an"})


def _pronoun(word: str) -> Chunk:
    return Chunk("np", word, "", frozenset((c[0], int(c[1])) for c in PRONOUNS[word].split()))


# Clauses


def fits(
    frame: str, objects: list[str], predicates: int, places: list[tuple[str, set[str]]]
) -> bool:
    """Return whether a verb can have these objects (cases), predicates and prepositions."""
    prepositions: dict[str, str] = {}
    match frame.split():
        case ["any"] | ["modal"]:
            return predicates < 2
        case ["be"]:
            return predicates < 2 and objects in ([], ["d"])
        case ["acc", preposition, "direction"]:
            cases, prepositions = ["a"], {preposition: "a"}
        case ["acc"] | ["dat"]:
            cases = [frame[0]]
        case ["give"] | ["dat", "acc"]:
            cases = ["a", "d"]
        case ["to"]:
            cases, prepositions = [], dict.fromkeys(TWO_WAY, "a")
        case [_, "-", case]:
            cases = [case[0]]
        case [_, preposition, case]:
            cases, prepositions = [], {preposition: case[0]}
        case _:
            cases = []
    return (
        not predicates
        and objects == cases
        and all(prepositions.get(preposition, "d") in found for preposition, found in places)
    )


def agree(parts: list[Chunk], verb: str, person: int | None) -> bool:
    """Return whether the noun phrases fit the verb: one subject, and the objects it requires.

    ``person`` is the person of the finite verb, or None for an infinitive without subject.
    """
    options: list[list[tuple[str, int]]] = []
    reflexives = [part.text for part in parts if part.text in REFLEXIVE and not part.preposition]
    for place, part in enumerate(parts):
        if part.kind == "np" and not part.preposition:
            attribute = place > 0 and parts[place - 1].kind == "np"
            options.append([c for c in part.cases if c[0] != "g" or attribute])
    places = [(p.preposition, {c[0] for c in p.cases}) for p in parts if p.preposition in TWO_WAY]
    if "sich" in reflexives and person not in (2, 5, None):
        return False
    for chosen in product(*options):
        subjects = [c[1] for c in chosen if c[0] == "n"]
        objects = sorted(c[0] for c in chosen if c[0] in "ad")
        if person is not None and person not in subjects:
            continue
        predicates = len(subjects) - (person is not None)
        for frame in verb_table()[1][verb]:
            plain = frame.removeprefix("refl ")
            expected = list(REFLEXIVE) if person is None else [REFLEXIVE[person]]
            if plain == frame:
                if fits(plain, objects, predicates, places):
                    return True
            elif set(expected) & set(reflexives) and "a" in objects:
                objects_left = objects[1:]
                if fits(plain, objects_left, predicates, places):
                    return True
    return False


def predicate(parts: list[Chunk], finite: str, at_end: bool) -> list[tuple[str, int, list[Chunk]]]:
    """Return (main verb, person, other chunks) for each reading of the verbs of a clause."""
    table, objects = verb_table()
    rest = [part for part in parts if part.kind != "verb" or part.text == "zu"]
    others = [part.text for part in parts if part.kind == "verb" and part.text != "zu"]
    result = []
    for reading in table.get(finite, []):
        if reading.kind not in ("finite", "last") or (reading.kind == "last") != at_end:
            continue
        inner = [w for text in others for w in table.get(text, [])]
        helper = "modal" in objects[reading.verb]
        if not others:
            result.append((reading.verb, reading.person, rest))
        for word in inner:
            if (word.kind == "infinitive" and (helper or reading.verb == "lernen")) or (
                word.kind == "participle"
                and reading.verb == ("sein ist" if word.verb.endswith(" ist") else "haben")
            ):
                result.append((word.verb, reading.person, rest))
        if reading.verb == "sein ist" and others and others[0] in INERT:
            result.append(("sein ist", reading.person, rest))
    return result


def separable(parts: list[Chunk], finite: int) -> str:
    """Return the finite verb with a separated particle, which must end the clause."""
    last = parts[-1].text
    form = f"{parts[finite].text} {last}"
    return form if form in verb_table()[0] else parts[finite].text


def main_clause(parts: list[Chunk], end: str, fronted: bool) -> str:
    """Return the fault of a main clause, or "" if it has none."""
    table = verb_table()[0]
    verbs_ = [i for i, part in enumerate(parts) if part.kind == "verb"]
    if not verbs_:
        return ""
    finite = verbs_[0]
    # An attribute or a genitive belongs to the noun before it.
    front = [
        p
        for i, p in enumerate(parts[:finite])
        if not (
            i and p.kind == "np" and (p.preposition or ("g", 2) in p.cases or ("g", 5) in p.cases)
        )
    ]
    front = [p for p in front if p.text not in ("bitte", "nicht", "so")]
    whole = separable(parts, finite)
    rest = [p for p in parts[:finite] + parts[finite + 1 :] if p.text != "bitte"]
    if whole != parts[finite].text:
        rest = rest[:-1]
    position = len(front) + fronted
    asking = bool(front) and (
        front[0].text in (*QUESTION_WORDS, "wer", "wen", "wem", "was")
        or front[0].text.startswith("welch")
        or front[0].kind == "conjunction"
    )
    if position == 0:
        imperative = any(w.kind == "imperative" for w in table.get(whole, []))
        for word in table.get(whole, []):
            if word.kind == "imperative" and agree(rest, word.verb, None) and end != "?":
                return ""
            if (
                word.kind == "finite"
                and word.person == 4
                and end != "?"
                and agree(rest, word.verb, None)
            ):
                return ""
        formal = len(rest) > 0 and rest[0].text == "Sie"
        if end != "?" and not formal:
            return "verb first in a statement" if not imperative else "wrong objects in a command"
    elif position != 1 and not (asking and position <= 3):
        return f"the verb is in position {position + 1}"
    for verb, person, others in predicate(rest, whole, False):
        if agree(others, verb, person):
            return ""
    return "subject, verb and objects do not agree"


def last_clause(parts: list[Chunk]) -> str:
    """Return the fault of a clause with the verb at the end, or "" if it has none."""
    if parts[-1].kind != "verb":
        return "the verb is not at the end"
    for verb, person, others in predicate(parts[:-1], parts[-1].text, True):
        if agree(others, verb, person):
            return ""
    return "subject, verb and objects do not agree in a subordinate clause"


def infinitive_clause(parts: list[Chunk]) -> str:
    """Return the fault of an infinitive with "zu", or "" if it has none."""
    for word in verb_table()[0].get(parts[-1].text, []):
        together = word.kind == "zu" or (word.kind == "infinitive" and parts[-2].text == "zu")
        if together and agree([p for p in parts[:-1] if p.kind != "verb"], word.verb, None):
            return ""
    return "wrong infinitive clause"


# Sentences


def lowered(word: str) -> str:
    """Return the first word of a sentence as it is written within a sentence."""
    low = word[0].lower() + word[1:]
    proper = word in noun_table() or word in NAMES or word in PLACE_NAMES or word in FREE_NOUNS
    titled = word in ("Herr", "Frau", "TIME", "DATE", "IHR") or word.removesuffix("s") in NAMES
    return word if (proper and low not in PRONOUNS and not determiner(low)) or titled else low


def aside(words: list[str]) -> bool:
    """Return whether a segment between commas is a name, a greeting or "bitte"."""
    known = {"und", "Herr", "Frau", "Kinder", "Freunde", "kinder", "freunde", *NAMES, *SURNAMES}
    known |= {"bitte", "danke", "ja", "nein", "hallo", "entschuldigung", "Entschuldigung"}
    known |= {"guten", "gute", "Morgen", "Tag", "Abend", "Nacht", "vielen", "Dank"}
    return all(word in known for word in words)


@cache
def fixed() -> frozenset[str]:
    """Return the German phrases without slots, which people have read."""
    rows = [row for row in lexicon.rows(phrases.SPOKEN) if "{" not in row[0]]
    texts = (re.sub(r":\w+", "", de).rstrip(".?!") for row in rows for de in row[1:])
    return frozenset(text[0].upper() + text[1:] for text in texts)


def faults(text: str) -> list[str]:
    """Return the faults of German text, an empty list if it is correct."""
    found = []
    for sentence, end in re.findall(r"([^.?!]+)([.?!])", text):
        # "Ihr" can be a possessive and "das" an article, or they are pronouns.
        sentence = sentence.strip()
        readings = {
            sentence,
            re.sub(r"\b[Ii]hr\b", "IHR", sentence),
            re.sub(r"\b[Ss]ind das\b", "Sind DAS", sentence),
        }
        fault = min((fault_or_none(reading, end) for reading in readings), key=len)
        if fault:
            found.append(f"{fault}: {sentence}{end}")
    return found


def fault_or_none(sentence: str, end: str) -> str:
    try:
        return sentence_fault(sentence, end)
    except Fault as error:
        return str(error)


def sentence_fault(sentence: str, end: str) -> str:
    sentence = re.sub("[Vv]ielen Dank", "danke", sentence.removeprefix("Es tut mir leid, "))
    for time in TIMES:
        shown = time[0].upper() + time[1:]
        sentence = re.sub(rf"\b{time}\b", "TIME", re.sub(rf"^{shown}\b", "TIME", sentence))
    sentence = DATE.sub("DATE", TIME.sub("TIME", sentence))
    segments = [part.split() for part in sentence.split(", ")]
    segments[0][0] = lowered(segments[0][0])
    segments = [part for part in segments if not aside(part)]
    if not segments:
        return ""
    if len(segments) > 0:
        segments[0][0] = lowered(segments[0][0])
    plain = re.sub(r"^\w", lambda m: m[0].upper(), ", ".join(map(" ".join, segments)))
    if plain in fixed() or sentence in fixed():
        return ""
    fronted, pending, before = False, list[str](), list[str]()
    for words in segments:
        if before and not relative_fault(words, chunks(pending or before)):
            fault = ""
        elif words[0] in CONJUNCTIONS and (before or words[0] not in QUESTION_WORDS):
            fault = last_clause(chunks(words))
            fronted = not before
        elif before and infinitive(words):
            fault = infinitive_clause(chunks(words))
            if words[0] == "um":
                fault = fault and infinitive_clause(chunks(words[1:]))
        else:
            pending += words
            if not has_verb(pending):
                before = words
                continue
            fault = joined_fault(pending, end, fronted)
            fronted, pending = False, []
        if fault:
            return fault
        before = words
    return ""


def has_verb(words: list[str]) -> bool:
    try:
        return any(part.kind == "verb" for part in chunks(words))
    except Fault:
        return True


def infinitive(words: list[str]) -> bool:
    kinds = {word.kind for word in verb_table()[0].get(words[-1], [])}
    return words[0] == "um" or "zu" in kinds or (words[-2:-1] == ["zu"] and "infinitive" in kinds)


def relative_fault(words: list[str], before: list[Chunk]) -> str:
    """Return why the words are not a correct relative clause, or "" if they are."""
    genders = next((part.genders for part in reversed(before) if part.genders), frozenset())
    agreeing = [cell for cell in RELATIVE.get(words[0], ()) if cell[1] in genders]
    if not agreeing or len(words) < 2:
        return "no relative pronoun"
    readings = frozenset((cell[0], 5 if cell[1] == "p" else 2) for cell in agreeing)
    try:
        return last_clause([Chunk("np", words[0], "", readings), *chunks(words[1:])])
    except Fault as error:
        return str(error)


def joined_fault(words: list[str], end: str, fronted: bool) -> str:
    """Return the fault of one main clause, or of two that "und" joins."""
    words = words[1:] if words[0] in ("aber", "und") else words
    fault = ""
    if "und" not in words:
        return main_clause(chunks(words), end, fronted)
    for place in (i for i, word in enumerate(words) if word == "und"):
        first, second = words[:place], words[place + 1 :]
        fault = main_clause(chunks(first), end, fronted) or main_clause(chunks(second), end, False)
        if not fault:
            return ""
    return fault
