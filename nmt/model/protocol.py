"""What decoding, training and evaluation ask of a model; they know no architecture beyond this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


@dataclass(frozen=True)
class Memory:
    """The encoder's output, which the decoder attends to.

    states: (batch, source_len, d_model); mask: (batch, source_len), bool, True = real token.
    """

    states: Tensor
    mask: Tensor


class DecoderState(Protocol):
    """What the decoder remembers of the hypotheses so far; a beam of equal width a sentence."""

    def select(self, sentences: Tensor, beams: Tensor) -> None:
        """Reorder in place: new hypothesis (i, j) continues old (sentences[i], beams[i, j]).

        sentences: (new_batch,) int64, different ones; beams: (new_batch, new_beam) int64.
        Sentences may leave the batch, and then others take their places; while none leaves, their
        order stays. The width of the beam may change.
        """


@runtime_checkable
class Model(Protocol):
    """An encoder-decoder (an `nn.Module`); ids are int64, masks bool with True = real token."""

    training: bool

    def encode(self, source: Tensor, source_mask: Tensor) -> Memory:
        """Read the source: ids and mask, both (batch, source_len)."""

    def decode(self, target_in: Tensor, memory: Memory) -> Tensor:
        """Hidden states (batch, target_len, d_model) of all positions at once; the state at
        position t depends on target_in[:, :t + 1] only."""

    def logits(self, hidden: Tensor) -> Tensor:
        """Output projection: (..., d_model) to (..., target_vocab)."""

    def start(self, memory: Memory, max_length: int) -> DecoderState:
        """State before the first token, beam width 1, with room for max_length steps."""

    def step(self, tokens: Tensor, state: DecoderState) -> Tensor:
        """Read one token of each hypothesis, (batch, beam); give the logits of the next,
        (batch, beam, target_vocab). Updates the state in place."""

    @property
    def output_weight(self) -> Tensor:
        """Weight of the output projection, (target_vocab, d_model); it has no bias."""

    def train(self, mode: bool = True) -> nn.Module:
        """As in `nn.Module`."""

    def eval(self) -> nn.Module:
        """As in `nn.Module`."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """As in `nn.Module`."""

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """As in `nn.Module`."""
