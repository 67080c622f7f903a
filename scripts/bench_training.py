"""Measure training speed: target tokens per second and the share of the device's limit.

    python scripts/bench_training.py [--config configs/bench.yaml] [--set KEY=VALUE ...]
    python scripts/bench_training.py --device cuda [--sizes base big] [--systems nmt marianmt]

The first form trains on the corpus of a config. The second form needs no corpus: its pairs are
made-up token ids with about the length and frequency distribution of Multi30k in subwords. It also
measures MarianMT of Hugging Face transformers on the same batches and in the same number format,
with fused AdamW, without cuDNN attention and with lengths padded to a multiple of 8.

Tokens per second use the wall time of all measured steps, including the wait for batches. Target
tokens include eos and exclude padding. The share of the limit is
6 x (encoder parameters x source tokens + (decoder + output parameters) x target tokens) FLOP per
second, divided by the rate of one large matrix product of the same number format, measured in the
same run. Absolute results drift on shared machines; the share, and ratios of two runs taken
alternately, do not.

In bfloat16 on a CPU the first epoch is slower, because oneDNN compiles the products of every new
batch shape. To exclude this time, set --warmup to the number of batches per epoch.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import math
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_marian import marian_loss, marian_model, padded_to_multiple_of_8
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from nmt.config import ModelConfig, TrainingConfig
from nmt.config.loading import load_config
from nmt.data.batching import Batch, Batches, PaddedBatches
from nmt.data.packing import PackedBatches
from nmt.data.preparation import prepare_data
from nmt.devices import (
    Precision,
    autocast,
    keep_compiled_kernels,
    keep_freed_memory,
    resolve_device,
    resolve_precision,
    start_reading,
)
from nmt.kernels.recording import CudaRecorder
from nmt.loading import build_model
from nmt.training.gradients import Backward, RecordedBackward, compute_gradients
from nmt.training.loss_scale import LossScale
from nmt.training.objective import TrainingObjective
from nmt.training.optimizer import build_optimizer, learning_rate
from nmt.training.state import TrainState

BENCH = Path(__file__).parents[1] / "configs" / "bench.yaml"
PROFILED = 10
"""Number of steps after the measured steps in which the kernels of a GPU are timed."""

SIZES = {
    "tiny": (32, 2, 1, 64, 200, 500),
    "base": (512, 8, 6, 2048, 10_000, 12_500),
    "big": (1024, 16, 6, 4096, 32_000, 12_500),
}
"""d_model, heads, layers per side, feed-forward width, size of the vocabulary, tokens per batch."""
SYSTEMS = (
    "nmt",
    "marianmt",
    "nmt-packed",
    "nmt-packed-compiled",
    "nmt-compiled",
    "marianmt-compiled",
)


class MadeUpCorpus:
    """Pairs of random token ids, with the methods of `nmt.data.corpus.Corpus` that training uses.

    Lengths are distributed as in Multi30k English-German with 10,000 joint BPE pieces: log-normal
    with a median of 14 tokens and a deviation of 0.32, target lengths deviating by 0.19 from
    source lengths (both in natural logarithms). Token frequencies are proportional to 1 / rank.
    """

    def __init__(self, pairs: int, vocabulary: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        source = 14 * np.exp(rng.normal(0, 0.32, pairs))
        target = source * np.exp(rng.normal(0, 0.19, pairs))
        self.source_lengths = source.round().clip(3, 60).astype(np.int32)
        self.target_lengths = target.round().clip(3, 60).astype(np.int32)
        self._ends = np.cumsum(self.source_lengths + self.target_lengths)
        ranks = (vocabulary - 4) ** rng.random(self._ends[-1])
        self._ids = ranks.astype(np.int64) + 3

    def __len__(self) -> int:
        return len(self.source_lengths)

    def read(
        self, indices: np.ndarray, sampling_seed: int | None = None
    ) -> list[tuple[list[int], list[int]]]:
        """Return the pairs (source, target) of ids without bos and eos. The seed has no effect."""
        pairs = []
        for i in indices:
            middle = self._ends[i] - self.target_lengths[i]
            source = self._ids[middle - self.source_lengths[i] : middle]
            pairs.append((source.tolist(), self._ids[middle : self._ends[i]].tolist()))
        return pairs


@dataclass(frozen=True)
class Work:
    """Sizes of a model, its training settings and its data."""

    name: str
    model: ModelConfig
    training: TrainingConfig
    corpus: Any
    """A `Corpus` or a `MadeUpCorpus`."""
    vocabularies: tuple[int, int, bool]
    """Size of the source vocabulary, size of the target vocabulary, and whether both are one."""

    def flop(self, source_tokens: int, target_tokens: int) -> int:
        """Return the FLOP of a step's matrix products, without attention scores and padding."""
        with torch.device("meta"):
            model: Any = build_model(self.model, *self.vocabularies)
        encoder, decoder = (
            sum(p.numel() for name, p in model.named_parameters() if name.startswith(side))
            for side in ("encoder_", "decoder_")
        )
        output = model.output_weight.numel()
        return 6 * (encoder * source_tokens + (decoder + output) * target_tokens)


