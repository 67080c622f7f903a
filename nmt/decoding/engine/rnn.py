"""The decoder program of the recurrent model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nmt.decoding.engine.formats import in_number_format
from nmt.decoding.engine.program import DecoderProgram
from nmt.decoding.engine.selection import to_tensor

if TYPE_CHECKING:
    from nmt.decoding.search import IntArray
    from nmt.kernels.linear import NumberFormat
    from nmt.model.rnn import RNNEncoderDecoder, Source


class RNNState:
    """The source sentences and the states of the decoder's layers, each (batch, width, d_model)."""

    def __init__(self, source: Source, layers: list[Tensor]) -> None:
        self.source = source
        self.layers = layers

    def select(self, sentences: IntArray, parents: IntArray) -> None:
        device = self.source.mask.device
        rows, columns = to_tensor(sentences, device), to_tensor(parents, device)
        self.layers = [layer[rows[:, None], columns] for layer in self.layers]
        if len(sentences) < len(self.source.mask):
            self.source = self.source.select(rows)


class RNNProgram(DecoderProgram):
    """Decoding steps of `RNNEncoderDecoder`."""

    model: RNNEncoderDecoder

    def __init__(
        self, model: RNNEncoderDecoder, number_format: NumberFormat, device: torch.device
    ) -> None:
        super().__init__(in_number_format(model, number_format, device), device)
        if number_format == "bf16" and device.type == "cuda":
            # torch cannot store bf16 weights of a GRU in the layout that cuDNN requires, and warns
            # that each call copies them.
            warnings.filterwarnings("ignore", "RNN module weights are not part of single")

    def start(self, source: Tensor, max_length: int, width: int) -> RNNState:
        return RNNState(*self.model.read(self.encode(source)))

    def step(self, tokens: Tensor, state: RNNState) -> Tensor:
        hidden, state.layers = self.model.advance(tokens[..., None], state.source, state.layers)
        return self.model.logits(hidden.squeeze(2))
