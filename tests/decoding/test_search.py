"""Beam search and sampling on small artificial models, whose outputs can all be listed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from batches import unpadded
from torch import Tensor

from nmt.config import DecodingConfig, ModelConfig
from nmt.decoding.engine import DecoderProgram, build_program
from nmt.decoding.search import (
    Hypothesis,
    IntArray,
    _draw,
    _top,
    beam_search,
    normalized_score,
    sample,
)
from nmt.errors import DivergedError
from nmt.loading import build_model

WORDS, SPECIAL, EOS = 5, 4, 3
VOCABULARY = SPECIAL + WORDS
MAX_LENGTH = 4
NODES = sum(WORDS**depth for depth in range(MAX_LENGTH + 1))
MODELS = 200
OPTIONS = DecodingConfig(max_length=MAX_LENGTH, max_length_ratio=10.0)


@dataclass
class TreeState:
    tables: Tensor
    nodes: Tensor

    def select(self, sentences: IntArray, parents: IntArray) -> None:
        self.tables = self.tables[sentences]
        self.nodes = self.nodes[sentences[:, None], parents]


class TreeModel:
    """Model with a table of next-token logits for all prefixes of words, one table per sentence.

    Prefix p followed by word w (0 to 4) is node WORDS * p + w + 1 of the tree. Each token
    of a source is the number of its table plus 1.
    """

    def __init__(self, seed: int, sharpness: float = 2.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.tables = sharpness * torch.randn(MODELS, NODES, VOCABULARY, generator=generator)

    def start(self, source: Tensor, max_length: int, width: int) -> TreeState:
        tables = self.tables[source[:, 0] - 1]
        return TreeState(tables, torch.full((len(tables), 1), -1))

    def step(self, tokens: Tensor, state: TreeState) -> Tensor:
        state.nodes = WORDS * state.nodes + (tokens - SPECIAL).clamp(min=0) + 1
        if tokens[0, 0] == 2:  # bos
            state.nodes = torch.zeros_like(state.nodes)
        rows = torch.arange(len(tokens))[:, None]
        return state.tables[rows, state.nodes.clamp(max=NODES - 1)]


def outputs_of(table: Tensor, options: DecodingConfig) -> list[tuple[float, float, list[int]]]:
    """Return score, log-probability and words of all outputs up to MAX_LENGTH words, best first."""
    log_probs = torch.log_softmax(table, dim=-1).tolist()
    found: list[tuple[float, float, list[int]]] = []
    frontier: list[tuple[int, float, list[int]]] = [(0, 0.0, [])]
    while frontier:
        following = []
        for node, total, words in frontier:
            complete = total + log_probs[node][EOS]
            score = normalized_score(complete, len(words) + 1, options)
            found.append((score, complete, words))
            if len(words) < MAX_LENGTH:
                following += [
                    (
                        WORDS * node + w + 1,
                        total + log_probs[node][SPECIAL + w],
                        [*words, SPECIAL + w],
                    )
                    for w in range(WORDS)
                ]
        frontier = following
    return sorted(found, key=lambda output: -output[0])


def search(
    model: TreeModel, options: DecodingConfig, nbest: int = 1, models: int = MODELS
) -> list[list[Hypothesis]]:
    source = torch.arange(1, models + 1)[:, None].repeat(1, 6)
    return beam_search(model, source, options, nbest)


@pytest.mark.parametrize(
    ("normalization", "penalty", "models"),
    [("power", 0.0, 30), ("power", 0.6, 30), ("power", 1.0, MODELS), ("gnmt", 0.6, 30)],
)
def test_wide_beam_equals_brute_force(normalization: str, penalty: float, models: int) -> None:
    model = TreeModel(seed=round(10 * penalty))
    options = OPTIONS.model_copy(
        update={
            "beam_size": NODES,
            "length_penalty": penalty,
            "length_normalization": normalization,
            "patience": None,
        }
    )
    for number, hypotheses in enumerate(search(model, options, 10, models)):
        expected = outputs_of(model.tables[number], options)[:10]
        assert [h.tokens for h in hypotheses] == [words for _, _, words in expected]
        for hypothesis, (score, log_probability, words) in zip(hypotheses, expected, strict=True):
            assert hypothesis.score == pytest.approx(score, abs=1e-5)
            assert hypothesis.log_probability == pytest.approx(log_probability, abs=1e-5)
            assert hypothesis.at_limit == (len(words) == MAX_LENGTH)


def test_normalized_score_equals_the_paper_formula() -> None:
    power = DecodingConfig(length_penalty=0.6)
    gnmt = DecodingConfig(length_penalty=0.6, length_normalization="gnmt")
    assert normalized_score(-3.0, 4, power) == pytest.approx(-3.0 / 4**0.6)
    assert normalized_score(-3.0, 4, gnmt) == pytest.approx(-3.0 / (9 / 6) ** 0.6)
    assert normalized_score(-3.0, 1, gnmt) == pytest.approx(-3.0)


def plain_beam_search(table: Tensor, options: DecodingConfig) -> list[tuple[float, list[int]]]:
    """Return the hypotheses of a beam search without early stopping, computed one at a time."""
    beam_size, patience = options.beam_size, options.patience
    log_probs = torch.log_softmax(table, dim=-1).tolist()
    found: list[tuple[float, list[int]]] = []
    beam: list[tuple[float, int, list[int]]] = [(0.0, 0, [])]
    for length in range(MAX_LENGTH + 1):
        candidates = []
        for total, node, words in beam:
            for token in range(EOS, VOCABULARY if length < MAX_LENGTH else EOS + 1):
                candidates.append((total + log_probs[node][token], node, [*words, token]))
        candidates.sort(key=lambda c: -c[0])
        for total, _, words in candidates[:beam_size]:
            if words[-1] == EOS:
                found.append((normalized_score(total, len(words), options), words[:-1]))
        beam = [
            (total, WORDS * node + words[-1] - SPECIAL + 1, words)
            for total, node, words in candidates
            if words[-1] != EOS
        ][:beam_size]
        if patience is not None and len(found) >= beam_size * patience:
            break
    return sorted(found, key=lambda pair: -pair[0])


@pytest.mark.parametrize("patience", [None, 1.0, 2.0])
@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
@pytest.mark.parametrize(("normalization", "penalty"), [("power", 0), ("power", 1), ("gnmt", 1)])
def test_early_stop_loses_no_better_output(
    beam_size: int, normalization: str, penalty: float, patience: float | None
) -> None:
    model = TreeModel(seed=beam_size, sharpness=3.0)
    options = OPTIONS.model_copy(
        update={
            "beam_size": beam_size,
            "length_penalty": penalty,
            "length_normalization": normalization,
            "patience": patience,
        }
    )
    for nbest in (1, beam_size):
        for number, hypotheses in enumerate(search(model, options, nbest, models=60)):
            expected = plain_beam_search(model.tables[number], options)
            assert [h.tokens for h in hypotheses] == [words for _, words in expected[:nbest]]


def test_wider_beam_does_not_lower_the_total_score() -> None:
    model = TreeModel(seed=3)
    totals = [
        sum(
            hypotheses[0].score
            for hypotheses in search(
                model, OPTIONS.model_copy(update={"beam_size": size, "patience": None})
            )
        )
        for size in (1, 4, 100)
    ]
    assert totals == sorted(totals)


def test_search_stops_when_no_open_hypothesis_can_win() -> None:
    model = TreeModel(seed=4)
    model.tables[:, :, EOS] = 20.0
    steps = 0
    step = model.step

    def counted(tokens: Tensor, state: TreeState) -> Tensor:
        nonlocal steps
        steps += 1
        return step(tokens, state)

    model.step = counted  # type: ignore[method-assign]
    found = search(model, OPTIONS.model_copy(update={"patience": None}))
    assert steps == 1
    assert all(hypotheses[0].tokens == [] for hypotheses in found)


def test_length_limits_are_respected() -> None:
    model = TreeModel(seed=5)
    for shortest in range(MAX_LENGTH + 1):
        options = OPTIONS.model_copy(update={"min_length": shortest, "patience": None})
        for hypotheses in search(model, options, nbest=3):
            assert all(shortest <= len(h.tokens) <= MAX_LENGTH for h in hypotheses)
    # max_length also limits an output for which max_length_ratio allows more tokens.
    short = OPTIONS.model_copy(update={"max_length": 2, "min_length": 2})
    assert {len(hs[0].tokens) for hs in search(model, short)} == {2}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_repeat_ngram_prevents_repetition(n: int) -> None:
    model = TreeModel(seed=6)
    model.tables[:, :, EOS] = -5.0
    model.tables[:, :, -1] += 3.0
    free = search(model, OPTIONS)
    limited = search(model, OPTIONS.model_copy(update={"no_repeat_ngram": n}))

    def repeats(tokens: list[int]) -> bool:
        ngrams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
        return len(ngrams) > len(set(ngrams))

    assert any(repeats(hypotheses[0].tokens) for hypotheses in free)
    assert not any(repeats(hypotheses[0].tokens) for hypotheses in limited)


def test_padding_unknown_and_bos_are_never_produced() -> None:
    model = TreeModel(seed=7)
    model.tables[:, :, :EOS] += 10.0
    for hypotheses in search(model, OPTIONS, nbest=5):
        assert all(token > EOS for h in hypotheses for token in h.tokens)


def test_nan_logits_raise_diverged_error() -> None:
    model = TreeModel(seed=8)
    model.tables[3, 0, 5] = math.nan
    with pytest.raises(DivergedError):
        search(model, OPTIONS)


def test_nbest_above_beam_size_raises_value_error() -> None:
    with pytest.raises(ValueError, match="nbest"):
        search(TreeModel(seed=9), OPTIONS, nbest=OPTIONS.beam_size + 1)


# --- a real network


@pytest.fixture(scope="module")
def network() -> tuple[DecoderProgram, Tensor]:
    """Return a program and 64 sources of 1 to 19 tokens including eos: (64, 20)."""
    torch.manual_seed(1)
    config = ModelConfig(d_model=32, heads=4, encoder_layers=2, decoder_layers=2, feedforward=64)
    model = build_model(config, 50, 50, shared_vocab=True)
    with torch.no_grad():  # larger weights give outputs of many lengths
        for parameter in model.parameters():
            parameter *= 2.0
        model.get_parameter("decoder_layers.1.add_norm_3.layer_norm.bias")[0] += 3.0
        model.output_weight[EOS, 0] += 1.8
    lengths = np.random.default_rng(1).integers(1, 20, 64)
    mask = torch.arange(20)[None] < torch.from_numpy(lengths)[:, None]
    source = torch.randint(4, 50, (64, 20)).masked_fill(~mask, 0)
    source[torch.arange(64), torch.from_numpy(lengths) - 1] = EOS
    return build_program(model, "fp32", torch.device("cpu")), source


@pytest.mark.parametrize("beam_size", [1, 5])
def test_hypotheses_do_not_depend_on_the_batch(
    network: tuple[DecoderProgram, Tensor], beam_size: int
) -> None:
    program, source = network
    options = DecodingConfig(beam_size=beam_size, max_length=16)
    together = beam_search(program, source, options, beam_size)
    for size in (1, 8):
        parts = []
        for first in range(0, 64, size):
            rows = slice(first, first + size)
            longest = int((source[rows] > 0).sum(1).max())
            parts += beam_search(program, source[rows, :longest], options, beam_size)
        for one, other in zip(together, parts, strict=True):
            assert [h.tokens for h in one] == [h.tokens for h in other]
            assert [h.score for h in one] == pytest.approx([h.score for h in other], abs=1e-4)
    assert len({tuple(hs[0].tokens) for hs in together}) > 20
    assert sum(not hs[0].at_limit for hs in together) > 10


def forced(program: DecoderProgram, source: Tensor, found: list[Hypothesis]) -> list[float]:
    target = torch.zeros(len(found), max(len(h.tokens) for h in found) + 2, dtype=torch.int64)
    for row, h in zip(target, found, strict=True):
        row[: len(h.tokens) + 2] = torch.tensor([2, *h.tokens, EOS])
    return program.target_log_probabilities(source, target)


def test_log_probabilities_equal_forced_decoding(
    network: tuple[DecoderProgram, Tensor],
) -> None:
    program, source = network
    options = DecodingConfig(max_length=12, no_repeat_ngram=3, min_length=2)
    beams = [hs[0] for hs in beam_search(program, source, options)]
    seeds = [(i,) for i in range(64)]
    drawn = [hs[0] for hs in sample(program, source, options, seeds, top_k=20)]
    for found in (beams, drawn):
        expected = forced(program, source, found)
        assert [h.log_probability for h in found] == pytest.approx(expected, abs=1e-3)
        for h in found:
            assert h.score == pytest.approx(h.log_probability / (len(h.tokens) + 1))


def test_greedy_search_takes_the_most_likely_tokens(
    network: tuple[DecoderProgram, Tensor],
) -> None:
    program, source = network
    model = program.model
    options = DecodingConfig(beam_size=1, max_length=10)
    found = beam_search(program, source[:8], options)
    for i, hypotheses in enumerate(found):
        tokens = [2]
        memory = program.encode(source[i : i + 1])
        while len(tokens) <= 10:
            hidden = model.decode(unpadded(torch.tensor([tokens])), memory)
            logits = model.logits(hidden[0, -1])
            tokens.append(int(logits[EOS:].argmax()) + EOS)
            if tokens[-1] == EOS:
                break
        assert hypotheses[0].tokens == [t for t in tokens[1:11] if t != EOS]
    drawn = sample(program, source[:8], options, [(0,)] * 8, top_k=1)
    assert [hs[0].tokens for hs in drawn] == [hs[0].tokens for hs in found]


# --- sampling


def test_samples_follow_the_model_distribution() -> None:
    model = TreeModel(seed=10, sharpness=1.0)
    source = torch.ones(1, 6, dtype=torch.int64)
    count = 4000
    [found] = sample(model, source, OPTIONS, [(5,)], count=count)
    assert len(found) == count
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    allowed = torch.log_softmax(model.tables[0, 0, EOS:], dim=-1).exp()
    firsts = np.bincount([h.tokens[0] - EOS if h.tokens else 0 for h in found], minlength=6)
    assert np.abs(firsts / count - allowed.numpy()).max() < 0.03


def test_sampling_options_change_the_possible_tokens() -> None:
    model = TreeModel(seed=11, sharpness=1.0)
    source = torch.ones(1, 6, dtype=torch.int64)
    ranked = model.tables[0, 0, EOS:].argsort(descending=True) + EOS

    def first_tokens(**how: float) -> set[int]:
        [found] = sample(model, source, OPTIONS, [(1,)], count=500, **how)  # type: ignore[arg-type]
        return {(h.tokens or [EOS])[0] for h in found}

    assert first_tokens(top_k=2) == set(ranked[:2].tolist())
    assert first_tokens(top_p=1e-6) == {int(ranked[0])}
    assert first_tokens(temperature=1e-3) == {int(ranked[0])}
    assert first_tokens(temperature=50.0) == set(ranked.tolist())


def test_samples_depend_only_on_their_seed() -> None:
    model = TreeModel(seed=12, sharpness=1.0)
    source = torch.tensor([[1] * 6, [2] * 6, [1] * 6, [1] * 6])
    found = sample(model, source, OPTIONS, [(1,), (2,), (1,), (3,)], count=5)
    [alone] = sample(model, source[:1], OPTIONS, [(1,)], count=5)
    assert found[0] == found[2] == alone
    assert found[0] != found[3]


def test_more_samples_contain_the_fewer() -> None:
    model = TreeModel(seed=13, sharpness=1.0)
    source = torch.ones(1, 6, dtype=torch.int64)
    [few], [many] = (sample(model, source, OPTIONS, [(1,)], count=count) for count in (4, 40))
    assert all(hypothesis in many for hypothesis in few)


@pytest.mark.parametrize("sharpness", [0.1, 1.0, 5.0])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 0.95), (0, 0.3), (7, 1.0), (200, 0.9), (0, 0.0)])
def test_draws_reach_the_most_likely_tokens_only(
    sharpness: float, top_k: int, top_p: float
) -> None:
    generator = torch.Generator().manual_seed(14)
    log_probs = torch.log_softmax(sharpness * torch.randn(3, 1, 2000, generator=generator), dim=-1)
    draws = torch.linspace(0, 1 - 2**-24, 20_000).expand(3, -1)
    drawn = _draw(log_probs, draws, 1.0, top_k, top_p)
    for row, words in zip(log_probs[:, 0].exp(), drawn, strict=True):
        ranked, order = row.sort(descending=True)
        ranked = ranked[: top_k or None] / ranked[: top_k or None].sum()
        before = ranked.cumsum(dim=0) - ranked
        kept = int(((before < top_p) | (before == 0)).sum())
        likely = order[:kept][ranked[:kept] > 2e-4 * ranked[:kept].sum()]
        assert set(likely.tolist()) <= set(words.tolist()) <= set(order[:kept].tolist())


@pytest.mark.parametrize("vocabulary", [8000, 600, 8009, 9, 20])
@pytest.mark.parametrize("width", [1, 5])
def test_top_continuations_equal_a_full_sort(vocabulary: int, width: int) -> None:
    generator = torch.Generator().manual_seed(vocabulary)
    log_probs = torch.randn(3, width, vocabulary, generator=generator)
    log_probs[:, :, 4:7] = -math.inf
    scores = torch.randn(3, width, generator=generator)
    values, indices = _top(log_probs, scores, 10)
    expected = (log_probs + scores[:, :, None]).flatten(1).sort(descending=True)
    available = min(10, width * vocabulary)
    assert np.array_equal(values[:, :available], expected.values[:, :available].numpy())
    real = values > -np.inf
    assert np.array_equal(indices[real], expected.indices[:, :10].numpy()[real[:, :available]])
    assert not real[:, available:].any()
