"""German morphology: articles, adjective endings, noun cases, conjugation."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple

Case = Literal["nom", "acc", "dat", "gen"]
Gender = Literal["m", "f", "n", "p"]  # p: the plural of any gender

_COLUMN = {"m": 0, "f": 1, "n": 2, "p": 3}


def _paradigm(text: str) -> dict[str, list[str]]:
    """Return four cases (nom, acc, dat, gen) of m, f, n, p; "-" is no ending."""
    cases = [row.replace("-", "").split(" ") for row in text.split(", ")]
    return dict(zip(("nom", "acc", "dat", "gen"), cases, strict=True))


_DEFINITE = _paradigm("der die das die, den die das die, dem der dem den, des der des der")
_STRONG = _paradigm("er e es e, en e es e, em er em en, es er es er")
_EIN = _paradigm("- e - e, en e - e, em er em en, es er es er")
_WEAK = _paradigm("e e e en, en e e en, en en en en, en en en en")
_MIXED = _paradigm("er e es en, en e es en, en en en en, en en en en")
_ADJECTIVE_STEMS = {"teuer": "teur", "dunkel": "dunkl", "sauer": "saur", "hoch": "hoh"}

EIN_WORDS = frozenset({"ein", "kein", "mein", "dein", "sein", "ihr", "unser", "euer", "Ihr"})
DER_WORDS = frozenset({"dies", "jed", "welch"})

_INSEPARABLE = ("be", "ver", "er", "ent", "zer", "über", "unter", "ge", "wieder")
_VOWEL_GROUP = re.compile(r"[aeiouyäöü]+", re.IGNORECASE)

# Six present forms (ich, du, er, wir, ihr, sie), preterite, participle.
_IRREGULAR: dict[str, tuple[str, str, str]] = {
    "sein": ("bin bist ist sind seid sind", "war", "gewesen"),
    "haben": ("habe hast hat haben habt haben", "hatte", "gehabt"),
    "werden": ("werde wirst wird werden werdet werden", "wurde", "geworden"),
    "wissen": ("weiß weißt weiß wissen wisst wissen", "wusste", "gewusst"),
    "mögen": ("mag magst mag mögen mögt mögen", "mochte", "gemocht"),
    "können": ("kann kannst kann können könnt können", "konnte", "gekonnt"),
    "müssen": ("muss musst muss müssen müsst müssen", "musste", "gemusst"),
    "wollen": ("will willst will wollen wollt wollen", "wollte", "gewollt"),
    "dürfen": ("darf darfst darf dürfen dürft dürfen", "durfte", "gedurft"),
}  # fmt: skip


# Modal verbs that the lexicon lists in the preterite or the subjunctive.
_PAST_MODALS = frozenset({"möchten", "sollten", "konnten", "wollten", "mussten"})


class Noun(NamedTuple):
    """A German noun; ``plural`` is "" if there is none, ``weak`` marks the n-declension."""

    singular: str
    plural: str
    gender: Gender
    weak: bool


class GermanVerb(NamedTuple):
    """Forms of a verb, with persons in the order ich, du, er, wir, ihr, sie/Sie."""

    infinitive: str
    zu_infinitive: str
    particle: str
    present: tuple[str, ...]
    preterite: tuple[str, ...]
    participle: str
    imperative: str
    auxiliary: str


def _genitive(word: str) -> str:
    if word.endswith(("s", "ß", "z", "x")):
        return word + "es"
    one_syllable = len(_VOWEL_GROUP.findall(word)) == 1 and word[-1] not in "aeiouäöühf"
    return word + ("es" if one_syllable else "s")


@cache
def decline(noun: Noun, plural: bool, case: Case) -> str:
    if plural:
        form = noun.plural
        return form + "n" if case == "dat" and form[-1] not in "ns" else form
    if noun.weak and case != "nom":
        return noun.plural
    if case == "gen" and noun.gender in "mn":
        return _genitive(noun.singular)
    return noun.singular


@cache
def determiner(stem: str, gender: Gender, case: Case) -> str:
    """Return a determiner; ``stem`` is der, dies, jed, welch, or ein, kein and possessives."""
    column = _COLUMN[gender]
    if stem == "der":
        return _DEFINITE[case][column]
    if stem in DER_WORDS or stem in ("viel", "einig"):
        return stem + _STRONG[case][column]
    if stem in EIN_WORDS:
        ending = _EIN[case][column]
        return (("eur" if stem == "euer" else stem) + ending) if ending else stem
    return stem  # numerals and "etwas" have no endings


@cache
def inflect(adjective: str, determiner_stem: str, gender: Gender, case: Case) -> str:
    """Return the adjective with its ending: weak after der, mixed after ein, else strong."""
    column = _COLUMN[gender]
    if determiner_stem == "der" or determiner_stem in DER_WORDS:
        ending = _WEAK[case][column]
    elif determiner_stem in EIN_WORDS:
        ending = _MIXED[case][column]
    elif case == "gen" and gender in "mn":
        ending = "en"
    else:
        ending = _STRONG[case][column]
    return _ADJECTIVE_STEMS.get(adjective, adjective.removesuffix("e")) + ending


def relative_pronoun(gender: Gender, case: Case) -> str:
    if case == "dat" and gender == "p":
        return "denen"
    return _DEFINITE[case][_COLUMN[gender]]


def _needs_e(stem: str) -> bool:
    """Return whether a stem needs an e before endings, such as arbeit-, öffn-, zeichn-."""
    cluster = stem[-1] in "mn" and (stem[-2] not in "aeiouäöülrmnhy" or stem[-3:-1] == "ch")
    return cluster or stem[-1] in "td"


def _by_person(stem: str, ich: str, du: str, er: str, plural: str, ihr: str) -> tuple[str, ...]:
    return (stem + ich, stem + du, stem + er, stem + plural, stem + ihr, stem + plural)


def _preterite(form: str) -> tuple[str, ...]:
    weak = form.endswith("e")
    return _by_person(form, "", "st", "", "n" if weak else "en", "t")


def parse_verb(text: str) -> GermanVerb:
    """Parse ``[particle|]infinitive [er-form preterite participle] [ist]``.

    Weak verbs have only their infinitive; "ist" marks a perfect tense with sein.
    """
    fields = text.split()
    auxiliary = "sein" if fields[-1] == "ist" else "haben"
    if auxiliary == "sein":
        fields.pop()
    particle, _, base = fields[0].rpartition("|")
    stem = base[:-2] if base.endswith("en") else base[:-1]
    if base in _IRREGULAR:
        forms, past, participle = _IRREGULAR[base]
        present = tuple(forms.split())
        preterite = _preterite(past)
        imperative = "sei" if base == "sein" else stem
    elif base in _PAST_MODALS:
        preterite = present = _preterite(stem + "e")
        participle = imperative = ""
    else:
        e = "e" if _needs_e(stem) else ""
        s = "" if stem[-1] in "sßzx" else "s"
        plural = base[len(stem) :]
        present = _by_person(stem, "e", e + s + "t", e + "t", plural, e + "t")
        imperative = stem + "e"
        if len(fields) == 4:
            third, past, participle = fields[1:]
            if third != present[2]:
                second = third if third.endswith("st") else third[:-1] + "st"
                second = "hältst" if third == "hält" else second
                present = (present[0], second, third, *present[3:])
                if "i" in third and "i" not in stem:  # iss, lies, nimm
                    imperative = third[:-1]
            preterite = _preterite(past)
        else:
            preterite = _preterite(stem + e + "te")
            prefixed = base.startswith(_INSEPARABLE) or base.endswith("ieren")
            participle = ("" if prefixed else "ge") + stem + e + "t"
    return GermanVerb(
        particle + base,
        f"{particle}zu{base}" if particle else base,
        particle,
        present,
        preterite,
        particle + participle,
        imperative,
        auxiliary,
    )
