"""Small random models of every kind, and batches with padding."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.model.rnn import RNNEncoderDecoder
from nmt.model.transformer import Positions, Transformer

VOCABULARY = 13
POSITIONS: tuple[Positions, ...] = ("sinusoidal", "learned", "rotary", "relative", "none")

MakeModel = Callable[..., Any]


@pytest.fixture
def seeded() -> Iterator[None]:
    """Seed torch and use one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    yield
    torch.set_num_threads(threads)


def with_random_biases(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 or "rule" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


@pytest.fixture
def make_transformer(seeded: None) -> MakeModel:
    """Return a function that makes a tiny Transformer whose parameters are all random."""

    def make(**settings: Any) -> nn.Module:
        settings = {"dropout": 0.1, **settings}
        model = Transformer(
            VOCABULARY,
            VOCABULARY,
            d_model=16,
            heads=4,
            encoder_layers=2,
            decoder_layers=2,
            feedforward=24,
            **settings,
        )
        return with_random_biases(model)

    return make


TRANSFORMERS = list(itertools.product(POSITIONS, ("post", "pre"), (None, 2)))
RNNS = list(itertools.product(("none", "additive"), (1, 2)))


@pytest.fixture(
    params=TRANSFORMERS,
    ids=lambda p: f"{p[0]}-{p[1]}-{'window' if p[2] else 'everywhere'}",
)
def any_transformer(request: pytest.FixtureRequest, make_transformer: MakeModel) -> Transformer:
    """Return a Transformer of every combination of positions, norm and window."""
    positions, norm, window = request.param
    model: Transformer = make_transformer(positions=positions, norm=norm, attention_window=window)
    return model


@pytest.fixture(params=RNNS, ids=lambda p: f"{p[0]}-{p[1]} layers")
def any_rnn(request: pytest.FixtureRequest, seeded: None) -> RNNEncoderDecoder:
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
    with_random_biases(model)
    return model


@pytest.fixture
def many_sources(seeded: None) -> Tensor:
    """Return ids (12, 9): 2 to 9 tokens padded with 0, whose outputs differ in length."""
    ids = torch.randint(4, VOCABULARY, (12, 9))
    mask = torch.arange(9) < torch.randint(2, 10, (12, 1))
    return ids.masked_fill(~mask, 0)
