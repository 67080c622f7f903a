"""Device, number format and allocator of a computation."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from nmt.errors import UsageError

Precision = Literal["fp32", "bf16"]


def resolve_device(name: str) -> torch.device:
    """Return the device `cpu`, `cuda` or `cuda:N`; `auto` takes a CUDA device if there is one.

    For a CUDA device, cuDNN attention is switched off (see `avoid_cudnn_attention`). Raises
    ValueError for another name, and UsageError if torch does not find the CUDA device.
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
            f"device is {name}, but torch finds {count} CUDA devices",
            f"use a number from 0 to {count - 1}",
        )
    avoid_cudnn_attention()
    return device


def made_current(device: torch.device) -> AbstractContextManager[object]:
    """Context in which a CUDA device is torch's current one, where CUDA graphs are recorded."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def avoid_cudnn_attention() -> None:
    """Keep torch's scaled_dot_product_attention from choosing cuDNN, for the whole process.

    On Hopper and newer GPUs torch prefers cuDNN, which builds an execution plan on the CPU for
    every new shape. The shapes of batches and of decoding steps vary, so the GPU would wait for
    these plans most of the time. Flash attention and memory-efficient attention need no plan.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def resolve_precision(name: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
    """Return the number format of matrix products; `auto` is bf16 where it is clearly faster.

    bf16 is faster on a GPU with native bf16, and on a CPU if a short measurement finds it faster.
    """
    if name != "auto":
        return name
    faster = gpu_has_native_bf16() if device.type == "cuda" else _cpu_multiplies_faster_in_bf16()
    return "bf16" if faster else "fp32"


def gpu_has_native_bf16() -> bool:
    """Return whether the current CUDA device has native bf16 products (Ampere and newer).

    Older GPUs, such as T4 and V100, emulate bf16 in float32, which is slower than float32.
    """
    native: bool = torch.cuda.is_bf16_supported(including_emulation=False)
    return native


@functools.cache
def _cpu_multiplies_faster_in_bf16() -> bool:
    """Return whether bf16 makes a small product at least 1.3 times faster than float32.

    Both formats are timed alternately on one thread, which takes a few milliseconds. With
    AVX512-BF16 and AMX, bf16 is at least twice as fast; other CPUs emulate bf16, which is slower.
    The fastest of many short runs is hardly affected by other work on the machine.
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
    """Return a context in which matrix products run in `precision`; weights stay float32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def keep_freed_memory() -> bool:
    """Let glibc keep large freed blocks instead of returning them to the kernel.

    By default, glibc maps every block above 128 KiB again at each training step, with a page fault
    per page. Call this function before the first large tensor is created. Returns whether the C
    library accepts the settings; False if it has no mallopt.
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
    """Let oneDNN cache the code that it compiles for every shape of a matrix product in bfloat16.

    The default cache has 1,024 entries, but an epoch needs about 2,000, which the next epoch uses
    again. Compiling at every use took a fifth of the time. An entry takes about 1 MB. Call this
    function before the first product; a value set in the environment is kept.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4096")
