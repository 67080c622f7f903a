"""Measure attention weights, gradients and training without the division by sqrt(d_k).

python scripts/experiments/scaling.py --data multi30k-en-de
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import common
import torch
from torch import Tensor

from nmt.model import attention

FORMULA = "model.attention_kernel=formula"
Weights = Callable[[Tensor, Tensor], Tensor]


def unscaled_attention_weights(
    query: Tensor, key: Tensor, mask: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """Return softmax(QK^T): the formula of Vaswani et al. (2017) without the division."""
    return scaled_attention_weights(query * math.sqrt(query.shape[-1]), key, mask, bias)


scaled_attention_weights = attention.attention_weights


def unscaled() -> AbstractContextManager[object]:
    """Return a context in which `nmt.model.attention` does not divide by sqrt(d_k)."""
    return mock.patch.object(attention, "attention_weights", unscaled_attention_weights)


def largest_weight_and_gradient(weights_of: Weights, d_k: int) -> tuple[float, float]:
    """Return the mean of the largest weight and the RMS of d(output) / d(query).

    Queries, 20 keys and values are random with variance 1.
    """
    torch.manual_seed(1)
    query = torch.randn(1, 1, 2000, d_k, requires_grad=True)
    key, value = torch.randn(1, 1, 20, d_k), torch.randn(1, 1, 20, 1)
    weights = weights_of(query, key)
    (gradient,) = torch.autograd.grad((weights @ value).sum(), query)
    return weights.max(dim=-1).values.mean().item(), gradient.pow(2).mean().sqrt().item()


def main(given: Sequence[str] | None = None) -> None:
    arguments = common.parse(common.arguments_for(__file__, __doc__), given)
    sizes = [2**k for k in range(2, 10)]
    both: list[tuple[str, Weights]] = [
        ("with 1/sqrt(d_k)", scaled_attention_weights),
        ("without", unscaled_attention_weights),
    ]
    at_start: list[dict[str, Any]] = [
        {"title": title, "figures": [largest_weight_and_gradient(weights, d_k) for d_k in sizes]}
        for title, weights in both
    ]
    start_table = common.table(
        ("largest of 20 weights", *(f"d_k = {d_k}" for d_k in sizes)),
        [(row["title"], *(f"{largest:.2f}" for largest, _ in row["figures"])) for row in at_start],
    )
    variants = []
    for heads in (4, 1):
        d_k = 128 // heads
        name = f"unscaled-{heads}"
        plain = common.TRANSFORMER.name if heads == 4 else "heads-1"
        setting = () if heads == 4 else ("model.heads=1",)
        variants += [
            common.Variant(plain, setting, f"scaled, d_k = {d_k}"),
            common.Variant(name, (FORMULA, *setting), f"unscaled, d_k = {d_k}", unscaled),
        ]
    outcomes = [common.measure(variant, arguments) for variant in variants]
    tables = [start_table, common.score_table(outcomes)]
    common.save("scaling", arguments, tables, outcomes, d_k=sizes, at_start=at_start)


if __name__ == "__main__":
    common.run(main)
