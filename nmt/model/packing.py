"""Linear layers laid out for the products of decoding on a CPU.

A step of beam search multiplies a few rows by every weight, so reading the weights takes the
time, and torch's default kernels read them slowly (five rows by 256 x 8000: 1.3 ms as stored,
0.2 ms packed, 0.1 ms packed in bf16, on one core of an EPYC with AVX512). oneDNN's blocked
layout is made once a model.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class PackedLinear(nn.Module):
    """x W^T + b with the weight in oneDNN's layout; for inference only.

    Takes and gives float32, whatever the format of the product.
    """

    def __init__(self, linear: nn.Linear, precision: Literal["fp32", "bf16"]) -> None:
        super().__init__()
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.weight = torch.ops.mkldnn._reorder_linear_weight(
            linear.weight.detach().to(self.dtype), None
        )
        self.bias = None if linear.bias is None else linear.bias.detach().to(self.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(self.dtype), self.weight, self.bias, "none", [], ""
        )
        return result.float()


def can_pack(device: torch.device, precision: Literal["fp32", "bf16"]) -> bool:
    """Whether this build of torch and this processor have such products in the precision."""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and (precision == "fp32" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))
    )


def pack_linears(model: nn.Module, precision: Literal["fp32", "bf16"]) -> None:
    """Replace every linear layer of the model, in place; it cannot be trained afterwards."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child, precision))
