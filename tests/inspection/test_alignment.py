"""Word alignments from attention weights with known links."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.errors import UsageError
from nmt.inspection import alignment
from nmt.inspection.alignment import (
    Choice,
    WordAttention,
    alignment_errors,
    choose,
    word_attention,
)
from nmt.inspection.attention import AttentionMaps
from nmt.model.transformer import Transformer


def cross_maps(weights: Tensor) -> AttentionMaps:
    """Return maps of one layer with one head."""
    rows, columns = weights.shape
    return AttentionMaps(["s"] * columns, ["t"] * rows, [], [], [weights[None]])


# The source has the pieces "▁new", "▁york", "er", "</s>" and the words "new", "yorker".
SOURCE = torch.tensor([[1.0, 0, 0], [0, 1, 1]])


def test_word_attention_pools_pieces_for_both_states() -> None:
    target = torch.tensor([[1.0, 1, 0], [0, 0, 1]])  # two words of 2 and 1 pieces
    weights = torch.tensor(
        [
            [0.4, 0.3, 0.3, 0.0],  # predicts piece 0
            [0.4, 0.3, 0.3, 0.0],  # reads 0, predicts 1
            [0.8, 0.1, 0.0, 0.1],  # reads 1, predicts 2
            [0.1, 0.1, 0.1, 0.7],  # reads 2, predicts </s>
        ]
    )
    attention = WordAttention(cross_maps(weights), SOURCE, target)
    predicts, reads = Choice(1, 1, "predicts"), Choice(1, 1, "reads")
    torch.testing.assert_close(
        attention.weights[0, 0, 0], torch.tensor([[0.4, 0.6, 0.0], [0.8, 0.1, 0.1]])
    )
    assert attention.links(predicts) == [(0, 1), (1, 0)]  # the weights of word 1 are summed
    assert attention.links(reads) == [(0, 0)]  # attention to </s> gives no link
    assert attention.links(Choice(1, "mean", "reads")) == [(0, 0)]
    assert len(attention.choices()) == attention.best[..., 0].numel() == 4


def test_word_without_pieces_has_no_link() -> None:
    target = torch.tensor([[0.0], [1.0]])
    weights = torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    attention = WordAttention(cross_maps(weights), SOURCE, target)
    assert attention.links(Choice(1, 1, "predicts")) == [(0, 1)]


PAIRS = [("a man", "ein Mann"), ("", "nichts"), ("zu " * 30, "lang"), ("two", "zwei Hunde")]


def test_alignment_errors_equal_the_formula(model: Transformer, tokenizer: Any) -> None:
    found = list(word_attention(model, tokenizer, PAIRS, max_tokens=20))
    assert [f is None for f in found] == [False, True, True, False]
    assert found[0] is not None
    assert found[0].weights.shape == (3, 5, 2, 2, 3)
    torch.testing.assert_close(found[0].weights.sum(-1), torch.ones(3, 5, 2, 2))
    gold = [f.links(Choice(2, 3, "reads")) if f else [] for f in found]
    examples = [(*pair, links) for pair, links in zip(PAIRS, gold, strict=True)]
    errors = alignment_errors(model, tokenizer, examples, 20)
    assert len(errors) == 3 * 5 * 2
    assert errors[Choice(2, 3, "reads")] == pytest.approx(0.0)
    for choice, error in errors.items():  # the formula, without tensors
        made = [set(f.links(choice)) if f else set() for f in found]
        hits = sum(len(m & set(g)) for m, g in zip(made, gold, strict=True))
        total = sum(map(len, made)) + sum(map(len, gold))
        assert error == pytest.approx(1 - 2 * hits / max(total, 1))


def test_choose_returns_defaults_and_rejects_unknown_heads(
    model: Transformer, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data: Any = SimpleNamespace(max_tokens=20)
    monkeypatch.setattr(alignment, "has_gold", lambda data: False)
    assert choose(model, tokenizer, data) == Choice(3, "mean", "predicts")
    assert choose(model, tokenizer, data, 1, 2, "predicts") == Choice(1, 2, "predicts")
    with pytest.raises(UsageError, match="there is no layer 9"):
        choose(model, tokenizer, data, layer=9)
    with pytest.raises(UsageError, match="there is no head 5"):
        choose(model, tokenizer, data, head=5)
