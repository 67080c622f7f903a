"""The engine: trained models prepared for decoding, with caches and packed weights.

The results are equal to the formulas in `nmt.model` up to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nmt.decoding.engine.program import DecoderProgram
from nmt.decoding.engine.rnn import RNNProgram
from nmt.decoding.engine.transformer import TransformerProgram
from nmt.model.rnn import RNNEncoderDecoder
from nmt.model.transformer import Transformer

if TYPE_CHECKING:
    import torch

    from nmt.kernels.linear import NumberFormat
    from nmt.model import EncoderDecoder

__all__ = ["DecoderProgram", "build_program"]


def build_program(
    model: EncoderDecoder, number_format: NumberFormat, device: torch.device
) -> DecoderProgram:
    """Return the decoder program of a model with its current weights.

    The model is not changed. After an in-place change of its weights, build a new program: the
    old one may have shared or copied them. Raises ValueError if the device does not support
    products in the number format.
    """
    if isinstance(model, RNNEncoderDecoder):
        return RNNProgram(model, number_format, device)
    assert isinstance(model, Transformer)
    return TransformerProgram(model, number_format, device)
