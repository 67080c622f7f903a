"""The chunked loss equals cross-entropy in value and gradient, R-Drop its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nmt.config import ModelConfig
from nmt.data.batching import collate
from nmt.model import Model, build_model
from nmt.training.loss import CHUNK, batch_loss, linear_cross_entropy


def tiny_model(dropout: float = 0.0) -> Model:
    torch.manual_seed(0)
    config = ModelConfig(d_model=16, heads=2, feedforward=32, dropout=dropout)
    return build_model(config, 30, 30, True)


BATCH = collate([([5, 6, 7], [8, 9]), ([4], [9, 10, 11, 12])], np.arange(2))


@pytest.mark.parametrize("tokens", [1, 7, CHUNK, CHUNK + 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_torch_cross_entropy(tokens: int, smoothing: float) -> None:
    torch.manual_seed(tokens)
    hidden = torch.randn(tokens, 8, requires_grad=True)
    weight = torch.randn(20, 8, requires_grad=True)
    target = torch.randint(0, 20, (tokens,))
    objective, nll = linear_cross_entropy(hidden, weight, target, smoothing)
    grads = torch.autograd.grad(objective * 0.5, [hidden, weight])

    logits = hidden @ weight.T
    expected = nn.functional.cross_entropy(
        logits, target, label_smoothing=smoothing, reduction="sum"
    )
    expected_grads = torch.autograd.grad(expected * 0.5, [hidden, weight])
    torch.testing.assert_close(objective, expected)
    torch.testing.assert_close(nll, nn.functional.cross_entropy(logits, target, reduction="sum"))
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad, rtol=1e-4, atol=1e-5)


def test_bf16_is_close_to_fp32() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(300, 32), torch.randn(100, 32) / 6
    target = torch.randint(0, 100, (300,))
    exact, _ = linear_cross_entropy(hidden, weight, target, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = linear_cross_entropy(hidden, weight, target, 0.1)
    torch.testing.assert_close(rounded, exact, rtol=5e-3, atol=0)


def test_padding_counts_for_nothing() -> None:
    model = tiny_model()
    together = batch_loss(model, BATCH, 0.1)
    apart = [batch_loss(model, part, 0.1) for part in BATCH.split()]
    assert together.tokens == 8 == sum(part.tokens for part in apart)
    torch.testing.assert_close(together.objective, sum(part.objective for part in apart))
    torch.testing.assert_close(together.nll, sum(part.nll for part in apart))


def test_rdrop_without_dropout_is_the_plain_loss() -> None:
    model = tiny_model()
    torch.testing.assert_close(
        batch_loss(model, BATCH, 0.1, rdrop=5.0).objective, batch_loss(model, BATCH, 0.1).objective
    )


def test_rdrop_equals_its_formula() -> None:
    model = tiny_model(dropout=0.3)
    torch.manual_seed(1)
    sums = batch_loss(model, BATCH, 0.1, rdrop=2.0)

    torch.manual_seed(1)
    twice = collate([([5, 6, 7], [8, 9]), ([4], [9, 10, 11, 12])] * 2, np.arange(4))
    hidden = model.decode(twice.target_in, model.encode(twice.source, twice.source_mask))
    p, q = (torch.softmax(model.logits(h), -1)[BATCH.target_mask] for h in hidden.chunk(2))
    target = BATCH.target_out[BATCH.target_mask]
    rows = torch.arange(len(target))
    nll = -(p[rows, target].log().sum() + q[rows, target].log().sum()) / 2
    kl = ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2
    smooth = -(p.log().mean(1).sum() + q.log().mean(1).sum()) / 2
    expected = 0.9 * nll + 0.1 * smooth + 2.0 * kl
    torch.testing.assert_close(sums.objective, expected, rtol=1e-4, atol=1e-4)

    parameters = [q for q in model.parameters() if q.requires_grad]
    grads = torch.autograd.grad(sums.objective * 0.5, parameters)
    expected_grads = torch.autograd.grad(expected * 0.5, parameters)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad, rtol=1e-3, atol=1e-4)
