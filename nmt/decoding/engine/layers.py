"""The decoder's layers at the newest token, as functions: calling modules takes longer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nmt.decoding.engine.memory import MemoryAttention, attend
from nmt.model.positions import RotaryPositions

if TYPE_CHECKING:
    from nmt.decoding.engine.cache import KeyValueCache
    from nmt.decoding.engine.memory import FoldedMemory, PlainMemory
    from nmt.model.layers import DecoderLayer
    from nmt.model.transformer import Transformer


class LayerStep:
    """`DecoderLayer.forward` at the newest position."""

    def __init__(self, layer: DecoderLayer, w_qkv: Callable[[Tensor], Tensor]) -> None:
        """w_qkv: W^Q, W^K, W^V joined, (..., d_model) to (..., 3 * d_model)."""
        self.heads = layer.self_attention.heads
        self.rotate = layer.self_attention.rotate
        self.memory_attention = MemoryAttention(layer.cross_attention)
        self.w_qkv = w_qkv
        self.w_o = layer.self_attention.w_o.forward
        self.w_1 = layer.feed_forward.w_1.forward
        self.activation = layer.feed_forward.activation
        self.w_2 = layer.feed_forward.w_2.forward
        add_norms = (layer.add_norm_1, layer.add_norm_2, layer.add_norm_3)
        self.norms = [_norm(add_norm.layer_norm) for add_norm in add_norms]
        self.norm_first = layer.add_norm_1.norm == "pre"

    def __call__(
        self,
        x: Tensor,
        cache: KeyValueCache,
        bias: Tensor,
        rotation: Tensor | None,
        memory: PlainMemory | FoldedMemory,
    ) -> Tensor:
        norm_1, norm_2, norm_3 = self.norms
        if self.norm_first:
            x = x + self._attend(norm_1(x), cache, bias, rotation)
            x = x + memory.attend(norm_2(x))
            return x + self._feed_forward(norm_3(x))
        x = norm_1(x + self._attend(x, cache, bias, rotation))
        x = norm_2(x + memory.attend(x))
        return norm_3(x + self._feed_forward(x))

    def _attend(
        self, x: Tensor, cache: KeyValueCache, bias: Tensor, rotation: Tensor | None
    ) -> Tensor:
        heads = self.heads
        joined = self.w_qkv(x)
        qkv = joined.view(-1, bias.shape[1], 3, heads, x.shape[1] // heads).permute(2, 0, 3, 1, 4)
        if rotation is not None:
            queries_and_keys = qkv[:2]
            queries_and_keys.copy_(self.rotate(queries_and_keys, rotation))
        keys, values = cache.append(qkv[1:])
        return self.w_o(attend(qkv[0], keys, values, bias))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.w_2(self.activation(self.w_1(x)))


def _norm(module: nn.LayerNorm) -> Callable[[Tensor], Tensor]:
    shape, weight, bias, eps = module.normalized_shape, module.weight, module.bias, module.eps
    return lambda x: torch.layer_norm(x, shape, weight, bias, eps)


class DecoderStep:
    """All layers and the output projection."""

    def __init__(self, model: Transformer, layers: Sequence[LayerStep]) -> None:
        self.layers = layers
        self.norm = model.decoder_norm.forward
        self.logits = model.output_projection.forward
        self.heads = layers[0].heads
        self.window = model.attention_window
        self.rule = model.decoder_rule
        self.encoding = model.target_positions

    def position_terms(self, length: int, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return encodings (length, d_model) and rotations (1, 1, length, d_k/2, 2), if used."""
        positions = torch.arange(length, device=like.device)[None]
        encodings = None if self.encoding is None else self.encoding(positions)[0].to(like.dtype)
        rule = self.rule if isinstance(self.rule, RotaryPositions) else None
        return encodings, None if rule is None else rule(positions)

    def __call__(
        self,
        x: Tensor,
        caches: Sequence[KeyValueCache],
        bias: Tensor,
        rotation: Tensor | None,
        memories: Sequence[PlainMemory | FoldedMemory],
    ) -> Tensor:
        """Return the logits (batch * width, target_vocab) float32 of the next token.

        x: (batch * width, d_model), the embeddings of the newest tokens; bias: (batch * heads,
        width, entries), -inf for cache entries that are not on the path of the hypothesis;
        rotation: (1, 1, 1, d_k/2, 2), of the newest position.
        """
        for layer, cache, memory in zip(self.layers, caches, memories, strict=True):
            x = layer(x, cache, bias, rotation, memory)
        return self.logits(self.norm(x))
