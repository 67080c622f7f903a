"""Keys and values of decoded tokens, and the entries of each hypothesis."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from nmt.decoding.engine.selection import Selection, to_tensor
from nmt.decoding.search import IntArray


class KeyValueCache:
    """Keys and values of a layer. A search reorders the bias of `HypothesisTree` instead."""

    def __init__(self, batch: int, heads: int, d_k: int, capacity: int, like: Tensor) -> None:
        self.entries = 0
        self._use(like.new_empty(2, batch, heads, capacity, d_k))

    def _use(self, keys_and_values: Tensor) -> None:
        self._both = keys_and_values
        self._keys, self._values = keys_and_values.flatten(1, 2).unbind(0)

    def append(self, keys_and_values: Tensor) -> tuple[Tensor, Tensor]:
        """Append (2, batch, heads, width, d_k); return all (batch * heads, entries, d_k)."""
        begin, width = self.entries, keys_and_values.shape[3]
        self.entries = end = begin + width
        self._both.narrow(3, begin, width).copy_(keys_and_values)
        return self._keys.narrow(1, 0, end), self._values.narrow(1, 0, end)

    def keep(self, entries: Tensor, capacity: int) -> None:
        """Keep the entries (batch, kept) of each sentence, in that order."""
        _, batch, heads, old_capacity, d_k = self._both.shape
        first = torch.arange(0, batch * heads * old_capacity, old_capacity, device=entries.device)
        rows = (first.view(batch, heads, 1) + entries[:, None]).flatten()
        self.entries = entries.shape[1]
        larger = self._both.new_empty(2, batch, heads, capacity, d_k)
        for old, new in zip(self._both, larger, strict=True):
            selected = old.view(-1, d_k).index_select(0, rows)
            new[:, :, : self.entries] = selected.view(batch, heads, -1, d_k)
        self._use(larger)

    def select(self, selection: Selection) -> None:
        for part in self._both:
            selection(part)
        self._use(self._both[:, : selection.size])


class HypothesisTree:
    """The cache entries that each hypothesis descends from.

    bias: (batch, width, entries), 0 for entries on the path of the hypothesis, otherwise -inf.
    positions: (batch, entries) int64, the target position of each entry, if requested.
    """

    def __init__(self, batch: int, like: Tensor, with_positions: bool) -> None:
        self.bias = like.new_zeros(batch, 1, 0)
        self.positions: Tensor | None = None
        if with_positions:
            self.positions = torch.zeros(batch, 0, dtype=torch.int64, device=like.device)
        self.length = 0

    def grow(self) -> None:
        """Add one entry per hypothesis, from which only this hypothesis descends."""
        batch, width, _ = self.bias.shape
        own = _own_entries(width, self.bias.dtype, self.bias.device)
        self.bias = torch.cat([self.bias, own.expand(batch, width, width)], dim=2)
        if self.positions is not None:
            new = self.positions.new_full((batch, width), self.length)
            self.positions = torch.cat([self.positions, new], dim=1)
        self.length += 1

    def forget_dead(self) -> Tensor:
        """Remove entries that no hypothesis descends from; return the others, (batch, kept) int64.

        Sentences with fewer of them keep some unused ones.
        """
        alive = (self.bias == 0.0).any(dim=1)
        kept = int(alive.sum(dim=1).max())
        entries = torch.argsort(~alive, dim=1, stable=True)[:, :kept]
        width = self.bias.shape[1]
        self.bias = self.bias.gather(2, entries[:, None].expand(-1, width, -1))
        if self.positions is not None:
            self.positions = self.positions.gather(1, entries)
        return entries

    def select(self, sentences: IntArray, parents: IntArray) -> None:
        """Reorder: new hypothesis (i, j) continues old (sentences[i], parents[i, j])."""
        batch, width, entries = self.bias.shape
        device = self.bias.device
        rows = to_tensor((sentences[:, None] * width + parents).ravel(), device)
        self.bias = self.bias.view(-1, entries).index_select(0, rows).view(*parents.shape, entries)
        if self.positions is not None and len(sentences) < batch:
            self.positions = self.positions.index_select(0, to_tensor(sentences, device))


@functools.cache
def _own_entries(width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.full((width, width), -math.inf, dtype=dtype, device=device).fill_diagonal_(0.0)
