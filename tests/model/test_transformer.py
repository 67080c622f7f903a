"""The Transformer against torch's layers, and what must never change its result."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention
from nmt.model.layers import AddNorm, DecoderLayer, EncoderLayer, FeedForward, Norm
from nmt.model.protocol import Memory, Model
from nmt.model.stepping import FoldedMemory
from nmt.model.transformer import Transformer

VOCAB = 13
D_MODEL, HEADS, INNER = 16, 4, 24
NORMS: list[Norm] = ["post", "pre"]


def copy_attention(theirs: nn.MultiheadAttention, ours: MultiHeadAttention) -> None:
    parts = (ours.w_q, ours.w_k, ours.w_v)
    theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
    theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.w_o.state_dict())


def randomised(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        if parameter.dim() == 1:
            parameter.data.add_(torch.randn_like(parameter) * 0.3)


def feed_forward() -> FeedForward:
    return FeedForward(D_MODEL, INNER)


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
def test_encoder_layer_equals_torchs(norm: Norm) -> None:
    ours = EncoderLayer(
        MultiHeadAttention(D_MODEL, HEADS),
        feed_forward(),
        [AddNorm(D_MODEL, 0.0, norm) for _ in range(2)],
    )
    randomised(ours)
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
    result = ours(x, real[:, None, None, :], None)
    expected = theirs(x, src_key_padding_mask=~real)
    assert_same_value_and_gradient(result, expected, [x])


@pytest.mark.parametrize("norm", NORMS)
def test_decoder_layer_equals_torchs(norm: Norm) -> None:
    ours = DecoderLayer(
        MultiHeadAttention(D_MODEL, HEADS),
        MultiHeadAttention(D_MODEL, HEADS),
        feed_forward(),
        [AddNorm(D_MODEL, 0.0, norm) for _ in range(3)],
    )
    randomised(ours)
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
    result = ours(x, memory, causal, real[:, None, None, :], None)
    expected = theirs(x, memory, tgt_mask=~causal, memory_key_padding_mask=~real)
    assert_same_value_and_gradient(result, expected, [x, memory])


def test_activations() -> None:
    x = torch.randn(3, D_MODEL)
    for activation, function in (
        ("relu", lambda y: y.clamp(min=0)),
        ("gelu", lambda y: y * (1 + torch.erf(y / math.sqrt(2))) / 2),
        ("swish", lambda y: y * torch.sigmoid(y)),
    ):
        layer = FeedForward(D_MODEL, INNER, activation)  # type: ignore[arg-type]
        torch.testing.assert_close(layer(x), layer.w_2(function(layer.w_1(x))))


def test_embedding_is_scaled_and_positions_added(
    make_transformer: Callable[..., Transformer],
) -> None:
    model = make_transformer()
    ids = torch.tensor([[5, 6]])
    expected = model.source_embedding.weight[[5, 6]] * 4.0  # sqrt(16)
    expected[0, 1::2] += 1.0  # position 0: sin 0 = 0, cos 0 = 1
    torch.testing.assert_close(model.embed_source(ids)[0, 0], expected[0])
    assert not torch.allclose(model.embed_source(ids)[0, 1], expected[1])


def test_is_a_model(make_transformer: Callable[..., Transformer]) -> None:
    assert isinstance(make_transformer(), Model)


def test_tying(make_transformer: Callable[..., Transformer]) -> None:
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


def all_logits(model: Transformer, source: Tensor, mask: Tensor, target: Tensor) -> Tensor:
    result = model.logits(model.decode(target, model.encode(source, mask)))
    assert result.isfinite().all()
    return result


def test_padding_never_changes_a_result(
    any_transformer: Transformer, sources: tuple[Tensor, Tensor]
) -> None:
    source, mask = sources
    target = torch.randint(4, VOCAB, (3, 6))
    with torch.inference_mode():
        together = all_logits(any_transformer, source, mask, target)
        other_padding = all_logits(any_transformer, source.masked_fill(~mask, 9), mask, target)
        assert torch.equal(together, other_padding)
        for i, length in enumerate(mask.sum(1).tolist()):
            alone = all_logits(
                any_transformer, source[i : i + 1, :length], mask[i : i + 1, :length], target[[i]]
            )
            torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=1e-5)


def test_no_position_sees_the_future(
    any_transformer: Transformer, sources: tuple[Tensor, Tensor]
) -> None:
    target = torch.randint(4, VOCAB, (3, 6))
    with torch.inference_mode():
        memory = any_transformer.encode(*sources)
        before = any_transformer.decode(target, memory)
        for t in range(6):
            changed = target.clone()
            changed[:, t:] = (changed[:, t:] - 3) % (VOCAB - 4) + 4
            after = any_transformer.decode(changed, memory)
            assert torch.equal(before[:, :t], after[:, :t])
            assert not torch.allclose(before[:, t], after[:, t])


def test_no_gradient_reaches_the_future(any_transformer: Transformer) -> None:
    seen: list[Tensor] = []

    def keep_embedding(module: nn.Module, inputs: object, output: Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    any_transformer.embedding_dropout.register_forward_hook(keep_embedding)
    source = torch.randint(4, VOCAB, (1, 5))
    memory = any_transformer.encode(source, torch.ones_like(source, dtype=torch.bool))
    any_transformer.decode(torch.randint(4, VOCAB, (1, 6)), memory)[0, 2].pow(3).sum().backward()
    grad = seen[1].grad
    assert grad is not None
    assert bool((grad[0, 3:] == 0).all())
    assert bool((grad[0, 2] != 0).any())


def test_a_window_limits_the_reach(make_transformer: Callable[..., Transformer]) -> None:
    model = make_transformer(attention_window=2, encoder_layers=1, positions="rotary")
    source = torch.randint(4, VOCAB, (1, 9))
    mask = torch.ones(1, 9, dtype=torch.bool)
    changed = source.clone()
    changed[0, 4] = (changed[0, 4] - 3) % (VOCAB - 4) + 4
    with torch.inference_mode():
        same = model.encode(source, mask).states == model.encode(changed, mask).states
    assert same[0].all(-1).tolist() == [abs(i - 4) > 2 for i in range(9)]


@pytest.fixture(params=[True, False], ids=["folded", "plain"])
def any_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to read the source in a step."""
    if not request.param:
        monkeypatch.setattr(FoldedMemory, "LARGEST", 0)


