"""The engine: a trained model made ready for decoding, with caches and prepared weights.

`nmt.model` has the same computations as formulas; the results of both are equal up to rounding.
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
    """Return the decoder program of a model with the weights that the model has now.

    The model is not changed. Later changes of its weights in place may or may not reach the
    program: build a new one. Raises ValueError if the device has no products of this format.
    """
    if isinstance(model, RNNEncoderDecoder):
        return RNNProgram(model, number_format, device)
    assert isinstance(model, Transformer)
    return TransformerProgram(model, number_format, device)
