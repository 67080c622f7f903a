"""Batches: each pair is in one batch, and padding, masks and order are correct."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.batching import Batch, PaddedBatches, collate

lengths = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=200)


class Lengths:
    """A corpus of which only the lengths are known."""

    def __init__(self, source: np.ndarray, target: np.ndarray) -> None:
        self.source_lengths, self.target_lengths = source, target


def plan(
    source: np.ndarray, target: np.ndarray, budget: int, seed: int, epoch: int
) -> list[np.ndarray]:
    corpus: Any = Lengths(source, target)
    return PaddedBatches(corpus, budget).plan(seed, epoch)


def as_arrays(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(pairs, dtype=np.int32)
    return array[:, 0], array[:, 1]


@given(lengths, st.integers(1, 300), st.integers(0, 5), st.integers(0, 5))
def test_plan_puts_each_pair_into_one_batch_within_the_budget(
    pairs: list[tuple[int, int]], budget: int, seed: int, epoch: int
) -> None:
    source, target = as_arrays(pairs)
    batches = plan(source, target, budget, seed, epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(pairs)))
    for batch in batches:
        longest = max(source[batch].max(), target[batch].max()) + 1
        assert len(batch) == 1 or len(batch) * longest <= budget


def test_plan_depends_only_on_seed_and_epoch() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.integers(1, 30, 500), rng.integers(1, 30, 500)

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in plan(source, target, 200, seed, epoch)]

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def test_plan_of_natural_lengths_has_little_padding() -> None:
    rng = np.random.default_rng(0)
    source = np.clip(rng.normal(15, 5, 20_000), 1, 60).astype(np.int32)
    target = np.clip(source + rng.normal(0, 2, 20_000), 1, 60).astype(np.int32)
    batches = plan(source, target, 4096, 1, 1)
    slots = sum(len(b) * (target[b].max() + 1) for b in batches)
    assert (target + 1).sum() / slots > 0.95


def test_collate_adds_bos_and_eos_and_indexes_real_tokens() -> None:
    batch = collate([([5, 6, 7], [8]), ([], [9, 10])], np.array([4, 2]))
    assert batch.source.ids.tolist() == [[5, 6, 7, 3], [3, 0, 0, 0]]
    assert batch.source.segments.tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]
    assert batch.source.positions.tolist() == [[0, 1, 2, 3]]
    assert batch.target.ids.tolist() == [[2, 8, 0], [2, 9, 10]]
    assert batch.target.segments.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch.predictions.tolist() == [0, 1, 3, 4, 5]
    assert batch.references.tolist() == [8, 3, 9, 10, 3]
    assert batch.target_tokens == 5


def test_split_keeps_every_token() -> None:
    pairs = [([5] * n, [6] * n) for n in (1, 2, 3)]
    batch = collate(pairs, np.arange(3))
    first, second = batch.split()
    assert first.indices.tolist() + second.indices.tolist() == [0, 1, 2]
    assert first.target_tokens + second.target_tokens == batch.target_tokens
    assert torch.equal(torch.cat([first.source.ids, second.source.ids]), batch.source.ids)
    for part, rows in ((first, batch.target.ids[:1]), (second, batch.target.ids[1:])):
        assert torch.equal(part.target.ids, rows)
        read = part.target.ids.flatten()[part.predictions]
        assert bool(((read == 2) | (read == 6)).all())
        assert int((part.references == 3).sum()) == len(part.indices)


class FakeCorpus:
    source_lengths = target_lengths = np.zeros(0, dtype=np.int32)

    def read(
        self, indices: np.ndarray, sampling_seed: int | None = None
    ) -> list[tuple[list[int], list[int]]]:
        if 13 in indices:
            raise OSError("the disk is gone")
        return [([int(i)], [int(i), sampling_seed or 0]) for i in indices]


def read(corpus: Any, plan: Any, *arguments: Any, **keywords: Any) -> Iterator[Batch]:
    return PaddedBatches(corpus, 1).read(plan, torch.device("cpu"), *arguments, **keywords)


def ids(batches: list[Batch]) -> list[list[int]]:
    return [batch.source.ids[:, 0].tolist() for batch in batches]


@pytest.mark.parametrize("ahead", [1, 8])
def test_batches_prepared_ahead_keep_order_start_and_seed(ahead: int) -> None:
    order = [np.array([4, 5]), np.array([6]), np.array([7, 8])]
    batches = list(read(FakeCorpus(), order, 1, ahead=ahead))
    assert ids(batches) == [[6], [7, 8]]
    assert batches[0].target.ids.tolist() == [[2, 6, 0]]


def test_error_in_the_reading_thread_is_raised() -> None:
    with pytest.raises(OSError, match="the disk is gone"):
        list(read(FakeCorpus(), [np.array([4]), np.array([13])]))


def test_batches_can_be_closed_early() -> None:
    batches = read(FakeCorpus(), [np.array([i + 20]) for i in range(100)])
    assert next(batches).source.ids[0, 0] == 20
    batches.close()  # type: ignore[attr-defined]


class SampledCorpus:
    """A corpus whose lengths depend on the sampling seed, as with sampled subwords."""

    source_lengths = target_lengths = np.zeros(0, dtype=np.int32)

    def read(
        self, indices: np.ndarray, sampling_seed: int | None = None
    ) -> list[tuple[list[int], list[int]]]:
        assert sampling_seed is not None
        pairs = []
        for index in indices:
            extra = np.random.default_rng((sampling_seed, int(index))).integers(0, 12, 2)
            length = 5 + int(index) % 20
            pairs.append(([int(index) + 4] * (length + extra[0]), [9] * (length + extra[1])))
        return pairs


def sampled_batches(first: int = 0) -> list[Batch]:
    lengths = 5 + np.arange(2000) % 20
    order = plan(lengths, lengths, 800, 1, 1)
    return list(read(SampledCorpus(), order, first, lambda n: 50 + n))


def test_sampled_batches_contain_every_pair_once_with_little_padding() -> None:
    lengths = 5 + np.arange(2000) % 20
    batches = sampled_batches()
    assert len(batches) == len(plan(lengths, lengths, 800, 1, 1))
    assert sorted(i for batch in batches for i in batch.indices) == list(range(2000))
    assert all((b.source.ids[:, 0] == torch.from_numpy(b.indices) + 4).all() for b in batches)
    slots = sum(b.target.ids.numel() + b.source.ids.numel() for b in batches)
    real = sum(b.target_tokens + int((b.source.segments > 0).sum()) for b in batches)
    assert real / slots > 0.8


@pytest.mark.parametrize("first", [1, 15, 16, 17, 33])
def test_sampled_batches_can_start_at_any_batch(first: int) -> None:
    expected, resumed = sampled_batches()[first:], sampled_batches(first)
    assert len(resumed) == len(expected) > 0
    for a, b in zip(expected, resumed, strict=True):
        assert torch.equal(a.source.ids, b.source.ids) and torch.equal(a.references, b.references)
