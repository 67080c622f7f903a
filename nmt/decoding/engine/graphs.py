"""Decoding steps that are recorded once and replayed; see `nmt.kernels.recording`.

For fixed shapes, attention reads the caches to their full capacity, with a bias of -inf for unused
entries, and finished sentences keep their rows for a while.
"""

from __future__ import annotations

import functools
import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.engine.cache import KeyValueCache
from nmt.decoding.engine.state import TransformerState

if TYPE_CHECKING:
    from collections.abc import Callable

    from nmt.decoding.engine.layers import DecoderStep
    from nmt.decoding.search import IntArray
    from nmt.kernels.recording import Record
    from nmt.model import Memory


class FixedCache(KeyValueCache):
    """A cache of constant length."""

    places: Tensor
    """(width,) int64: indices of the next entries."""

    def __init__(self, batch: int, heads: int, d_k: int, capacity: int, like: Tensor) -> None:
        super().__init__(batch, heads, d_k, capacity, like)
        self._both.zero_()  # A masked entry must be finite, because 0 times NaN is NaN.

    def append(self, keys_and_values: Tensor) -> tuple[Tensor, Tensor]:
        self._both.index_copy_(3, self.places, keys_and_values)
        return self._keys, self._values

    def keep(self, entries: Tensor, capacity: int) -> None:
        super().keep(entries, capacity)
        self._both[:, :, :, self.entries :] = 0.0


class _Inputs:
    """The arguments of `_compute`, in memory that all steps use."""

    def __init__(self, x: Tensor, bias: Tensor, newest: Tensor | None, capacity: int) -> None:
        width = bias.shape[1]
        self.x = torch.empty_like(x)
        self.bias = bias.new_full((len(bias), width, capacity), -math.inf)
        self.newest = None if newest is None else torch.empty_like(newest)
        self.places = torch.empty(width, dtype=torch.int64, device=x.device)

    def fill(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> None:
        _, width, entries = bias.shape
        self.x[: len(x)] = x
        self.bias[: len(bias), :, :entries] = bias
        torch.arange(entries - width, entries, out=self.places)
        if self.newest is not None and newest is not None:
            self.newest.copy_(newest)


class RecordedState(TransformerState):
    """A state that replays recorded steps.

    A new recording follows when width or capacity change or a quarter of the sentences is left.
    """

    CAPACITY = 128
    """Initial entries of each cache: 25 steps of a beam of 5 need one recording."""
    cache_type = FixedCache

    def __init__(
        self, decoder: DecoderStep, memory: Memory, max_length: int, width: int, record: Record
    ) -> None:
        super().__init__(decoder, memory, max_length, width)
        self.rows = len(memory.segments)  # sentences in memory, including finished ones
        self.record: Record | None = record
        self.inputs: _Inputs | None = None
        self.output: Tensor | None = None
        self.play: Callable[[], None] | None = None

    def _compute(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> Tensor:
        """Compute or replay a step; the first creates workspaces, so it is not recorded."""
        inputs = self.inputs
        is_first = inputs is None
        if inputs is None:
            inputs = self.inputs = _Inputs(x, bias, newest, self.capacity)
            for cache in self.caches:
                assert isinstance(cache, FixedCache)
                cache.places = inputs.places
        inputs.fill(x, bias, newest)
        compute = functools.partial(super()._compute, inputs.x, inputs.bias, inputs.newest)
        if self.record is not None and self.play is None and not is_first:
            try:
                self.output, self.play = self.record(compute)
            except RuntimeError as error:
                self.record = None
                warnings.warn(f"steps are not recorded, which is slower: {error}", stacklevel=2)
        if self.output is None or self.play is None:
            return compute()[: len(x)]
        self.play()
        return self.output[: len(x)]

    def _enlarge(self) -> None:
        self._forget_recording(np.arange(len(self.tree.bias)))
        super()._enlarge()

    def select(self, sentences: IntArray, parents: IntArray) -> None:
        old_batch, old_width, _ = self.tree.bias.shape
        live, width = parents.shape
        if width != old_width or 4 * live <= self.rows:
            self._forget_recording(sentences)
        elif live < old_batch:
            self._select_sentences(sentences, self.rows)
        self.tree.select(sentences, parents)

    def _forget_recording(self, sentences: IntArray) -> None:
        self._select_sentences(sentences, len(sentences))
        self.rows = len(sentences)
        self.inputs = self.output = self.play = None
