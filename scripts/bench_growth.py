"""Measure how the cost of decoding grows with beam size, batch and length.

    python scripts/bench_growth.py --json > docs/results/growth-decoding.json

Weights and sources are random. Every output is exactly as long as its source (min_length =
max_length), so the work of a point is known: batch * beam hypotheses for length + 1 decoding steps.
Times are minima over several repetitions, which alternate between all points.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import torch

from nmt.config import DecodingConfig
from nmt.config.loading import load_config
from nmt.decoding.engine import DecoderProgram, build_program
from nmt.decoding.search import beam_search
from nmt.devices import keep_freed_memory
from nmt.loading import build_model

BENCH = Path(__file__).parents[1] / "configs" / "bench.yaml"
BEAM, BATCH, LENGTH = 5, 16, 24


class Point(NamedTuple):
    """Beam size, sentences per batch and tokens per output, without eos."""

    beam: int = BEAM
    batch: int = BATCH
    length: int = LENGTH


AXES = {
    "beam": [Point(beam=n) for n in (1, 2, 3, 5, 8, 12, 20, 32)],
    "batch": [Point(batch=n) for n in (1, 2, 4, 8, 16, 32, 64, 128)],
    "length": [Point(length=n) for n in (8, 16, 32, 64, 128, 256)],
}


def seconds(program: DecoderProgram, point: Point, vocabulary: int) -> float:
    """Return the time of one search in seconds."""
    source = torch.randint(4, vocabulary, (point.batch, point.length))
    options = DecodingConfig(
        beam_size=point.beam,
        max_length=point.length,
        min_length=point.length,
        max_length_ratio=1000.0,
        patience=None,
    )
    begin = time.perf_counter()
    found = beam_search(program, source, options)
    spent = time.perf_counter() - begin
    assert all(len(best[0].tokens) == point.length for best in found)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--config", type=Path, default=BENCH, help="config file [configs/bench.yaml]")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a config key")
    add("--precision", choices=["fp32", "bf16"], default="fp32", help="number format [fp32]")
    add("--threads", type=int, default=2, help="number of CPU threads [2]")
    add("--repetitions", type=int, default=5, help="runs per point; the fastest counts [5]")
    add("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()

    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    config = load_config(arguments.config, arguments.set)
    vocabulary = config.tokenizer.vocab_size
    model = build_model(config.model, vocabulary, vocabulary, shared_vocab=True)
    program = build_program(model, arguments.precision, torch.device("cpu"))

    times: dict[Point, float] = {}
    for _ in range(arguments.repetitions):
        for point in dict.fromkeys(point for points in AXES.values() for point in points):
            spent = seconds(program, point, vocabulary)
            times[point] = min(spent, times.get(point, spent))

    if arguments.json:
        rows = [point._asdict() | {"seconds": spent} for point, spent in times.items()]
        print(json.dumps(rows))
        return
    for axis, points in AXES.items():
        print(f"| {axis} | ms per sentence | sentences/s | ms per decoding step |")
        print("|---:|---:|---:|---:|")
        for point in points:
            spent = times[point]
            sentence, step = 1000 * spent / point.batch, 1000 * spent / (point.length + 1)
            rate = point.batch / spent
            print(f"| {getattr(point, axis)} | {sentence:.1f} | {rate:.1f} | {step:.2f} |")
        print()


if __name__ == "__main__":
    main()
