"""Linear layers laid out, or quantized, for the products of decoding on a CPU.

A step of beam search multiplies a few rows by every weight, so reading the weights takes the
time, and torch's default kernels read them slowly. Here the work is laid out once a model.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention
from nmt.model.layers import DecoderLayer, EncoderLayer

Packing = Literal["fp32", "fp16", "bf16", "int8"]


class PackedLinear(nn.Module):
    """x W^T + b in float32; for inference only.

    The weight is stored transposed, which BLAS reads faster. For a few rows by a large weight
    oneDNN's blocked layout is faster still (five rows by 256 x 8000 on one core with AVX2:
    1.9 ms as torch stores it, 1.2 ms transposed, 0.8 ms blocked), so large weights have both.
    """

    FEW_ROWS = 16
    LARGE_WEIGHT = 1 << 18

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """weight: (out_features, in_features)."""
        super().__init__()
        self.weight = weight.t().contiguous().t()
        self.bias = bias
        self.blocked: Tensor | None = None
        if weight.numel() >= self.LARGE_WEIGHT:
            self.blocked = torch.ops.mkldnn._reorder_linear_weight(weight, None)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        if self.blocked is None or x.numel() > self.FEW_ROWS * x.shape[-1]:
            return nn.functional.linear(x, self.weight, self.bias)
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.blocked, self.bias, "none", [], ""
        )
        return result


class Fp16Linear(nn.Module):
    """x W^T + b in float32, the weights rounded to 16 bits; for inference only.

    The rounding moves a weight by at most 1 / 2048 of it, and halves the memory that a product
    reads. FBGEMM's kernel spreads the numbers to 32 bits as it multiplies. On two cores with AVX2
    it takes 0.2 ms for five rows by 256 x 8000 (see `PackedLinear`), and for many rows it is not
    slower than BLAS.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """weight: (out_features, in_features), all numbers at most 65504."""
        super().__init__()
        self.bias = bias
        self.weight: Tensor | None = None
        self.out_features = len(weight)
        self.packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        if not x.numel():
            return x.new_empty(*x.shape[:-1], self.out_features)
        with _plain_arguments():
            result: Tensor = _FP16_PRODUCT(x, self.packed)
        return result


class Bf16Linear(nn.Module):
    """x W^T + b, the product in bf16 on oneDNN's blocked layout; takes and gives float32.

    oneDNN compiles a kernel for every number of rows, which takes longer than the product. The rows
    of a search shrink one by one, so they are filled up to one of few numbers.
    """

    ROWS = 16

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """weight: (out_features, in_features)."""
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.bfloat16(), None)
        self.bias = None if bias is None else bias.bfloat16()

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
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
    """x W^T + b, the product in 8-bit integers; takes and gives float32.

    The weights of each output are scaled by their largest to [-127, 127], once, and each row of x
    by its largest to [-63, 63], at each call: with eight bits FBGEMM's kernels for AVX2 would
    overflow, which sum two products in sixteen. A row's result depends on no other row, so
    sentences translate the same in every batch.
    """

    LEVELS = 63

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """weight: (out_features, in_features)."""
        super().__init__()
        self.bias = bias
        self.out_features = len(weight)
        scales = weight.abs().amax(dim=1).clamp(min=_SMALLEST).double() / 127
        zeros = torch.zeros(len(weight), dtype=torch.int64)
        engine = torch.backends.quantized.engine
        torch.backends.quantized.engine = "fbgemm"
        with warnings.catch_warnings():
            # torch announces the end of tensors of this kind; `can_pack` looks for it.
            warnings.simplefilter("ignore")
            quantized = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
            self.packed = torch.ops.quantized.linear_prepack(quantized, None)
        torch.backends.quantized.engine = engine

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
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


# The operators themselves: torch.ops looks through the arguments in Python first, which takes
# longer.
_FP16_PRODUCT: Any = getattr(getattr(torch.ops.quantized, "linear_dynamic_fp16", None), "_op", None)
_INT8_OP = "linear_with_input_q_dq_qweight_dq_output_fp32"
_INT8_PRODUCT: Any = getattr(getattr(torch.ops.quantized, _INT8_OP, None), "_op", None)
# Without it torch asks packed weights, which are no tensors, for an attribute that they lack, and
# catching the C++ exception takes longer than a product of a few rows.
_plain_arguments: Any = torch._C.DisableTorchFunctionSubclass
_LARGEST_FP16 = 65504.0
_SMALLEST = 1e-30
"""Rows of zeros are scaled by this."""
_KINDS: dict[Packing, type[PackedLinear | Fp16Linear | Bf16Linear | Int8Linear]] = {
    "fp32": PackedLinear,
    "fp16": Fp16Linear,
    "bf16": Bf16Linear,
    "int8": Int8Linear,
}


def can_pack(device: torch.device, packing: Packing) -> bool:
    """Whether this build of torch and this machine have such products."""
    if device.type != "cpu":
        return False
    if packing in ("fp16", "int8") and "fbgemm" not in torch.backends.quantized.supported_engines:
        return False
    if packing == "fp16":
        return _FP16_PRODUCT is not None and hasattr(torch.ops.quantized, "linear_prepack_fp16")
    if packing == "int8":
        return _INT8_PRODUCT is not None and hasattr(torch, "quantize_per_channel")
    if not (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    ):
        return False
    return packing == "fp32" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pack_linears(model: nn.Module, packing: Packing) -> None:
    """Replace every linear layer of the model, in place; it cannot be trained afterwards.

    The three projections of self-attention become one. Weights that fp16 cannot hold keep their
    32 bits.
    """

    def kind(weight: Tensor, bias: Tensor | None) -> nn.Module:
        holds = packing != "fp16" or bool((weight.abs() <= _LARGEST_FP16).all())
        return _KINDS[packing if holds else "fp32"](weight, bias)

    for layer in model.modules():
        if isinstance(layer, EncoderLayer | DecoderLayer):
            attention = layer.self_attention
            linears = [attention.w_q, attention.w_k, attention.w_v]
            attention.w_qkv = kind(
                torch.cat([linear.weight.detach() for linear in linears]),
                torch.cat([linear.bias.detach() for linear in linears]),
            )
            del attention.w_q, attention.w_k, attention.w_v
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                weight = child.weight.detach()
                bias = None if child.bias is None else child.bias.detach()
                packed = kind(weight, bias)
                if isinstance(packed, Fp16Linear) and type(module) is MultiHeadAttention:
                    # Folded into the memory of a few sentences: the weight that the product uses.
                    packed.weight = weight.half().float()
                setattr(module, name, packed)
