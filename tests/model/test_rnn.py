"""The recurrent encoder-decoder against its formulas, and what must never change its result."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.config import ModelConfig
from nmt.model import build_model
from nmt.model.protocol import Memory, Model
from nmt.model.rnn import (
    Attention,
    AttentiveGRU,
    BidirectionalGRU,
    FixedContextGRU,
    RNNEncoderDecoder,
    Source,
    mirrored_positions,
)
from nmt.training.loss import linear_cross_entropy

VOCAB = 13
ATTENTIONS: list[Attention] = ["none", "additive"]


def make_rnn(**settings: Any) -> RNNEncoderDecoder:
    """A tiny model in evaluation mode whose biases are random too."""
    defaults = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}
    model = RNNEncoderDecoder(VOCAB, VOCAB, **(defaults | settings))
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


@pytest.fixture(
    params=list(itertools.product(ATTENTIONS, (1, 2))), ids=lambda p: f"{p[0]}-{p[1]} layers"
)
def any_rnn(request: pytest.FixtureRequest) -> RNNEncoderDecoder:
    """With and without attention, of one layer and of two."""
    attention, layers = request.param
    return make_rnn(attention=attention, encoder_layers=layers, decoder_layers=layers)


def all_logits(model: RNNEncoderDecoder, source: Tensor, mask: Tensor, target: Tensor) -> Tensor:
    result = model.logits(model.decode(target, model.encode(source, mask)))
    assert result.isfinite().all()
    return result


def gru_by_formula(x: Tensor, h: Tensor, gru: nn.GRU | nn.GRUCell) -> Tensor:
    """One step of Cho et al. (2014), equations 5-8, with r inside the product as in torch."""
    suffix = "_l0" if isinstance(gru, nn.GRU) else ""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w, u, b, c = (getattr(gru, name + suffix) for name in names)
    (w_r, w_z, w_n), (u_r, u_z, u_n) = w.chunk(3), u.chunk(3)
    (b_r, b_z, b_n), (c_r, c_z, c_n) = b.chunk(3), c.chunk(3)
    r = torch.sigmoid(x @ w_r.T + b_r + h @ u_r.T + c_r)
    z = torch.sigmoid(x @ w_z.T + b_z + h @ u_z.T + c_z)
    n = torch.tanh(x @ w_n.T + b_n + r * (h @ u_n.T + c_n))
    return (1 - z) * n + z * h


def test_mirror() -> None:
    mask = torch.tensor([[True] * 4, [True, True, False, False], [False] * 4])
    assert mirrored_positions(mask).tolist() == [[3, 2, 1, 0], [1, 0, 2, 3], [0, 1, 2, 3]]


def test_the_encoder_layer_by_its_formula() -> None:
    layer = BidirectionalGRU(8)
    x = torch.randn(1, 5, 8)
    result = layer(x, mirrored_positions(torch.ones(1, 5, dtype=torch.bool)))
    h = torch.zeros(1, 4)
    for t in range(5):
        h = gru_by_formula(x[:, t], h, layer.forward_gru)
        torch.testing.assert_close(result[:, t, :4], h)
    h = torch.zeros(1, 4)
    for t in reversed(range(5)):
        h = gru_by_formula(x[:, t], h, layer.backward_gru)
        torch.testing.assert_close(result[:, t, 4:], h)


def make_source() -> Source:
    states, keys = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    return Source(torch.randn(2, 8), keys, states, torch.tensor([[True] * 3, [True, True, False]]))


def test_the_fixed_context_layer_by_its_formula() -> None:
    layer = FixedContextGRU(8)
    source = make_source()
    x, h = torch.randn(2, 1, 4, 8), torch.randn(2, 1, 8)
    states, contexts = layer(x, h, source)
    for t in range(4):
        h = gru_by_formula(torch.cat([x[:, 0, t], source.summary], -1), h[:, 0], layer.gru)[:, None]
        torch.testing.assert_close(states[:, :, t], h)
        assert torch.equal(contexts[:, 0, t], source.summary)


def test_the_attentive_layer_by_its_formula() -> None:
    layer = AttentiveGRU(8)
    source = make_source()
    x, start = torch.randn(2, 1, 4, 8), torch.randn(2, 1, 8)
    states, contexts = layer(x, start, source)
    attention = layer.attention
    for i, length in enumerate((3, 2)):
        s = start[i, 0]
        for t in range(4):
            scores = torch.stack(
                [attention.v(torch.tanh(attention.w(s) + source.keys[i, j])) for j in range(length)]
            )
            context = (torch.softmax(scores, 0) * source.states[i, :length]).sum(0)
            s = gru_by_formula(torch.cat([x[i, 0, t], context]), s, layer.cell)
            torch.testing.assert_close(contexts[i, 0, t], context)
            torch.testing.assert_close(states[i, 0, t], s)


def test_is_a_model() -> None:
    assert isinstance(make_rnn(), Model)


def test_the_config_builds_it() -> None:
    config = ModelConfig(architecture="rnn", d_model=16, attention="additive", decoder_layers=2)
    model = build_model(config, VOCAB, VOCAB, shared_vocab=True)
    assert isinstance(model, RNNEncoderDecoder)
    assert isinstance(model.decoder_layers[0], AttentiveGRU)
    assert len(model.decoder_layers) == 2
    assert model.source_embedding.weight is model.target_embedding.weight is model.output_weight


def test_tying() -> None:
    untied = make_rnn(tie_output=False)
    assert untied.output_weight is not untied.target_embedding.weight
    tied = make_rnn(tie_output=True)
    assert tied.output_weight is tied.target_embedding.weight
    assert tied.source_embedding is not tied.target_embedding


def test_padding_never_changes_a_result(
    any_rnn: RNNEncoderDecoder, sources: tuple[Tensor, Tensor]
) -> None:
    source, mask = sources
    target = torch.randint(4, VOCAB, (3, 6))
    with torch.inference_mode():
        together = all_logits(any_rnn, source, mask, target)
        other_padding = all_logits(any_rnn, source.masked_fill(~mask, 9), mask, target)
        assert torch.equal(together, other_padding)
        for i, length in enumerate(mask.sum(1).tolist()):
            alone = all_logits(
                any_rnn, source[i : i + 1, :length], mask[i : i + 1, :length], target[[i]]
            )
            torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=1e-5)


def test_padding_gets_no_gradient(
    any_rnn: RNNEncoderDecoder, sources: tuple[Tensor, Tensor]
) -> None:
    source, mask = sources
    source = source.masked_fill(~mask, 9)
    source[mask] = source[mask].clamp(max=8)
    all_logits(any_rnn, source, mask, torch.full((3, 4), 5)).pow(2).sum().backward()
    grad = any_rnn.source_embedding.weight.grad
    assert grad is not None
    assert bool((grad[9] == 0).all())
    assert bool((grad[source[mask]] != 0).any(dim=-1).all())


def test_no_position_sees_the_future(
    any_rnn: RNNEncoderDecoder, sources: tuple[Tensor, Tensor]
) -> None:
    target = torch.randint(4, VOCAB, (3, 6))
    with torch.inference_mode():
        memory = any_rnn.encode(*sources)
        before = any_rnn.decode(target, memory)
        for t in range(6):
            changed = target.clone()
            changed[:, t:] = (changed[:, t:] - 3) % (VOCAB - 4) + 4
            after = any_rnn.decode(changed, memory)
            assert torch.equal(before[:, :t], after[:, :t])
            assert not torch.allclose(before[:, t], after[:, t])


def test_step_equals_decode_when_beams_move_and_sentences_leave(
    any_rnn: RNNEncoderDecoder, sources: tuple[Tensor, Tensor]
) -> None:
    """A random walk as of a beam search; each hypothesis' history is decoded anew at each step."""
    generator = torch.Generator().manual_seed(7)

    def random(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=generator)

    with torch.inference_mode():
        memory = any_rnn.encode(*sources)
        state = any_rnn.start(memory, max_length=4)
        alive = torch.arange(3)
        history = torch.zeros(3, 1, 0, dtype=torch.int64)
        for keep, width in ((None, 3), (None, 3), ([0, 2], 3), (None, 4), (None, 2), ([1], 2)):
            batch, beam, _ = history.shape
            tokens = random(VOCAB - 4, batch, beam) + 4
            logits = any_rnn.step(tokens, state)
            history = torch.cat([history, tokens[..., None]], dim=2)
            rows = alive.repeat_interleave(beam)
            repeated = Memory(memory.states[rows], memory.mask[rows])
            hidden = any_rnn.decode(history.flatten(0, 1), repeated)[:, -1]
            expected = any_rnn.logits(hidden).view(batch, beam, -1)
            torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
            sentences = torch.tensor(keep) if keep else torch.arange(batch)
            beams = random(beam, len(sentences), width)
            state.select(sentences, beams)
            alive = alive[sentences]
            history = history[sentences[:, None], beams]


