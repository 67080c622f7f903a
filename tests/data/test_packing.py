"""Packed batches: every pair once, rows within their length, and the loss of padded batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.config import ModelConfig
from nmt.data.batching import Batch, PaddedBatches, collate
from nmt.data.packing import PackedBatches, collate_packed
from nmt.loading import build_model
from nmt.tokenizer.ids import BOS, EOS, PAD
from nmt.training.objective import TrainingObjective, cross_entropy, r_drop

VOCAB = 40
CPU = torch.device("cpu")
Pair = tuple[list[int], list[int]]


class ListedCorpus:
    """Pairs in memory; a sampling seed makes each side longer by up to `growth` tokens."""

    def __init__(self, pairs: list[Pair], growth: int = 0) -> None:
        self.pairs = pairs
        self.growth = growth
        self.source_lengths, self.target_lengths = (
            np.array([len(pair[side]) for pair in pairs], dtype=np.uint16) for side in (0, 1)
        )

    def __len__(self) -> int:
        return len(self.pairs)

    def read(self, indices: np.ndarray, sampling_seed: int | None = None) -> list[Pair]:
        pairs = [self.pairs[i] for i in indices]
        if sampling_seed is None:
            return pairs
        extra = np.random.default_rng(sampling_seed).integers(0, self.growth + 1, (len(pairs), 2))
        return [
            (source + [9] * int(more[0]), target + [9] * int(more[1]))
            for (source, target), more in zip(pairs, extra, strict=True)
        ]


def corpus_of(lengths: list[tuple[int, int]], growth: int = 0, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    pairs = [
        (rng.integers(4, VOCAB, s).tolist(), rng.integers(4, VOCAB, t).tolist()) for s, t in lengths
    ]
    return ListedCorpus(pairs, growth)


def natural_corpus(count: int, growth: int = 0) -> Any:
    rng = np.random.default_rng(1)
    source = np.clip(rng.normal(15, 5, count), 1, 60).astype(int)
    target = np.clip(source + rng.normal(0, 2, count), 1, 60).astype(int)
    return corpus_of(list(zip(source.tolist(), target.tolist(), strict=True)), growth)


def pairs_in(batch: Batch) -> list[Pair]:
    """Return the pairs of a batch, read back from its tokens row by row."""
    pairs = []
    length = batch.target.ids.shape[1]
    references = torch.zeros(batch.rows * length, dtype=torch.int64)
    references[batch.predictions] = batch.references
    for row in range(batch.rows):
        for segment in range(1, int(batch.source.segments[row].max()) + 1):
            source = batch.source.ids[row][batch.source.segments[row] == segment].tolist()
            here = batch.target.segments[row] == segment
            target = batch.target.ids[row][here].tolist()
            assert source[-1] == EOS and target[0] == BOS
            assert references.view(-1, length)[row][here].tolist() == [*target[1:], EOS]
            for side in (batch.source, batch.target):
                positions = side.positions[row][side.segments[row] == segment]
                assert positions.tolist() == list(range(len(positions)))
            pairs.append((source[:-1], target[1:]))
    return pairs


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=150),
    st.integers(1, 700),
    st.integers(0, 3),
)
def test_every_pair_is_in_one_packed_batch(
    lengths: list[tuple[int, int]], batch_tokens: int, epoch: int
) -> None:
    corpus = corpus_of(lengths)
    batches = PackedBatches(corpus, batch_tokens)
    plan = batches.plan(1, epoch)
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(lengths)))
    shape = (batches.rows, batches.row_length)
    assert batches.rows == 1 or batches.rows * batches.row_length <= batch_tokens
    for batch in batches.collated(plan, 0, None):
        assert batch.source.ids.shape == batch.target.ids.shape == shape
        assert batch.predictions.shape == batch.references.shape == (shape[0] * shape[1],)
        assert pairs_in(batch) == corpus.read(batch.indices)
        assert batch.target_tokens == sum(len(t) + 1 for _, t in corpus.read(batch.indices))
        assert int((batch.references != PAD).sum()) == batch.target_tokens


def test_packed_plan_depends_only_on_seed_and_epoch() -> None:
    batches = PackedBatches(natural_corpus(500), 640)

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in batches.plan(seed, epoch)]

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def test_packed_batches_of_natural_lengths_have_little_padding() -> None:
    corpus = natural_corpus(20_000)
    batches = PackedBatches(corpus, 4096)
    slots = len(batches.plan(1, 1)) * batches.rows * batches.row_length
    assert (corpus.target_lengths + 1).sum() / slots > 0.9


@pytest.mark.parametrize("growth", [0, 12])
def test_packed_batches_can_start_at_any_batch(growth: int) -> None:
    batches = PackedBatches(natural_corpus(600, growth), 1024)
    plan = batches.plan(1, 1)
    seed = (lambda number: 50 + number) if growth else None
    expected = list(batches.read(plan, CPU, 0, seed))
    assert len(expected) == len(plan) > 5
    for first in (1, 4):
        for a, b in zip(expected[first:], batches.read(plan, CPU, first, seed), strict=True):
            assert torch.equal(a.source.ids, b.source.ids) and torch.equal(
                a.references, b.references
            )


def test_sampled_subwords_keep_the_number_of_batches_and_have_few_shapes() -> None:
    batches = PackedBatches(natural_corpus(3000, growth=12), 2048)
    plan = batches.plan(1, 1)
    read = list(batches.read(plan, CPU, 0, lambda number: number))
    assert [batch.indices.tolist() for batch in read] == [part.tolist() for part in plan]
    assert all(len(pairs_in(batch)) == len(batch.indices) for batch in read)
    assert len({batch.source.ids.shape for batch in read}) <= 4


def test_sampled_pair_longer_than_a_row_fits() -> None:
    batches = PackedBatches(corpus_of([(60, 60)] * 5, growth=200), 512)
    read = list(batches.read(batches.plan(1, 1), CPU, 0, lambda number: number))
    assert sum(len(pairs_in(batch)) for batch in read) == 5


def test_halves_of_a_packed_batch_have_all_pairs() -> None:
    corpus = natural_corpus(60)
    batch = collate_packed(corpus.pairs, np.arange(60), 6, 192)
    halves = batch.split()
    assert pairs_in(halves[0]) + pairs_in(halves[1]) == corpus.pairs
    assert np.concatenate([half.indices for half in halves]).tolist() == list(range(60))
    assert halves[0].target_tokens + halves[1].target_tokens == batch.target_tokens
    for half in halves:
        assert pairs_in(half) == corpus.read(half.indices)


def weights_after_updates(
    batches: list[Batch], config: ModelConfig, plain: bool, alpha: float
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Return the losses per token and the weights after one update per batch."""
    torch.manual_seed(1)
    model = build_model(config, VOCAB, VOCAB, shared_vocab=False)
    losses = (cross_entropy, r_drop) if plain else ()
    objective = TrainingObjective(model, 0.1, *losses)
    objective.alpha = alpha
    # Adaptive optimizers would amplify the rounding of gradients that are zero, as of w_k.bias.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    for batch in batches:
        optimizer.zero_grad()
        loss = objective(batch)
        (loss.objective / batch.target_tokens).backward()
        optimizer.step()
        seen += [float(x.detach()) / batch.target_tokens for x in loss]
    return seen, {name: p.detach() for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    ("positions", "plain", "alpha"),
    [
        *((name, False, 0.0) for name in ("sinusoidal", "learned", "rotary", "relative", "none")),
        *(("rotary", plain, alpha) for plain, alpha in ((False, 2.0), (True, 0.0), (True, 2.0))),
    ],
)
def test_packed_and_padded_batches_train_the_same_weights(
    positions: Any, plain: bool, alpha: float
) -> None:
    config = ModelConfig(
        d_model=32,
        heads=2,
        encoder_layers=2,
        decoder_layers=2,
        feedforward=64,
        dropout=0.0,
        positions=positions,
        max_positions=64,
    )
    corpus = natural_corpus(300)
    packed_batches = PackedBatches(corpus, 512)
    plan = packed_batches.plan(1, 1)[:10]
    packed = list(packed_batches.collated(plan, 0, None))
    padded = [collate(corpus.read(indices), indices) for indices in plan]
    losses, weights = weights_after_updates(packed, config, plain, alpha)
    expected_losses, expected = weights_after_updates(padded, config, plain, alpha)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-4, atol=2e-5, msg=name)


def test_packed_batches_compile_once() -> None:
    config = ModelConfig(d_model=16, heads=2, encoder_layers=1, decoder_layers=1, feedforward=32)
    model = build_model(config, VOCAB, VOCAB, shared_vocab=False)
    objective = TrainingObjective(model, 0.1)
    batches = PackedBatches(natural_corpus(200), 512)
    torch._dynamo.reset()
    objective.compile(dynamic=False, fullgraph=True, backend="aot_eager")
    read = list(batches.read(batches.plan(1, 1), CPU))
    assert len(read) > 4
    objective(read[0]).objective.backward()
    with torch.compiler.set_stance("fail_on_recompile"):
        for batch in read[1:]:
            objective(batch).objective.backward()


def test_padded_batches_have_the_same_interface() -> None:
    batches = PaddedBatches(natural_corpus(200), 512)
    read = list(batches.read(batches.plan(1, 1), CPU))
    assert sorted(int(i) for batch in read for i in batch.indices) == list(range(200))
