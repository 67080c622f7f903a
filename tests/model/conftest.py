"""Small random Transformers of every kind, and batches with padding."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import torch
from batches import unpadded

from nmt.model.base import Tokens
from nmt.model.transformer import Positions, Transformer

VOCAB = 13
POSITIONS: tuple[Positions, ...] = ("sinusoidal", "learned", "rotary", "relative", "none")

MakeTransformer = Callable[..., Transformer]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Seed torch and use one thread in every test."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_transformer() -> MakeTransformer:
    """Return a function that makes a tiny Transformer in evaluation mode with random biases."""

    def make(**settings: object) -> Transformer:
        defaults: dict[str, object] = {
            "d_model": 16,
            "heads": 4,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "feedforward": 24,
            "dropout": 0.0,
        }
        model = Transformer(VOCAB, VOCAB, **(defaults | settings))  # type: ignore[arg-type]
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.dim() == 1 or "rule" in name:
                    parameter.add_(torch.randn_like(parameter) * 0.3)
        return model.eval()

    return make


@pytest.fixture(
    params=list(itertools.product(POSITIONS, ("post", "pre"), (None, 2))),
    ids=lambda p: f"{p[0]}-{p[1]}-{'window' if p[2] else 'everywhere'}",
)
def any_transformer(
    request: pytest.FixtureRequest, make_transformer: MakeTransformer
) -> Transformer:
    """Return a Transformer of every combination of positions, norm and window."""
    positions, norm, window = request.param
    return make_transformer(positions=positions, norm=norm, attention_window=window)


@pytest.fixture
def sources() -> Tokens:
    """Return sentences of 7, 4 and 5 tokens, padded with 0: (3, 7)."""
    ids = torch.randint(4, VOCAB, (3, 7))
    mask = torch.arange(7) < torch.tensor([7, 4, 5])[:, None]
    return Tokens.padded(ids.masked_fill(~mask, 0), mask)


@pytest.fixture
def targets() -> Tokens:
    """Return sentences of 6 tokens each: (3, 6)."""
    return unpadded(torch.randint(4, VOCAB, (3, 6)))
