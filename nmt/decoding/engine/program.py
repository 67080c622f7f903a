"""The base class of decoder programs."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nmt.decoding.search import Decoder
from nmt.model import Tokens
from nmt.tokenizer.ids import PAD

if TYPE_CHECKING:
    from nmt.model import EncoderDecoder, Memory


class DecoderProgram(Decoder, ABC):
    """A trained model prepared for decoding, in one number format and on one device."""

    def __init__(self, model: EncoderDecoder, device: torch.device) -> None:
        self.model = model
        """In the number format and on the device."""
        self.device = device

    def encode(self, source: Tensor) -> Memory:
        return self.model.encode(Tokens.padded(source, source != PAD))

    @torch.inference_mode()
    def target_log_probabilities(self, source: Tensor, target: Tensor) -> list[float]:
        """Return log P(target, eos | source) of each target, in nats.

        source: (batch, source_len) int64, ending with eos; target: (batch, target_len) int64,
        between bos and eos; both padded with PAD.
        """
        target_in, target_out = target[:, :-1], target[:, 1:]
        real = target_out != PAD
        rows, columns = real.nonzero(as_tuple=True)
        hidden = self.model.decode(Tokens.padded(target_in, real), self.encode(source))
        log_probs = torch.log_softmax(
            self.model.logits(hidden[rows, columns]), dim=-1, dtype=torch.float32
        )
        tokens = log_probs.gather(1, target_out[rows, columns][:, None])[:, 0]
        totals = torch.zeros(len(source), dtype=torch.float64, device=source.device)
        return totals.index_add(0, rows, tokens.double()).tolist()
