"""Small random RNNs, and a batch with padding."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from untrained import with_random_biases

from nmt.model.rnn import RNNEncoderDecoder

VOCABULARY = 13


@pytest.fixture(
    params=list(itertools.product(("none", "additive"), (1, 2))),
    ids=lambda p: f"{p[0]}-{p[1]} layers",
)
def any_rnn(request: pytest.FixtureRequest, seeded: None) -> Any:
    """Return an RNN with and without attention, with one layer and with two."""
    attention, layers = request.param
    model = RNNEncoderDecoder(
        VOCABULARY,
        VOCABULARY,
        d_model=16,
        encoder_layers=layers,
        decoder_layers=layers,
        attention=attention,
    )
    return with_random_biases(model)


@pytest.fixture
def many_sources(seeded: None) -> Tensor:
    """Return ids (12, 9): 2 to 9 tokens padded with 0, whose outputs differ in length."""
    ids = torch.randint(4, VOCABULARY, (12, 9))
    mask = torch.arange(9) < torch.randint(2, 10, (12, 1))
    return ids.masked_fill(~mask, 0)
