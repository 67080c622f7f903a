"""Device, number format and allocator of a computation."""

from __future__ import annotations

import ctypes
import functools
import os
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from nmt.errors import UsageError

Precision = Literal["fp32", "bf16"]


def resolve_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device that a config names; `auto` takes a CUDA device if there is one.

    For a CUDA device, cuDNN attention is switched off (see `avoid_cudnn_attention`). Raises
    UsageError if CUDA is asked for and torch finds no CUDA device.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError(
            "device cuda was asked for, but torch finds no CUDA device",
            "use device auto or cpu, or install a CUDA build of torch",
        )
    if not available or name == "cpu":
        return torch.device("cpu")
    avoid_cudnn_attention()
    return torch.device("cuda")


def avoid_cudnn_attention() -> None:
    """Keep torch's scaled_dot_product_attention from choosing cuDNN, for the whole process.

    On Hopper and newer GPUs torch prefers cuDNN, which builds an execution plan on the CPU for
    every new shape. The shapes of batches and of decoding steps vary, so the GPU would wait for
    these plans most of the time. Flash attention and memory-efficient attention need no plan.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def resolve_precision(name: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
    """Return the number format of matrix products; `auto` takes bf16 where it is clearly faster.

    That is a GPU with native bf16, or a CPU on which a short probe finds bf16 faster.
    """
    if name != "auto":
        return name
    faster = gpu_has_native_bf16() if device.type == "cuda" else _cpu_multiplies_faster_in_bf16()
    return "bf16" if faster else "fp32"


def gpu_has_native_bf16() -> bool:
    """Return whether the current CUDA device multiplies in bf16 itself (Ampere and newer).

    Older GPUs, such as T4 and V100, emulate bf16 in float32, which is slower than float32.
    """
    native: bool = torch.cuda.is_bf16_supported(including_emulation=False)
    return native


@functools.cache
def _cpu_multiplies_faster_in_bf16() -> bool:
    """Return whether bf16 makes a small product at least 1.3 times faster than float32.

    Both formats are timed alternately on one thread, which takes a few milliseconds. AVX512-BF16
    and AMX gain a factor of two and more; on other CPUs bf16 is emulated and slower. The fastest
    of many short runs is hardly disturbed by other work on the machine.
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
    """Context in which matrix products run in the given format; weights stay float32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def keep_freed_memory() -> bool:
    """Ask glibc to keep large freed blocks instead of returning them to the kernel.

    By default every block above 128 KiB is mapped afresh and faulted in again page by page at
    each training step. Call it before the first large tensor. Does nothing (and returns False)
    where the C library has no mallopt.
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
    """Let oneDNN keep the code that it compiles for every shape of a matrix product in bfloat16.

    It keeps 1,024 by default and the batches of an epoch, whose shapes come again in the next, need
    some 2,000: compiling them at every use took a fifth of the time. Each takes about 1 MB. Call it
    before the first product; a value from outside stays.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4096")
