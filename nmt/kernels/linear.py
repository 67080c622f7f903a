"""Linear layers for inference, in float32 or with 16-bit or 8-bit weights.

A decoding step multiplies a few rows by every weight. These layers store the weights in
layouts that a CPU reads faster than torch's default layout.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import torch
from torch import Tensor, nn

NumberFormat = Literal["fp32", "fp16", "bf16", "int8"]


class PackedLinear(nn.Module):
    """Inference layer for x W^T + b in float32 on a CPU.

    Large weights are also kept in oneDNN's blocked layout, which is faster for a few rows (five
    rows times a 256 x 8000 weight on one AVX2 core: 1.9 ms in torch's layout, 1.2 ms transposed,
    0.8 ms blocked).
    """

    FEW_ROWS = 16
    LARGE_WEIGHT = 1 << 18

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = weight.t().contiguous().t()
        self.bias = bias
        self.blocked: Tensor | None = None
        if weight.numel() >= self.LARGE_WEIGHT:
            self.blocked = torch.ops.mkldnn._reorder_linear_weight(weight, None)

    def forward(self, x: Tensor) -> Tensor:
        if self.blocked is None or x.numel() > self.FEW_ROWS * x.shape[-1]:
            return nn.functional.linear(x, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, self.blocked, self.bias, "none", [], "")


class Fp16Linear(nn.Module):
    """Inference layer for x W^T + b in float32 on a CPU, with weights rounded to fp16.

    Rounding changes a weight w of -65504 to 65504 by at most max(|w| / 2048, 3e-8). FBGEMM needs
    0.2 ms for five rows times a 256 x 8000 weight on two AVX2 cores, and no longer than BLAS
    for many rows.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.bias = bias
        self.out_features = len(weight)
        self.packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        if not x.numel():
            return x.new_empty(*x.shape[:-1], self.out_features)
        with _plain_arguments():
            return _FP16_PRODUCT(x, self.packed)


class Bf16Linear(nn.Module):
    """Inference layer for x W^T + b in bf16 on a CPU, in oneDNN's blocked layout.

    oneDNN compiles a kernel per number of rows, so zero rows are added up to a multiple of `ROWS`.
    """

    ROWS = 16

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.bfloat16(), None)
        self.bias = None if bias is None else bias.bfloat16()

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        count = len(rows)
        filled = rows.new_zeros(
            -(-count // self.ROWS) * self.ROWS, x.shape[-1], dtype=torch.bfloat16
        )
        filled[:count] = rows
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            filled, self.packed, self.bias, "none", [], ""
        )
        return result[:count].float().view(*x.shape[:-1], result.shape[-1])


class Int8Linear(nn.Module):
    """Inference layer for x W^T + b in 8-bit integers on a CPU.

    The weights of each output are scaled to [-127, 127] by their largest magnitude. Each row of x
    is scaled to [-63, 63], because FBGEMM's AVX2 kernels sum two products in 16 bits.
    """

    LEVELS = 63

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.bias = bias
        self.out_features = len(weight)
        scales = weight.abs().amax(dim=1).clamp(min=_SMALLEST).double() / 127
        zeros = torch.zeros(len(weight), dtype=torch.int64)
        engine = torch.backends.quantized.engine
        torch.backends.quantized.engine = "fbgemm"
        with warnings.catch_warnings():
            # torch warns that quantized tensors are deprecated; `can_pack` checks whether they
            # still exist.
            warnings.simplefilter("ignore")
            quantized = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
            self.packed = torch.ops.quantized.linear_prepack(quantized, None)
        torch.backends.quantized.engine = engine

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        if not len(rows):
            return x.new_empty(*x.shape[:-1], self.out_features)
        largest = rows.abs().amax(dim=1, keepdim=True)
        largest.clamp_min_(_SMALLEST)
        with _plain_arguments():
            product: Tensor = _INT8_PRODUCT(
                rows / largest, 1.0 / self.LEVELS, self.LEVELS + 1, self.packed
            )
        if self.bias is None:
            product.mul_(largest)
        else:
            torch.addcmul(self.bias, product, largest, out=product)
        return product.view(*x.shape[:-1], self.out_features)


class Float32Product(nn.Module):
    """Inference layer for x W^T in float32 from 16-bit x and W (out_features, in_features).

    If torch cannot multiply 16-bit matrices into a float32 result, x and W become float32.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        try:
            torch.mm(weight[:1], weight[:1].t(), out_dtype=torch.float32)
        except (RuntimeError, TypeError):
            weight = weight.float()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).to(self.weight.dtype)
        if self.weight.dtype == torch.float32:
            product = torch.mm(rows, self.weight.t())
        else:
            product = torch.mm(rows, self.weight.t(), out_dtype=torch.float32)
        return product.view(*x.shape[:-1], len(self.weight))


# torch.ops inspects the arguments in Python first, so the layers call the operators directly.
_FP16_PRODUCT: Any = getattr(getattr(torch.ops.quantized, "linear_dynamic_fp16", None), "_op", None)
_INT8_OP = "linear_with_input_q_dq_qweight_dq_output_fp32"
_INT8_PRODUCT: Any = getattr(getattr(torch.ops.quantized, _INT8_OP, None), "_op", None)
# Without this context, torch looks for a tensor attribute that packed weights do not have, and
# catching the C++ exception takes longer than a product of a few rows.
_plain_arguments: Any = torch._C.DisableTorchFunctionSubclass
_LARGEST_FP16 = 65504.0
_SMALLEST = 1e-30
"""Scale of a row of zeros, which avoids division by 0."""
_LAYERS: dict[NumberFormat, type[PackedLinear | Fp16Linear | Bf16Linear | Int8Linear]] = {
    "fp32": PackedLinear,
    "fp16": Fp16Linear,
    "bf16": Bf16Linear,
    "int8": Int8Linear,
}


def can_pack(device: torch.device, number_format: NumberFormat) -> bool:
    """Return whether `make_linear` supports the format on a device."""
    if device.type != "cpu":
        return False
    has_fbgemm = "fbgemm" in torch.backends.quantized.supported_engines
    if number_format in ("fp16", "int8") and not has_fbgemm:
        return False
    if number_format == "fp16":
        return _FP16_PRODUCT is not None and hasattr(torch.ops.quantized, "linear_prepack_fp16")
    if number_format == "int8":
        return _INT8_PRODUCT is not None and hasattr(torch, "quantize_per_channel")
    if not (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    ):
        return False
    return number_format == "fp32" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def make_linear(weight: Tensor, bias: Tensor | None, number_format: NumberFormat) -> nn.Module:
    """Return a layer for x W^T + b in a number format for which `can_pack` is true.

    weight: (out_features, in_features); bias: (out_features,). Weight, bias, inputs and outputs are
    float32. A weight beyond the range of fp16 stays float32.
    """
    if number_format == "fp16" and not bool((weight.abs() <= _LARGEST_FP16).all()):
        number_format = "fp32"
    return _LAYERS[number_format](weight, bias)


def float32_weight(layer: nn.Module) -> Tensor | None:
    """Return the weight (out_features, in_features) of a layer computing in float32, or None."""
    if isinstance(layer, Fp16Linear):
        weight: Tensor = torch.ops.quantized.linear_unpack_fp16(layer.packed)[0]
        return weight
    if isinstance(layer, PackedLinear | nn.Linear) and layer.weight.dtype == torch.float32:
        return layer.weight
    return None
