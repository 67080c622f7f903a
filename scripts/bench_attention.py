"""Compare kernels for the causal self-attention of packed rows, forward and backward.

    python scripts/bench_attention.py --device cuda [--rows 48] [--length 256] [--sentences 16]

`dense mask` is what nmt uses: scaled_dot_product_attention with the boolean mask of
`nmt.model.masks`. `flex_attention` has a block mask, and `varlen` the ends of the sentences; both
include the time to compute these. `no mask` mixes sentences, so it is only a limit. Each row has
`--sentences` sentences of random lengths. Outputs are compared with the dense mask. A kernel that
does not run on the device is reported with its error.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nmt.model.masks import self_attention_mask

Attention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Maps q, k, v (rows, heads, length, d_k) and segments (rows, length) to the output like q."""


def segments_of(rows: int, length: int, sentences: int) -> Tensor:
    """Return the numbers of the sentences in each row, (rows, length), without padding."""
    ends = torch.rand(rows, length - 1).argsort(dim=1)[:, : sentences - 1] + 1
    starts = torch.zeros(rows, length, dtype=torch.int64).scatter(1, ends, 1)
    return starts.cumsum(dim=1) + 1


def dense_mask(q: Tensor, k: Tensor, v: Tensor, segments: Tensor) -> Tensor:
    mask = self_attention_mask(segments, causal=True)
    return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def no_mask(q: Tensor, k: Tensor, v: Tensor, segments: Tensor) -> Tensor:
    return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


@functools.cache
def _compiled() -> tuple[Callable[..., Tensor], Callable[..., object]]:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    return torch.compile(flex_attention, dynamic=False), torch.compile(create_block_mask)


def flex(q: Tensor, k: Tensor, v: Tensor, segments: Tensor) -> Tensor:
    attention, create_block_mask = _compiled()
    rows, _, length, _ = q.shape

    def allowed(row: Tensor, _: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (segments[row, query] == segments[row, key]) & (query >= key)

    mask = create_block_mask(allowed, rows, None, length, length, device=q.device.type)
    return attention(q, k, v, block_mask=mask)


def varlen(q: Tensor, k: Tensor, v: Tensor, segments: Tensor) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    rows, heads, length, d_k = q.shape
    first = torch.ones_like(segments, dtype=torch.bool)
    first[:, 1:] = segments[:, 1:] != segments[:, :-1]
    ends = torch.nn.functional.pad(first.flatten().nonzero()[:, 0], (0, 1), value=rows * length)
    ends = ends.to(torch.int32)
    joined = [x.transpose(1, 2).reshape(-1, heads, d_k) for x in (q, k, v)]
    output = varlen_attn(*joined, ends, ends, length, length, window_size=(-1, 0))
    return output.view(rows, length, heads, d_k).transpose(1, 2)


KERNELS: dict[str, Attention] = {
    "dense mask": dense_mask,
    "flex_attention": flex,
    "varlen": varlen,
    "no mask": no_mask,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--sentences", type=int, default=16, help="sentences per row")
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--d-k", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print one JSON object per kernel")
    args = parser.parse_args()
    device = torch.device(args.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    torch.manual_seed(1)
    shape = (args.rows, args.heads, args.length, args.d_k)
    inputs = [torch.randn(shape, device=device, dtype=dtype, requires_grad=True) for _ in range(3)]
    # Every repeat has other sentences, as in training.
    batches = [
        segments_of(args.rows, args.length, args.sentences).to(device) for _ in range(args.repeats)
    ]
    expected = dense_mask(*inputs, batches[0]).detach()

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for name, kernel in KERNELS.items():
        try:
            difference = float((kernel(*inputs, batches[0]).detach() - expected).abs().max())
            for segments in batches[:3]:
                kernel(*inputs, segments).sum().backward()
            wait()
            begin = time.perf_counter()
            for segments in batches:
                kernel(*inputs, segments).sum().backward()
            wait()
            seconds = (time.perf_counter() - begin) / len(batches)
            found = {"system": name, "ms": 1e3 * seconds, "largest difference": difference}
        except Exception as error:
            message = str(error).partition("\n")[0][:100]
            found = {"system": name, "error": f"{type(error).__name__}: {message}"}
        if args.json:
            print(json.dumps(found), flush=True)
        else:
            print(" | ".join(f"{key} {value}" for key, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
