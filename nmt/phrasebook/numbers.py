"""Aligned numbers, ordinals, times of day and dates in words."""

from __future__ import annotations

from functools import cache

from nmt.phrasebook.phrase import Phrase, phrase

_EN = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_EN_TENS = ("ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_DE = (
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn",
    "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn",
    "neunzehn",
)  # fmt: skip
_DE_TENS = (
    "zehn", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
)  # fmt: skip
_EN_ORDINALS = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth"}
_EN_ORDINALS |= {12: "twelfth", 20: "twentieth", 30: "thirtieth"}
_DE_ORDINALS = {1: "erste", 3: "dritte", 7: "siebte", 8: "achte"}
MONTHS = (
    "January Januar", "February Februar", "March März", "April April", "May Mai", "June Juni",
    "July Juli", "August August", "September September", "October Oktober",
    "November November", "December Dezember",
)  # fmt: skip
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
WEEKDAYS = (
    "Monday Montag", "Tuesday Dienstag", "Wednesday Mittwoch", "Thursday Donnerstag",
    "Friday Freitag", "Saturday Samstag", "Sunday Sonntag",
)  # fmt: skip


@cache
def english_number(n: int) -> str:
    """Return a number from 0 to 100 in words."""
    if n < 20:
        return _EN[n]
    if n == 100:
        return "hundred"
    tens, ones = divmod(n, 10)
    return _EN_TENS[tens - 1] + (f"-{_EN[ones]}" if ones else "")


@cache
def german_number(n: int) -> str:
    """Return a number from 0 to 100 in words, in the form for counting ("eins")."""
    if n < 20:
        return _DE[n]
    if n == 100:
        return "hundert"
    tens, ones = divmod(n, 10)
    one = "ein" if ones == 1 else _DE[ones]
    return (f"{one}und" if ones else "") + _DE_TENS[tens - 1]


def english_ordinal(n: int) -> str:
    """Return an ordinal from 1 to 31."""
    if n in _EN_ORDINALS:
        return _EN_ORDINALS[n]
    if n < 20:
        return _EN[n] + "th"
    return f"{_EN_TENS[n // 10 - 1]}-{english_ordinal(n % 10)}"


def german_ordinal(n: int) -> str:
    """Return an ordinal from 1 to 31 in the form after "der" ("erste")."""
    if n in _DE_ORDINALS:
        return _DE_ORDINALS[n]
    return german_number(n) + ("te" if n < 20 else "ste")


def number(n: int) -> Phrase:
    """Return a number without a noun."""
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


def date(day: int, month: int, dative: bool) -> Phrase:
    """Return a date such as "the third of May"; ``dative`` is the German case after "am"."""
    en_month, de_month = MONTHS[month].split()
    ordinal = german_ordinal(day)
    if dative:
        return phrase(
            f"on:p the:p {english_ordinal(day)}:d of:m {en_month}:m",
            f"am:p {ordinal}n:d {de_month}:m",
        )
    return phrase(
        f"the:p {english_ordinal(day)}:d of:m {en_month}:m", f"der:p {ordinal}:d {de_month}:m"
    )
