"""Cutting of lines into pieces, and joining of the translations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.decoding.splitting import Piece, Splitter, halve


def halves(text: str, most: int = 24) -> list[str]:
    return [piece.text for piece in halve(text, lambda text: len(text) <= most)]


def test_halve_prefers_sentence_ends() -> None:
    assert halves("One two three. Four five six. Seven.") == [
        "One two three.",
        "Four five six. Seven.",
    ]
    assert halves("one two three, four five six seven") == [
        "one two three,",
        "four five six seven",
    ]
    assert halves("one two three four five six seven") == [
        "one two three",
        "four five six seven",
    ]
    assert halves("四五六七八九十。" * 6) == ["四五六七八九十。" * 3] * 2
    assert halves("a" * 50) == ["a" * 12, "a" * 13, "a" * 12, "a" * 13]
    assert halves("") == [""]


@given(st.text(max_size=300), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_halve_loses_nothing(text: str, most: int) -> None:
    pieces = halve(text, lambda piece: len(piece) <= most)
    assert "".join(piece.text + piece.space for piece in pieces) == text
    assert all(len(piece.text) <= most for piece in pieces)


@pytest.mark.parametrize(
    ("source", "target", "line", "joined"),
    [
        ("en", "de", "One.  Two.\u00a0Three.", "A.  B.\u00a0C."),
        ("en", "zh", "One. Two. Three.", "A.B.C."),
        ("zh", "en", "一号。二号。三号。", "A. B. C."),
        ("zh", "ja", "一号。二号。三号。", "A.B.C."),
        ("zh", "ja", "一号。\u3000二号。三号。", "A.\u3000B.C."),
    ],
)
def test_translations_are_joined_with_spaces_of_the_source(
    source: str, target: str, line: str, joined: str
) -> None:
    splitter = Splitter(source, target)
    pieces = splitter.sentences(line)
    assert len(pieces) == 3
    assert splitter.join(pieces, ["A.", "B.", "C."]) == joined


def test_scripts_decide_about_spaces_without_languages() -> None:
    splitter = Splitter()
    pieces = splitter.sentences("今天天气好。红猫跳。")
    assert len(pieces) == 2
    assert splitter.join(pieces, ["今天天气好。", "红猫跳。"]) == "今天天气好。红猫跳。"
    assert splitter.join(pieces, ["Nice day.", "The cat jumps."]) == "Nice day. The cat jumps."


def test_pieces_without_translation_leave_no_spaces() -> None:
    pieces = [Piece("One.", " "), Piece("Two.", "  "), Piece("Three.", "")]
    splitter = Splitter("en", "de")
    assert splitter.join(pieces, ["", "B.", "C."]) == "B.  C."
    assert splitter.join(pieces, ["A.", "", ""]) == "A."
    assert splitter.join(pieces, ["", "", ""]) == ""


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", ["Mr. Brown asked me.", "I will go.", "He may.", "They saw No. 5 on May 5."]),
        ("de", ["Er fragte mich.", "Ich gehe z. B. am 5. Mai.", "Dr. Braun mag.", "Gut!"]),
    ],
)
def test_ordinary_words_are_not_abbreviations(language: str, sentences: list[str]) -> None:
    pieces = Splitter(language).sentences(" ".join(sentences))
    assert [piece.text for piece in pieces] == sentences
