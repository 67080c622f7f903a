"""Decoding steps that are recorded once and replayed, as CUDA graphs on a GPU.

A step computes so little that a GPU waits for Python to launch its hundred kernels. A recording
launches all of them at once, but only for the recorded shapes and memory. Shapes are therefore
constant for many steps: attention reads the caches to their full capacity, with a bias of -inf for
unused entries, and finished sentences keep their rows for a while. The results are equal to
`TransformerState`.
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
"""Records a computation; returns the tensor for its result and a function that replays it."""


class FixedCache(KeyValueCache):
    """A cache of constant length, with a tensor of indices for the next entries."""

    places: Tensor
    """(width,) int64: indices of the next entries, set before the first step."""

    def __init__(self, batch: int, heads: int, d_k: int, capacity: int, like: Tensor) -> None:
        """Allocate `capacity` entries per sentence with the dtype and device of `like`."""
        super().__init__(batch, heads, d_k, capacity, like)
        self._both.zero_()  # A masked entry must be finite, because 0 times NaN is NaN.

    def append(self, keys_and_values: Tensor) -> tuple[Tensor, Tensor]:
        """Write keys and values (2, batch, heads, width, d_k).

        Returns all keys and all values, each (batch * heads, capacity, d_k).
        """
        self._both.index_copy_(3, self.places, keys_and_values)
        return self._keys, self._values

    def keep(self, entries: Tensor, capacity: int) -> None:
        """Keep the entries (batch, kept) of each sentence, in that order, and set the capacity."""
        super().keep(entries, capacity)
        self._both[:, :, :, self.entries :] = 0.0


class _Inputs:
    """The inputs of a step, in memory that all steps use."""

    def __init__(self, x: Tensor, bias: Tensor, newest: Tensor | None, capacity: int) -> None:
        """Allocate memory for the arguments of `TransformerState._compute` for a full batch."""
        width = bias.shape[1]
        self.x = torch.empty_like(x)
        self.bias = bias.new_full((len(bias), width, capacity), -math.inf)
        self.newest = None if newest is None else torch.empty_like(newest)
        self.places = torch.empty(width, dtype=torch.int64, device=x.device)

    def fill(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> None:
        """Copy the arguments of a step, which belong to the first sentences of the batch."""
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
        self,
        decoder: DecoderStep,
        memory: Memory,
        max_length: int,
        width: int,
        record: Record,
    ) -> None:
        """Start a search of max_length steps; width: hypotheses per sentence from step 2 on."""
        super().__init__(decoder, memory, max_length, width)
        self.rows = len(memory.segments)  # sentences in memory, including finished ones
        self.record: Record | None = record
        self.inputs: _Inputs | None = None
        self.output: Tensor | None = None
        self.play: Callable[[], None] | None = None

    def _compute(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> Tensor:
        """Compute a step; bias: (batch * heads, width, entries); newest: (1,) int64.

        The first step of a shape is not recorded, so that objects that are created once, such as
        workspaces, exist when the second step is recorded.
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
        """Remove unused entries and enlarge the caches."""
        self._forget_recording(np.arange(len(self.tree.bias)))
        super()._enlarge()

    def select(self, sentences: IntArray, parents: IntArray) -> None:
        """Reorder in place: new hypothesis (i, j) continues old (sentences[i], parents[i, j]).

        sentences: (new_batch,); parents: (new_batch, new_width).
        """
        old_batch, old_width, _ = self.tree.bias.shape
        live, width = parents.shape
        if width != old_width or 4 * live <= self.rows:
            self._forget_recording(sentences)
        elif live < old_batch:
            self._select_sentences(sentences, self.rows)
        self.tree.select(sentences, parents)

    def _forget_recording(self, sentences: IntArray) -> None:
        """Keep only the sentences (new_batch,), because the next steps have different shapes."""
        self._select_sentences(sentences, len(sentences))
        self.rows = len(sentences)
        self.inputs = self.output = self.play = None


class _CudaRecorder(threading.local):
    """Recorder of CUDA graphs that share memory in a thread, whose searches do not overlap."""

    def __init__(self) -> None:
        self.stream: torch.cuda.Stream | None = None
        self.latest: torch.cuda.CUDAGraph | None = None  # keeps the shared memory allocated

    def __call__(self, compute: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        """Record a computation, as `Record` describes."""
        # torch.cuda.graph would wait for the device and empty the allocator's cache each time.
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
