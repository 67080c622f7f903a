"""Device, number format and allocator."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

import torch

from nmt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Precision = Literal["fp32", "bf16", "fp16"]


def resolve_device(name: str) -> torch.device:
    """Return the device `cpu`, `cuda` or `cuda:N`; `auto` prefers CUDA.

    Raises ValueError for another name, and UsageError if there is no such CUDA device.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:(0|[1-9]\d*))?", str(name), re.ASCII):
        raise ValueError(f"device is {name!r}; it must be 'auto', 'cpu', 'cuda' or 'cuda:N'")
    available = torch.cuda.is_available()
    if name.startswith("cuda") and not available:
        raise UsageError(
            f"device is {name}, but torch finds no CUDA device",
            "use device auto or cpu, or install a CUDA build of torch",
        )
    if not available or name == "cpu":
        return torch.device("cpu")
    device = torch.device("cuda" if name == "auto" else name)
    if device.index is not None and device.index >= (count := torch.cuda.device_count()):
        raise UsageError(
            f"device is {name}, but torch finds {count} CUDA device{'' if count == 1 else 's'}",
            f"use a number from 0 to {count - 1}",
        )
    # On Hopper and newer GPUs, torch's scaled_dot_product_attention prefers cuDNN, which builds a
    # plan on the CPU for every new shape, so the GPU would wait most of the time.
    torch.backends.cuda.enable_cudnn_sdp(False)
    return device


def made_current(device: torch.device) -> AbstractContextManager[object]:
    """Context in which a CUDA device is torch's current one."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def resolve_precision(
    name: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device
) -> Precision:
    """Return the number format of matrix products; `auto` is the fastest.

    fp16 is for GPUs with tensor cores for fp16 but not for bf16, such as T4 and V100.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        if gpu_has_native_bf16():
            return "bf16"
        return "fp16" if torch.cuda.get_device_capability() >= (7, 0) else "fp32"
    return "bf16" if _cpu_multiplies_faster_in_bf16() else "fp32"


def gpu_has_native_bf16() -> bool:
    """Return whether the current CUDA device does not emulate bf16, which is slow."""
    native: bool = torch.cuda.is_bf16_supported(including_emulation=False)
    return native


@functools.cache
def _cpu_multiplies_faster_in_bf16() -> bool:
    """Return whether bf16 makes a small product at least 1.3 times faster than float32.

    CPUs without AVX512-BF16 or AMX emulate bf16. Other work on the machine hardly affects the
    fastest of many alternating runs on one thread.
    """
    operands = {
        dtype: (torch.ones(512, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype))
        for dtype in (torch.float32, torch.bfloat16)
    }
    best = dict.fromkeys(operands, float("inf"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(20):
            for dtype, (a, b) in operands.items():
                begin = time.perf_counter()
                a @ b
                best[dtype] = min(best[dtype], time.perf_counter() - begin)
    finally:
        torch.set_num_threads(threads)
    return best[torch.bfloat16] * 1.3 < best[torch.float32]


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Context in which matrix products run in `precision`; weights stay float32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16" else torch.float16)


def start_reading(value: Tensor) -> Callable[[], float]:
    """Return a function that waits for a scalar, but not for work that a GPU gets after this call.

    `value.item()` also waits for that work.
    """
    copy = value.to("cpu", non_blocking=True)
    if value.device.type != "cuda":
        return copy.item
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(value.device))

    def read() -> float:
        copied.synchronize()
        return copy.item()

    return read


def keep_freed_memory() -> bool:
    """Let glibc keep large freed blocks; return whether the C library supports this.

    By default, glibc maps blocks above 128 KiB again at each step. Call before the first large
    tensor is created.
    """
    m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3
    one_gib, two_gib_less_one = 1 << 30, (1 << 31) - 1
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    done = [
        mallopt(m_mmap_threshold, one_gib),
        mallopt(m_trim_threshold, two_gib_less_one),
        mallopt(m_top_pad, 64 << 20),
    ]
    return all(done)


def keep_compiled_kernels() -> None:
    """Let oneDNN cache the code that it compiles for every shape of a bf16 matrix product.

    An epoch needs about 2,000 entries of about 1 MB; with the default of 1,024, compiling took a
    fifth of the time. Call before the first product; a value in the environment is kept.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4096")
