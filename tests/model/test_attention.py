"""Attention by the formula, by torch's kernel and by nn.MultiheadAttention agrees."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from nmt.kernels.attention import FastAttention, FusedAttention
from nmt.model.attention import MultiHeadAttention, attention_weights

Masking = Literal["none", "causal", "padding", "bias", "bias and mask"]
KINDS = [MultiHeadAttention, FusedAttention]
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def attention(kind: type[MultiHeadAttention], dropout: float = 0.0) -> MultiHeadAttention:
    return kind(16, 4, nn.Dropout(dropout))


def heads(length: int, dtype: torch.dtype = torch.float32, d_k: int = 8) -> Tensor:
    return torch.randn(2, 3, length, d_k).to(dtype).requires_grad_()


def masking(kind: Masking) -> tuple[Tensor | None, Tensor | None]:
    """Return a mask and a bias for 5 queries and 5 keys."""
    causal = torch.arange(5)[:, None] >= torch.arange(5)
    padding = (torch.arange(5) < torch.tensor([5, 3])[:, None])[:, None, None, :]
    bias = torch.randn(3, 5, 5)
    return {
        "none": (None, None),
        "causal": (causal, None),
        "padding": (padding, None),
        "bias": (None, bias),
        "bias and mask": (padding & causal, bias),
    }[kind]


@pytest.mark.parametrize("kind", ["none", "causal", "padding", "bias", "bias and mask"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_formula_equals_fused_and_torch(kind: Masking, dtype: torch.dtype) -> None:
    inputs = [heads(5, dtype) for _ in range(3)]
    mask, bias = masking(kind)
    upstream = torch.randn(2, 3, 5, 8).to(dtype)

    def run(kind: type[MultiHeadAttention]) -> list[Tensor]:
        result = attention(kind).scaled_dot_product_attention(*inputs, mask, bias)
        return [result, *torch.autograd.grad(result, inputs, upstream)]

    attn_mask = mask
    if bias is not None:
        attn_mask = bias if mask is None else bias.masked_fill(~mask, -math.inf)
        attn_mask = attn_mask.to(dtype)
    reference = nn.functional.scaled_dot_product_attention(*inputs, attn_mask=attn_mask)
    expected = [reference, *torch.autograd.grad(reference, inputs, upstream)]
    for ours, fused, by_torch in zip(*map(run, KINDS), expected, strict=True):
        for other in (fused, by_torch):
            assert ours.dtype == other.dtype == dtype
            torch.testing.assert_close(ours, other, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("kind", KINDS)
def test_bias_gradient_equals_the_formula(kind: type[MultiHeadAttention]) -> None:
    q, k, v = heads(4), heads(5), heads(5)
    bias = torch.randn(3, 4, 5, requires_grad=True)
    result = attention(kind).scaled_dot_product_attention(q, k, v, None, bias)
    (grad,) = torch.autograd.grad(result.sum(), bias)
    weights = torch.softmax(q @ k.mT / math.sqrt(8) + bias, dim=-1)
    (expected,) = torch.autograd.grad((weights @ v).sum(), bias)
    torch.testing.assert_close(grad, expected, atol=1e-5, rtol=1e-5)


def test_weights_equal_hand_computed_values() -> None:
    query = torch.tensor([[[[2.0, 0.0, 0.0, 0.0]]]])
    key = torch.tensor([[[[1.0, 0, 0, 0], [0.0, 0, 0, 0], [-1.0, 0, 0, 0]]]])
    mask = torch.tensor([True, True, False])
    weights = attention_weights(query, key, mask)[0, 0, 0]
    expected = math.exp(1) / (math.exp(1) + 1)  # scores 2/sqrt(4), 0, masked
    torch.testing.assert_close(weights, torch.tensor([expected, 1 - expected, 0.0]))


def test_weights_sum_to_one_and_masked_cells_are_exactly_zero() -> None:
    mask, bias = masking("bias and mask")
    assert mask is not None
    weights = attention_weights(heads(5), heads(5), mask, bias)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5))
    assert bool((weights.masked_select(~mask) == 0.0).all())


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_on_weights_keeps_the_mean(kind: type[MultiHeadAttention]) -> None:
    q, k = torch.randn(1, 1, 400, 4), torch.randn(1, 1, 50, 4)
    v = torch.ones(1, 1, 50, 4)
    result = attention(kind, dropout=0.3).scaled_dot_product_attention(q, k, v, None, None)
    assert result.std() > 0.05
    assert abs(result[..., 0].mean() - 1.0) < 0.03


def copied(attention: MultiHeadAttention) -> nn.MultiheadAttention:
    """Return torch's layer with the weights of an nmt layer."""
    theirs = nn.MultiheadAttention(16, attention.heads, batch_first=True)
    parts = (attention.w_q, attention.w_k, attention.w_v)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.weight.copy_(attention.w_o.weight)
        theirs.out_proj.bias.copy_(attention.w_o.bias)
    return theirs


@pytest.mark.parametrize("kind", [MultiHeadAttention, FusedAttention, FastAttention])
@pytest.mark.parametrize("training", [True, False])
def test_multi_head_attention_equals_torch(kind: type[MultiHeadAttention], training: bool) -> None:
    ours = attention(kind).train(training)
    theirs = copied(ours)
    query = torch.randn(2, 4, 16, requires_grad=True)
    memory = torch.randn(2, 6, 16, requires_grad=True)
    real = torch.arange(6) < torch.tensor([6, 4])[:, None]
    seen: list[Tensor] = []
    ours.watch = seen.append
    result = ours(query, memory, real[:, None, None, :])
    expected, weights = theirs(
        query, memory, memory, key_padding_mask=~real, average_attn_weights=False
    )
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen[0], weights, atol=1e-5, rtol=1e-5)
    upstream = torch.randn_like(result)
    for ours_grad, theirs_grad in zip(
        torch.autograd.grad(result, [query, memory], upstream),
        torch.autograd.grad(expected, [query, memory], upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours_grad, theirs_grad, atol=1e-5, rtol=1e-5)


def test_watching_does_not_change_the_output() -> None:
    plain = attention(MultiHeadAttention)
    query, memory = torch.randn(2, 4, 16), torch.randn(2, 6, 16)
    before = plain(query, memory)
    plain.watch = lambda weights: None
    assert torch.equal(plain(query, memory), before)


def test_concatenating_split_heads_restores_the_input() -> None:
    layer = attention(MultiHeadAttention)
    x = torch.randn(2, 5, 16)
    split = layer.split_heads(x)
    assert split.shape == (2, 4, 5, 4)
    assert torch.equal(split[:, 1], x[..., 4:8])
    assert torch.equal(layer.concatenate_heads(split), x)
