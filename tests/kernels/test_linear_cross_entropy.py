"""The chunked losses equal the formulas, in value and gradient, in fp32 and bf16."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nmt.kernels.linear_cross_entropy import linear_cross_entropy, linear_r_drop
from nmt.tokenizer.ids import PAD
from nmt.training.objective import cross_entropy, r_drop

Loss = Callable[..., tuple[Tensor, Tensor]]


def value_and_gradients(
    loss: Loss, inputs: list[Tensor], *rest: object, bf16: bool = False
) -> list[Tensor]:
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        objective, nll = loss(*inputs, *rest)
    assert objective.dtype == nll.dtype == torch.float32
    assert not nll.requires_grad
    return [objective.detach(), nll, *torch.autograd.grad(objective * 0.5, inputs)]


@pytest.mark.parametrize("tokens", [1, 7, 512, 1027])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_equals_torch(tokens: int, smoothing: float) -> None:
    torch.manual_seed(tokens)
    inputs = [torch.randn(n, 8, requires_grad=True) for n in (tokens, 20)]
    target = torch.randint(0, 20, (tokens,))

    def by_torch(hidden: Tensor, weight: Tensor, *_: object) -> tuple[Tensor, Tensor]:
        losses = [
            nn.functional.cross_entropy(
                hidden @ weight.T, target, ignore_index=PAD, label_smoothing=s, reduction="sum"
            )
            for s in (smoothing, 0.0)
        ]
        return losses[0], losses[1].detach()

    expected = value_and_gradients(by_torch, inputs)
    for loss in (linear_cross_entropy, cross_entropy):
        found = value_and_gradients(loss, inputs, target, smoothing)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():  # another branch runs without gradients
        evaluated = linear_cross_entropy(*inputs, target, smoothing)
    torch.testing.assert_close(list(evaluated), expected[:2])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_r_drop_equals_its_formula(smoothing: float) -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(n, 8, requires_grad=True) for n in (700, 700, 20)]
    target = torch.randint(0, 20, (700,))
    expected = value_and_gradients(r_drop, inputs, target, smoothing, 2.0)
    found = value_and_gradients(linear_r_drop, inputs, target, smoothing, 2.0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("loss", [linear_cross_entropy, linear_r_drop])
def test_frozen_weight_changes_no_other_gradient(loss: Loss) -> None:
    torch.manual_seed(0)
    passes = 1 if loss is linear_cross_entropy else 2
    hidden = [torch.randn(600, 8, requires_grad=True) for _ in range(passes)]
    weight = torch.randn(20, 8)
    rest = (torch.randint(0, 20, (600,)), 0.1, 2.0)[: passes + 1]
    frozen = torch.autograd.grad(loss(*hidden, weight, *rest)[0], hidden)
    trained = torch.autograd.grad(loss(*hidden, weight.requires_grad_(), *rest)[0], hidden)
    torch.testing.assert_close(frozen, trained, rtol=0, atol=0)


def confident_inputs(passes: int) -> tuple[list[Tensor], Tensor]:
    """Return inputs and targets: 1 - p(target) is below the resolution of 16-bit numbers at 1."""
    torch.manual_seed(0)
    weight = torch.linalg.qr(torch.randn(64, 64)).Q.contiguous()
    target = torch.randint(1, 64, (600,))
    hidden = [12 * weight[target] + 0.3 * torch.randn(600, 64) for _ in range(passes)]
    return [tensor.requires_grad_() for tensor in (*hidden, weight)], target


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("loss", "passes"), [(linear_cross_entropy, 1), (linear_r_drop, 2)])
def test_bf16_is_close_to_fp32_in_value_and_gradient(
    loss: Loss, passes: int, smoothing: float
) -> None:
    inputs, target = confident_inputs(passes)
    rest = (target, smoothing, *([2.0] if passes == 2 else []))
    exact = value_and_gradients(loss, inputs, *rest)
    assert exact[1] / 600 < 1e-3
    rounded = value_and_gradients(loss, inputs, *rest, bf16=True)
    torch.testing.assert_close(rounded[:2], exact[:2], rtol=2e-2, atol=0)
    for ours, theirs in zip(rounded[2:], exact[2:], strict=True):
        assert ours.dtype == torch.float32
        cosine = nn.functional.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0)
        assert cosine > 0.995
        assert ours.norm() / theirs.norm() == pytest.approx(1.0, abs=0.03)
