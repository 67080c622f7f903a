"""Encoder-decoder attention of decoding steps, with keys and values computed once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nmt.kernels.linear import float32_weight

if TYPE_CHECKING:
    from nmt.decoding.engine.selection import Selection
    from nmt.model.attention import MultiHeadAttention


def attend(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """Return softmax(QK^T / sqrt(d_k) + bias) V, (batch * width, heads * d_k).

    q: (batch, heads, width, d_k); keys, values: (batch * heads, entries, d_k); bias: (batch *
    heads, width or 1, entries), -inf where a query may not attend. Fast for few queries.
    """
    batch, heads, width, d_k = q.shape
    queries = q.reshape(batch * heads, width, d_k)
    scores = torch.baddbmm(bias, queries, keys.mT, alpha=1.0 / math.sqrt(d_k))
    read = torch.bmm(torch.softmax(scores, dim=-1), values)
    by_hypothesis = read.view(batch, heads, width, d_k).transpose(1, 2)
    return by_hypothesis.reshape(batch * width, heads * d_k)


class MemoryAttention:
    """Encoder-decoder attention of one layer, without a source."""

    LARGEST_FOLDED = 1 << 18
    """Maximum number of elements of a folded matrix."""

    def __init__(self, attention: MultiHeadAttention) -> None:
        self.attention = attention
        w_q, w_o = float32_weight(attention.w_q), float32_weight(attention.w_o)
        # Folding 16- or 8-bit weights would round other values than the layer does, and only in
        # small batches.
        self.folding = None if w_q is None or w_o is None else Folding(attention, w_q, w_o)

    def read(self, states: Tensor, padding: Tensor) -> PlainMemory | FoldedMemory:
        """Return the keys and values of a search.

        states: (batch, source_len, d_model), of the encoder; padding: (batch, 1, 1, source_len),
        -inf at padding, otherwise 0.
        """
        attention = self.attention
        keys, values = attention.w_k.forward(states), attention.w_v.forward(states)
        keys, values = attention.split_heads(keys), attention.split_heads(values)
        if self.folding and keys.numel() * attention.heads <= self.LARGEST_FOLDED:
            return FoldedMemory(self.folding, keys, values, padding)
        return PlainMemory(attention, keys, values, padding)


class _Memory:
    """Keys, values and bias of the source sentences for one decoder layer, batch first."""

    keys: Tensor
    values: Tensor
    bias: Tensor

    def select(self, selection: Selection) -> None:
        self.keys = selection(self.keys)
        self.values = selection(self.values)
        self.bias = selection(self.bias)


class PlainMemory(_Memory):
    """Keys and values of every head."""

    def __init__(
        self, attention: MultiHeadAttention, keys: Tensor, values: Tensor, padding: Tensor
    ) -> None:
        self.w_q, self.w_o = attention.w_q.forward, attention.w_o.forward
        self.keys, self.values = keys.contiguous(), values.contiguous()
        self.bias = padding.repeat(1, attention.heads, 1, 1)

    def attend(self, x: Tensor) -> Tensor:
        """Attend from hypotheses x (batch * width, d_model); return the same shape."""
        batch, heads, _, d_k = self.keys.shape
        q = self.w_q(x).view(batch, -1, heads, d_k).transpose(1, 2)
        keys, values = self.keys.flatten(0, 1), self.values.flatten(0, 1)
        return self.w_o(attend(q, keys, values, self.bias.flatten(0, 1)))


class Folding:
    """W^Q and W^O of a layer that multiplies in float32, as matrices per head."""

    def __init__(self, attention: MultiHeadAttention, w_q: Tensor, w_o: Tensor) -> None:
        """w_q, w_o: (d_model, d_model) float32, the weights of `attention`."""
        d_model, heads = len(w_q), attention.heads
        self.heads = heads
        self.w_q = w_q.view(heads, d_model // heads, d_model)
        self.b_q = attention.w_q.bias.view(heads, d_model // heads, 1)
        self.w_o = w_o.view(d_model, heads, d_model // heads).permute(1, 2, 0)
        self.output_bias = attention.w_o.bias


class FoldedMemory(_Memory):
    """Keys with W^Q and values with W^O folded in: two products per step replace four.

    (x W^Q) K^T = x (W^Q K^T) and (A V) W^O = A (V W^O), where only x and A change. The matrices
    take `heads` times the memory, so this is for few sentences.
    """

    def __init__(self, folding: Folding, keys: Tensor, values: Tensor, padding: Tensor) -> None:
        keys = keys / math.sqrt(keys.shape[-1])
        self.heads = folding.heads
        self.keys = self._fold(keys, folding.w_q).mT
        self.values = self._fold(values, folding.w_o)
        of_bias = keys @ folding.b_q
        self.bias = (padding + of_bias.mT).flatten(1)[:, None]
        self.output_bias = folding.output_bias

    @staticmethod
    def _fold(x: Tensor, weight: Tensor) -> Tensor:
        batch, heads, length, d_k = x.shape
        product = x.transpose(0, 1).reshape(heads, batch * length, d_k) @ weight
        by_sentence = product.view(heads, batch, length, -1).transpose(0, 1)
        return by_sentence.flatten(1, 2)

    def attend(self, x: Tensor) -> Tensor:
        """Attend from hypotheses x (batch * width, d_model); return the same shape."""
        batch, _, columns = self.keys.shape
        scores = torch.baddbmm(self.bias, x.view(batch, -1, x.shape[1]), self.keys)
        by_head = scores.view(batch, -1, self.heads, columns // self.heads)
        weights = torch.softmax(by_head, dim=-1).view_as(scores)
        return torch.baddbmm(self.output_bias, weights, self.values).view_as(x)
