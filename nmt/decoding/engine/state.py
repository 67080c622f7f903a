"""State of a search with a Transformer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nmt.decoding.engine.cache import HypothesisTree, KeyValueCache
from nmt.decoding.engine.selection import Selection
from nmt.model.positions import RelativePositions

if TYPE_CHECKING:
    from nmt.decoding.engine.layers import DecoderStep
    from nmt.decoding.search import IntArray
    from nmt.model import Memory


class TransformerState:
    """Caches, memories and the tree of hypotheses of a batch of sentences."""

    CAPACITY = 32
    """Maximum number of initial entries of each cache."""
    cache_type: type[KeyValueCache] = KeyValueCache

    def __init__(self, decoder: DecoderStep, memory: Memory, max_length: int, width: int) -> None:
        """width: hypotheses per sentence from step 2 on."""
        batch, _, d_model = memory.states.shape
        self.decoder = decoder
        self.encodings, self.rotations = decoder.position_terms(max_length, memory.states)
        self.capacity = min(1 + (max_length - 1) * width, self.CAPACITY)
        states = memory.states
        padding = torch.where(memory.segments == 0, -math.inf, 0.0)[:, None, None].to(states.dtype)
        self.memories = [layer.memory_attention.read(states, padding) for layer in decoder.layers]
        heads = decoder.heads
        self.caches = [
            self.cache_type(batch, heads, d_model // heads, self.capacity, states)
            for _ in decoder.layers
        ]
        with_positions = decoder.window is not None or decoder.rule is not None
        self.tree = HypothesisTree(batch, states, with_positions)

    def advance(self, x: Tensor) -> Tensor:
        """Return the logits (batch * width, target_vocab) float32 of the next tokens.

        x: (batch * width, d_model), the embeddings of the tokens without positions.
        """
        batch, width, entries = self.tree.bias.shape
        if self.encodings is not None:
            x = x + self.encodings[self.tree.length]
        if entries + width > self.capacity:
            self._enlarge()
        self.tree.grow()
        bias, newest = self._position_terms()
        heads = self.decoder.heads
        bias = bias.expand(batch, heads, width, -1).reshape(batch * heads, width, -1)
        return self._compute(x, bias, newest)

    def _compute(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> Tensor:
        """Compute a step; bias: (batch * heads, width, entries).

        newest: (1,) int64, the newest position; None if attention does not depend on positions.
        """
        rotation = None
        if newest is not None and self.rotations is not None:
            rotation = self.rotations.index_select(2, newest)
        return self.decoder(x, self.caches, bias, rotation, self.memories)

    def _enlarge(self) -> None:
        kept = self.tree.forget_dead()
        self.capacity = kept.shape[1] * 3 // 2 + 4 * self.tree.bias.shape[1]
        for cache in self.caches:
            cache.keep(kept, self.capacity)

    def _position_terms(self) -> tuple[Tensor, Tensor | None]:
        """Return the bias (batch, heads or 1, width, entries), and `newest` as in `_compute`."""
        bias, positions = self.tree.bias[:, None], self.tree.positions
        if positions is None:
            return bias, None
        newest = positions[0, -1:]
        if self.decoder.window is not None:
            far = newest - positions > self.decoder.window
            bias = bias.masked_fill(far[:, None, None], -math.inf)
        if isinstance(self.decoder.rule, RelativePositions):
            by_distance = self.decoder.rule(newest[None], positions.view(1, -1))
            # Map (1, heads, 1, batch * entries) to (batch, heads, 1, entries).
            bias = bias + by_distance.view(-1, 1, *positions.shape).permute(2, 0, 1, 3)
        return bias, newest

    def select(self, sentences: IntArray, parents: IntArray) -> None:
        fewer = len(sentences) < len(self.tree.bias)
        self.tree.select(sentences, parents)
        if fewer:
            self._select_sentences(sentences, len(sentences))

    def _select_sentences(self, sentences: IntArray, size: int) -> None:
        """Keep `size` rows of caches and memories; the first are the old rows `sentences`."""
        selection = Selection(sentences, size, self.tree.bias.device)
        for part in (*self.caches, *self.memories):
            part.select(selection)
