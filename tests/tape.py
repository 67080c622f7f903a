"""A recorder for tests that works like a CUDA graph, on any device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Recorder that works like a CUDA graph: it stores operators and their tensors, no Python code.

    A replay runs each operator again on the same tensors and writes the result into the tensor
    that held the first result.
    """

    def __init__(self) -> None:
        super().__init__()
        self.recordings = self.replays = 0
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, output))
        return output

    def __call__(self, compute: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        self.recordings += 1
        self.calls = []
        with self:
            output = compute()
        output.fill_(torch.nan)  # a recording has no result before its first replay
        return output, lambda calls=self.calls: self.replay(calls)  # type: ignore[misc]

    @torch.no_grad()
    def replay(self, calls: list[tuple[Any, Any, Any, Any]]) -> None:
        self.replays += 1
        for func, args, kwargs, output in calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(output), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)
