"""The layers of the Transformer: feed-forward, add & norm, encoder layer, decoder layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention, PositionRule
from nmt.model.dropout import Dropout

Activation = Literal["relu", "gelu", "swish"]
Norm = Literal["post", "pre"]

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "gelu": nn.functional.gelu,
    "swish": nn.functional.silu,
}


class FeedForward(nn.Module):
    """max(0, xW_1 + b_1)W_2 + b_2 at each position (Vaswani et al., 2017, equation 2)."""

    def __init__(
        self, d_model: int, inner: int, activation: Activation = "relu", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.w_1 = nn.Linear(d_model, inner)
        self.w_2 = nn.Linear(inner, d_model)
        self.activation = _ACTIVATIONS[activation]
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., d_model) to the same shape."""
        result: Tensor = self.w_2(self.dropout(self.activation(self.w_1(x))))
        return result


class AddNorm(nn.Module):
    """The residual connection and layer normalization around a sublayer.

    `post`: LayerNorm(x + sublayer(x)) as in Vaswani et al. (2017); `pre`:
    x + sublayer(LayerNorm(x)) as in Xiong et al. (2020). Dropout acts on the sublayer's output.
    """

    def __init__(self, d_model: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)
        self.norm = norm

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """(batch, length, d_model) to the same shape."""
        if self.norm == "pre":
            result: Tensor = x + self.dropout(sublayer(self.layer_norm(x)))
        else:
            result = self.layer_norm(x + self.dropout(sublayer(x)))
        return result


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with add & norm."""

    def __init__(
        self, attention: MultiHeadAttention, feed_forward: FeedForward, add_norms: list[AddNorm]
    ) -> None:
        super().__init__()
        self.self_attention = attention
        self.feed_forward = feed_forward
        self.add_norm_1, self.add_norm_2 = add_norms

    def forward(self, x: Tensor, mask: Tensor, rule: PositionRule | None) -> Tensor:
        """x: (batch, source_len, d_model); mask: (batch, 1, 1 or source_len, source_len)."""
        x = self.add_norm_1(x, lambda y: self.self_attention(y, y, mask, rule))
        result: Tensor = self.add_norm_2(x, self.feed_forward)
        return result


class DecoderLayer(nn.Module):
    """Masked self-attention, encoder-decoder attention and feed-forward, each with add & norm."""

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
        rule: PositionRule | None,
    ) -> Tensor:
        """All positions at once.

        x: (batch, target_len, d_model); memory: (batch, source_len, d_model), the encoder's
        output; self_mask: (target_len, target_len), False on future positions; memory_mask:
        (batch, 1, 1, source_len).
        """
        x = self.add_norm_1(x, lambda y: self.self_attention(y, y, self_mask, rule))
        x = self.add_norm_2(x, lambda y: self.cross_attention(y, memory, memory_mask))
        result: Tensor = self.add_norm_3(x, self.feed_forward)
        return result
