"""Pairs whose sides are swapped, or both in one language, by the letters of the texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_BUCKETS = 1 << 16
_LONGEST = 200  # characters of a text that count
_ROUNDS = 4
_LEARNED = 4096  # pairs at most that a call learns from
_CLEAR = 0.4  # Nats per trigram; most texts of two European languages have more than 2.
_FEWEST = 8  # trigrams of a text that can be judged


class Judged(NamedTuple):
    """(pairs,) bool each."""

    swapped: np.ndarray
    untranslated: np.ndarray
    """Both sides are in one language."""


class SideJudge:
    """Learns the trigrams of characters of both languages from pairs that mostly are in order."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, _BUCKETS))
        """Occurrences of trigrams in the language of most sources, and in that of most targets."""

    def judge(self, source: Sequence[str], target: Sequence[str]) -> Judged:
        """Learn from pairs, and judge them. Of the first pairs, most must be in order."""
        step = -(-len(source) // _LEARNED)
        self._learn(_Trigrams(source[::step]), _Trigrams(target[::step]))
        evidence = self._evidence()
        first, second = (_Trigrams(side).means(evidence) for side in (source, target))
        return Judged(
            (first < -_CLEAR) & (second > _CLEAR),
            (np.minimum(first, second) > _CLEAR) | (np.maximum(first, second) < -_CLEAR),
        )

    def _learn(self, source: _Trigrams, target: _Trigrams) -> None:
        """Alternate between counting trigrams by language and judging which pairs are swapped."""
        before = self._counts
        swapped = np.zeros(source.texts, dtype=bool)
        for _ in range(_ROUNDS):
            first = source.counts(~swapped) + target.counts(swapped)
            second = target.counts(~swapped) + source.counts(swapped)
            self._counts = before + np.stack([first, second])
            evidence = self._evidence()
            swapped = source.means(evidence) < target.means(evidence)

    def _evidence(self) -> np.ndarray:
        """Return log p(trigram | first language) - log p(trigram | second): (_BUCKETS,)."""
        shares = (self._counts + 0.5) / (self._counts + 0.5).sum(axis=1, keepdims=True)
        evidence: np.ndarray = np.log(shares[0]) - np.log(shares[1])
        return evidence


class _Trigrams:
    """Hashed trigrams of characters of texts without line ends."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = len(texts)
        joined = "\n".join(["", *(text[:_LONGEST] for text in texts), ""])
        codes = np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32)
        ends = codes[1:-1] == ord("\n")
        inside = ~ends  # A trigram belongs to the text of its middle character.
        mixed = (codes[:-2] * np.uint32(961) + codes[1:-1] * np.uint32(31) + codes[2:])[inside]
        self._hashes = (mixed * np.uint32(0x9E3779B1) >> np.uint32(16)).astype(np.intp)
        self._owners = np.cumsum(ends)[inside]

    def counts(self, chosen: np.ndarray) -> np.ndarray:
        """Return the occurrences in the chosen texts, (texts,) bool: (_BUCKETS,)."""
        return np.bincount(self._hashes[chosen[self._owners]], minlength=_BUCKETS)

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the mean value of the trigrams of each text, 0 if it has few: (texts,)."""
        sizes = np.bincount(self._owners, minlength=self.texts)
        sums = np.bincount(self._owners, values[self._hashes], minlength=self.texts)
        means: np.ndarray = np.where(sizes < _FEWEST, 0.0, sums / np.maximum(sizes, 1))
        return means
