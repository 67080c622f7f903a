"""Who may attend to whom. Masks are boolean, True = may attend: (batch, 1, query_len, key_len).

A query attends to keys of its own sentence only, so several sentences can share a row. A padding
query may attend anywhere: its result is never used, and no row of a softmax is left without a key.
"""

from __future__ import annotations

import torch
from torch import Tensor


def self_attention_mask(
    segments: Tensor, *, causal: bool = False, window: int | None = None
) -> Tensor:
    """Return the mask of self-attention; segments: (batch, length), as in `Tokens`.

    causal: no position attends to a later one. window: largest distance of query and key.
    """
    index = torch.arange(segments.shape[1], device=segments.device)
    distance = index[:, None] - index  # of two tokens in one sentence, which are side by side
    allowed = segments[:, None, :, None] == segments[:, None, None, :]
    if causal:
        allowed = allowed & (distance >= 0)
    if window is not None:
        allowed = allowed & (distance.abs() <= window)
    return allowed | (segments == 0)[:, None, :, None]


def memory_mask(target_segments: Tensor, source_segments: Tensor) -> Tensor:
    """Return the mask of encoder-decoder attention; segments: (batch, length) of each side."""
    target, source = target_segments[:, None, :, None], source_segments[:, None, None, :]
    return (target == source) | (target == 0)
