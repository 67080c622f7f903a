"""Recorded decoding steps: a replay gives the results of the plain state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tape import Tape
from torch import Tensor

from nmt.config import DecodingConfig
from nmt.decoding.engine import build_program
from nmt.decoding.engine.graphs import RecordedState
from nmt.decoding.engine.memory import MemoryAttention
from nmt.decoding.engine.transformer import TransformerProgram
from nmt.decoding.search import Hypothesis, beam_search, sample
from nmt.kernels.linear import NumberFormat
from nmt.model.transformer import Transformer

CPU = torch.device("cpu")


def program_of(
    model: Transformer, number_format: NumberFormat = "fp32", device: torch.device = CPU
) -> TransformerProgram:
    program = build_program(model, number_format, device)
    assert isinstance(program, TransformerProgram)
    return program


def recorded(model: Transformer, record: Any) -> TransformerProgram:
    """Return a program in fp32 whose searches are recorded."""
    program = program_of(model)
    program.record = record
    return program


def assert_same(
    found: list[list[Hypothesis]], expected: list[list[Hypothesis]], tolerance: float = 1e-3
) -> None:
    assert [[h.tokens for h in best] for best in found] == [
        [h.tokens for h in best] for best in expected
    ]
    for ours, theirs in zip(found, expected, strict=True):
        assert [h.log_probability for h in ours] == pytest.approx(
            [h.log_probability for h in theirs], abs=tolerance
        )


@pytest.mark.parametrize(("capacity", "folded"), [(4, True), (24, False), (128, True)])
def test_recorded_beam_search_equals_plain_beam_search(
    any_transformer: Transformer,
    many_sources: Tensor,
    capacity: int,
    folded: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MemoryAttention, "LARGEST_FOLDED", (1 << 18) * folded)
    monkeypatch.setattr(RecordedState, "CAPACITY", capacity)
    options = DecodingConfig(beam_size=3, min_length=8)
    expected = beam_search(program_of(any_transformer), many_sources, options, nbest=2)
    tape = Tape()
    found = beam_search(recorded(any_transformer, tape), many_sources, options, nbest=2)
    assert_same(found, expected)
    assert tape.replays >= tape.recordings > 0
    if capacity == 128:
        assert tape.recordings <= 5
        assert tape.replays >= 2 * tape.recordings


@pytest.mark.parametrize("count", [1, 4])
def test_recorded_sampling_equals_plain_sampling(
    any_transformer: Transformer, many_sources: Tensor, count: int
) -> None:
    seeds = [(1, i) for i in range(len(many_sources))]
    options = DecodingConfig(min_length=3)
    expected = sample(program_of(any_transformer), many_sources, options, seeds, count=count)
    tape = Tape()
    found = sample(recorded(any_transformer, tape), many_sources, options, seeds, count=count)
    assert_same(found, expected)
    assert tape.replays > 0


def test_failed_recording_does_not_fail_the_search(
    make_transformer: Callable[..., Transformer], many_sources: Tensor
) -> None:
    model = make_transformer()
    options = DecodingConfig(beam_size=3)
    expected = beam_search(program_of(model), many_sources, options)

    def fail(compute: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        raise RuntimeError("operation not permitted when stream is capturing")

    program = recorded(model, fail)
    with pytest.warns(UserWarning, match=r"not recorded, which is slower: operation not permitted"):
        found = beam_search(program, many_sources, options)
    assert_same(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("number_format", ["fp32", "bf16", "fp16"])
def test_cuda_graphs_equal_plain_search_and_scoring(
    any_transformer: Transformer, many_sources: Tensor, number_format: NumberFormat
) -> None:
    """Compare with the same program without recording, and with scoring, position by position."""
    options = DecodingConfig(beam_size=3, min_length=8, max_length=12)
    program = program_of(any_transformer, number_format, torch.device("cuda"))
    source = many_sources.cuda()
    found = beam_search(program, source, options, nbest=2)
    rounding = {"fp32": 1e-3, "fp16": 0.05, "bf16": 0.3}[number_format]
    for row, hypotheses in zip(source, found, strict=True):
        assert len(hypotheses) == 2
        for hypothesis in hypotheses:
            target = torch.tensor([[2, *hypothesis.tokens, 3]], device="cuda")
            [scored] = program.target_log_probabilities(row[None], target)
            assert hypothesis.log_probability == pytest.approx(scored, abs=rounding)
    program.record = None
    eager = beam_search(program, source, options, nbest=2)
    if number_format == "fp32":
        assert_same(found, eager)
    else:
        near = [
            one.log_probability == pytest.approx(other.log_probability, abs=rounding)
            for ours, theirs in zip(found, eager, strict=True)
            for one, other in zip(ours, theirs, strict=True)
        ]
        assert sum(near) >= len(near) - 2  # rounding may change the result of a tie
