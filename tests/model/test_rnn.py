"""The recurrent encoder-decoder equals its formulas, and padding does not change its results."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from batches import unpadded
from torch import Tensor, nn

from nmt.model.base import Tokens
from nmt.model.rnn import (
    Attention,
    AttentiveGRU,
    BidirectionalGRU,
    FixedContextGRU,
    RNNEncoderDecoder,
    Source,
    mirrored_positions,
)

VOCAB = 13
ATTENTIONS: list[Attention] = ["none", "additive"]


def make_rnn(**settings: Any) -> RNNEncoderDecoder:
    """Return a tiny model in evaluation mode with random biases."""
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
    """Return models with and without attention, with one layer and with two."""
    attention, layers = request.param
    return make_rnn(attention=attention, encoder_layers=layers, decoder_layers=layers)


def all_logits(model: RNNEncoderDecoder, source: Tokens, target: Tokens) -> Tensor:
    result: Tensor = model(source, target)
    assert result.isfinite().all()
    return result


def gru_by_formula(x: Tensor, h: Tensor, gru: nn.GRU | nn.GRUCell) -> Tensor:
    """Compute a step of Cho et al. (2014), equations 5-8, with r inside the product as in torch."""
    suffix = "_l0" if isinstance(gru, nn.GRU) else ""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w, u, b, c = (getattr(gru, name + suffix) for name in names)
    (w_r, w_z, w_n), (u_r, u_z, u_n) = w.chunk(3), u.chunk(3)
    (b_r, b_z, b_n), (c_r, c_z, c_n) = b.chunk(3), c.chunk(3)
    r = torch.sigmoid(x @ w_r.T + b_r + h @ u_r.T + c_r)
    z = torch.sigmoid(x @ w_z.T + b_z + h @ u_z.T + c_z)
    n = torch.tanh(x @ w_n.T + b_n + r * (h @ u_n.T + c_n))
    return (1 - z) * n + z * h


def test_mirrored_positions_reverse_the_real_tokens() -> None:
    mask = torch.tensor([[True] * 4, [True, True, False, False], [False] * 4])
    assert mirrored_positions(mask).tolist() == [[3, 2, 1, 0], [1, 0, 2, 3], [0, 1, 2, 3]]


def test_encoder_layer_equals_its_formula() -> None:
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


def test_fixed_context_layer_equals_its_formula() -> None:
    layer = FixedContextGRU(8)
    source = make_source()
    x, h = torch.randn(2, 1, 4, 8), torch.randn(2, 1, 8)
    states, contexts = layer(x, h, source)
    for t in range(4):
        h = gru_by_formula(torch.cat([x[:, 0, t], source.summary], -1), h[:, 0], layer.gru)[:, None]
        torch.testing.assert_close(states[:, :, t], h)
        assert torch.equal(contexts[:, 0, t], source.summary)


def test_attentive_layer_equals_its_formula() -> None:
    layer = AttentiveGRU(8, nn.Dropout(0.0))
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


def test_embeddings_are_tied_as_configured() -> None:
    untied = make_rnn(tie_output=False)
    assert untied.output_weight is not untied.target_embedding.weight
    tied = make_rnn(tie_output=True)
    assert tied.output_weight is tied.target_embedding.weight
    assert tied.source_embedding is not tied.target_embedding
    shared = make_rnn(share_embeddings=True)
    assert shared.source_embedding.weight is shared.output_weight


def test_padding_does_not_change_results(
    any_rnn: RNNEncoderDecoder, sources: Tokens, targets: Tokens
) -> None:
    mask = sources.segments > 0
    with torch.inference_mode():
        together = all_logits(any_rnn, sources, targets)
        other = Tokens.padded(sources.ids.masked_fill(~mask, 9), mask)
        assert torch.equal(together, all_logits(any_rnn, other, targets))
        for i, length in enumerate(mask.sum(1).tolist()):
            source, target = sources.ids[i : i + 1, :length], targets.ids[i : i + 1]
            alone = all_logits(any_rnn, unpadded(source), unpadded(target))
            torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=1e-5)


def test_padding_gets_no_gradient(any_rnn: RNNEncoderDecoder, sources: Tokens) -> None:
    mask = sources.segments > 0
    ids = sources.ids.masked_fill(~mask, 9)
    ids[mask] = ids[mask].clamp(max=8)
    target = unpadded(torch.full((3, 4), 5))
    all_logits(any_rnn, Tokens.padded(ids, mask), target).pow(2).sum().backward()
    grad = any_rnn.source_embedding.weight.grad
    assert grad is not None
    assert bool((grad[9] == 0).all())
    assert bool((grad[ids[mask]] != 0).any(dim=-1).all())


def test_packed_sentences_raise_value_error(any_rnn: RNNEncoderDecoder) -> None:
    ids = torch.tensor([[5, 3, 6, 3]])
    row = Tokens(ids, torch.tensor([[1, 1, 2, 2]]), torch.tensor([[0, 1, 0, 1]]))
    with pytest.raises(ValueError, match="one sentence per row"):
        any_rnn.encode(row)


def test_no_position_sees_the_future(
    any_rnn: RNNEncoderDecoder, sources: Tokens, targets: Tokens
) -> None:
    with torch.inference_mode():
        memory = any_rnn.encode(sources)
        before = any_rnn.decode(targets, memory)
        for t in range(6):
            changed = targets.ids.clone()
            changed[:, t:] = (changed[:, t:] - 3) % (VOCAB - 4) + 4
            after = any_rnn.decode(unpadded(changed), memory)
            assert torch.equal(before[:, :t], after[:, :t])
            assert not torch.allclose(before[:, t], after[:, t])


def test_attention_rows_sum_to_one_and_padding_is_exactly_zero(
    sources: Tokens, targets: Tokens
) -> None:
    model = make_rnn(attention="additive")
    first = model.decoder_layers[0]
    assert isinstance(first, AttentiveGRU)
    seen: list[Tensor] = []
    with torch.inference_mode():
        plain = all_logits(model, sources, targets)
        first.attention.watch = seen.append
        assert torch.equal(all_logits(model, sources, targets), plain)
    [weights] = seen
    assert weights.shape == (3, 1, 6, 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    mask = (sources.segments > 0)[:, None, None].expand_as(weights)
    assert bool((weights[~mask] == 0.0).all())
    assert bool((weights[mask] > 0.0).all())


def test_bf16_stays_near_fp32(any_rnn: RNNEncoderDecoder, sources: Tokens, targets: Tokens) -> None:
    with torch.inference_mode():
        expected = all_logits(any_rnn, sources, targets)
        with torch.autocast("cpu", torch.bfloat16):
            result = all_logits(any_rnn, sources, targets)
    assert (result.float() - expected).norm() / expected.norm() < 2e-2


def test_bf16_gives_finite_gradients(any_rnn: RNNEncoderDecoder, sources: Tokens) -> None:
    target = unpadded(torch.full((3, 4), 5))
    with torch.autocast("cpu", torch.bfloat16):
        all_logits(any_rnn, sources, target).float().logsumexp(-1).sum().backward()
    for parameter in any_rnn.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_same_seed_gives_the_same_weights() -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        return list(make_rnn().parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(3), weights(3), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(3), weights(4), strict=True))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_rnn_learns_to_copy(attention: Attention) -> None:
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

    def batch() -> tuple[Tokens, Tokens]:
        """Return digits followed by eos, and the same digits after bos."""
        lengths = torch.randint(1, 4, (64, 1))
        ids = torch.randint(4, VOCAB, (64, 4))
        positions = torch.arange(4)
        source = ids.masked_fill(positions == lengths, 3).masked_fill(positions > lengths, 0)
        target = torch.cat([torch.full((64, 1), 2), source[:, :-1]], dim=1)
        mask = positions <= lengths
        return Tokens.padded(source, mask), Tokens.padded(target, mask)

    for _ in range(200):
        source, target = batch()
        loss = nn.functional.cross_entropy(
            all_logits(model, source, target).flatten(0, 1), source.ids.flatten(), ignore_index=0
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    source, target = batch()
    with torch.inference_mode():
        logits = all_logits(model, source, target)
    correct = (logits.argmax(-1) == source.ids)[source.segments > 0].float().mean()
    assert correct > 0.95
