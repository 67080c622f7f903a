"""Seeds of a unigram model: all frequent substrings, weighted with the frequency of words."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nmt.config import TokenizerConfig
from nmt.tokenizer.seeds import LONGEST_PIECE, seed_pieces
from nmt.tokenizer.training import train_tokenizer


@given(st.dictionaries(st.text("ab\u4e2d\U0001f600", max_size=20), st.integers(1, 3), max_size=8))
def test_seed_pieces_are_all_repeated_substrings(words: dict[str, int]) -> None:
    expected = Counter[str]()
    for word, count in words.items():
        for begin in range(len(word)):
            for end in range(begin + 2, min(begin + LONGEST_PIECE, len(word)) + 1):
                expected[word[begin:end]] += count
    found = list(seed_pieces(words))
    assert dict(found) == {piece: count for piece, count in expected.items() if count >= 2}
    assert len(found) == len({piece for piece, _ in found})


def test_frequent_words_are_single_pieces(tmp_path: Path) -> None:
    """Each of them is one distinct word, so SentencePiece alone does not find it as a substring."""
    frequent = ["the", "Der", "aber"]
    rare = [chr(ord("a") + i % 26) + chr(ord("a") + i // 26) + "x" for i in range(100)]
    lines = [f"{frequent[i % 3]} {word}" for i, word in enumerate(rare * 4)]
    config = TokenizerConfig(type="unigram", vocab_size=80, byte_fallback=False)
    tokenizer = train_tokenizer(
        lambda: iter(zip(lines, lines, strict=True)), config, tmp_path / "tokenizer"
    )
    for word in frequent:
        assert tokenizer.source.pieces(tokenizer.source.encode(word)) == [f"\u2581{word}"]


def test_text_without_spaces_has_the_seeds_of_sentencepiece(tmp_path: Path) -> None:
    """Lines of made-up words of one to three letters, with and without spaces between the words."""
    rng = random.Random(1)
    words = ["".join(rng.choices("ab\u4e2d\u6587", k=rng.randint(1, 3))) for _ in range(40)]
    texts = [rng.choices(words, k=8) for _ in range(200)]
    config = TokenizerConfig(type="unigram", vocab_size=20, byte_fallback=False)

    def model(name: str, space: str) -> bytes:
        lines = [space.join(text) for text in texts]
        folder = tmp_path / name
        pairs = list(zip(lines[::2], lines[1::2], strict=True))
        train_tokenizer(lambda: iter(pairs), config, folder)
        [path] = folder.glob("*.model")
        return path.read_bytes()

    # A model contains the name of the file of its seeds.
    assert b"seeds.tsv" in model("spaced", " ")
    assert b"seeds.tsv" not in model("unspaced", "")
