"""Packed batches: several sentence pairs per row, and one shape for all batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from nmt.data.batching import Batch, Batches, Pair, flat, lengths_of
from nmt.model.base import Tokens
from nmt.tokenizer.ids import BOS, EOS, PAD

if TYPE_CHECKING:
    from nmt.data.corpus import Corpus
    from nmt.data.mixing import Mixture

_MULTIPLE = 64
"""Row lengths are multiples of this, which suits a GPU."""
_MEAN_PAIRS = 4
"""A row holds at least about this many pairs. The cost of attention grows with its length."""
_CANDIDATES = 8
"""Pairs among which the next one of a row is chosen."""
_LANES, _PAIRS_PER_LANE = 1024, 512
"""Rows that are filled at the same time: at most, and pairs for each of them."""
_GROWTH = (1.0, 1.25, 1.5, 2.0)
"""Rows of batches that sampled subwords make longer, relative to the plan's."""


class PackedBatches(Batches):
    """Batches of a fixed number of rows, each filled with whole sentence pairs.

    Rows of source and target have the same length; both sides of a pair are in the same row. The
    last batch of an epoch has empty rows.
    """

    def __init__(
        self,
        corpus: Corpus,
        batch_tokens: int,
        pairs: np.ndarray | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        """batch_tokens: of each side, including padding; a batch has at least one row."""
        super().__init__(corpus, batch_tokens, pairs, mixture)
        chosen = slice(None) if pairs is None else pairs
        source, target = corpus.source_lengths[chosen], corpus.target_lengths[chosen]
        longest = int(max(source.max(initial=0), target.max(initial=0))) + 1
        mean = float(max(source.mean(), target.mean())) + 1 if len(source) else 1.0
        self.row_length = _row_length(max(longest, min(_MEAN_PAIRS * mean, batch_tokens)))
        self.rows = max(1, batch_tokens // self.row_length)

    def plan(self, seed: int, epoch: int) -> list[np.ndarray]:
        """Cut the shuffled pairs into rows, and the rows into batches; see `Batches.plan`."""
        order = self._shuffled(np.random.default_rng((seed, epoch)), seed, epoch)
        order = order[_arranged(*self._lengths(order), self.row_length)]
        starts = _row_starts(*self._lengths(order), self.row_length)[:: self.rows]
        return np.split(order, starts[1:])

    def collated(
        self, plan: Sequence[np.ndarray], first: int, sampling_seed: Callable[[int], int] | None
    ) -> Iterator[Batch]:
        """Yield batches; see `read`."""
        for number, indices in enumerate(plan[first:], first):
            seed = None if sampling_seed is None else sampling_seed(number)
            pairs = self.corpus.read(indices, seed)
            rows, length = (self.rows, self.row_length) if seed is None else self._shape(pairs)
            yield collate_packed(pairs, indices, rows, length)

    def _shape(self, pairs: Sequence[Pair]) -> tuple[int, int]:
        """Return the smallest of a few shapes (rows, row_length) that holds the pairs."""
        source, target = lengths_of(pairs)
        length = self.row_length
        while length < max(source.max(), target.max()):
            length *= 2
        needed = len(_row_starts(source, target, length))
        base = max(1, self.rows * self.row_length // length)
        sizes = (int(np.ceil(base * growth)) for growth in _GROWTH)
        return next((rows for rows in sizes if rows >= needed), needed), length


def _arranged(source: np.ndarray, target: np.ndarray, row_length: int) -> np.ndarray:
    """Return an order of pairs in which rows, filled one after the other, lose little space.

    source, target: (pairs,) lengths with eos, at most row_length. In each of several lanes, a row
    gets the longest of the lane's next pairs that fits, until none fits.
    """
    count = len(source)
    lanes = min(_LANES, count // _PAIRS_PER_LANE + 1)
    rounds = -(-count // lanes)
    lengths = np.stack([np.append(side, row_length + 1) for side in (source, target)])
    nothing = count  # the index of a pair that fits nowhere
    waiting = np.full((rounds + _CANDIDATES) * lanes, nothing)
    waiting[:count] = np.arange(count)
    queue = waiting.reshape(-1, lanes).T
    candidates, taken = queue[:, :_CANDIDATES].copy(), np.full(lanes, _CANDIDATES)
    lane, space = np.arange(lanes), np.full((2, lanes), row_length)
    order = []
    while count:
        sizes = lengths[:, candidates]
        fits = np.all(sizes <= space[:, :, None], axis=0)
        best = np.where(fits, sizes.sum(axis=0), 0).argmax(axis=1)
        found = fits[lane, best]
        pairs = np.where(found, candidates[lane, best], nothing)
        space = np.where(found, space - lengths[:, pairs], row_length)
        candidates[lane[found], best[found]] = queue[lane[found], taken[found]]
        taken += found
        count -= int(found.sum())
        order.append(pairs)
    by_lane = np.stack(order, axis=1)
    return np.extract(by_lane != nothing, by_lane)


def _row_length(tokens: float) -> int:
    return int(np.ceil(tokens / _MULTIPLE)) * _MULTIPLE


def _row_starts(source: np.ndarray, target: np.ndarray, row_length: int) -> np.ndarray:
    """Return the index of the first pair of each row; a row ends where a side is full.

    source, target: (pairs,) lengths with eos, at most row_length.
    """
    ends = [np.cumsum(side, dtype=np.int64) for side in (source, target)]
    starts, first, count = [], 0, len(source)
    while first < count:
        starts.append(first)
        filled = (int(end[first - 1]) if first else 0 for end in ends)
        first = min(
            int(np.searchsorted(end, before + row_length, side="right"))
            for end, before in zip(ends, filled, strict=True)
        )
    return np.array(starts, dtype=np.int64)


def collate_packed(pairs: Sequence[Pair], indices: np.ndarray, rows: int, row_length: int) -> Batch:
    """Pack pairs into `rows` rows. All positions are predicted, so that the shape is fixed."""
    source, target = lengths_of(pairs)
    starts = _row_starts(source, target, row_length)
    row = np.searchsorted(starts, np.arange(len(pairs)), side="right") - 1

    def packed(lengths: np.ndarray, sequences: list[list[int]]) -> tuple[Tokens, np.ndarray]:
        begins = np.cumsum(lengths) - lengths
        within_row = begins - begins[starts][row]
        position = np.arange(lengths.sum()) - np.repeat(begins, lengths)
        slots = np.repeat(row * row_length + within_row, lengths) + position
        segment = np.repeat(np.arange(len(pairs)) - starts[row] + 1, lengths)
        ids = flat(sequences)
        return Tokens(
            *(_scattered(x, slots, rows, row_length) for x in (ids, segment, position))
        ), slots

    source_tokens, _ = packed(source, [[*s, EOS] for s, _ in pairs])
    target_tokens, slots = packed(target, [[BOS, *t] for _, t in pairs])
    references = flat([[*t, EOS] for _, t in pairs])
    return Batch(
        source_tokens,
        target_tokens,
        torch.arange(rows * row_length),
        _scattered(references, slots, rows, row_length).flatten(),
        indices,
        len(references),
    )


def _scattered(values: np.ndarray, slots: np.ndarray, rows: int, row_length: int) -> torch.Tensor:
    """Return (rows, row_length) int64 with values at the flat indices `slots`, else 0."""
    flat = np.full(rows * row_length, PAD, dtype=np.int64)
    flat[slots] = values
    return torch.from_numpy(flat).view(rows, row_length)
