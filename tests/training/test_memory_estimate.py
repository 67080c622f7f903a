"""Memory that training needs is estimated, and too much is an error before a model is built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny import DigitCorpus

from nmt.config import Config
from nmt.data.batching import Batches, PaddedBatches, collate
from nmt.data.packing import PackedBatches
from nmt.errors import ConfigError
from nmt.loading import build_model
from nmt.training import memory
from nmt.training.memory import (
    check_memory,
    largest_batch,
    search_bytes,
    total_memory,
    training_bytes,
)
from nmt.training.objective import TrainingObjective

CPU = torch.device("cpu")


class FakeData:
    """Prepared data with digits, and a tokenizer of a given size."""

    def __init__(self, vocabulary: int = 14) -> None:
        self.train, self.test = DigitCorpus(50, 1), DigitCorpus(10, 2)
        self.tokenizer: Any = type("Sides", (), {"shared": True})()
        self.tokenizer.source = self.tokenizer.target = range(vocabulary)


def config(**sections: dict[str, Any]) -> Config:
    builtin = {"builtin": "phrasebook"}
    data = {"train": builtin, "valid": builtin}
    sections["training"] = {"max_steps": 1, **sections.get("training", {})}
    return Config.model_validate({"data": data, **sections})


def check(chosen: Config, vocabulary: int = 14) -> None:
    data: Any = FakeData(vocabulary)
    check_memory(chosen, data, CPU, "fp32")


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"norm": "pre", "tie_embeddings": False, "feedforward": 64},
        {"positions": "learned", "encoder_layers": 1},
        {"architecture": "rnn"},
        {"architecture": "rnn", "attention": "additive"},
    ],
    ids=str,
)
def test_estimate_is_at_most_what_an_update_keeps_and_most_of_it(model: dict[str, Any]) -> None:
    chosen = config(model={"dropout": 0.0, "d_model": 64, "feedforward": 256, **model})
    network = build_model(chosen.model, 14, 14, shared_vocab=True)
    embeddings = 14 if chosen.model.tie_embeddings else 28
    weights = sum(p.numel() * 4 for p in network.parameters())
    copies = 4
    estimated = training_bytes(chosen, embeddings, 0, "fp32")
    assert 0.7 * copies * weights <= estimated <= copies * weights

    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    pairs = [([5] * 19, [6] * 19)] * 10
    batch = collate(pairs, np.arange(10))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = TrainingObjective(network)(batch).objective
    parameters = {p.untyped_storage().data_ptr() for p in network.parameters()}
    activations = sum(size for pointer, size in kept.items() if pointer not in parameters)
    assert loss.requires_grad
    estimated = training_bytes(chosen, embeddings, 200, "fp32") - estimated
    assert 0.25 * activations <= estimated <= activations


def test_optimizer_average_and_precision_change_the_estimate() -> None:
    def needed(precision: Any = "fp32", tokens: int = 0, **training: Any) -> int:
        return training_bytes(config(training=training), 1000, tokens, precision)

    assert needed(optimizer="muon") * 4 == needed() * 3
    assert needed(ema=0.9) * 4 == needed() * 5
    activations = needed(tokens=500) - needed()
    assert needed("bf16", 500) - needed() == activations / 2 > 0


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"d_model": 1_000_000}}, "training needs at least"),
        ({"model": {"d_model": 65536, "feedforward": 1_000_000}}, "training needs at least"),
        ({"model": {"positions": "learned", "max_positions": 10**6, "d_model": 65536}}, "training"),
        ({"decoding": {"beam_size": 10_000}}, "translating the test set needs at least"),
    ],
    ids=str,
)
def test_more_than_the_machine_has_is_one_error(
    sections: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "total_memory", lambda _: 10**9)
    with pytest.raises(ConfigError, match=message) as error:
        check(config(**sections))
    assert "but device cpu has 1.0 GB" in error.value.message
    assert "\n" not in error.value.message
    assert error.value.hint is not None
    assert error.value.hint.startswith("reduce ")


def test_batch_counts_at_most_the_tokens_of_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "total_memory", lambda _: 10**9)
    check(config(training={"batch_tokens": 10**9}, decoding={"batch_tokens": 10**9}))
    check(config())


def test_search_grows_with_the_beam_and_the_batch() -> None:
    corpus: Any = DigitCorpus(100, 1)
    one, more = (search_bytes(config(decoding={"beam_size": b}), 8000, corpus) for b in (1, 10))
    assert more == 10 * one
    assert search_bytes(config(decoding={"batch_tokens": 50}), 8000, corpus) < one


def test_memory_of_a_cpu_is_limited_by_the_process_and_the_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(memory, "_CGROUP_LIMIT", tmp_path / "memory.max")
    unlimited = total_memory(CPU)
    assert unlimited > 2**28
    (tmp_path / "memory.max").write_text("max\n")
    assert total_memory(CPU) == unlimited
    (tmp_path / "memory.max").write_text("1000000\n")
    assert total_memory(CPU) == 10**6
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _: (5000, -1))
    assert total_memory(CPU) == 5000


@pytest.mark.parametrize("kind", [PaddedBatches, PackedBatches])
def test_largest_batch_has_the_most_positions(kind: type[Batches]) -> None:
    corpus: Any = DigitCorpus(500, seed=1, longest=40)
    batches = kind(corpus, 300)
    largest = largest_batch(batches, 1, CPU)
    sizes = [b.target.ids.numel() for b in batches.collated(batches.plan(1, 1), 0, None)]
    assert largest.target.ids.numel() == max(sizes)


def test_largest_batch_may_have_more_than_65535_tokens() -> None:
    """The lengths of a corpus are uint16."""
    corpus: Any = DigitCorpus(1, seed=1)
    corpus.pairs = [([5] * 50,) * 2] * 1400 + [([5] * 60,) * 2] * 900
    lengths = np.array([len(source) for source, _ in corpus.pairs], dtype=np.uint16)
    corpus.source_lengths = corpus.target_lengths = lengths
    largest = largest_batch(PaddedBatches(corpus, 1400 * 51), 1, CPU)
    assert largest.target.ids.shape == (1400, 51)
