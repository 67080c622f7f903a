"""Batches of token ids for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from nmt.model.base import Tokens


def unpadded(ids: Tensor) -> Tokens:
    """Return a batch without padding; ids: (batch, length)."""
    return Tokens.padded(ids, torch.ones_like(ids, dtype=torch.bool))
