"""Words of a text, and the subwords that belong to them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nmt.decoding.translator import Translator
from nmt.inspection.attention import TITLES, translation_maps
from nmt.inspection.words import membership, word_groups, words


def test_words_separates_punctuation() -> None:
    assert words("Don't stop, well-known “Ä” 3.5!") == (
        ["Don't", "stop", ",", "well-known", "“", "Ä", "”", "3", ".", "5", "!"]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我买了3本“NMT”书。", ["我", "买", "了", "3", "本", "“", "NMT", "”", "书", "。"]),
        ("น้ำดี", ["น้ำ", "ดี"]),
        ("हिन्दी किताब।", ["हिन्दी", "किताब", "।"]),
        ("می\u200cخواهم؟", ["می\u200cخواهم", "؟"]),
        ("고양이가 있다.", ["고양이가", "있다", "."]),
    ],
)
def test_words_of_other_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_words_equals_the_function_of_the_phrasebook() -> None:
    phrasebook = pytest.importorskip("nmt.phrasebook")
    for number, example in enumerate(phrasebook.generate("valid")):
        for text in (example.source, example.target):
            assert words(text) == phrasebook.words(text)
        if number == 200:
            break


def test_membership_maps_pieces_to_words(tokenizer: Any) -> None:
    def belonging(text: str) -> list[list[int]]:
        ids = tokenizer.source.encode(text)
        return membership(tokenizer.source, text, ids).int().tolist()

    # The pieces are ▁do n't , ▁we ll and ▁hm ... ▁no: "…" becomes three dots.
    assert belonging("don't, well") == [[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1]]
    assert belonging("hm… no") == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert belonging("x.") == [[1], [1]]  # one piece belongs to two words


class Bytes:
    """Vocabulary of "▁", the three bytes of a euro sign and a digit; parts decode to U+FFFD."""

    def encode(self, text: str) -> list[int]:
        return [0, 1, 2, 3] if text == "€" else [0, 1, 2, 3, 4]

    def decode(self, ids: list[int]) -> str:
        return {1: "", 2: "\ufffd", 3: "\ufffd\ufffd", 4: "€", 5: "€5"}[len(ids)]


def test_first_byte_piece_belongs_to_the_character() -> None:
    found = membership(Bytes(), "€5", [0, 1, 2, 3, 4])  # type: ignore[arg-type]
    # "€" is not a letter, so the text has two words: the sign and the digit.
    assert words("€5") == ["€", "5"]
    assert found[0].tolist() == [0, 1, 0, 0, 0]
    assert found[1].tolist() == [0, 0, 0, 0, 1]


def test_groups_are_words_and_the_pieces_between_them(tokenizer: Any) -> None:
    names, members = word_groups(tokenizer.source, tokenizer.source.encode("don't, wellness x."))
    # The pieces are ▁do n't , ▁we lln ess ▁x. (one piece belongs to one word).
    assert names == ["don't", ",", "wellness", "x."]
    assert members.sum(1).tolist() == [2, 1, 3, 1]
    assert bool((members.sum(0) == 1).all())
    assert word_groups(tokenizer.source, []).members.shape == (0, 0)


class Spaced:
    """Vocabulary of a tag, which has no text, a space, and letters."""

    def encode(self, text: str) -> list[int]:
        return [*map(ord, text.replace(" ", "▁"))]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids)).replace("#", "").replace("▁", " ").strip()

    def pieces(self, ids: list[int]) -> list[str]:
        return [*map(chr, ids)]


def test_tag_is_a_group_and_a_space_belongs_to_its_word() -> None:
    vocabulary: Any = Spaced()
    names, members = word_groups(vocabulary, [*map(ord, "#▁ab▁c")])
    assert names == ["#", "ab", "c"]
    assert members.sum(1).tolist() == [1, 3, 2]


def test_maps_of_words_keep_the_weights_and_rows_sum_to_one(translator: Translator) -> None:
    of_units = translation_maps(translator, "houses burn down", "Häuser brennen")
    pieces, maps = of_units["subword"], of_units["word"]
    assert maps.labels("cross") == (
        ["Häuser", "brennen", "</s>"], ["houses", "burn", "down", "</s>"],
    )  # fmt: skip
    assert maps.labels("decoder")[0] == ["<s>", "Häuser", "brennen"]
    for kind in TITLES:
        rows, columns = maps.labels(kind)
        for weights in maps.layers(kind):
            assert weights.shape[1:] == (len(rows), len(columns))
            torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    # ▁ho use s and ▁Hä use r are three pieces each.
    whole = pieces.cross[0][:, :3, :3].sum(-1).mean(-1)
    torch.testing.assert_close(maps.cross[0][:, 0, 0], whole)
    assert bool((maps.decoder[0][:, 1, 2:] == 0).all())
    assert "rows of the subwords of a word are averaged" in maps.explanation("cross")
    assert "averaged" not in pieces.explanation("cross")
