"""Encoder-decoder models as a textbook: each is written as its paper describes it."""

from nmt.model.base import EncoderDecoder, Memory, Tokens
from nmt.model.rnn import RNNEncoderDecoder
from nmt.model.transformer import Transformer

__all__ = ["EncoderDecoder", "Memory", "RNNEncoderDecoder", "Tokens", "Transformer"]
