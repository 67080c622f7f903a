"""Word dropout hides whole tokens during training."""

from __future__ import annotations

import pytest
import torch
from batches import unpadded

from nmt.model.base import EncoderDecoder
from nmt.model.layers import WordDropout
from nmt.model.rnn import RNNEncoderDecoder
from nmt.model.transformer import Transformer


def test_word_dropout_zeros_whole_tokens_only() -> None:
    embeddings = torch.randn(100, 200, 8)
    layer = WordDropout(0.2)
    result = layer(embeddings)
    hidden = (result == 0).all(dim=2)
    assert abs(hidden.float().mean().item() - 0.2) < 0.012  # four standard deviations
    assert torch.equal(result[~hidden], embeddings[~hidden])
    assert not torch.equal(hidden, (layer(embeddings) == 0).all(dim=2))
    assert layer.eval()(embeddings) is embeddings
    assert WordDropout(0.0)(embeddings) is embeddings


@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_model_with_full_word_dropout_sees_only_the_length(architecture: str) -> None:
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
    rates = {"dropout": 0.0, "word_dropout": 0.999999}
    model: EncoderDecoder
    if architecture == "rnn":
        model = RNNEncoderDecoder(40, 40, **sizes, **rates)
    else:
        model = Transformer(40, 40, heads=2, feedforward=24, **sizes, **rates)

    def outputs(first: int) -> torch.Tensor:
        source = torch.arange(first, first + 5)[None]
        result: torch.Tensor = model(unpadded(source), unpadded(source[:, :3]))
        return result

    assert torch.equal(outputs(4), outputs(20))
    model.eval()
    assert not torch.equal(outputs(4), outputs(20))
