"""Attention maps contain the model's weights, and recording does not change the model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from batches import unpadded
from torch import Tensor, nn

from nmt.decoding.translator import Translator
from nmt.errors import UsageError
from nmt.inspection.attention import (
    TITLES,
    AttentionMaps,
    attention_maps,
    record_attention,
    translation_maps,
)
from nmt.model.base import Tokens
from nmt.model.rnn import RNNEncoderDecoder
from nmt.model.transformer import Transformer

PAIRS = [([5, 6, 7, 8], [9, 10, 11]), ([12, 13], [14, 15, 16, 17, 18])]


def test_maps_have_the_shapes_and_labels_of_their_pair(model: Transformer, tokenizer: Any) -> None:
    for maps, (source, target) in zip(attention_maps(model, tokenizer, PAIRS), PAIRS, strict=True):
        s, t = len(source) + 1, len(target) + 1
        assert [w.shape for w in maps.encoder] == [(4, s, s)] * 2
        assert [w.shape for w in maps.decoder] == [(4, t, t)] * 3
        assert [w.shape for w in maps.cross] == [(4, t, s)] * 3
        for kind in TITLES:
            rows, columns = maps.labels(kind)
            assert (len(rows), len(columns)) == maps.layers(kind)[0].shape[1:]
        assert maps.source_pieces[-1] == maps.target_pieces[-1] == "</s>"
        assert maps.labels("decoder")[0][0] == "<s>"


def test_rows_sum_to_one_and_masked_cells_are_exactly_zero(
    model: Transformer, tokenizer: Any
) -> None:
    for maps in attention_maps(model, tokenizer, PAIRS):
        for kind in TITLES:
            for weights in maps.layers(kind):
                torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        for weights in maps.decoder:
            future = torch.ones(weights.shape[-2:], dtype=torch.bool).triu(1)
            assert bool((weights[:, future] == 0.0).all())
            assert bool((weights[:, ~future] > 0.0).all())


def test_maps_do_not_depend_on_the_batch(model: Transformer, tokenizer: Any) -> None:
    together = attention_maps(model, tokenizer, PAIRS)
    for maps, pair in zip(together, PAIRS, strict=True):
        [alone] = attention_maps(model, tokenizer, [pair])
        for kind in TITLES:
            for a, b in zip(maps.layers(kind), alone.layers(kind), strict=True):
                torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_maps_are_the_weights_that_multiply_the_values(tokenizer: Any) -> None:
    # One layer without feed-forward effects: its cross-attention output is W_O of weights @ V.
    torch.manual_seed(2)
    model = Transformer(
        40, 40, d_model=8, heads=2, encoder_layers=1, decoder_layers=1, feedforward=8
    ).eval()
    outputs: list[Tensor] = []
    cross = model.decoder_layers[0].cross_attention
    cross.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    [maps] = attention_maps(model, tokenizer, PAIRS[:1])
    memory = model.encode(unpadded(torch.tensor([[5, 6, 7, 8, 3]])))
    values = cross.split_heads(cross.w_v(memory.states))
    weights = maps.cross[0].clone()  # a tensor outside inference mode
    by_maps = cross.w_o(cross.concatenate_heads(weights @ values))
    torch.testing.assert_close(by_maps, outputs[0], atol=1e-5, rtol=1e-5)


def test_recording_does_not_change_translations(translator: Translator) -> None:
    sentences = ["a man is here", "two dogs", "here"]
    plain = translator.translate(sentences)
    with record_attention(translator.program.model):
        assert translator.translate(sentences) == plain
    translation_maps(translator, sentences[0])
    assert translator.translate(sentences) == plain
    assert not [m for m in translator.program.model.modules() if getattr(m, "watch", None)]  # type: ignore[attr-defined]


def test_recording_restores_watch_after_an_error(model: Transformer) -> None:
    def own_watch(weights: Tensor) -> None: ...

    first = model.encoder_layers[0].self_attention
    first.watch = own_watch
    with pytest.raises(ZeroDivisionError), record_attention(model):
        raise ZeroDivisionError
    assert first.watch is own_watch


def test_translation_maps_use_the_best_or_the_given_translation(translator: Translator) -> None:
    maps = translation_maps(translator, "a man is here")["subword"]
    [best] = translator.translate(["a man is here"])
    assert "".join(maps.target_pieces[:-1]).replace("▁", " ").strip() == best
    given = translation_maps(translator, "a man", "ein Mann")["subword"]
    assert given.target_pieces == ["▁ei", "n", "▁Ma", "nn", "</s>"]
    assert given.source_pieces == ["▁a", "▁ma", "n", "</s>"]


def test_invalid_arguments_raise_usage_error(translator: Translator) -> None:
    for sentence, target, message in (
        (" ", None, "the sentence is empty"),
        ("a", "\x00", "the target is empty"),
        ("a " * 21, None, "the sentence has 21 subwords, more than 20"),
    ):
        with pytest.raises(UsageError, match=message):
            translation_maps(translator, sentence, target)
    maps = translation_maps(translator, "a man")["subword"]
    with pytest.raises(UsageError, match="there is no layer 4"):
        maps.panels("cross", layer=4)
    with pytest.raises(UsageError, match="there is no head 5"):
        maps.panels("cross", head=5)


def test_panels_select_layers_and_heads(translator: Translator) -> None:
    maps = translation_maps(translator, "a man", "ein Mann")["subword"]
    every = maps.panels("cross")
    assert [(p.layer, p.head) for p in every] == [(n, h) for n in (1, 2, 3) for h in (1, 2, 3, 4)]
    assert torch.equal(every[5].weights, maps.cross[1][1])
    [mean] = maps.panels("cross", 2, "mean")
    torch.testing.assert_close(mean.weights, maps.cross[1].mean(0))
    assert mean.title == "layer 2, mean of heads"
    assert len(maps.panels("encoder", head=1)) == 2


def test_rnn_has_maps_of_additive_attention_only(tokenizer: Any) -> None:
    torch.manual_seed(1)
    model = RNNEncoderDecoder(
        40, 40, d_model=8, encoder_layers=1, decoder_layers=2, attention="additive"
    ).eval()
    for maps, (source, target) in zip(attention_maps(model, tokenizer, PAIRS), PAIRS, strict=True):
        [weights] = maps.cross
        assert weights.shape == (1, len(target) + 1, len(source) + 1)
        torch.testing.assert_close(weights.sum(-1), torch.ones(1, len(target) + 1))
        with pytest.raises(UsageError, match="no encoder self-attention") as error:
            maps.panels("encoder")
        assert error.value.hint == "use --kind cross"


def test_model_without_attention_raises_usage_error(tokenizer: Any) -> None:
    model = RNNEncoderDecoder(40, 40, d_model=8, encoder_layers=1, decoder_layers=1).eval()
    [maps] = attention_maps(model, tokenizer, PAIRS[:1])
    with pytest.raises(UsageError, match="no encoder-decoder attention") as error:
        maps.panels("cross")
    assert error.value.hint == "use a model with attention"


class Stepwise(nn.Module):
    """Model that calls `watch` once per target position."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.watch: Any = None

    def encode(self, source: Tokens) -> Tokens:
        return source

    def decode(self, target: Tokens, memory: Tokens) -> Tokens:
        for t in range(target.ids.shape[1]):
            key = torch.arange(memory.ids.shape[1]) == t
            self.watch(key.float().expand(len(target.ids), 1, 1, -1))
        return target


def test_stepwise_attention_gives_one_map(tokenizer: Any) -> None:
    [maps] = attention_maps(Stepwise(), tokenizer, [([5, 6, 7], [8, 9, 10])])  # type: ignore[arg-type]
    assert torch.equal(maps.cross[0], torch.eye(4)[None])


def test_sharpest_returns_the_most_concentrated_layer() -> None:
    flat, sharp = torch.full((2, 3, 4), 0.25), torch.eye(4)[:3].expand(2, 3, 4)
    maps = AttentionMaps(list("abcd"), list("xyz"), [], [], [flat, sharp, flat])
    assert maps.sharpest("cross") == 2
