"""The textbook: encoder-decoder models, written as their papers describe them."""

from nmt.model.base import EncoderDecoder, Memory, Tokens
from nmt.model.rnn import RNNEncoderDecoder
from nmt.model.transformer import Transformer

__all__ = ["EncoderDecoder", "Memory", "RNNEncoderDecoder", "Tokens", "Transformer"]
