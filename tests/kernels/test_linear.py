"""Linear layers for inference give nearly the same results as torch's linear layer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nmt.kernels.linear import (
    Bf16Linear,
    Float32Product,
    Fp16Linear,
    Int8Linear,
    PackedLinear,
    can_pack,
    float32_weight,
    make_linear,
)

CPU = torch.device("cpu")
needs_fp32 = pytest.mark.skipif(not can_pack(CPU, "fp32"), reason="torch without oneDNN")
needs_bf16 = pytest.mark.skipif(not can_pack(CPU, "bf16"), reason="no bf16 products on this CPU")
needs_fp16 = pytest.mark.skipif(not can_pack(CPU, "fp16"), reason="torch without FBGEMM")
needs_int8 = pytest.mark.skipif(not can_pack(CPU, "int8"), reason="torch without FBGEMM")


def random_linear(bias: bool, shape: tuple[int, ...]) -> tuple[Tensor, Tensor | None, Tensor]:
    """Return a weight (24, 16), a bias (24,) or None, and an input of the given shape."""
    torch.manual_seed(0)
    linear = nn.Linear(16, 24, bias=bias)
    offset = linear.bias.detach() if bias else None
    return linear.weight.detach(), offset, torch.randn(shape)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 16), (3, 5, 16), (0, 16)])
@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        pytest.param(PackedLinear, 1e-5, marks=needs_fp32),
        pytest.param(Fp16Linear, 0.005, marks=needs_fp16),
        pytest.param(Bf16Linear, 0.05, marks=needs_bf16),
        pytest.param(Int8Linear, 0.05, marks=needs_int8),
    ],
)
def test_linear_layers_are_close_to_torch(
    kind: type[PackedLinear | Fp16Linear | Bf16Linear | Int8Linear],
    tolerance: float,
    bias: bool,
    shape: tuple[int, ...],
) -> None:
    weight, offset, x = random_linear(bias, shape)
    with torch.inference_mode():
        expected = nn.functional.linear(x, weight, offset)
        result = kind(weight, offset)(x)
    torch.testing.assert_close(result, expected, rtol=0, atol=tolerance)


@needs_fp32
@pytest.mark.parametrize("rows", [1, PackedLinear.FEW_ROWS, PackedLinear.FEW_ROWS + 1])
def test_large_packed_weight_is_close_to_torch_for_any_row_count(rows: int) -> None:
    weight, x = torch.randn(PackedLinear.LARGE_WEIGHT // 64, 64), torch.randn(rows, 64)
    with torch.inference_mode():
        packed = PackedLinear(weight, None)
        assert packed.blocked is not None
        torch.testing.assert_close(packed(x), x @ weight.t(), rtol=1e-4, atol=1e-4)


@needs_fp16
@pytest.mark.parametrize("rows", [1, 5, 16, 17, 320])
def test_fp16_rounds_only_the_weights(rows: int) -> None:
    """The translation of a sentence therefore does not depend on the size of its batch."""
    torch.manual_seed(0)
    weight, bias, x = torch.randn(300, 64), torch.randn(300), torch.randn(rows, 64)
    with torch.inference_mode():
        expected = nn.functional.linear(x, weight.half().float(), bias)
        torch.testing.assert_close(Fp16Linear(weight, bias)(x), expected, rtol=0, atol=3e-5)


@needs_fp16
@pytest.mark.parametrize("value", [1e5, -1e5, torch.nan, torch.inf])
def test_fp16_falls_back_to_fp32_for_unrepresentable_weights(value: float) -> None:
    weight, bias, x = random_linear(True, (4, 16))
    assert isinstance(make_linear(weight, bias, "fp16"), Fp16Linear)
    weight[3, 5] = value
    layer = make_linear(weight, bias, "fp16")
    assert isinstance(layer, PackedLinear)
    expected = nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(layer(x), expected, rtol=1e-3, atol=1e-2, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_float32_product_rounds_only_the_operands(device: str, dtype: torch.dtype) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    weight, _, x = random_linear(False, (3, 5, 16))
    weight, x = weight.to(dtype), x.to(dtype)
    expected = nn.functional.linear(x.float(), weight.float())
    result = Float32Product(weight.to(device))(x.to(device)).cpu()
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


def test_float32_weight_is_the_weight_of_the_product() -> None:
    weight, bias, _ = random_linear(True, (1, 16))
    plain = nn.Linear(16, 24)
    assert float32_weight(plain) is plain.weight
    assert float32_weight(plain.bfloat16()) is None
    if can_pack(CPU, "fp32"):
        found = float32_weight(make_linear(weight, bias, "fp32"))
        assert found is not None
        assert torch.equal(found, weight)
    if can_pack(CPU, "fp16"):
        found = float32_weight(make_linear(weight, bias, "fp16"))
        assert found is not None
        assert torch.equal(found, weight.half().float())
    if can_pack(CPU, "int8"):
        assert float32_weight(make_linear(weight, bias, "int8")) is None


@needs_int8
def test_int8_rows_are_independent() -> None:
    weight, bias, x = random_linear(True, (8, 16))
    linear = Int8Linear(weight, bias)
    scaled = x * torch.tensor([1e-3, 1.0, 1e3, 0.0, 1.0, 1.0, 1.0, 1.0])[:, None]
    together = linear(scaled)
    for row, alone in zip(scaled, together, strict=True):
        assert torch.equal(linear(row[None])[0], alone)
    assert torch.equal(together[3], bias)  # a row of zeros
    error = (together - nn.functional.linear(scaled, weight, bias)).abs().amax(1)
    assert bool((error <= 0.02 * scaled.abs().amax(1)).all())


@needs_int8
def test_int8_propagates_nan() -> None:
    weight, bias, x = random_linear(True, (2, 16))
    linear = Int8Linear(weight, bias)
    x[0, 3] = torch.nan
    assert bool(linear(x)[0].isnan().all())
    assert bool(linear(x)[1].isfinite().all())
    weight[5] = torch.nan
    assert bool(Int8Linear(weight, bias)(x)[1, 5].isnan())
