"""The Transformer of Vaswani et al. (2017): encoder, decoder and output projection."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention
from nmt.model.base import EncoderDecoder, Memory, Tokens
from nmt.model.layers import (
    Activation,
    AddNorm,
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    Norm,
    WordDropout,
)
from nmt.model.masks import memory_mask, self_attention_mask
from nmt.model.positions import (
    LearnedPositions,
    RelativePositions,
    RotaryPositions,
    SinusoidalPositions,
)

Positions = Literal["sinusoidal", "learned", "rotary", "relative", "none"]


class Transformer(EncoderDecoder):
    """The Transformer; `attention` and `dropout_layer` create its attention and dropout layers."""

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        *,
        d_model: int,
        heads: int,
        encoder_layers: int,
        decoder_layers: int,
        feedforward: int,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        activation_dropout: float = 0.0,
        word_dropout: float = 0.0,
        activation: Activation = "relu",
        norm: Norm = "post",
        positions: Positions = "sinusoidal",
        max_positions: int = 1024,
        attention_window: int | None = None,
        share_embeddings: bool = False,
        tie_output: bool = True,
        attention: Callable[[int, int, nn.Dropout], MultiHeadAttention] = MultiHeadAttention,
        dropout_layer: Callable[[float], nn.Dropout] = nn.Dropout,
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.attention_window = attention_window
        self.source_embedding = nn.Embedding(source_vocab, d_model)
        self.target_embedding = (
            self.source_embedding if share_embeddings else nn.Embedding(target_vocab, d_model)
        )
        self.output_projection = nn.Linear(d_model, target_vocab, bias=False)
        self.word_dropout = WordDropout(word_dropout)
        self.embedding_dropout = dropout_layer(dropout)

        def multi_head_attention() -> MultiHeadAttention:
            return attention(d_model, heads, dropout_layer(attention_dropout))

        def feed_forward() -> FeedForward:
            return FeedForward(d_model, feedforward, activation, dropout_layer(activation_dropout))

        def add_norms(count: int) -> list[AddNorm]:
            return [AddNorm(d_model, norm, dropout_layer(dropout)) for _ in range(count)]

        self.encoder_layers = nn.ModuleList(
            EncoderLayer(multi_head_attention(), feed_forward(), add_norms(2))
            for _ in range(encoder_layers)
        )
        self.decoder_layers = nn.ModuleList(
            DecoderLayer(
                multi_head_attention(), multi_head_attention(), feed_forward(), add_norms(3)
            )
            for _ in range(decoder_layers)
        )
        # With pre-norm the sum of all sublayers is not normalized; with post-norm it already is.
        self.encoder_norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()
        self.decoder_norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()

        self.source_positions: SinusoidalPositions | LearnedPositions | None = None
        self.target_positions: SinusoidalPositions | LearnedPositions | None = None
        if positions == "sinusoidal":
            self.source_positions = self.target_positions = SinusoidalPositions(d_model)
        elif positions == "learned":
            self.source_positions = LearnedPositions(d_model, max_positions)
            self.target_positions = LearnedPositions(d_model, max_positions)
        self.encoder_rule: RotaryPositions | RelativePositions | None = None
        self.decoder_rule: RotaryPositions | RelativePositions | None = None
        if positions == "rotary":
            self.encoder_rule = self.decoder_rule = RotaryPositions(d_model // heads)
        elif positions == "relative":
            self.encoder_rule = RelativePositions(heads)
            self.decoder_rule = RelativePositions(heads)

        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=d_model**-0.5)
        if tie_output:
            self.output_projection.weight = self.target_embedding.weight

    def encode(self, source: Tokens) -> Memory:
        mask = self_attention_mask(source.segments, window=self.attention_window)
        bias, rotation = _position_terms(self.encoder_rule, source.positions)
        x = self.embed(self.source_embedding, self.source_positions, source)
        for layer in self.encoder_layers:
            x = layer(x, mask, bias, rotation)
        return Memory(self.encoder_norm(x), source.segments)

    def decode(self, target: Tokens, memory: Memory) -> Tensor:
        """Return the hidden states of all target positions, (batch, target_len, d_model).

        A position attends to no later position of its sentence, and to its full source sentence.
        """
        self_mask = self_attention_mask(target.segments, causal=True, window=self.attention_window)
        cross_mask = memory_mask(target.segments, memory.segments)
        bias, rotation = _position_terms(self.decoder_rule, target.positions)
        x = self.embed(self.target_embedding, self.target_positions, target)
        for layer in self.decoder_layers:
            x = layer(x, memory.states, self_mask, cross_mask, bias, rotation)
        return self.decoder_norm(x)

    def embed(self, embedding: nn.Embedding, encoding: nn.Module | None, tokens: Tokens) -> Tensor:
        """Return embedding * sqrt(d_model) + positional encoding, (batch, length, d_model)."""
        x = self.word_dropout(embedding(tokens.ids)) * math.sqrt(self.d_model)
        if encoding is not None:
            x = x + encoding(tokens.positions).to(x.dtype)
        if torch.is_autocast_enabled(x.device.type):
            # The residual connections of all layers then have the 16-bit format.
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return self.embedding_dropout(x)


def _position_terms(
    rule: RotaryPositions | RelativePositions | None, positions: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """Return the bias and the rotation of self-attention, which are the same for all layers."""
    if isinstance(rule, RelativePositions):
        return rule(positions, positions), None
    return None, None if rule is None else rule(positions)
