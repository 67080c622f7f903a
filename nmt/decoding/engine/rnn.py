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
        """Reorder in place: new hypothesis (i, j) continues old (sentences[i], parents[i, j]).

        sentences: (new_batch,); parents: (new_batch, new_width).
        """
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
        """Copy a model; raises ValueError if the device has no products in the format."""
        super().__init__(in_number_format(model, number_format, device), device)
        if number_format == "bf16" and device.type == "cuda":
            # torch cannot store bf16 weights of a GRU in the layout that cuDNN requires, and warns
            # that each call copies them.
            warnings.filterwarnings("ignore", "RNN module weights are not part of single")

    def start(self, source: Tensor, max_length: int, width: int) -> RNNState:
        """Return the state before the first token, which has one hypothesis per sentence.

        source: (batch, source_len), each sentence ending with eos. The size of the state does not
        depend on max_length or width.
        """
        return RNNState(*self.model.read(self.encode(source)))

    def step(self, tokens: Tensor, state: RNNState) -> Tensor:
        """Read one token per hypothesis, (batch, width), and update the state in place.

        Returns the logits of the next tokens, (batch, width, target_vocab) float32.
        """
        hidden, state.layers = self.model.advance(tokens[..., None], state.source, state.layers)
        return self.model.logits(hidden.squeeze(2))
