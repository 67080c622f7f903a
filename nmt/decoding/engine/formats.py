"""The number format of decoding, and copies of models with their weights in it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import nn

from nmt.devices import gpu_has_native_bf16
from nmt.errors import ConfigError
from nmt.kernels.linear import Float32Product, NumberFormat, can_pack, make_linear

if TYPE_CHECKING:
    from nmt.model import EncoderDecoder

AnyModel = TypeVar("AnyModel", bound="EncoderDecoder")

_DTYPES: dict[NumberFormat, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


def resolve_decoding_precision(
    name: Literal["auto", "fp32", "fp16", "bf16", "int8"], device: torch.device
) -> NumberFormat:
    """Return the number format, or raise ConfigError if the device cannot compute in it."""
    if name == "int8" or (name == "fp16" and device.type == "cpu"):
        if not can_pack(device, name):
            raise ConfigError(
                f"decoding.precision {name} does not run on {device.type} with this build of torch",
                f"use fp32 or bf16; {name} needs FBGEMM on an x86 CPU",
            )
        return name
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if gpu_has_native_bf16() else "fp32"
        return "fp16" if can_pack(device, "fp16") else "fp32"
    return name


def in_number_format(
    model: AnyModel, number_format: NumberFormat, device: torch.device
) -> AnyModel:
    """Return a copy of the model on the device, in evaluation mode and without gradients.

    If the CPU has linear layers for the format, they replace all `nn.Linear` and the rest is
    float32. Otherwise all parameters have its dtype, or are shared. Logits are always float32.
    Raises ValueError if the device does not support the format.
    """
    packed = can_pack(device, number_format)
    if not packed and number_format not in _DTYPES:
        raise ValueError(f"{device.type} does not support {number_format}")
    dtype = torch.float32 if packed else _DTYPES[number_format]
    copied: AnyModel = _inference_copy(model, dtype, {})
    copied.to(device)  # also updates the list of weights that each GRU keeps
    weight = copied.output_projection.weight.detach()
    if packed:
        for module in list(copied.modules()):
            for name, child in list(module.named_children()):
                if type(child) is nn.Linear:
                    bias = None if child.bias is None else child.bias.detach()
                    setattr(module, name, make_linear(child.weight.detach(), bias, number_format))
    if packed and number_format == "bf16":
        # Bf16Linear rounds its results, but the logits must be unrounded.
        if can_pack(device, "fp16"):
            copied.output_projection = make_linear(weight, None, "fp16")  # type: ignore[assignment]
        else:
            copied.output_projection = Float32Product(weight.bfloat16())  # type: ignore[assignment]
    elif dtype != torch.float32:
        copied.output_projection = Float32Product(weight)  # type: ignore[assignment]
    return copied


def _inference_copy(module: Any, dtype: torch.dtype, copies: dict[Any, Any]) -> Any:
    """Return a deep copy with parameters of the dtype; copy.deepcopy takes five times as long."""
    if module in copies:
        return copies[module]
    copied = copies[module] = copy.copy(module)
    copied.training = False
    copied._parameters = dict(module._parameters)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            if parameter not in copies:
                data = parameter.detach().to(dtype)
                copies[parameter] = nn.Parameter(data, requires_grad=False)
            copied._parameters[name] = copies[parameter]
    copied._buffers = dict(module._buffers)
    copied._modules = {
        name: _inference_copy(child, dtype, copies) for name, child in module._modules.items()
    }
    return copied
