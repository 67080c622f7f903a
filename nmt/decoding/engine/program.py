"""The interface of decoder programs, which are models prepared for decoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nmt.model import Tokens
from nmt.tokenizer.ids import PAD

if TYPE_CHECKING:
    from nmt.model import EncoderDecoder, Memory


class DecoderProgram(ABC):
    """A trained model prepared for decoding, in one number format and on one device.

    The weights and the number format do not depend on the batch. Source and target ids are
    (batch, length) int64, padded with PAD.
    """

    def __init__(self, model: EncoderDecoder, device: torch.device) -> None:
        self.model = model
        """The model for inference, in the number format and on the device of the program."""
        self.device = device

    def encode(self, source: Tensor) -> Memory:
        """Return the encoder's output for source sentences (batch, source_len) with eos."""
        return self.model.encode(Tokens.padded(source, source != PAD))

    @abstractmethod
    def start(self, source: Tensor, max_length: int, width: int) -> Any:
        """Return the state before the first decoding step, with one hypothesis per sentence.

        source: (batch, source_len), each sentence ending with eos. max_length: the maximum number
        of decoding steps; width: the number of hypotheses per sentence after the first step.
        """

    @abstractmethod
    def step(self, tokens: Tensor, state: Any) -> Tensor:
        """Read one token per hypothesis, (batch, width), and update the state in place.

        Returns the logits of the next tokens, (batch, width, target_vocab) float32.
        """

    @torch.inference_mode()
    def target_log_probabilities(self, source: Tensor, target: Tensor) -> list[float]:
        """Return log P(target, eos | source) of each target, in nats.

        source: (batch, source_len), each sentence ending with eos; target: (batch, target_len),
        each sentence between bos and eos.
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
