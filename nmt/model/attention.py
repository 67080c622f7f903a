"""Scaled dot-product attention and multi-head attention.

A mask is boolean (True = may attend) and broadcasts to (batch, heads, query_len, key_len).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


def attention_weights(
    query: Tensor, key: Tensor, mask: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """Return softmax(QK^T / sqrt(d_k)) of Vaswani et al. (2017), equation 1.

    query: (batch, heads, query_len, d_k); key: (batch, heads, key_len, d_k). The mask, with at
    least one True per query, and the bias, which is added to the scores, broadcast to the result:
    (batch, heads, query_len, key_len) float32.
    """
    d_k = query.shape[-1]
    scores = (query @ key.transpose(-2, -1)).float() / math.sqrt(d_k)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1)


class MultiHeadAttention(nn.Module):
    """Multi-head attention of Vaswani et al. (2017), section 3.2.2.

    `w_q`, `w_k` and `w_v` are W^Q, W^K and W^V of all heads, concatenated; `w_o` is W^O. All have
    biases. Dropout is applied to the attention weights.
    """

    def __init__(self, d_model: int, heads: int, dropout: nn.Dropout) -> None:
        super().__init__()
        self.heads = heads
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)
        self.dropout = dropout
        self.watch: Callable[[Tensor], None] | None = None
        """Called with the attention weights (batch, heads, query_len, key_len) of each forward."""

    def forward(
        self,
        query: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
        rotation: Tensor | None = None,
    ) -> Tensor:
        """Attend from `query` (batch, query_len, d_model) to `memory` (batch, key_len, d_model).

        In self-attention, `memory` is `query`. mask and bias (from `RelativePositions`) broadcast
        to (batch, heads, query_len, key_len); rotation: (batch or 1, 1, length, d_k/2, 2), from
        `RotaryPositions`. Returns (batch, query_len, d_model).
        """
        q, k, v = map(self.split_heads, self.project(query, memory))
        if rotation is not None:
            q, k = self.rotate(q, rotation), self.rotate(k, rotation)
        heads = self.scaled_dot_product_attention(q, k, v, mask, bias)
        return self.w_o(self.concatenate_heads(heads))

    def project(self, query: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of all heads, each (batch, length, d_model)."""
        return self.w_q(query), self.w_k(memory), self.w_v(memory)

    def split_heads(self, x: Tensor) -> Tensor:
        """Split (batch, length, d_model) into (batch, heads, length, d_k)."""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)

    def rotate(self, heads: Tensor, rotation: Tensor) -> Tensor:
        """Rotate each pair (x, y) of adjacent components to (x cos - y sin, x sin + y cos).

        heads: (batch, heads, length, d_k); rotation: (batch or 1, 1, length, d_k/2, 2), (cos, sin).
        """
        x, y = heads.reshape(*heads.shape[:-1], -1, 2).unbind(-1)
        cos, sin = rotation.to(heads.dtype).unbind(-1)
        return torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1).flatten(-2)

    def scaled_dot_product_attention(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        """Return softmax(QK^T / sqrt(d_k)) V of each head, (batch, heads, query_len, d_k)."""
        weights = attention_weights(q, k, mask, bias)
        if self.watch is not None:
            self.watch(weights)
        return self.dropout(weights).to(v.dtype) @ v

    def concatenate_heads(self, x: Tensor) -> Tensor:
        """Concatenate heads (batch, heads, length, d_k) to (batch, length, d_model)."""
        return x.transpose(1, 2).flatten(2)
