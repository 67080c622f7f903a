"""Devices and number formats are resolved, or a clear error says why they cannot be."""

from __future__ import annotations

import ctypes
import itertools
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from nmt import devices
from nmt.devices import (
    autocast,
    gpu_has_native_bf16,
    keep_compiled_kernels,
    keep_freed_memory,
    resolve_device,
    resolve_precision,
)
from nmt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def cudnn_attention() -> Iterator[None]:
    """Start with cuDNN attention allowed and restore the previous setting afterwards."""
    before = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    yield
    torch.backends.cuda.enable_cudnn_sdp(before)


def found(monkeypatch: pytest.MonkeyPatch, cuda: bool) -> None:
    """Make torch report a CUDA device, or none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)


@pytest.mark.usefixtures("cudnn_attention")
def test_device_without_cuda_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, cuda=False)
    assert resolve_device("cpu") == resolve_device("auto") == CPU
    for name in ("cuda", "cuda:1"):
        with pytest.raises(UsageError, match="no CUDA device"):
            resolve_device(name)
    assert torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.usefixtures("cudnn_attention")
def test_cuda_device_disables_cudnn_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, cuda=True)
    assert resolve_device("cpu") == CPU
    assert torch.backends.cuda.cudnn_sdp_enabled()
    assert resolve_device("auto") == CUDA
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    assert resolve_device("cuda") == CUDA
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="finds 2 CUDA devices"):
        resolve_device("cuda:2")
    with pytest.raises(ValueError, match="cuda:N"):
        resolve_device("mps")
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_explicit_precision_is_not_probed(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe() -> bool:
        raise AssertionError("probed")

    monkeypatch.setattr(devices, "_cpu_multiplies_faster_in_bf16", probe)
    monkeypatch.setattr(devices, "gpu_has_native_bf16", probe)
    assert resolve_precision("fp32", device) == "fp32"
    assert resolve_precision("bf16", device) == "bf16"


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((6, 1), "fp32"), ((7, 0), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")],
    ids=["P40", "V100", "T4", "A100", "H100"],
)
def test_auto_precision_on_cuda_is_the_fastest_native_format(
    capability: tuple[int, int], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    properties = SimpleNamespace(major=capability[0], minor=capability[1])
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert gpu_has_native_bf16() == (expected == "bf16")
    assert resolve_precision("auto", CUDA) == expected


@pytest.mark.parametrize(
    ("bf16_seconds", "expected"), [(0.5, "bf16"), (0.75, "bf16"), (0.8, "fp32"), (4.0, "fp32")]
)
def test_auto_precision_on_a_cpu_needs_a_clear_gain(
    bf16_seconds: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product in float32 takes one second on the fake clock, one in bf16 `bf16_seconds`."""
    times = itertools.accumulate(itertools.cycle([0.0, 1.0, 0.0, bf16_seconds]))
    monkeypatch.setattr(devices, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    monkeypatch.setattr(torch, "ones", lambda *_, dtype: torch.zeros(1, 1, dtype=dtype))
    monkeypatch.setattr(
        devices,
        "_cpu_multiplies_faster_in_bf16",
        devices._cpu_multiplies_faster_in_bf16.__wrapped__,  # the decision is cached per process
    )
    threads = torch.get_num_threads()
    assert resolve_precision("auto", CPU) == expected
    assert torch.get_num_threads() == threads


def test_autocast_changes_products_only_in_bf16() -> None:
    a = torch.ones(2, 2)
    with autocast(CPU, "fp32"):
        assert (a @ a).dtype == torch.float32
    with autocast(CPU, "bf16"):
        assert (a @ a).dtype == torch.bfloat16


class FakeLibrary:
    """A C library whose mallopt rejects one parameter."""

    def __init__(self, rejected: int | None) -> None:
        self.set: dict[int, int] = {}
        self.rejected = rejected

    def mallopt(self, parameter: int, value: int) -> int:
        self.set[parameter] = value
        return int(parameter != self.rejected)


@pytest.mark.parametrize("rejected", [None, -1, -2, -3])
def test_allocator_sets_all_three_parameters_and_reports_a_failure(
    rejected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = FakeLibrary(rejected)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    assert keep_freed_memory() == (rejected is None)
    assert library.set == {-3: 1 << 30, -1: (1 << 31) - 1, -2: 64 << 20}


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_allocator_without_mallopt_is_left_alone(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: Any) -> Any:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert keep_freed_memory() is False


def test_kernel_cache_capacity_of_the_environment_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, "7")
    keep_compiled_kernels()
    assert os.environ[name] == "7"
    monkeypatch.delenv(name)
    keep_compiled_kernels()
    assert int(os.environ[name]) > 1024
