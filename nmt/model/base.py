"""The interface of every encoder-decoder model, and its inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Tokens:
    """A batch of token ids, padded (one sentence per row) or packed (several per row)."""

    ids: Tensor
    """(batch, length) int64."""
    segments: Tensor
    """(batch, length) int64: number of the token's sentence in its row, from 1; 0 = padding."""
    positions: Tensor
    """(batch, length) int64: position in the sentence, from 0; (1, length) in a padded batch."""

    @classmethod
    def padded(cls, ids: Tensor, mask: Tensor) -> Tokens:
        """Return a batch with one sentence per row, followed by padding.

        ids: (batch, length) int64; mask: (batch, length) bool, True = real token.
        """
        return cls(ids, mask.long(), torch.arange(ids.shape[1], device=ids.device)[None])

    def apply(self, function: Callable[[Tensor], Tensor]) -> Tokens:
        """Return the batch with `function` applied to each tensor."""
        return Tokens(function(self.ids), function(self.segments), function(self.positions))


@dataclass(frozen=True)
class Memory:
    """The encoder's output, which the decoder attends to."""

    states: Tensor
    """(batch, source_len, d_model)."""
    segments: Tensor
    """(batch, source_len) int64, as in `Tokens`; 0 = padding."""


class EncoderDecoder(nn.Module, ABC):
    """A model of p(target | source): an encoder, a decoder and an output projection."""

    output_projection: nn.Linear
    """Maps hidden states to one score per token of the target vocabulary; no bias."""

    def forward(self, source: Tokens, target: Tokens) -> Tensor:
        """Return the logits of each next token, (batch, target_len, target_vocab).

        `target` starts with bos; the logits at a position depend on target tokens up to it only.
        """
        return self.logits(self.decode(target, self.encode(source)))

    @abstractmethod
    def encode(self, source: Tokens) -> Memory:
        """Return the encoder's output for source sentences, each ending with eos."""

    @abstractmethod
    def decode(self, target: Tokens, memory: Memory) -> Tensor:
        """Return the hidden states of all target positions, (batch, target_len, d_model).

        A state depends on target tokens up to its position only.
        """

    def logits(self, hidden: Tensor) -> Tensor:
        """Project hidden states (..., d_model) to scores (..., target_vocab)."""
        return self.output_projection(hidden)

    @property
    def output_weight(self) -> Tensor:
        """The weight of the output projection, (target_vocab, d_model)."""
        return self.output_projection.weight
