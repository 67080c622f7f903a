"""Attention masks: bool (batch, 1, query_len, key_len), True = may attend.

A query attends only to keys of its own sentence, so several sentences can share a row. A padding
query may attend to every key: its result is not used, but a softmax over no key is undefined.
"""

from __future__ import annotations

import torch
from torch import Tensor


def self_attention_mask(
    segments: Tensor, *, causal: bool = False, window: int | None = None
) -> Tensor:
    """Return the mask of self-attention for the `segments` (batch, length) of `Tokens`.

    causal: mask later keys. window: the largest distance between query and key.
    """
    index = torch.arange(segments.shape[1], device=segments.device)
    distance = index[:, None] - index  # valid in a sentence, because its tokens are contiguous
    allowed = segments[:, None, :, None] == segments[:, None, None, :]
    if causal:
        allowed = allowed & (distance >= 0)
    if window is not None:
        allowed = allowed & (distance.abs() <= window)
    return allowed | (segments == 0)[:, None, :, None]


def memory_mask(target_segments: Tensor, source_segments: Tensor) -> Tensor:
    """Return the mask of encoder-decoder attention for segments (batch, length) of each side."""
    target, source = target_segments[:, None, :, None], source_segments[:, None, None, :]
    return (target == source) | (target == 0)
