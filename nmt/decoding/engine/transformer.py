"""The decoder program of the Transformer."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nmt.decoding.engine.formats import in_number_format
from nmt.decoding.engine.graphs import RecordedState
from nmt.decoding.engine.layers import DecoderStep, LayerStep
from nmt.decoding.engine.program import DecoderProgram
from nmt.decoding.engine.state import TransformerState
from nmt.kernels.linear import NumberFormat, can_pack, make_linear
from nmt.kernels.recording import CudaRecorder, Record
from nmt.model.layers import DecoderLayer

if TYPE_CHECKING:
    from nmt.model.attention import MultiHeadAttention
    from nmt.model.transformer import Transformer

_RECORD = CudaRecorder()


class TransformerProgram(DecoderProgram):
    """Decoding steps of the Transformer, with caches of keys and values."""

    model: Transformer

    def __init__(
        self, model: Transformer, number_format: NumberFormat, device: torch.device
    ) -> None:
        copied = in_number_format(model, number_format, device)
        super().__init__(copied, device)
        layers = []
        for plain, layer in zip(model.decoder_layers, copied.decoder_layers, strict=True):
            assert isinstance(plain, DecoderLayer)
            assert isinstance(layer, DecoderLayer)
            dtype = layer.add_norm_1.layer_norm.weight.dtype
            w_qkv = _joined(plain.self_attention, number_format, device, dtype)
            layers.append(LayerStep(layer, w_qkv))
        self.decoder = DecoderStep(copied, layers)
        self.embedding, self.scale = copied.target_embedding.weight, math.sqrt(copied.d_model)
        self.record: Record | None = _RECORD if device.type == "cuda" else None
        """Records decoding steps for replay; with None, every step runs directly."""

    def start(self, source: Tensor, max_length: int, width: int) -> TransformerState:
        memory = self.encode(source)
        if self.record is None:
            return TransformerState(self.decoder, memory, max_length, width)
        return RecordedState(self.decoder, memory, max_length, width, self.record)

    def step(self, tokens: Tensor, state: TransformerState) -> Tensor:
        words = nn.functional.embedding(tokens.flatten(), self.embedding)
        return state.advance(words * self.scale).view(*tokens.shape, -1)


def _joined(
    attention: MultiHeadAttention,
    number_format: NumberFormat,
    device: torch.device,
    dtype: torch.dtype,
) -> Callable[[Tensor], Tensor]:
    """Return W^Q, W^K and W^V as one map from (..., d_model) to (..., 3 * d_model)."""
    linears = (attention.w_q, attention.w_k, attention.w_v)
    weight = torch.cat([linear.weight.detach() for linear in linears])
    bias = torch.cat([linear.bias.detach() for linear in linears])
    if can_pack(device, number_format):
        return make_linear(weight, bias, number_format).forward
    weight, bias = weight.to(device, dtype), bias.to(device, dtype)
    return functools.partial(nn.functional.linear, weight=weight, bias=bias)
