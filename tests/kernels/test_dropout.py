"""Statistics, scale and gradient of dropout."""

from __future__ import annotations

import pytest
import torch

from nmt.kernels.dropout import FastDropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_dropout_has_the_expected_share_of_zeros_and_scale(p: float, dtype: torch.dtype) -> None:
    x = torch.ones(997, 211, dtype=dtype)
    result = FastDropout(p)(x)
    assert result.shape == x.shape
    assert result.dtype == dtype
    zeros = (result == 0).float().mean().item()
    assert abs(zeros - p) < 0.004  # four standard deviations of 210,367 draws
    assert result.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)], rel=1e-2)
    assert result.float().mean().item() == pytest.approx(1.0, abs=0.01)


def test_neighbors_and_calls_are_independent() -> None:
    first, second = (FastDropout(0.5)(torch.ones(40000)) == 0 for _ in range(2))
    for other in (second, first.roll(1), first.roll(2), first.roll(4)):
        assert abs((first & other).float().mean().item() - 0.25) < 0.011


def test_gradient_uses_the_mask_of_the_forward_pass() -> None:
    x = torch.randn(50, 7, requires_grad=True)
    result = FastDropout(0.4)(x)
    upstream = torch.randn_like(result)
    (grad,) = torch.autograd.grad(result, x, upstream)
    torch.testing.assert_close(grad, upstream * result.detach() / x.detach())


def test_same_seed_gives_the_same_mask() -> None:
    x = torch.ones(101)
    torch.manual_seed(5)
    first = FastDropout(0.5)(x)
    torch.manual_seed(5)
    assert torch.equal(FastDropout(0.5)(x), first)
    assert not torch.equal(FastDropout(0.5)(x), first)


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 0, 2), (2, 3)])
def test_dropout_keeps_any_shape(shape: tuple[int, ...]) -> None:
    assert FastDropout(0.5)(torch.ones(shape)).shape == shape
    transposed = torch.ones(3, 4).T
    assert FastDropout(0.5)(transposed).shape == (4, 3)


def test_dropout_is_the_identity_when_off() -> None:
    x = torch.randn(5)
    assert torch.equal(FastDropout(0.0)(x), x)
    assert torch.equal(FastDropout(0.5).eval()(x), x)
    assert not torch.equal(FastDropout(0.5)(x), x)
