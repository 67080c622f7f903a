"""Characters that cleaning removes from sources and from targets."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text import clean_line, clean_source

EVERYWHERE = "\u00ad\u200b\u2060\ufeff"
IN_SOURCES = (
    "\u034f\u061c\u17b4\u180e\u200e\u200f\u202a\u202e\u2061\u2066\u2069\U000e0001\U000e0041"
)
VISIBLE = "\u200c\u200d\u115f\u3164\uffa0\ufe0f\U000e0100"


@pytest.mark.parametrize("sign", EVERYWHERE)
def test_invisible_characters_are_removed_from_both_sides(sign: str) -> None:
    for clean in (clean_line, clean_source):
        repaired: Counter[str] = Counter()
        assert clean(f"{sign}re{sign}ad{sign}", repaired) == "read"
        assert repaired == {"byte order marks" if sign == "\ufeff" else "invisible characters": 1}


@pytest.mark.parametrize("sign", IN_SOURCES)
def test_other_invisible_characters_are_removed_from_sources_only(sign: str) -> None:
    repaired: Counter[str] = Counter()
    assert clean_source(f"re{sign}\u00adad", repaired) == "read"
    assert repaired == {"invisible characters": 1}
    assert clean_line(f"re{sign}ad") == f"re{sign}ad"


@pytest.mark.parametrize("sign", VISIBLE)
def test_joiners_selectors_and_fillers_are_kept(sign: str) -> None:
    repaired: Counter[str] = Counter()
    assert clean_source(f"می{sign}خواهم", repaired) == f"می{sign}خواهم"
    assert not repaired


def test_tags_are_kept_in_an_emoji_only() -> None:
    tags = "".join(chr(0xE0000 + ord(char)) for char in "gbsct")
    flag = f"\U0001f3f4{tags}\U000e007f"
    assert clean_source(f"a{tags} {flag}{tags} b") == f"a {flag} b"


@given(st.text())
def test_clean_source_is_a_clean_line_and_stays_unchanged(text: str) -> None:
    cleaned = clean_source(text)
    assert clean_source(cleaned) == clean_line(cleaned) == cleaned


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cn", "Zl", "Zp", "Mn"]))
)
def test_visible_text_is_unchanged(text: str) -> None:
    assert clean_source(text) == clean_line(text) == text.strip()


def test_removed_code_points_are_unassigned_or_format_characters_or_marks() -> None:
    removed = []
    for first in range(0xA0, 0x110000, 32):
        words = {f"a{char}b": char for char in map(chr, range(first, first + 32))}
        text = " ".join(words)
        if clean_source(text) != text:  # Most blocks are unchanged, and one call shows it.
            removed += [char for word, char in words.items() if clean_source(word) == "ab"]
    assert {unicodedata.category(char) for char in removed} == {"Cf", "Cn", "Mn"}
    assert len(removed) == 3908
