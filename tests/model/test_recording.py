"""Recorded steps: what is played back gives what the plain state computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nmt.config import DecodingConfig
from nmt.decoding.search import Hypothesis, beam_search, sample
from nmt.model.protocol import Memory
from nmt.model.recording import RecordedState
from nmt.model.transformer import Transformer

VOCAB = 13
Sources = tuple[Tensor, Tensor]


class Tape(TorchDispatchMode):
    """Records as a CUDA graph does: which operators ran on which memory, and nothing of Python.

    Playing back repeats each operator on the same tensors and puts what it gives where it put it
    before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.recordings = self.played = 0
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, output))
        return output

    def __call__(self, compute: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        self.recordings += 1
        self.calls = []
        with self:
            output = compute()
        output.fill_(torch.nan)  # recording is not running
        return output, lambda calls=self.calls: self.play(calls)  # type: ignore[misc]

    def play(self, calls: list[tuple[Any, Any, Any, Any]]) -> None:
        self.played += 1
        for func, args, kwargs, output in calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(output), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def record_steps(model: Transformer, record: Any, capacity: int = 128) -> None:
    """Let the model's searches be recorded."""

    def start(memory: Memory, max_length: int) -> RecordedState:
        RecordedState.CAPACITY = capacity
        return RecordedState(model, memory, max_length, record)

    model.start = start  # type: ignore[method-assign,assignment]


@pytest.fixture(autouse=True)
def usual_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecordedState, "CAPACITY", RecordedState.CAPACITY)


@pytest.fixture
def many_sources() -> Sources:
    """Ids and mask (12, 9), of 2 to 9 tokens: outputs end at very different lengths."""
    ids = torch.randint(4, VOCAB, (12, 9))
    mask = torch.arange(9) < torch.randint(2, 10, (12, 1))
    return ids.masked_fill(~mask, 0), mask


def assert_same(found: list[list[Hypothesis]], expected: list[list[Hypothesis]]) -> None:
    assert [[h.tokens for h in best] for best in found] == [
        [h.tokens for h in best] for best in expected
    ]
    for ours, theirs in zip(found, expected, strict=True):
        assert [h.log_probability for h in ours] == pytest.approx(
            [h.log_probability for h in theirs], abs=1e-3
        )


@pytest.mark.parametrize("folded", [True, False], ids=["folded", "plain"])
@pytest.mark.parametrize("capacity", [4, 24, 128])
def test_recorded_beam_search_finds_the_same(
    any_transformer: Transformer,
    many_sources: Sources,
    capacity: int,
    folded: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nmt.model.stepping.FoldedMemory.LARGEST", (1 << 18) * folded)
    options = DecodingConfig(beam_size=3, min_length=8)
    expected = beam_search(any_transformer, *many_sources, options, nbest=2)
    tape = Tape()
    record_steps(any_transformer, tape, capacity)
    assert_same(beam_search(any_transformer, *many_sources, options, nbest=2), expected)
    assert tape.played >= tape.recordings > 0
    if capacity == 128:
        assert tape.recordings <= 5
        assert tape.played >= 2 * tape.recordings


def test_recorded_search_in_bfloat16(
    make_transformer: Callable[..., Transformer], many_sources: Sources
) -> None:
    model = make_transformer(positions="rotary")
    options = DecodingConfig(beam_size=2, min_length=8)
    with torch.autocast("cpu", torch.bfloat16):
        expected = beam_search(model, *many_sources, options)
        tape = Tape()
        record_steps(model, tape)
        found = beam_search(model, *many_sources, options)
    assert tape.played > 0
    same = sum(a[0].tokens == b[0].tokens for a, b in zip(found, expected, strict=True))
    assert same >= len(expected) - 1  # the order of a sum of 16 bits differs


@pytest.mark.parametrize("count", [1, 4])
def test_recorded_sampling_draws_the_same(
    any_transformer: Transformer, many_sources: Sources, count: int
) -> None:
    seeds = [(1, i) for i in range(len(many_sources[0]))]
    options = DecodingConfig(min_length=3)
    expected = sample(any_transformer, *many_sources, options, seeds, count=count)
    tape = Tape()
    record_steps(any_transformer, tape)
    found = sample(any_transformer, *many_sources, options, seeds, count=count)
    assert_same(found, expected)
    assert tape.played > 0


def test_a_failed_recording_is_no_failed_search(
    make_transformer: Callable[..., Transformer], many_sources: Sources
) -> None:
    model = make_transformer()
    options = DecodingConfig(beam_size=3)
    expected = beam_search(model, *many_sources, options)

    def fail(compute: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        raise RuntimeError("operation not permitted when stream is capturing")

    record_steps(model, fail)
    with pytest.warns(UserWarning, match=r"not recorded, which is slower: operation not permitted"):
        found = beam_search(model, *many_sources, options)
    assert_same(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_cuda_graphs_find_the_same(
    any_transformer: Transformer, many_sources: Sources, precision: str
) -> None:
    options = DecodingConfig(beam_size=3)
    expected = beam_search(any_transformer, *many_sources, options, nbest=2)
    model = any_transformer.cuda()
    source, mask = (x.cuda() for x in many_sources)
    with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
        found = beam_search(model, source, mask, options, nbest=2)
    if precision == "fp32":
        assert_same(found, expected)
    else:
        assert all(len(best) == 2 for best in found)