def made_up_work(size: str, device: str, precision: str) -> Work:
    d_model, heads, layers, feedforward, vocabulary, batch_tokens = SIZES[size]
    model = ModelConfig(
        d_model=d_model,
        heads=heads,
        encoder_layers=layers,
        decoder_layers=layers,
        feedforward=feedforward,
    )
    training = {"batch_tokens": batch_tokens, "max_steps": 1}
    training |= {"device": device, "precision": precision}
    return Work(
        size,
        model,
        TrainingConfig.model_validate(training),
        MadeUpCorpus(30_000, vocabulary),
        (vocabulary, vocabulary, True),
    )


def work_of_config(path: Path, overrides: list[str], folder: Path) -> Work:
    config = load_config(path, overrides)
    data = prepare_data(config, folder, folder / "tokenizer", lambda _: None, lambda: None)
    tokenizer = data.tokenizer
    vocabularies = (len(tokenizer.source), len(tokenizer.target), tokenizer.shared)
    return Work(path.stem, config.model, config.training, data.train, vocabularies)


@dataclass
class System:
    """A model in training."""

    model: Any
    optimizer: torch.optim.Optimizer
    gradients: Callable[[Batch, int], object]
    """Computes the gradients of the mean loss per target token of a step, counted from 1."""
    checked: bool
    """Whether steps with non-finite gradients are skipped, as in nmt's training loop."""
    read_norm: Callable[[], float] | None = None
    """Waits for the norm of the last step's gradients."""

    def check(self) -> None:
        """Wait for the last step."""
        if self.checked and self.read_norm and not math.isfinite(self.read_norm()):
            raise SystemExit("error: a gradient is not finite")


def nmt_system(work: Work, device: torch.device, compiled: bool, packed: bool) -> System:
    training = work.training
    precision = resolve_precision(training.precision, device)
    model: Any = build_model(work.model, *work.vocabularies)
    objective = TrainingObjective(model, training.label_smoothing).to(device)
    objective.alpha = training.rdrop
    if compiled:
        forward = torch.compile(objective.forward, dynamic=not packed)
        objective.forward = forward  # type: ignore[method-assign]
    parts = objective, device, precision, LossScale(device, precision, TrainState())
    recorded = packed and device.type == "cuda"
    backward = RecordedBackward(*parts, CudaRecorder(), print) if recorded else Backward(*parts)

    def gradients(batch: Batch, step: int) -> None:
        compute_gradients(backward, [batch], step=step, seed=1, check_stop=lambda: None, warn=print)

    return System(model, build_optimizer(model, training), gradients, checked=True)


