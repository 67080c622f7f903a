"""Devices and number formats resolve, and say so when they cannot."""

from __future__ import annotations

import os

import pytest
import torch

from nmt.devices import (
    autocast,
    keep_compiled_kernels,
    keep_freed_memory,
    resolve_device,
    resolve_precision,
)
from nmt.errors import UsageError

CPU = torch.device("cpu")


def test_device() -> None:
    assert resolve_device("cpu") == CPU
    if torch.cuda.is_available():
        assert resolve_device("auto").type == "cuda"
    else:
        assert resolve_device("auto") == CPU
        with pytest.raises(UsageError, match="no CUDA device"):
            resolve_device("cuda")


def test_precision() -> None:
    assert resolve_precision("fp32", CPU) == "fp32"
    assert resolve_precision("bf16", CPU) == "bf16"
    assert resolve_precision("auto", CPU) in ("fp32", "bf16")


def test_autocast_changes_products_only_in_bf16() -> None:
    a = torch.ones(2, 2)
    with autocast(CPU, "fp32"):
        assert (a @ a).dtype == torch.float32
    with autocast(CPU, "bf16"):
        assert (a @ a).dtype == torch.bfloat16


def test_allocator_setting_never_fails() -> None:
    assert keep_freed_memory() in (True, False)


def test_a_kernel_capacity_from_outside_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, "7")
    keep_compiled_kernels()
    assert os.environ[name] == "7"
    monkeypatch.delenv(name)
    keep_compiled_kernels()
    assert int(os.environ[name]) > 1024
