"""Dropout's statistics, scale and gradient."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from nmt.config import ModelConfig
from nmt.model import build_model
from nmt.model.dropout import Dropout, WordDropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_share_of_zeros_and_scale(p: float, dtype: torch.dtype) -> None:
    x = torch.ones(997, 211, dtype=dtype)
    result = dropout(x, p, training=True)
    assert result.shape == x.shape
    assert result.dtype == dtype
    zeros = (result == 0).float().mean().item()
    assert abs(zeros - p) < 0.004  # four standard deviations of 210,367 draws
    assert result.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)], rel=1e-2)
    assert result.float().mean().item() == pytest.approx(1.0, abs=0.01)


def test_neighbours_and_calls_are_independent() -> None:
    first, second = (dropout(torch.ones(40000), 0.5, training=True) == 0 for _ in range(2))
    for other in (second, first.roll(1), first.roll(2), first.roll(4)):
        assert abs((first & other).float().mean().item() - 0.25) < 0.011


def test_gradient_passes_where_values_pass() -> None:
    x = torch.randn(50, 7, requires_grad=True)
    result = dropout(x, 0.4, training=True)
    upstream = torch.randn_like(result)
    (grad,) = torch.autograd.grad(result, x, upstream)
    torch.testing.assert_close(grad, upstream * result.detach() / x.detach())


def test_same_seed_same_mask() -> None:
    x = torch.ones(101)
    torch.manual_seed(5)
    first = dropout(x, 0.5, training=True)
    torch.manual_seed(5)
    assert torch.equal(dropout(x, 0.5, training=True), first)
    assert not torch.equal(dropout(x, 0.5, training=True), first)


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 0, 2), (2, 3)])
def test_any_shape_and_layout(shape: tuple[int, ...]) -> None:
    assert dropout(torch.ones(shape), 0.5, training=True).shape == shape
    turned = torch.ones(3, 4).T
    assert dropout(turned, 0.5, training=True).shape == (4, 3)


def test_off_is_the_identity() -> None:
    x = torch.randn(5)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x
    assert Dropout(0.5).eval()(x) is x
    assert not torch.equal(Dropout(0.5).train()(x), x)


def test_word_dropout_hides_whole_tokens_and_leaves_the_others() -> None:
    torch.manual_seed(0)
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
def test_a_model_that_hides_every_word_knows_only_the_length(
    architecture: Literal["transformer", "rnn"],
) -> None:
    torch.manual_seed(0)
    config = ModelConfig(
        architecture=architecture, d_model=16, heads=2, dropout=0.0, word_dropout=0.999999
    )
    model = build_model(config, 40, 40, True)
    mask = torch.ones(1, 5, dtype=torch.bool)

    def outputs(first: int) -> torch.Tensor:
        source = torch.arange(first, first + 5)[None]
        return model.decode(source[:, :3], model.encode(source, mask))

    assert torch.equal(outputs(4), outputs(20))
    model.eval()
    assert not torch.equal(outputs(4), outputs(20))
