"""The Transformer of Vaswani et al. (2017): encoder, decoder, output projection."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from nmt.model.attention import Kernel, MultiHeadAttention
from nmt.model.dropout import Dropout, WordDropout
from nmt.model.layers import Activation, AddNorm, DecoderLayer, EncoderLayer, FeedForward, Norm
from nmt.model.positions import (
    LearnedPositions,
    NoPositions,
    RelativeRule,
    RotaryRule,
    SinusoidalPositions,
)
from nmt.model.protocol import DecoderState, Memory
from nmt.model.recording import RecordedState, record_cuda_graph
from nmt.model.stepping import TransformerState

Positions = Literal["sinusoidal", "learned", "rotary", "relative", "none"]


class Transformer(nn.Module):
    """Encoder and decoder over embeddings with positions; see `nmt.model.protocol.Model`."""

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
        kernel: Kernel = "auto",
        share_embeddings: bool = False,
        tie_output: bool = True,
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.heads = heads
        self.attention_window = attention_window
        self.source_embedding = nn.Embedding(source_vocab, d_model)
        self.target_embedding = (
            self.source_embedding if share_embeddings else nn.Embedding(target_vocab, d_model)
        )
        self.output_projection = nn.Linear(d_model, target_vocab, bias=False)
        self.word_dropout = WordDropout(word_dropout)
        self.embedding_dropout = Dropout(dropout)

        def attention() -> MultiHeadAttention:
            return MultiHeadAttention(d_model, heads, attention_dropout, kernel)

        def feed_forward() -> FeedForward:
            return FeedForward(d_model, feedforward, activation, activation_dropout)

        def add_norms(count: int) -> list[AddNorm]:
            return [AddNorm(d_model, dropout, norm) for _ in range(count)]

        self.encoder_layers = nn.ModuleList(
            EncoderLayer(attention(), feed_forward(), add_norms(2)) for _ in range(encoder_layers)
        )
        self.decoder_layers = nn.ModuleList(
            DecoderLayer(attention(), attention(), feed_forward(), add_norms(3))
            for _ in range(decoder_layers)
        )
        # Pre-norm leaves the sum of all sublayers unnormalized; post-norm ends with a norm.
        self.encoder_norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()
        self.decoder_norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()

        self.source_positions: nn.Module
        self.target_positions: nn.Module
        if positions == "sinusoidal":
            self.source_positions = self.target_positions = SinusoidalPositions(d_model)
        elif positions == "learned":
            self.source_positions = LearnedPositions(d_model, max_positions)
            self.target_positions = LearnedPositions(d_model, max_positions)
        else:
            self.source_positions = self.target_positions = NoPositions()
        self.encoder_rule: RotaryRule | RelativeRule | None = None
        self.decoder_rule: RotaryRule | RelativeRule | None = None
        if positions == "rotary":
            self.encoder_rule = self.decoder_rule = RotaryRule(d_model // heads)
        elif positions == "relative":
            self.encoder_rule, self.decoder_rule = RelativeRule(heads), RelativeRule(heads)

        self._initialise()
        if tie_output:
            self.output_projection.weight = self.target_embedding.weight

    def _initialise(self) -> None:
        """Glorot-uniform matrices, zero biases, embeddings of deviation 1/sqrt(d_model)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=self.d_model**-0.5)

    @property
    def output_weight(self) -> Tensor:
        """See `Model.output_weight`."""
        return self.output_projection.weight

    def embed_source(self, source: Tensor) -> Tensor:
        """Input embedding * sqrt(d_model) + positional encoding: (batch, source_len, d_model)."""
        return self._embed(self.source_embedding, self.source_positions, source, 0)

    def embed_target(self, target: Tensor, first: int = 0) -> Tensor:
        """The same for target ids (..., target_len) whose first position is `first`."""
        return self._embed(self.target_embedding, self.target_positions, target, first)

    def _embed(self, embedding: nn.Module, positions: nn.Module, ids: Tensor, first: int) -> Tensor:
        # A step of decoding embeds so little that the hooks of modules would take longer.
        words = self.word_dropout.forward(embedding.forward(ids))
        x: Tensor = positions.forward(words * math.sqrt(self.d_model), first)
        if torch.is_autocast_enabled(x.device.type):
            # All layers then pass on the short format, which halves the memory they move.
            x = x.to(torch.get_autocast_dtype(x.device.type))
        result: Tensor = self.embedding_dropout(x)
        return result

    def encode(self, source: Tensor, source_mask: Tensor) -> Memory:
        """See `Model.encode`."""
        mask = source_mask[:, None, None, :]
        if self.attention_window is not None:
            mask = mask & self._near(torch.arange(source.shape[1], device=source.device))
        x = self.embed_source(source)
        for layer in self.encoder_layers:
            x = layer(x, mask, self.encoder_rule)
        return Memory(self.encoder_norm(x), source_mask)

    def decode(self, target_in: Tensor, memory: Memory) -> Tensor:
        """See `Model.decode`. No position attends to a later one."""
        positions = torch.arange(target_in.shape[1], device=target_in.device)
        mask = positions[:, None] >= positions
        if self.attention_window is not None:
            mask = mask & self._near(positions)
        memory_mask = memory.mask[:, None, None, :]
        x = self.embed_target(target_in)
        for layer in self.decoder_layers:
            x = layer(x, memory.states, mask, memory_mask, self.decoder_rule)
        result: Tensor = self.decoder_norm(x)
        return result

    def logits(self, hidden: Tensor) -> Tensor:
        """See `Model.logits`."""
        result: Tensor = self.output_projection.forward(hidden)
        return result

    def _near(self, positions: Tensor) -> Tensor:
        assert self.attention_window is not None
        return (positions[:, None] - positions).abs() <= self.attention_window

    def start(self, memory: Memory, max_length: int) -> TransformerState:
        """See `Model.start`; keys and values of the encoder-decoder attention are made here."""
        if memory.states.is_cuda:
            return RecordedState(self, memory, max_length, record_cuda_graph)
        return TransformerState(self, memory, max_length)

    def step(self, tokens: Tensor, state: DecoderState) -> Tensor:
        """See `Model.step`."""
        assert isinstance(state, TransformerState)
        x = self.embed_target(tokens.reshape(-1, 1), first=state.tree.length).squeeze(1)
        return state.advance(x).view(*tokens.shape, -1)
