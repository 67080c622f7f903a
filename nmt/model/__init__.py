"""Encoder-decoder models. `build_model` makes one of the config; the rest takes plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nmt.model.protocol import DecoderState, Memory, Model
from nmt.model.rnn import RNNEncoderDecoder
from nmt.model.transformer import Transformer

if TYPE_CHECKING:
    from nmt.config import ModelConfig

__all__ = ["DecoderState", "Memory", "Model", "build_model"]


def build_model(
    config: ModelConfig, source_vocab: int, target_vocab: int, shared_vocab: bool
) -> Model:
    """A model with random weights, drawn from torch's global generator (seed it before)."""
    if config.architecture == "rnn":
        return RNNEncoderDecoder(
            source_vocab,
            target_vocab,
            d_model=config.d_model,
            encoder_layers=config.encoder_layers,
            decoder_layers=config.decoder_layers,
            attention=config.attention,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            word_dropout=config.word_dropout,
            share_embeddings=shared_vocab and config.tie_embeddings,
            tie_output=config.tie_embeddings,
        )
    return Transformer(
        source_vocab,
        target_vocab,
        d_model=config.d_model,
        heads=config.heads,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers,
        feedforward=config.feedforward,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        activation_dropout=config.activation_dropout,
        word_dropout=config.word_dropout,
        activation=config.activation,
        norm=config.norm,
        positions=config.positions,
        max_positions=config.max_positions,
        attention_window=config.attention_window,
        kernel=config.attention_kernel,
        share_embeddings=shared_vocab and config.tie_embeddings,
        tie_output=config.tie_embeddings,
    )