@pytest.mark.usefixtures("any_memory")
def test_step_equals_decode(any_transformer: Transformer, sources: tuple[Tensor, Tensor]) -> None:
    target = torch.randint(4, VOCAB, (3, 9))
    with torch.inference_mode():
        memory = any_transformer.encode(*sources)
        expected = any_transformer.logits(any_transformer.decode(target, memory))
        state = any_transformer.start(memory, max_length=4)  # the cache must grow
        for t in range(9):
            logits = any_transformer.step(target[:, t : t + 1], state)
            torch.testing.assert_close(logits[:, 0], expected[:, t], atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("any_memory")
def test_step_equals_decode_when_beams_move_and_sentences_leave(
    any_transformer: Transformer, sources: tuple[Tensor, Tensor]
) -> None:
    """A random walk as of a beam search; each hypothesis' history is decoded anew at each step."""
    generator = torch.Generator().manual_seed(7)

    def random(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=generator)

    model = any_transformer
    with torch.inference_mode():
        memory = model.encode(*sources)
        state = model.start(memory, max_length=4)
        alive = torch.arange(3)
        history = torch.zeros(3, 1, 0, dtype=torch.int64)
        for keep, width in (
            (None, 3),  # all three sentences go on, with a beam of 3 out of 1
            (None, 3),
            ([2, 1], 3),  # sentence 0 leaves, the last takes its place
            (None, 4),
            (None, 2),
            ([1], 2),  # the first leaves
            (None, 3),
        ):
            batch, beam, _ = history.shape
            tokens = random(VOCAB - 4, batch, beam) + 4
            logits = model.step(tokens, state)
            history = torch.cat([history, tokens[..., None]], dim=2)
            expected = decode_each(model, memory, alive, history)
            torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
            sentences = torch.tensor(keep) if keep else torch.arange(batch)
            beams = random(beam, len(sentences), width)
            state.select(sentences, beams)
            alive = alive[sentences]
            history = history[sentences[:, None], beams]


def decode_each(model: Transformer, memory: Memory, alive: Tensor, history: Tensor) -> Tensor:
    """Next-token logits (batch, beam, vocab) of each hypothesis by the parallel decoder."""
    batch, beam, length = history.shape
    rows = alive.repeat_interleave(beam)
    repeated = Memory(memory.states[rows], memory.mask[rows])
    hidden = model.decode(history.reshape(batch * beam, length), repeated)
    return model.logits(hidden[:, -1]).view(batch, beam, -1)


@pytest.mark.parametrize("norm", NORMS)
def test_kernels_give_the_same_model(
    make_transformer: Callable[..., Transformer], sources: tuple[Tensor, Tensor], norm: Norm
) -> None:
    models = [make_transformer(norm=norm, kernel=kernel) for kernel in ("formula", "fused")]
    models[1].load_state_dict(models[0].state_dict())
    target = torch.randint(4, VOCAB, (3, 6))
    losses, grads = [], []
    for model in models:
        loss = all_logits(model, *sources, target).logsumexp(-1).pow(2).mean()
        losses.append(loss)
        grads.append(torch.autograd.grad(loss, list(model.parameters())))
    torch.testing.assert_close(losses[0], losses[1], atol=1e-5, rtol=1e-5)
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_bf16_stays_near_fp32(any_transformer: Transformer, sources: tuple[Tensor, Tensor]) -> None:
    target = torch.randint(4, VOCAB, (3, 6))
    with torch.inference_mode():
        expected = all_logits(any_transformer, *sources, target)
        with torch.autocast("cpu", torch.bfloat16):
            result = all_logits(any_transformer, *sources, target)
    error = (result.float() - expected).norm() / expected.norm()
    assert error < 2e-2


def test_an_empty_source_line_stays_finite(make_transformer: Callable[..., Transformer]) -> None:
    # A source of nothing but padding: every encoder-decoder attention row is masked.
    source = torch.zeros(2, 3, dtype=torch.int64)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    for kernel in ("formula", "fused"):
        all_logits(make_transformer(kernel=kernel), source, mask, torch.full((2, 4), 5))


def test_same_seed_same_weights(make_transformer: Callable[..., Transformer]) -> None:
    def weights(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        return list(make_transformer().parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(3), weights(3), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(3), weights(4), strict=True))
