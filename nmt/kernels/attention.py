"""Multi-head attention in fewer and faster operations than the formula."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention


class FusedAttention(MultiHeadAttention):
    """Multi-head attention with torch's kernel, in O(query_len + key_len) memory."""

    def project(self, query: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.training:
            return super().project(query, memory)
        if query is memory:
            q, k, v = _project_together(query, self.w_q, self.w_k, self.w_v)
            return q, k, v
        k, v = _project_together(memory, self.w_k, self.w_v)
        return self.w_q(query), k, v

    def rotate(self, heads: Tensor, rotation: Tensor) -> Tensor:
        """Rotate queries or keys; on a CPU, complex numbers take a quarter of the time."""
        if heads.device.type != "cpu":
            return super().rotate(heads, rotation)
        pairs = torch.view_as_complex(heads.float().reshape(*heads.shape[:-1], -1, 2))
        turned = torch.view_as_real(pairs * torch.view_as_complex(rotation))
        return turned.flatten(-2).to(heads.dtype)

    def scaled_dot_product_attention(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        if self.watch is not None:
            return super().scaled_dot_product_attention(q, k, v, mask, bias)
        if bias is not None:
            bias = bias.to(q.dtype)
            mask = bias if mask is None else bias.masked_fill(~mask, -math.inf)
        dropout = self.dropout.p if self.training else 0.0
        return nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout
        )


class FastAttention(FusedAttention):
    """Multi-head attention by the formula for short sequences on a CPU, else by the fused kernel.

    For 16 positions, torch's kernel takes twice as long. It has no fast backward pass in bf16.
    """

    def scaled_dot_product_attention(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        longest = 512 if q.dtype == torch.bfloat16 else 32
        if q.device.type == "cpu" and k.shape[2] <= longest:
            return MultiHeadAttention.scaled_dot_product_attention(self, q, k, v, mask, bias)
        return super().scaled_dot_product_attention(q, k, v, mask, bias)


def _project_together(x: Tensor, *linears: nn.Linear) -> tuple[Tensor, ...]:
    weight = torch.cat([linear.weight for linear in linears])
    bias = torch.cat([linear.bias for linear in linears])
    return nn.functional.linear(x, weight, bias).chunk(len(linears), dim=-1)