def marianmt_system(work: Work, device: torch.device, compiled: bool) -> System:
    sizes = work.model
    precision = resolve_precision(work.training.precision, device)
    model = marian_model(
        work.vocabularies[1],
        d_model=sizes.d_model,
        heads=sizes.heads,
        encoder_layers=sizes.encoder_layers,
        decoder_layers=sizes.decoder_layers,
        feedforward=sizes.feedforward,
        dropout=sizes.dropout,
    ).to(device)
    called: Any = torch.compile(marian_loss, dynamic=True) if compiled else marian_loss
    optimizer = torch.optim.AdamW(model.parameters(), work.training.learning_rate, fused=True)

    def gradients(batch: Batch, step: int) -> None:
        targets = torch.zeros_like(batch.target.ids)
        targets.view(-1)[batch.predictions] = batch.references
        ids = (batch.source.ids, batch.target.ids, targets)
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, precision):
            loss = called(model, *map(padded_to_multiple_of_8, ids))
        loss.backward()

    return System(model, optimizer, gradients, checked=False)


def build(system: str, work: Work, device: torch.device) -> System:
    torch.manual_seed(work.training.seed)
    compiled = system.endswith("compiled")
    if system.startswith("nmt"):
        return nmt_system(work, device, compiled, "packed" in system)
    return marianmt_system(work, device, compiled)


def planned(batches: Batches, seed: int, count: int) -> list[np.ndarray]:
    """Return the pair indices of the first `count` batches, over as many epochs as necessary."""
    epochs = (batches.plan(seed, epoch) for epoch in itertools.count(1))
    return list(itertools.islice(itertools.chain.from_iterable(epochs), count))


