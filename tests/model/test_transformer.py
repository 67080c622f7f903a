"""The Transformer equals torch's layers; padding and packing do not change its results."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from batches import unpadded
from torch import Tensor, nn

from nmt.kernels.attention import FusedAttention
from nmt.model.attention import MultiHeadAttention
from nmt.model.base import Tokens
from nmt.model.layers import AddNorm, DecoderLayer, EncoderLayer, FeedForward, Norm
from nmt.model.transformer import Positions, Transformer

VOCAB = 13
POSITIONS: list[Positions] = ["sinusoidal", "learned", "rotary", "relative", "none"]
D_MODEL, HEADS, INNER = 16, 4, 24
NORMS: list[Norm] = ["post", "pre"]


def copy_attention(theirs: nn.MultiheadAttention, ours: MultiHeadAttention) -> None:
    parts = (ours.w_q, ours.w_k, ours.w_v)
    theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
    theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.w_o.state_dict())


def randomize_biases(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        if parameter.dim() == 1:
            parameter.data.add_(torch.randn_like(parameter) * 0.3)


def attention() -> MultiHeadAttention:
    return MultiHeadAttention(D_MODEL, HEADS, nn.Dropout(0.0))


def feed_forward() -> FeedForward:
    return FeedForward(D_MODEL, INNER, "relu", nn.Dropout(0.0))


def add_norms(count: int, norm: Norm) -> list[AddNorm]:
    return [AddNorm(D_MODEL, norm, nn.Dropout(0.0)) for _ in range(count)]


def assert_same_value_and_gradient(ours: Tensor, theirs: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    upstream = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad(ours, inputs, upstream),
        torch.autograd.grad(theirs, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_encoder_layer_equals_torch(norm: Norm) -> None:
    ours = EncoderLayer(attention(), feed_forward(), add_norms(2, norm))
    randomize_biases(ours)
    theirs = nn.TransformerEncoderLayer(
        D_MODEL, HEADS, INNER, dropout=0.0, batch_first=True, norm_first=norm == "pre"
    )
    with torch.no_grad():
        copy_attention(theirs.self_attn, ours.self_attention)
    theirs.linear1.load_state_dict(ours.feed_forward.w_1.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.w_2.state_dict())
    theirs.norm1.load_state_dict(ours.add_norm_1.layer_norm.state_dict())
    theirs.norm2.load_state_dict(ours.add_norm_2.layer_norm.state_dict())
    x = torch.randn(2, 6, D_MODEL, requires_grad=True)
    real = torch.arange(6) < torch.tensor([6, 4])[:, None]
    result = ours(x, real[:, None, None, :], None, None)
    expected = theirs(x, src_key_padding_mask=~real)
    assert_same_value_and_gradient(result, expected, [x])


@pytest.mark.parametrize("norm", NORMS)
def test_decoder_layer_equals_torch(norm: Norm) -> None:
    ours = DecoderLayer(attention(), attention(), feed_forward(), add_norms(3, norm))
    randomize_biases(ours)
    theirs = nn.TransformerDecoderLayer(
        D_MODEL, HEADS, INNER, dropout=0.0, batch_first=True, norm_first=norm == "pre"
    )
    with torch.no_grad():
        copy_attention(theirs.self_attn, ours.self_attention)
        copy_attention(theirs.multihead_attn, ours.cross_attention)
    theirs.linear1.load_state_dict(ours.feed_forward.w_1.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.w_2.state_dict())
    for norm_layer, add_norm in (
        (theirs.norm1, ours.add_norm_1),
        (theirs.norm2, ours.add_norm_2),
        (theirs.norm3, ours.add_norm_3),
    ):
        norm_layer.load_state_dict(add_norm.layer_norm.state_dict())
    x = torch.randn(2, 5, D_MODEL, requires_grad=True)
    memory = torch.randn(2, 6, D_MODEL, requires_grad=True)
    real = torch.arange(6) < torch.tensor([6, 4])[:, None]
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    result = ours(x, memory, causal, real[:, None, None, :], None, None)
    expected = theirs(x, memory, tgt_mask=~causal, memory_key_padding_mask=~real)
    assert_same_value_and_gradient(result, expected, [x, memory])


def test_activations_equal_their_formulas() -> None:
    x = torch.randn(3, D_MODEL)
    for activation, function in (
        ("relu", lambda y: y.clamp(min=0)),
        ("gelu", lambda y: y * (1 + torch.erf(y / math.sqrt(2))) / 2),
        ("swish", lambda y: y * torch.sigmoid(y)),
    ):
        layer = FeedForward(D_MODEL, INNER, activation, nn.Dropout(0.0))  # type: ignore[arg-type]
        torch.testing.assert_close(layer(x), layer.w_2(function(layer.w_1(x))))


def test_embedding_is_scaled_and_positions_added(
    make_transformer: Callable[..., Transformer],
) -> None:
    model = make_transformer()
    ids = torch.tensor([[5, 6]])
    expected = model.source_embedding.weight[[5, 6]] * 4.0  # sqrt(16)
    expected[0, 1::2] += 1.0  # position 0: sin 0 = 0, cos 0 = 1
    embedded = model.embed(model.source_embedding, model.source_positions, unpadded(ids))
    torch.testing.assert_close(embedded[0, 0], expected[0])
    assert not torch.allclose(embedded[0, 1], expected[1])


def test_embeddings_are_tied_as_configured(make_transformer: Callable[..., Transformer]) -> None:
    def weights(**settings: bool) -> tuple[Tensor, Tensor, Tensor]:
        model = make_transformer(**settings)
        return model.source_embedding.weight, model.target_embedding.weight, model.output_weight

    source, target, output = weights(share_embeddings=True, tie_output=True)
    assert source is target is output
    source, target, output = weights(share_embeddings=False, tie_output=True)
    assert source is not target
    assert target is output
    source, target, output = weights(share_embeddings=False, tie_output=False)
    assert target is not output


def all_logits(model: Transformer, source: Tokens, target: Tokens) -> Tensor:
    result: Tensor = model(source, target)
    assert result.isfinite().all()
    return result


def test_padding_does_not_change_results(
    any_transformer: Transformer, sources: Tokens, targets: Tokens
) -> None:
    mask = sources.segments > 0
    with torch.inference_mode():
        together = all_logits(any_transformer, sources, targets)
        other = Tokens.padded(sources.ids.masked_fill(~mask, 9), mask)
        assert torch.equal(together, all_logits(any_transformer, other, targets))
        for i, length in enumerate(mask.sum(1).tolist()):
            source, target = sources.ids[i : i + 1, :length], targets.ids[i : i + 1]
            alone = all_logits(any_transformer, unpadded(source), unpadded(target))
            torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=1e-5)


def packed(rows: list[list[int]]) -> Tokens:
    """Return several sentences in one row, followed by two positions of padding."""
    ids = [i for row in rows for i in row]
    segments = [n for n, row in enumerate(rows, 1) for _ in row]
    positions = [t for row in rows for t in range(len(row))]
    return Tokens(*(torch.tensor([[*x, 0, 0]]) for x in (ids, segments, positions)))


def test_packed_sentences_have_the_logits_of_separate_sentences(
    any_transformer: Transformer,
) -> None:
    pairs = [([5, 6, 7, 3], [2, 8, 9]), ([9, 4, 8, 10, 12, 3], [2, 5, 6, 7, 11]), ([3], [2, 4])]
    sources, targets = zip(*pairs, strict=True)
    with torch.inference_mode():
        together = all_logits(any_transformer, packed(list(sources)), packed(list(targets)))[0]
        begin = 0
        for source, target in pairs:
            alone = all_logits(
                any_transformer, unpadded(torch.tensor([source])), unpadded(torch.tensor([target]))
            )
            ours = together[begin : begin + len(target)]
            torch.testing.assert_close(ours, alone[0], atol=1e-5, rtol=1e-5)
            begin += len(target)


def test_no_position_sees_the_future(
    any_transformer: Transformer, sources: Tokens, targets: Tokens
) -> None:
    with torch.inference_mode():
        memory = any_transformer.encode(sources)
        before = any_transformer.decode(targets, memory)
        for t in range(6):
            changed = targets.ids.clone()
            changed[:, t:] = (changed[:, t:] - 3) % (VOCAB - 4) + 4
            after = any_transformer.decode(unpadded(changed), memory)
            assert torch.equal(before[:, :t], after[:, :t])
            assert not torch.allclose(before[:, t], after[:, t])


def test_no_gradient_reaches_the_future(any_transformer: Transformer) -> None:
    seen: list[Tensor] = []

    def keep_embedding(module: nn.Module, inputs: object, output: Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    any_transformer.embedding_dropout.register_forward_hook(keep_embedding)
    memory = any_transformer.encode(unpadded(torch.randint(4, VOCAB, (1, 5))))
    target = unpadded(torch.randint(4, VOCAB, (1, 6)))
    any_transformer.decode(target, memory)[0, 2].pow(3).sum().backward()
    grad = seen[1].grad
    assert grad is not None
    assert bool((grad[0, 3:] == 0).all())
    assert bool((grad[0, 2] != 0).any())


def test_attention_window_limits_the_distance(make_transformer: Callable[..., Transformer]) -> None:
    model = make_transformer(attention_window=2, encoder_layers=1, positions="rotary")
    source = torch.randint(4, VOCAB, (1, 9))
    changed = source.clone()
    changed[0, 4] = (changed[0, 4] - 3) % (VOCAB - 4) + 4
    with torch.inference_mode():
        same = model.encode(unpadded(source)).states == model.encode(unpadded(changed)).states
    assert same[0].all(-1).tolist() == [abs(i - 4) > 2 for i in range(9)]


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_fast_attention_equals_plain_attention(
    make_transformer: Callable[..., Transformer],
    sources: Tokens,
    targets: Tokens,
    norm: Norm,
    positions: Positions,
) -> None:
    """Compare in training mode, where the projections of one input are one matrix product."""
    kinds: list[type[MultiHeadAttention]] = [MultiHeadAttention, FusedAttention]
    models = [make_transformer(norm=norm, positions=positions, attention=kind) for kind in kinds]
    models[1].load_state_dict(models[0].state_dict())
    losses, grads = [], []
    for model in models:
        loss = all_logits(model.train(), sources, targets).logsumexp(-1).pow(2).mean()
        losses.append(loss)
        grads.append(torch.autograd.grad(loss, list(model.parameters())))
    torch.testing.assert_close(losses[0], losses[1], atol=1e-5, rtol=1e-5)
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_bf16_stays_near_fp32(
    any_transformer: Transformer, sources: Tokens, targets: Tokens
) -> None:
    with torch.inference_mode():
        expected = all_logits(any_transformer, sources, targets)
        with torch.autocast("cpu", torch.bfloat16):
            result = all_logits(any_transformer, sources, targets)
    error = (result.float() - expected).norm() / expected.norm()
    assert error < 2e-2


def test_same_seed_gives_the_same_weights(make_transformer: Callable[..., Transformer]) -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        return list(make_transformer().parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(3), weights(3), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(3), weights(4), strict=True))
