"""Reordering of the sentences of a batch on a device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.search import IntArray


def to_tensor(array: IntArray, device: torch.device) -> Tensor:
    """Return the array as a tensor, without waiting for the device."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


class Selection:
    """The rows that stay in a batch, applied to many tensors."""

    def __init__(self, sentences: IntArray, size: int, device: torch.device) -> None:
        """Select `size` rows; the first are the old rows `sentences` (live,), others stay."""
        moved = np.flatnonzero(sentences != np.arange(len(sentences)))
        self.size = size
        self.moved: tuple[Tensor, Tensor] | None = None
        if moved.size:
            new, old = to_tensor(np.stack([moved, sentences[moved]]), device)
            self.moved = new, old

    def __call__(self, x: Tensor) -> Tensor:
        """Return the new batch of x (batch, ...); the memory of x is overwritten and shared."""
        if self.moved is not None:
            new, old = self.moved
            x[new] = x.index_select(0, old)
        return x[: self.size]