def measure(name: str, work: Work, device: torch.device, steps: int, warmup: int) -> dict[str, Any]:
    """Train one system and return its results by name."""
    precision = resolve_precision(work.training.precision, device)
    rates = [matrix_rate(device, precision)]
    if device.type == "cuda":
        gc.collect()  # the previous system may be part of a reference cycle
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    system = build(name, work, device)
    system.model.train()
    seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def timed(part: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        seconds[part] += time.perf_counter() - begin

    ahead = device.type == "cuda"
    numbers = itertools.count(1)
    kind = PackedBatches if "packed" in name else PaddedBatches
    of_corpus = kind(work.corpus, work.training.batch_tokens)
    plan = planned(of_corpus, work.training.seed, warmup + steps + PROFILED)
    batches = of_corpus.read(plan, device)

    def step() -> tuple[Tensor, int, int]:
        number = next(numbers)
        with timed("data"):
            batch = next(batches)
        with timed("gradients"):
            system.gradients(batch, number)
        with timed("optimizer"), autocast(device, precision):
            if ahead:
                system.check()
            update(system, work.training, number)
            if not ahead:
                system.check()
        positions = batch.source.ids.numel() + batch.target.ids.numel()
        return batch.source.segments.count_nonzero(), batch.target_tokens, positions

    for _ in range(warmup):
        step()
    synchronize(device)
    seconds.clear()
    begin = time.perf_counter()
    counts = [step() for _ in range(steps)]
    synchronize(device)
    wall = time.perf_counter() - begin

    source, target, positions = (int(sum(column)) for column in zip(*counts, strict=True))
    peak = peak_memory(device)
    gpu = gpu_seconds(step) if device.type == "cuda" else None
    rates.append(matrix_rate(device, precision))
    return {
        "target tokens/s": round(target / wall),
        "share of limit": round(work.flop(source, target) / wall / max(rates), 4),
        "wall ms per step": round(1000 * wall / steps, 2),
        **({} if gpu is None else {"GPU ms per step": round(1000 * gpu, 2)}),
        **{f"host share, {part}": round(spent / wall, 3) for part, spent in seconds.items()},
        "target tokens per step": round(target / steps),
        "padding share": round(1 - (source + target) / positions, 4),
        "peak memory GiB": round(peak, 2),
        "matrix rate TFLOP/s": round(max(rates) / 1e12, 3),
        "precision": precision,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }


def update(system: System, training: TrainingConfig, number: int) -> None:
    """Clip the gradients and run step `number` (from 1) of the optimizer."""
    parameters = list(system.model.parameters())
    norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
    if system.checked:
        system.read_norm = start_reading(norm)
        system.optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
    if training.clip_norm:
        clip_grads_with_norm_(parameters, training.clip_norm, norm)
    for group in system.optimizer.param_groups:
        group["lr"] = learning_rate(number, training)
    system.optimizer.step()


def matrix_rate(device: torch.device, precision: Precision) -> float:
    """Return the FLOP/s of a large product (n, n) x (n, n) of 2 n^3 FLOP, the best of six runs.

    n is 2048 on a CPU and 8192 on a GPU, where a smaller product does not fill the device.
    """
    n = 8192 if device.type == "cuda" else 2048
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        synchronize(device)
        begin = time.perf_counter()
        a @ b
        synchronize(device)
        best = min(best, time.perf_counter() - begin)
    return 2 * n**3 / best


def gpu_seconds(step: Callable[[], object]) -> float:
    """Return the seconds of all kernels and copies per step, the mean of PROFILED steps.

    The rest of the wall time of a step is the time in which the GPU waits for the host. Return NaN
    if the driver does not allow profiling.
    """
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in range(PROFILED):
            step()
        torch.cuda.synchronize()
    events = [e for e in profiled.key_averages() if e.device_type == DeviceType.CUDA]
    micro = sum(e.self_device_time_total for e in events if not e.is_user_annotation)
    return micro / 1e6 / PROFILED if micro else math.nan


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_memory(device: torch.device) -> float:
    """Return the peak memory in GiB: tensors on the GPU, or resident memory of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--config", type=Path, default=BENCH, help="config file [configs/bench.yaml]")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a config key")
    add("--device", choices=["cpu", "cuda"], help="use made-up pairs on this device")
    add("--sizes", nargs="+", choices=SIZES, help="model sizes [base big on cuda, tiny on cpu]")
    add(
        "--systems",
        nargs="+",
        choices=SYSTEMS,
        default=SYSTEMS[:2],
        help="systems to measure with --device [nmt marianmt]",
    )
    add(
        "--precision",
        choices=["auto", "fp32", "bf16"],
        default="auto",
        help="number format with --device [auto]",
    )
    add("--steps", type=int, default=100, help="measured steps [100]")
    add("--warmup", type=int, default=20, help="steps before measuring [20]")
    add("--json", action="store_true", help="print a JSON object per line")
    arguments = parser.parse_args()

    keep_freed_memory()
    keep_compiled_kernels()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.device:
            sizes = arguments.sizes or (["base", "big"] if arguments.device == "cuda" else ["tiny"])
            works = [made_up_work(s, arguments.device, arguments.precision) for s in sizes]
            systems = list(arguments.systems)
        else:
            works = [work_of_config(arguments.config, arguments.set, Path(folder))]
            systems = ["nmt"]
        for work in works:
            for system in systems:
                measured(system, work, arguments)


def measured(system: str, work: Work, arguments: argparse.Namespace) -> None:
    """Measure one system and print its results."""
    if system.startswith("marianmt") and find_spec("transformers") is None:
        results = {"not measured": "transformers is not installed"}
    else:
        if work.training.threads:
            torch.set_num_threads(work.training.threads)
        device = resolve_device(work.training.device)
        results = measure(system, work, device, arguments.steps, arguments.warmup)
    results = {"system": f"{work.name}, {system}", **results}
    if arguments.json:
        print(json.dumps(results), flush=True)
        return
    for name, value in results.items():
        print(f"{name:28} {value:,}" if isinstance(value, float | int) else f"{name:28} {value}")
    print(flush=True)


if __name__ == "__main__":
    main()
