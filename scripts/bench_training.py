"""Measure training speed: tokens a second, its parts, and its share of the machine's limit.

    python scripts/bench_training.py [--config configs/bench.yaml] [--set KEY=VALUE ...]

Of the parts, `forward` includes the gradients of the output projection, which the chunked loss
computes on its way. The machine's limit is the time that the matrix products of an update would
take at the rate of one large matrix product of the same precision, measured in this run. Absolute
figures drift on shared machines; the share, and ratios of two runs taken in turn, do not.

In bfloat16 on a CPU the first epoch is slower than the others: each new shape of a batch has its
products compiled. --warmup with the number of batches of an epoch leaves that out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.utils.flop_counter import FlopCounterMode

from nmt.config_file import load_config
from nmt.data.batching import Batch, plan, training_batches
from nmt.data.corpus import prepare_data
from nmt.devices import (
    autocast,
    keep_compiled_kernels,
    keep_freed_memory,
    resolve_device,
    resolve_precision,
)
from nmt.model import build_model
from nmt.training.loss import batch_loss
from nmt.training.optimizer import build_optimizer, learning_rate

BENCH = Path(__file__).parents[1] / "configs" / "bench.yaml"


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large product of this precision: the best of several, 2 n^3 for n = 2048."""
    n = 2048
    a, b = torch.randn(n, n, device=device).to(dtype), torch.randn(n, n, device=device).to(dtype)
    best = float("inf")
    for _ in range(6):
        synchronize(device)
        begin = time.perf_counter()
        a @ b
        synchronize(device)
        best = min(best, time.perf_counter() - begin)
    return 2 * n**3 / best


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_memory(device: torch.device) -> float:
    """Peak memory of the process (or of the GPU) in GiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=Path, default=BENCH)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--updates", type=int, default=30, help="measured updates")
    parser.add_argument("--warmup", type=int, default=5, help="updates before measuring")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.warmup < 1:
        parser.error("--warmup must be at least 1: the FLOP of an update are counted there")

    keep_freed_memory()
    keep_compiled_kernels()
    config = load_config(arguments.config, arguments.set)
    training = config.training
    if training.threads:
        torch.set_num_threads(training.threads)
    device = resolve_device(training.device)
    precision = resolve_precision(training.precision, device)

    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        data = prepare_data(config, here, here / "tokenizer", lambda _: None, lambda: None)
        corpus, tokenizer = data.train, data.tokenizer
        torch.manual_seed(training.seed)
        model = build_model(
            config.model, len(tokenizer.source), len(tokenizer.target), tokenizer.shared
        )
        model.to(device)  # type: ignore[attr-defined]
        optimizer = build_optimizer(model, training)
        count = arguments.warmup + arguments.updates
        batches = []
        for epoch in itertools.count(1):
            batches += plan(
                corpus.source_lengths,
                corpus.target_lengths,
                training.batch_tokens,
                training.seed,
                epoch,
            )
            if len(batches) >= count:
                break
        seconds: dict[str, float] = defaultdict(float)

        @contextmanager
        def timed(part: str) -> Iterator[None]:
            synchronize(device)
            begin = time.perf_counter()
            yield
            synchronize(device)
            seconds[part] += time.perf_counter() - begin

        def forward_backward(batch: Batch) -> None:
            with timed("forward"), autocast(device, precision):
                loss = batch_loss(model, batch, training.label_smoothing, training.rdrop)
                objective = loss.objective / loss.tokens
            with timed("backward"):
                objective.backward()  # type: ignore[no-untyped-call]

        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        rates = [matrix_rate(device, dtype)]
        model.train()
        stream = training_batches(corpus, batches[:count])
        updates, tokens, slots = [], [], []
        flops = counted_tokens = 0
        for number in range(1, count + 1):
            if number == arguments.warmup + 1:
                seconds.clear()
            begin = time.perf_counter()
            with timed("data"):
                batch = next(stream).to(device)
            if number <= arguments.warmup:
                with FlopCounterMode(display=False) as counter:
                    forward_backward(batch)
                flops += counter.get_total_flops()
                counted_tokens += batch.target_tokens
            else:
                forward_backward(batch)
            with timed("optimizer"):
                norm = get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
                if training.clip_norm:
                    clip_grads_with_norm_(model.parameters(), training.clip_norm, norm)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(number, training)
                with autocast(device, precision):
                    optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            if number > arguments.warmup:
                updates.append(time.perf_counter() - begin)
                tokens.append(batch.target_tokens)
                slots.append(batch.target_in.numel())
        rates.append(matrix_rate(device, dtype))

    rate = max(rates)
    per_second = sum(tokens) / sum(updates)
    flops_a_token = flops / counted_tokens
    limit = rate / flops_a_token
    figures = {
        "target tokens/s": round(per_second),
        "median target tokens/s of an update": round(
            statistics.median(t / s for t, s in zip(tokens, updates, strict=True))
        ),
        "seconds an update": round(statistics.mean(updates), 4),
        "target tokens an update": round(statistics.mean(tokens)),
        "padding share of target": round(1 - sum(tokens) / sum(slots), 4),
        "MFLOP a target token": round(flops_a_token / 1e6, 1),
        "matrix rate GFLOP/s": round(rate / 1e9, 1),
        "limit target tokens/s": round(limit),
        "share of limit": round(per_second / limit, 3),
        "peak memory GiB": round(peak_memory(device), 2),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
    }
    total = sum(updates)
    parts = {part: round(spent / total, 3) for part, spent in seconds.items()}
    parts["other"] = round(1 - sum(parts.values()), 3)
    if arguments.json:
        print(json.dumps({**figures, "parts": parts}))
        return
    for name, value in figures.items():
        print(f"{name:38} {value}")
    print("parts of an update: " + ", ".join(f"{k} {v:.1%}" for k, v in parts.items()))


if __name__ == "__main__":
    main()
