"""Steps of the decoder that are recorded once and played back, as CUDA graphs on a GPU.

A step computes so little that a GPU waits for Python to launch its hundred kernels. A recording
launches them all at once, but is bound to the shapes and the memory that it saw. So here the shapes
stay for many steps: the caches are read to their full capacity, with a bias of -inf where nothing
is yet, and sentences that leave the batch keep their rows for a while. The results are those of
`TransformerState`.
"""

from __future__ import annotations

import functools
import math
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nmt.model.stepping import KeyValueCache, TransformerState

if TYPE_CHECKING:
    from nmt.model.protocol import Memory
    from nmt.model.transformer import Transformer

Record = Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], None]]]
"""Records a computation; returns the tensor that will hold its result and what plays it back."""


class FixedCache(KeyValueCache):
    """A cache whose length is its capacity, and whose next entries are named by a tensor."""

    places: Tensor
    """(beam,) int64: where the next entries go. Set before the first step."""

    def __init__(self, batch: int, heads: int, d_k: int, capacity: int, like: Tensor) -> None:
        super().__init__(batch, heads, d_k, capacity, like)
        self._both.zero_()  # what nothing attends to must at least be a number

    def append(self, keys_and_values: Tensor) -> tuple[Tensor, Tensor]:
        """Add (2, batch, heads, beam, d_k); returns keys and values of all capacity, (batch *
        heads, capacity, d_k)."""
        self._both.index_copy_(3, self.places, keys_and_values)
        return self._keys, self._values

    def keep(self, entries: Tensor, capacity: int) -> None:
        """As in `KeyValueCache`."""
        super().keep(entries, capacity)
        self._both[:, :, :, self.entries :] = 0.0


class _Inputs:
    """What changes from step to step, in memory that stays."""

    def __init__(self, x: Tensor, bias: Tensor, newest: Tensor | None, capacity: int) -> None:
        """As in `TransformerState._compute`, of a whole batch."""
        beam = bias.shape[1]
        self.x = torch.empty_like(x)
        self.bias = bias.new_full((len(bias), beam, capacity), -math.inf)
        self.newest = None if newest is None else torch.empty_like(newest)
        self.places = torch.empty(beam, dtype=torch.int64, device=x.device)

    def fill(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> None:
        """The same of the batch's first sentences."""
        _, beam, entries = bias.shape
        self.x[: len(x)] = x
        self.bias[: len(bias), :, :entries] = bias
        torch.arange(entries - beam, entries, out=self.places)
        if self.newest is not None and newest is not None:
            self.newest.copy_(newest)


class RecordedState(TransformerState):
    """A state whose steps are played back while neither the beam nor the capacity changes and more
    than a quarter of the sentences is left."""

    CAPACITY = 128
    """Enough for 25 steps of a beam of 5: each new capacity needs a new recording."""
    cache_type = FixedCache

    def __init__(self, model: Transformer, memory: Memory, max_length: int, record: Record) -> None:
        super().__init__(model, memory, max_length)
        self.rows = len(memory.mask)  # sentences in memory, those that have left included
        self.record: Record | None = record
        self.inputs: _Inputs | None = None
        self.output: Tensor | None = None
        self.play: Callable[[], None] | None = None

    def _compute(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> Tensor:
        """As in `TransformerState`; the first step of a shape runs as it is, so that all that is
        made once (workspaces, weights in a short format) is there when the second is recorded."""
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

    def _make_room(self) -> None:
        self._forget_recording(torch.arange(len(self.tree.bias), device=self.tree.bias.device))
        super()._make_room()

    def select(self, sentences: Tensor, beams: Tensor) -> None:
        """See `DecoderState.select`."""
        live, beam = beams.shape
        _, old_beam, _ = self.tree.bias.shape
        if beam != old_beam or 4 * live <= self.rows:
            self._forget_recording(sentences)
        elif live < len(self.tree.bias):
            gone = torch.arange(live, self.rows, device=sentences.device)
            self._select_sentences(torch.cat([sentences, gone]))
        self.tree.select(sentences, beams)

    def _forget_recording(self, sentences: Tensor) -> None:
        """Keep the sentences (new_batch,) only; the next steps have other shapes."""
        self._select_sentences(sentences)
        self.rows = len(sentences)
        self.inputs = self.output = self.play = None


class _CudaRecorder(threading.local):
    """Records CUDA graphs. Those of a thread share memory, as one search follows the other."""

    def __init__(self) -> None:
        self.stream: torch.cuda.Stream | None = None
        self.latest: torch.cuda.CUDAGraph | None = None  # keeps the memory from being given back

    def __call__(self, compute: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        """See `Record`. `torch.cuda.graph` would wait for the device and empty the allocator's
        cache each time."""
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
