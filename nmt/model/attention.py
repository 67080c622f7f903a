"""Attention: the formula, its fast form, and multi-head attention.

Shapes: batch first; queries, keys and values of heads are (batch, heads, length, d_k).
Masks are boolean with True = may attend, and broadcast to (batch, heads, query_len, key_len).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from nmt.model.dropout import dropout as drop

Kernel = Literal["auto", "fused", "formula"]


def attention_weights(
    query: Tensor, key: Tensor, mask: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """softmax(QK^T / sqrt(d_k)) of Vaswani et al. (2017), equation 1.

    query: (batch, heads, query_len, d_k); key: (batch, heads, key_len, d_k); bias is added to
    the scaled scores. Scores that the mask forbids become -inf, so their weights are exactly 0;
    a query that may attend nowhere has all weights 0. Returns (batch, heads, query_len, key_len) in
    float32, in which the softmax of bfloat16 is faster too.
    """
    d_k = query.shape[-1]
    scores = (query @ key.transpose(-2, -1)).float() / math.sqrt(d_k)
    if bias is not None:
        scores = scores + bias
    if mask is None:
        return torch.softmax(scores, dim=-1)
    weights = torch.softmax(scores.masked_fill(~mask, -math.inf), dim=-1)
    return weights.masked_fill(~mask, 0.0)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    dropout: float = 0.0,
    kernel: Kernel = "formula",
) -> Tensor:
    """softmax(QK^T / sqrt(d_k)) V of Vaswani et al. (2017), equation 1.

    value: (batch, heads, key_len, d_k); dropout acts on the weights. The kernel `formula`
    computes it as written, in O(query_len * key_len) memory; `fused` calls torch's kernel,
    which gives the same up to rounding; `auto` takes the faster. Returns (batch, heads,
    query_len, d_k).
    """
    if kernel == "formula" or (kernel == "auto" and _formula_is_faster(query, key)):
        weights = attention_weights(query, key, mask, bias)
        return drop(weights, dropout, training=dropout > 0.0).to(value.dtype) @ value
    if bias is not None:
        bias = bias.to(query.dtype)
        mask = bias if mask is None else bias.masked_fill(~mask, -math.inf)
    return nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropout
    )


def _formula_is_faster(query: Tensor, key: Tensor) -> bool:
    """Short sequences on a CPU: torch's kernel is made for long ones (of 16 positions, forward and
    backward, it takes twice as long), and in bf16 it has no fast backward pass."""
    longest = 512 if query.dtype == torch.bfloat16 else 32
    return query.device.type == "cpu" and key.shape[2] <= longest


class PositionRule(Protocol):
    """How positions enter attention itself: rotated queries and keys, or a bias by distance."""

    def rotate(self, heads: Tensor, positions: Tensor) -> Tensor:
        """Turn queries or keys (batch, heads, length, d_k) at positions (length,)."""

    def bias(self, query_positions: Tensor, key_positions: Tensor) -> Tensor | None:
        """Added to the scores, (heads, query_len, key_len)."""


class MultiHeadAttention(nn.Module):
    """h heads of attention over projected queries, keys and values, concatenated, times W_O.

    Vaswani et al. (2017), section 3.2.2. `w_q`, `w_k`, `w_v`, `w_o` are the paper's W^Q, W^K,
    W^V (all heads side by side) and W^O, with biases.
    """

    def __init__(
        self, d_model: int, heads: int, dropout: float = 0.0, kernel: Kernel = "auto"
    ) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.kernel: Kernel = kernel
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)
        self.w_qkv: nn.Module | None = None
        """W^Q, W^K and W^V as one layer in their place, for self-attention at inference."""
        self.watch: Callable[[Tensor], None] | None = None
        """Called with the weights (batch, heads, query_len, key_len) of every forward pass."""

    def split_heads(self, x: Tensor) -> Tensor:
        """(batch, length, d_model) to (batch, heads, length, d_k)."""
        batch, length, d_model = x.shape
        return x.reshape(batch, length, self.heads, d_model // self.heads).transpose(1, 2)

    def concatenate_heads(self, x: Tensor) -> Tensor:
        """(batch, heads, length, d_k) to (batch, length, d_model)."""
        batch, heads, length, d_k = x.shape
        return x.transpose(1, 2).reshape(batch, length, heads * d_k)

    def forward(
        self,
        query: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        rule: PositionRule | None = None,
    ) -> Tensor:
        """Attend from `query` (batch, query_len, d_model) to `memory` (batch, key_len, d_model).

        Self-attention is `memory` = `query`; encoder-decoder attention takes queries from the
        decoder and keys and values from the encoder's output. Returns (batch, query_len, d_model).
        """
        if memory is query:
            q, k, v = map(self.split_heads, self.project_self(query))
        else:
            q = self.split_heads(self.w_q(query))
            k, v = map(self.split_heads, self.project_memory(memory))
        bias = None
        if rule is not None:
            positions = torch.arange(memory.shape[1], device=memory.device)
            q, k = rule.rotate(q, positions[: q.shape[2]]), rule.rotate(k, positions)
            bias = rule.bias(positions[: q.shape[2]], positions)
        result: Tensor = self.w_o(self.concatenate_heads(self.attend(q, k, v, mask, bias)))
        return result

    def project_self(self, x: Tensor) -> Sequence[Tensor]:
        """Queries, keys and values of the same input, all heads side by side."""
        if self.w_qkv is None:
            return self._project_together(x, self.w_q, self.w_k, self.w_v)
        joined: Tensor = self.w_qkv(x)
        return joined.chunk(3, dim=-1)

    def project_memory(self, memory: Tensor) -> Sequence[Tensor]:
        """Keys and values, all heads side by side."""
        return self._project_together(memory, self.w_k, self.w_v)

    def _project_together(self, x: Tensor, *projections: nn.Module) -> Sequence[Tensor]:
        """Several projections of the same input; in training as one matrix product, which is
        faster."""
        linears = [p for p in projections if isinstance(p, nn.Linear)]
        if self.training and len(linears) == len(projections):
            weight = torch.cat([linear.weight for linear in linears])
            bias = torch.cat([linear.bias for linear in linears])
            return nn.functional.linear(x, weight, bias).chunk(len(linears), dim=-1)
        return [projection(x) for projection in projections]

    def attend(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None = None
    ) -> Tensor:
        """Attention of all heads, (batch, heads, query_len, d_k), before W_O."""
        if self.watch is not None:
            self.watch(attention_weights(q, k, mask, bias))
        dropout = self.dropout if self.training else 0.0
        return scaled_dot_product_attention(q, k, v, mask, bias, dropout, self.kernel)
