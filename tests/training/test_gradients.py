"""Recorded gradients equal computed gradients for every order of batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tape import Tape
from tiny import DigitCorpus, tiny_config, tiny_objective
from torch import Tensor

from nmt.data.batching import Batch
from nmt.data.packing import PackedBatches
from nmt.devices import Precision
from nmt.kernels.recording import CudaRecorder
from nmt.training.gradients import Backward, RecordedBackward, compute_gradients
from nmt.training.loss_scale import LossScale
from nmt.training.state import TrainState

CPU = torch.device("cpu")


def batches_with(corpus: Any, batch_tokens: int) -> list[Batch]:
    packed = PackedBatches(corpus, batch_tokens)
    return list(packed.collated(packed.plan(1, 1), 0, None))


def gradients_of_steps(
    make: Callable[..., Backward],
    steps: list[list[Batch]],
    device: torch.device = CPU,
    precision: Precision = "fp32",
    alphas: tuple[float, ...] = (0.0,),
) -> list[list[Tensor]]:
    """Return the sums and the gradients of each step."""
    objective = tiny_objective(tiny_config()).to(device)
    objective.train()
    backward = make(objective, device, precision, LossScale(device, precision, TrainState()))
    found = []
    assert all(steps)
    for step, batches in enumerate(steps):
        objective.alpha = alphas[step % len(alphas)]
        on_device = [batch.to(device) for batch in batches]
        sums = compute_gradients(
            backward, on_device, step=step, seed=1, check_stop=lambda: None, warn=pytest.fail
        )
        gradients = [p.grad for p in objective.parameters() if p.grad is not None]
        found.append([tensor.clone() for tensor in (sums, *gradients)])
        for gradient in gradients:
            gradient.fill_(torch.nan)  # as clipping, this changes nothing in the next step
    return found


def taped(tape: Tape) -> Callable[..., RecordedBackward]:
    def make(objective: Any, *rest: Any) -> RecordedBackward:
        def record(compute: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
            # A tape runs what it records, unlike a CUDA graph.
            generator = torch.get_rng_state()
            before = [p.grad.clone() for p in objective.parameters()]
            result = tape(compute)
            for parameter, gradient in zip(objective.parameters(), before, strict=True):
                parameter.grad.copy_(gradient)
            torch.set_rng_state(generator)
            return result

        return RecordedBackward(objective, *rest, record, pytest.fail)

    return make


def assert_identical(found: list[list[Tensor]], expected: list[list[Tensor]]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert len(one) == len(other) > 10
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("alphas", [(0.0,), (0.0, 2.0)])
def test_recorded_gradients_equal_computed_ones(alphas: tuple[float, ...]) -> None:
    """With dropout, several batches per step, two shapes, and with R-Drop in every other step."""
    short, long = (batches_with(DigitCorpus(200, seed=1), tokens) for tokens in (128, 256))
    steps = [short[:2], short[2:4], [long[0], short[4]], long[1:3], [long[3]], short[5:8]]
    tape = Tape()
    found = gradients_of_steps(taped(tape), steps, alphas=alphas)
    assert_identical(found, gradients_of_steps(Backward, steps, alphas=alphas))
    assert tape.recordings == 2 * len(alphas)
    assert tape.replays > tape.recordings


def test_failed_recording_is_reported_once() -> None:
    messages: list[str] = []

    def fail(compute: Any) -> Any:
        raise RuntimeError("operation not permitted\ndetails")

    def make(*parts: Any) -> RecordedBackward:
        return RecordedBackward(*parts, fail, messages.append)

    steps = [[batch] for batch in batches_with(DigitCorpus(100, seed=1), 128)[:4]]
    assert_identical(gradients_of_steps(make, steps), gradients_of_steps(Backward, steps))
    (message,) = messages
    assert message.endswith("slower: operation not permitted")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_cuda_graphs_compute_identical_gradients(precision: Precision) -> None:
    cuda = torch.device("cuda")
    batches = batches_with(DigitCorpus(600, seed=1), 256)
    steps = [batches[:2], batches[2:4], batches[4:5], batches[5:8]]

    def make(*parts: Any) -> RecordedBackward:
        return RecordedBackward(*parts, CudaRecorder(), pytest.fail)

    found = gradients_of_steps(make, steps, cuda, precision)
    assert_identical(found, gradients_of_steps(Backward, steps, cuda, precision))
