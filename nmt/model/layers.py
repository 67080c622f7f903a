"""Layers of the Transformer: feed-forward network, add & norm, encoder and decoder layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention

Activation = Literal["relu", "gelu", "swish"]
Norm = Literal["post", "pre"]

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "gelu": nn.functional.gelu,
    "swish": nn.functional.silu,
}


class WordDropout(nn.Module):
    """Dropout of complete embeddings, which become zero vectors (Gal and Ghahramani, 2016).

    The model has to use the context and memorizes sentences less. Other embeddings are not scaled.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, embeddings: Tensor) -> Tensor:
        """In training, set each vector of embeddings (..., d_model) to zero with probability p."""
        if not self.training or self.p == 0.0:
            return embeddings
        hidden = torch.rand(embeddings.shape[:-1], device=embeddings.device) < self.p
        return embeddings.masked_fill(hidden[..., None], 0.0)


class FeedForward(nn.Module):
    """The network max(0, xW_1 + b_1)W_2 + b_2 (Vaswani et al., 2017, equation 2)."""

    def __init__(self, d_model: int, inner: int, activation: Activation, dropout: nn.Dropout):
        super().__init__()
        self.w_1 = nn.Linear(d_model, inner)
        self.w_2 = nn.Linear(inner, d_model)
        self.activation = _ACTIVATIONS[activation]
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., d_model) to the same shape."""
        return self.w_2(self.dropout(self.activation(self.w_1(x))))


class AddNorm(nn.Module):
    """The residual connection and layer normalization around a sublayer.

    `post`: LayerNorm(x + sublayer(x)) (Vaswani et al., 2017). `pre`: x + sublayer(LayerNorm(x))
    (Xiong et al., 2020). Dropout is applied to the sublayer's output.
    """

    def __init__(self, d_model: int, norm: Norm, dropout: nn.Dropout) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(d_model)
        self.dropout = dropout
        self.norm = norm

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Map x (batch, length, d_model) to the same shape."""
        if self.norm == "pre":
            return x + self.dropout(sublayer(self.layer_norm(x)))
        return self.layer_norm(x + self.dropout(sublayer(x)))


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each with add & norm."""

    def __init__(
        self, attention: MultiHeadAttention, feed_forward: FeedForward, add_norms: list[AddNorm]
    ) -> None:
        super().__init__()
        self.self_attention = attention
        self.feed_forward = feed_forward
        self.add_norm_1, self.add_norm_2 = add_norms

    def forward(
        self, x: Tensor, mask: Tensor, bias: Tensor | None, rotation: Tensor | None
    ) -> Tensor:
        """Map x (batch, source_len, d_model) to the same shape.

        mask: (batch, 1, source_len, source_len) bool; bias, rotation: see `MultiHeadAttention`.
        """
        x = self.add_norm_1(x, lambda y: self.self_attention(y, y, mask, bias, rotation))
        return self.add_norm_2(x, self.feed_forward)


class DecoderLayer(nn.Module):
    """Masked self-attention, encoder-decoder attention, feed-forward network; with add & norm."""

    def __init__(
        self,
        self_attention: MultiHeadAttention,
        cross_attention: MultiHeadAttention,
        feed_forward: FeedForward,
        add_norms: list[AddNorm],
    ) -> None:
        super().__init__()
        self.self_attention = self_attention
        self.cross_attention = cross_attention
        self.feed_forward = feed_forward
        self.add_norm_1, self.add_norm_2, self.add_norm_3 = add_norms

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        self_mask: Tensor,
        memory_mask: Tensor,
        bias: Tensor | None,
        rotation: Tensor | None,
    ) -> Tensor:
        """Map x (batch, target_len, d_model) to the same shape.

        memory: (batch, source_len, d_model), the encoder's output; self_mask: (batch, 1,
        target_len, target_len) bool; memory_mask: (batch, 1, target_len, source_len) bool; bias and
        rotation of self-attention: see `MultiHeadAttention`.
        """
        x = self.add_norm_1(x, lambda y: self.self_attention(y, y, self_mask, bias, rotation))
        x = self.add_norm_2(x, lambda y: self.cross_attention(y, memory, memory_mask))
        return self.add_norm_3(x, self.feed_forward)