def test_attention_rows_sum_to_one_and_padding_is_exactly_zero(
    sources: tuple[Tensor, Tensor],
) -> None:
    model = make_rnn(attention="additive")
    first = model.decoder_layers[0]
    assert isinstance(first, AttentiveGRU)
    seen: list[Tensor] = []
    target = torch.randint(4, VOCAB, (3, 6))
    with torch.inference_mode():
        plain = all_logits(model, *sources, target)
        first.attention.watch = seen.append
        assert torch.equal(all_logits(model, *sources, target), plain)
        state = model.start(model.encode(*sources), max_length=4)
        model.step(target[:, :1], state)
        state.select(torch.arange(3), torch.zeros(3, 5, dtype=torch.int64))
        model.step(target[:, 1:2].expand(3, 5), state)
    whole, one, two = seen
    assert [tuple(w.shape) for w in seen] == [(3, 1, 6, 7), (3, 1, 1, 7), (3, 1, 5, 7)]
    torch.testing.assert_close(one[:, :, 0], whole[:, :, 0])
    torch.testing.assert_close(two[:, :, 4], whole[:, :, 1])
    for weights in seen:
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        mask = sources[1][:, None, None].expand_as(weights)
        assert bool((weights[~mask] == 0.0).all())
        assert bool((weights[mask] > 0.0).all())


