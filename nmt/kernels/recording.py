"""Recordings of computations, as CUDA graphs: a replay launches all kernels at once.

A GPU otherwise waits for Python, which launches kernels one by one. A recording has fixed shapes
and memory: the caller writes the inputs of a replay into the tensors that were recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

Record = Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], None]]]
"""Records a computation without running it; returns its result and a function that replays it."""


class CudaRecorder(threading.local):
    """Recorder of CUDA graphs, which share memory in a thread: one replay follows the other."""

    def __init__(self) -> None:
        self.stream: torch.cuda.Stream | None = None
        self.latest: torch.cuda.CUDAGraph | None = None  # keeps the shared memory allocated

    def __call__(self, compute: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
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
            except BaseException:
                with suppress(RuntimeError):  # Its message would hide the cause.
                    graph.capture_end()
                raise
            graph.capture_end()
        current.wait_stream(self.stream)
        self.latest = graph
        return output, graph.replay
