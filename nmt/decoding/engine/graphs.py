"""Steps of the decoder that are recorded once and played back, as CUDA graphs on a GPU.

A step computes so little that a GPU waits for Python to launch its hundred kernels. A recording
launches all of them at once, but only for the shapes and the memory that were recorded. So here
the shapes stay for many steps: the caches are read to their full capacity, with a bias of -inf
where nothing is yet, and sentences that leave the batch keep their rows for a while. The results
are those of `TransformerState`.
"""

from __future__ import annotations

import functools
import math
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.engine.cache import KeyValueCache
from nmt.decoding.engine.state import TransformerState

if TYPE_CHECKING:
    from nmt.decoding.engine.layers import DecoderStep
    from nmt.decoding.search import IntArray
    from nmt.model import Memory

Record = Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], None]]]
"""Records a computation; returns the tensor that will hold its result and what plays it back."""


class FixedCache(KeyValueCache):
    """A cache whose length is its capacity, and whose next entries are named by a tensor."""

    places: Tensor
    """(width,) int64: where the next entries go. Set before the first step."""

    def __init__(self, batch: int, heads: int, d_k: int, capacity: int, like: Tensor) -> None:
        """capacity: entries per sentence; like: a tensor of the dtype and on the device."""
        super().__init__(batch, heads, d_k, capacity, like)
        self._both.zero_()  # entries that nothing attends to must be finite

    def append(self, keys_and_values: Tensor) -> tuple[Tensor, Tensor]:
        """Add (2, batch, heads, width, d_k); returns keys and values of the whole capacity, (batch
        * heads, capacity, d_k) each."""
        self._both.index_copy_(3, self.places, keys_and_values)
        return self._keys, self._values

    def keep(self, entries: Tensor, capacity: int) -> None:
        """Keep the entries (batch, kept) of each sentence, in that order, in a cache of the given
        capacity."""
        super().keep(entries, capacity)
        self._both[:, :, :, self.entries :] = 0.0


class _Inputs:
    """What changes from step to step, in memory that stays."""

    def __init__(self, x: Tensor, bias: Tensor, newest: Tensor | None, capacity: int) -> None:
        """Reserve memory for the arguments of `TransformerState._compute` for a whole batch."""
        width = bias.shape[1]
        self.x = torch.empty_like(x)
        self.bias = bias.new_full((len(bias), width, capacity), -math.inf)
        self.newest = None if newest is None else torch.empty_like(newest)
        self.places = torch.empty(width, dtype=torch.int64, device=x.device)

    def fill(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> None:
        """Copy the arguments of a step, which are those of the batch's first sentences."""
        _, width, entries = bias.shape
        self.x[: len(x)] = x
        self.bias[: len(bias), :, :entries] = bias
        torch.arange(entries - width, entries, out=self.places)
        if self.newest is not None and newest is not None:
            self.newest.copy_(newest)


class RecordedState(TransformerState):
    """A state whose steps are played back while neither the width nor the capacity changes and more
    than a quarter of the sentences is left."""

    CAPACITY = 128
    """Enough for 25 steps of a beam of 5: each new capacity needs a new recording."""
    cache_type = FixedCache

    def __init__(
        self,
        decoder: DecoderStep,
        memory: Memory,
        max_length: int,
        width: int,
        record: Record,
    ) -> None:
        """max_length: the largest number of steps; width: hypotheses per sentence after the first
        step, which has one."""
        super().__init__(decoder, memory, max_length, width)
        self.rows = len(memory.segments)  # sentences in memory, including those that have left
        self.record: Record | None = record
        self.inputs: _Inputs | None = None
        self.output: Tensor | None = None
        self.play: Callable[[], None] | None = None

    def _compute(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> Tensor:
        """Do the work of a step; bias: (batch * heads, width, entries); newest: (1,) int64.

        The first step of a shape runs as it is, so that everything that is made only once, such as
        workspaces, exists when the second one is recorded.
        """
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
        """Drop dead entries and enlarge the caches."""
        self._forget_recording(np.arange(len(self.tree.bias)))
        super()._enlarge()

    def select(self, sentences: IntArray, parents: IntArray) -> None:
        """Reorder in place: new hypothesis (i, j) continues old (sentences[i], parents[i, j]).

        See `nmt.decoding.search.DecoderState.select`.
        """
        old_batch, old_width, _ = self.tree.bias.shape
        live, width = parents.shape
        if width != old_width or 4 * live <= self.rows:
            self._forget_recording(sentences)
        elif live < old_batch:
            self._select_sentences(sentences, self.rows)
        self.tree.select(sentences, parents)

    def _forget_recording(self, sentences: IntArray) -> None:
        """Keep the sentences (new_batch,) only; the next steps have other shapes."""
        self._select_sentences(sentences, len(sentences))
        self.rows = len(sentences)
        self.inputs = self.output = self.play = None


class _CudaRecorder(threading.local):
    """Records CUDA graphs. Those of a thread share memory, as one search follows the other."""

    def __init__(self) -> None:
        self.stream: torch.cuda.Stream | None = None
        self.latest: torch.cuda.CUDAGraph | None = None  # keeps the memory from being given back

    def __call__(self, compute: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        """Record as `Record` says. `torch.cuda.graph` would wait for the device and empty the
        allocator's cache each time."""
        if self.stream is None:
            self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        current = torch.cuda.current_stream()
        graph = torch.cuda.CUDAGraph()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            pool = None if self.latest is None else self.latest.pool()
            graph.capture_begin(pool, capture_error_mode="thread_local")
            try:
                output = compute()
            finally:
                graph.capture_end()
        current.wait_stream(self.stream)
        self.latest = graph
        return output, graph.replay


record_cuda_graph: Record = _CudaRecorder()
