"""Compare time and memory of attention by length: the formula against torch's fused kernel.

    python scripts/experiments/cost.py

Forward and backward pass, one sentence, 4 heads, d_k = 64, float32. Each value comes from a
separate process. Time is processor time, which depends little on other load; memory is the growth
of peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import torch
from torch import nn

from nmt.kernels.attention import FusedAttention
from nmt.model.attention import MultiHeadAttention

HEADS, D_K = 4, 64
KERNELS: dict[str, type[MultiHeadAttention]] = {
    "formula": MultiHeadAttention,
    "fused": FusedAttention,
}


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def run_once(kernel: str, length: int) -> float:
    """Return the processor time of a forward and backward pass, in seconds."""
    q, k, v = (torch.randn(1, HEADS, length, D_K, requires_grad=True) for _ in range(3))
    attention = KERNELS[kernel](HEADS * D_K, HEADS, nn.Dropout(0.0))
    upstream = torch.randn(1, HEADS, length, D_K)
    begin = time.process_time()
    attention.scaled_dot_product_attention(q, k, v, None, None).backward(upstream)  # type: ignore[no-untyped-call]
    return time.process_time() - begin


def measure_here(kernel: str, length: int, threads: int, repetitions: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    run_once(kernel, 32)  # loads libraries
    before = peak_megabytes()
    run_once(kernel, length)
    megabytes = peak_megabytes() - before  # repetitions would add memory that the allocator keeps
    seconds = min(run_once(kernel, length) for _ in range(repetitions))
    return {"seconds": seconds, "megabytes": megabytes}


def measure_apart(kernel: str, length: int, arguments: argparse.Namespace) -> dict[str, Any]:
    numbers = map(str, (length, arguments.threads, arguments.repetitions))
    command = [sys.executable, __file__, "--measure", kernel, *numbers]
    found: dict[str, Any] = json.loads(subprocess.run(command, stdout=-1, check=True).stdout)
    return found


def main() -> None:
    # Measuring processes do not import common, because its imports would add to their memory.
    import common

    parser = common.arguments_for(__file__, __doc__, data=False)
    parser.add_argument(
        "--longest", type=int, default=4096, help="longest sentence in tokens [4096]"
    )
    parser.add_argument(
        "--repetitions", type=int, default=5, help="runs per length; the fastest counts [5]"
    )
    arguments = common.parse(parser)
    lengths = [2**k for k in range(6, arguments.longest.bit_length())]
    results = {
        kernel: [measure_apart(kernel, length, arguments) for length in lengths]
        for kernel in KERNELS
    }
    rows = [
        (
            str(length),
            *(f"{results[kernel][i]['seconds'] * 1000:,.1f}" for kernel in KERNELS),
            *(f"{results[kernel][i]['megabytes']:,.0f}" for kernel in KERNELS),
        )
        for i, length in enumerate(lengths)
    ]
    table = common.table(
        ("length", "formula, ms", "fused, ms", "formula, MB", "fused, MB"),
        rows,
    )
    common.save("cost", arguments, [table], heads=HEADS, d_k=D_K, lengths=lengths, results=results)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measured, *numbers = sys.argv[2:]
        print(json.dumps(measure_here(measured, *map(int, numbers))))
    else:
        main()