def test_an_empty_source_line_stays_finite(any_rnn: RNNEncoderDecoder) -> None:
    source = torch.zeros(2, 3, dtype=torch.int64)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    target = torch.full((2, 4), 5)
    result = all_logits(any_rnn, source, mask, target)
    assert torch.equal(result[1], all_logits(any_rnn, source + 3, mask, target)[1])
    result.sum().backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in any_rnn.parameters())


def test_bf16_stays_near_fp32(any_rnn: RNNEncoderDecoder, sources: tuple[Tensor, Tensor]) -> None:
    target = torch.randint(4, VOCAB, (3, 6))
    with torch.inference_mode():
        expected = all_logits(any_rnn, *sources, target)
        with torch.autocast("cpu", torch.bfloat16):
            result = all_logits(any_rnn, *sources, target)
            state = any_rnn.start(any_rnn.encode(*sources), max_length=4)
            first = any_rnn.step(target[:, :1], state)
    for ours, theirs in ((result, expected), (first[:, 0], expected[:, 0])):
        assert (ours.float() - theirs).norm() / theirs.norm() < 2e-2


def test_bf16_trains(any_rnn: RNNEncoderDecoder, sources: tuple[Tensor, Tensor]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        all_logits(any_rnn, *sources, torch.full((3, 4), 5)).float().logsumexp(-1).sum().backward()
    for parameter in any_rnn.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_same_seed_same_weights() -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        return list(make_rnn().parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(3), weights(3), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(3), weights(4), strict=True))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_learns_to_copy(attention: Attention) -> None:
    model = RNNEncoderDecoder(
        VOCAB,
        VOCAB,
        d_model=48,
        encoder_layers=1,
        decoder_layers=1,
        attention=attention,
        dropout=0.0,
        share_embeddings=True,
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def batch() -> tuple[Tensor, Tensor, Tensor]:
        lengths = torch.randint(1, 4, (64, 1))
        ids = torch.randint(4, VOCAB, (64, 4))
        positions = torch.arange(4)
        source = ids.masked_fill(positions == lengths, 3).masked_fill(positions > lengths, 0)
        bos = torch.full((64, 1), 2)
        return source, positions <= lengths, torch.cat([bos, source[:, :-1]], dim=1)

    for _ in range(200):
        source, mask, target_in = batch()
        hidden = model.decode(target_in, model.encode(source, mask))[mask]
        loss, _ = linear_cross_entropy(hidden, model.output_weight, source[mask], 0.0)
        optimizer.zero_grad()
        (loss / mask.sum()).backward()
        optimizer.step()
    model.eval()
    source, mask, target_in = batch()
    with torch.inference_mode():
        logits = all_logits(model, source, mask, target_in)
    correct = (logits.argmax(-1) == source)[mask].float().mean()
    assert correct > 0.95
