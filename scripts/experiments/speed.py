"""Compare training speed by sentence length: RNN, RNN with attention, Transformer.

    python scripts/experiments/speed.py [--device cuda]

It measures forward and backward passes on random ids and needs no data. FLOP rates are reported
too, because the models do different amounts of computation per token.
"""

from __future__ import annotations

import time
from typing import Any

import common
import torch
from torch.utils.flop_counter import FlopCounterMode

from nmt.config import Config
from nmt.config.loading import load_config
from nmt.devices import keep_freed_memory
from nmt.kernels.linear_cross_entropy import linear_cross_entropy
from nmt.loading import build_model
from nmt.model import EncoderDecoder, Tokens

VOCAB = 4000
VARIANTS = (common.FIXED_VECTOR, common.RNN_ATTENTION, common.TRANSFORMER)


def config_of(variant: common.Variant) -> Config:
    return load_config(common.BASE, variant.overrides)


def forward_and_backward(model: EncoderDecoder, ids: torch.Tensor) -> None:
    """Run a forward and backward pass of a batch whose target is its source.

    ids: (batch, length) int64, without padding.
    """
    tokens = Tokens.padded(ids, torch.ones_like(ids, dtype=torch.bool))
    hidden = model.decode(tokens, model.encode(tokens)).flatten(0, 1)
    loss, _ = linear_cross_entropy(hidden, model.output_weight, ids.flatten(), 0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    if ids.device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = common.arguments_for(__file__, __doc__, data=False)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="device [cpu]")
    parser.add_argument(
        "--batch-tokens", type=int, default=2048, help="target tokens per batch [2048]"
    )
    parser.add_argument("--longest", type=int, default=256, help="longest sentence in tokens [256]")
    parser.add_argument(
        "--repetitions", type=int, default=5, help="runs per length; the fastest counts [5]"
    )
    arguments = common.parse(parser)
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    lengths = [2**k for k in range(3, arguments.longest.bit_length())]
    models = []
    for variant in VARIANTS:
        torch.manual_seed(1)
        model = build_model(config_of(variant).model, VOCAB, VOCAB, shared_vocab=True)
        models.append(model.to(arguments.device))

    seconds: dict[tuple[int, int], list[float]] = {}
    flops: dict[tuple[int, int], int] = {}
    for length in lengths:
        ids = torch.randint(4, VOCAB, (max(1, arguments.batch_tokens // length), length))
        ids = ids.to(arguments.device)
        for number, model in enumerate(models):
            with FlopCounterMode(display=False) as counter:
                forward_and_backward(model, ids)
            flops[number, length] = counter.get_total_flops()
        # Alternate between models, so that other load slows all of them equally.
        for _ in range(arguments.repetitions):
            for number, model in enumerate(models):
                begin = time.perf_counter()
                forward_and_backward(model, ids)
                seconds.setdefault((number, length), []).append(time.perf_counter() - begin)

    results: list[dict[str, Any]] = []
    for number, variant in enumerate(VARIANTS):
        best = [min(seconds[number, length]) for length in lengths]
        tokens = [max(1, arguments.batch_tokens // length) * length for length in lengths]
        results.append(
            {
                "title": variant.title,
                "tokens_per_second": [t / s for t, s in zip(tokens, best, strict=True)],
                "gflop_per_second": [
                    flops[number, length] / s / 1e9 for length, s in zip(lengths, best, strict=True)
                ],
            }
        )
    table = common.table(
        ("target tokens/s (GFLOP/s)", *(f"{length} tokens" for length in lengths)),
        [
            (
                result["title"],
                *(
                    f"{t:,.0f} ({g:.0f})"
                    for t, g in zip(
                        result["tokens_per_second"], result["gflop_per_second"], strict=True
                    )
                ),
            )
            for result in results
        ],
    )
    name = "speed" if arguments.device == "cpu" else f"speed-{arguments.device}"
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    common.save(name, arguments, [table], device=where, lengths=lengths, results=results)


if __name__ == "__main__":
    main()
