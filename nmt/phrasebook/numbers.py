"""Aligned numbers, ordinals, times of day and dates in words."""

from __future__ import annotations

from functools import cache

from nmt.phrasebook import lexicon
from nmt.phrasebook.phrase import Phrase, phrase

_ONES = lexicon.word_pairs("""
zero null, one eins, two zwei, three drei, four vier, five fünf, six sechs, seven sieben,
eight acht, nine neun, ten zehn, eleven elf, twelve zwölf, thirteen dreizehn, fourteen vierzehn,
fifteen fünfzehn, sixteen sechzehn, seventeen siebzehn, eighteen achtzehn, nineteen neunzehn
""")
_TENS = lexicon.word_pairs("""
ten zehn, twenty zwanzig, thirty dreißig, forty vierzig, fifty fünfzig, sixty sechzig,
seventy siebzig, eighty achtzig, ninety neunzig
""")
_EN_ORDINALS = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth"}
_EN_ORDINALS |= {12: "twelfth", 20: "twentieth", 30: "thirtieth"}
_DE_ORDINALS = {1: "erste", 3: "dritte", 7: "siebte", 8: "achte"}
MONTHS = """
January Januar, February Februar, March März, April, May Mai, June Juni, July Juli, August,
September, October Oktober, November, December Dezember
"""
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
WEEKDAYS = """
Monday Montag, Tuesday Dienstag, Wednesday Mittwoch, Thursday Donnerstag, Friday Freitag,
Saturday Samstag, Sunday Sonntag
"""


@cache
def english_number(n: int) -> str:
    """Return a number from 0 to 100 in words."""
    if n < 20:
        return _ONES[n][0]
    if n == 100:
        return "hundred"
    tens, ones = divmod(n, 10)
    return _TENS[tens - 1][0] + (f"-{_ONES[ones][0]}" if ones else "")


@cache
def german_number(n: int) -> str:
    """Return a number from 0 to 100 in words, in the form for counting ("eins")."""
    if n < 20:
        return _ONES[n][1]
    if n == 100:
        return "hundert"
    tens, ones = divmod(n, 10)
    one = "ein" if ones == 1 else _ONES[ones][1]
    return (f"{one}und" if ones else "") + _TENS[tens - 1][1]


def english_ordinal(n: int) -> str:
    if n in _EN_ORDINALS:
        return _EN_ORDINALS[n]
    if n < 20:
        return _ONES[n][0] + "th"
    return f"{_TENS[n // 10 - 1][0]}-{english_ordinal(n % 10)}"


def german_ordinal(n: int) -> str:
    """Return an ordinal from 1 to 31 in the form after "der" ("erste")."""
    if n in _DE_ORDINALS:
        return _DE_ORDINALS[n]
    return german_number(n) + ("te" if n < 20 else "ste")


def number(n: int) -> Phrase:
    word = english_number(n)
    return phrase("one hundred" if n == 100 else word, german_number(n))


def clock(hour: int, minutes: int) -> Phrase:
    """Return a time of day for ``hour`` 1 to 12; German names the next hour for half past."""
    h, next_hour = english_number(hour), english_number(hour % 12 + 1)
    d, d_next = german_number(hour), german_number(hour % 12 + 1)
    if minutes == 0:
        return phrase(f"{h} o'clock", f"{'ein' if hour == 1 else d} Uhr")
    if minutes == 30:
        return phrase(f"half:h past:h {h}:n", f"halb:h {d_next}:n")
    if minutes == 15:
        return phrase(f"a:q quarter:q past:p {h}:n", f"Viertel:q nach:p {d}:n")
    if minutes == 45:
        return phrase(f"a:q quarter:q to:p {next_hour}:n", f"Viertel:q vor:p {d_next}:n")
    if minutes < 30:
        return phrase(f"{english_number(minutes)} past {h}", f"{german_number(minutes)} nach {d}")
    rest = 60 - minutes
    return phrase(f"{english_number(rest)} to {next_hour}", f"{german_number(rest)} vor {d_next}")


def date(day: int, month: tuple[str, str]) -> Phrase:
    """Return a date such as "on the third of May"."""
    return phrase(
        f"on:p the:p {english_ordinal(day)}:d of:m {month[0]}:m",
        f"am:p {german_ordinal(day)}n:d {month[1]}:m",
    )
