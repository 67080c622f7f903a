"""Frequent substrings of words, from which the training of a unigram model starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

LONGEST_PIECE = 16
"""Maximum number of characters per piece, as in SentencePiece."""
_MOST_CHARACTERS = 20_000_000
"""Maximum number of characters of distinct words; the most frequent words come first."""


def seed_pieces(words: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield substrings of 2 to LONGEST_PIECE characters that occur at least twice, with counts.

    words: number of occurrences of each word (Kudo, 2018, section 3.2).
    """
    # SentencePiece counts substrings of distinct words. There, "the" is never a candidate.
    texts, counts = _most_frequent(words)
    text = "".join(texts)
    lengths = np.array([len(word) for word in texts], dtype=np.int64)
    alphabet, characters = np.unique(
        np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32), return_inverse=True
    )
    weights = np.repeat(counts, lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(text))
    # Equal substrings of one length have equal ids. A longer substring occurs at most as often as
    # its beginning, so only positions with a frequent substring are extended.
    positions, ids = np.arange(len(text)), characters.astype(np.int64)
    for length in range(2, LONGEST_PIECE + 1):
        inside = left[positions] >= length
        positions, ids = positions[inside], ids[inside]
        ids = ids * len(alphabet) + characters[positions + length - 1]
        _, first, ids = np.unique(ids, return_index=True, return_inverse=True)
        total = np.bincount(ids, weights=weights[positions]).astype(np.int64)
        frequent = total >= 2
        for start, count in zip(positions[first[frequent]], total[frequent], strict=True):
            yield text[start : start + length], int(count)
        positions, ids = positions[frequent[ids]], ids[frequent[ids]]


def _most_frequent(words: Mapping[str, int]) -> tuple[list[str], np.ndarray]:
    texts = sorted(words, key=lambda word: (-words[word], word))
    ends = np.cumsum([len(word) for word in texts])
    texts = texts[: int(np.searchsorted(ends, _MOST_CHARACTERS, side="right"))]
    return texts, np.array([words[word] for word in texts], dtype=np.int64)
