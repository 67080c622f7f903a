"""Trained models prepared for decoding; results equal `nmt.model` up to rounding."""

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
    """Return the decoder program of a model, which may share its current weights.

    Raises ValueError if the device does not support the number format.
    """
    if isinstance(model, RNNEncoderDecoder):
        return RNNProgram(model, number_format, device)
    assert isinstance(model, Transformer)
    return TransformerProgram(model, number_format, device)
