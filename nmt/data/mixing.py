"""Which training pairs an epoch draws from parts with weights.

A part is a stream that repeats all its pairs, each time in another order. An epoch takes the next
pairs of every stream, so no pair is drawn a second time before all pairs of its part were drawn.
The default epoch is one pass over the largest part, and takes from each other part in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nmt.config import DataConfig


@dataclass(frozen=True)
class Mixture:
    """The numbers of pairs of the parts of a corpus, which contains them one after the other."""

    sizes: tuple[int, ...]
    per_epoch: tuple[int, ...]
    """Number of pairs that an epoch draws from each part."""

    def draw(self, seed: int, epoch: int) -> np.ndarray:
        """Return the indices, int64, of the pairs of an epoch (from 1), by part."""
        drawn = [np.zeros(0, dtype=np.int64)]
        first = 0
        for part, (size, count) in enumerate(zip(self.sizes, self.per_epoch, strict=True)):
            begin, end = (epoch - 1) * count, epoch * count
            for turn in range(begin // size, -(-end // size)) if size else ():
                order = np.random.default_rng((seed, part, turn)).permutation(size)
                past = turn * size
                drawn.append(first + order[max(0, begin - past) : end - past])
            first += size
        return np.concatenate(drawn)

    def count(self, pairs: np.ndarray) -> np.ndarray:
        """Return how many of the pairs with these indices are in each part, (parts,) int64."""
        parts = np.searchsorted(np.cumsum(self.sizes), pairs, side="right")
        return np.bincount(parts, minlength=len(self.sizes))

    def repeated(self, pairs: Iterator[tuple[int, str, str]]) -> Iterator[tuple[str, str]]:
        """Yield the texts of (part, source, target) in order, as often as an epoch draws them."""
        seen = [0] * len(self.sizes)
        for part, source, target in pairs:
            size, count, number = max(1, self.sizes[part]), self.per_epoch[part], seen[part]
            seen[part] += 1
            for _ in range((number + 1) * count // size - number * count // size):
                yield source, target


def mixture_of(data: DataConfig, sizes: Sequence[int], *, whole: bool = False) -> Mixture | None:
    """Return the mixture for parts of these sizes, or None if an epoch is all pairs once.

    whole: ignore data.epoch_pairs.
    """
    if not data.mixes:
        return None
    weights = np.array([part.source.weight for part in data.parts("train")])
    counts = np.asarray(sizes, dtype=np.float64)
    shares = weights * np.where(counts > 0, counts ** (1 / data.temperature), 0.0)
    shares /= shares.sum()
    largest = int(counts.argmax())
    total = counts[largest] / shares[largest]
    if data.epoch_pairs and not whole:
        total = data.epoch_pairs
    drawn = np.where(counts > 0, np.maximum(1, np.rint(total * shares)), 0)
    return Mixture(tuple(map(int, sizes)), tuple(map(int, drawn)))
