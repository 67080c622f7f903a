"""The formulas of the Transformer, applied one after another with the layers of a trained model.

Each class contains what one part of the model computes. Tensors are batch first, float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from nmt.model import Tokens, Transformer
from nmt.model.attention import MultiHeadAttention
from nmt.model.layers import AddNorm, DecoderLayer, EncoderLayer, FeedForward
from nmt.model.masks import memory_mask, self_attention_mask
from nmt.model.positions import RelativePositions, RotaryPositions
from nmt.tokenizer.ids import BOS, EOS
from nmt.training.objective import LossSums, TrainingObjective
from nmt.training.optimizer import build_optimizer

if TYPE_CHECKING:
    from nmt.config import TrainingConfig
    from nmt.data.batching import Batch


class Rule(NamedTuple):
    """The terms of self-attention that depend on positions."""

    bias: Tensor | None = None
    rotation: Tensor | None = None

    @classmethod
    def of(cls, module: RotaryPositions | RelativePositions | None, positions: Tensor) -> Rule:
        if isinstance(module, RelativePositions):
            return cls(bias=module(positions, positions))
        return cls(rotation=None if module is None else module(positions))


NO_RULE = Rule()


@dataclass(frozen=True)
class AttentionSteps:
    """Multi-head attention: (batch, heads, length, d_k) or (batch, heads, query_len, key_len)."""

    q: Tensor
    k: Tensor
    v: Tensor
    rotated_q: Tensor
    """Equal to q unless positions are rotary."""
    rotated_k: Tensor
    scores: Tensor
    """Before the mask."""
    masked: Tensor
    weights: Tensor
    heads: Tensor
    output: Tensor
    """(batch, query_len, d_model)."""

    @classmethod
    def of(
        cls,
        attention: MultiHeadAttention,
        query: Tensor,
        memory: Tensor,
        mask: Tensor,
        rule: Rule = NO_RULE,
    ) -> AttentionSteps:
        projected = attention.w_q(query), attention.w_k(memory), attention.w_v(memory)
        q, k, v = map(attention.split_heads, projected)
        rotated_q, rotated_k = q, k
        if rule.rotation is not None:
            rotated_q, rotated_k = (
                MultiHeadAttention.rotate(attention, x, rule.rotation) for x in (q, k)
            )
        scores = rotated_q @ rotated_k.mT / math.sqrt(q.shape[-1])
        if rule.bias is not None:
            scores = scores + rule.bias
        masked = scores.masked_fill(~mask, -math.inf)
        weights = torch.softmax(masked, dim=-1)
        heads = weights @ v
        output = attention.w_o(attention.concatenate_heads(heads))
        return cls(q, k, v, rotated_q, rotated_k, scores, masked, weights, heads, output)


@dataclass(frozen=True)
class FeedForwardSteps:
    inner: Tensor
    """(batch, length, feedforward), after the activation."""
    output: Tensor

    @classmethod
    def of(cls, module: FeedForward, x: Tensor) -> FeedForwardSteps:
        inner = module.activation(module.w_1(x))
        return cls(inner, module.w_2(inner))


def sublayer_input(add_norm: AddNorm, x: Tensor) -> Tensor:
    return add_norm.layer_norm(x) if add_norm.norm == "pre" else x


def sublayer_result(add_norm: AddNorm, x: Tensor, output: Tensor) -> Tensor:
    return x + output if add_norm.norm == "pre" else add_norm.layer_norm(x + output)


@dataclass(frozen=True)
class EncoderLayerSteps:
    """One encoder layer: (batch, source_len, d_model)."""

    x: Tensor
    attention_input: Tensor
    attention: AttentionSteps
    after_attention: Tensor
    feed_forward_input: Tensor
    feed_forward: FeedForwardSteps
    result: Tensor

    @classmethod
    def of(cls, layer: EncoderLayer, x: Tensor, mask: Tensor, rule: Rule) -> EncoderLayerSteps:
        first = sublayer_input(layer.add_norm_1, x)
        attention = AttentionSteps.of(layer.self_attention, first, first, mask, rule)
        after = sublayer_result(layer.add_norm_1, x, attention.output)
        second = sublayer_input(layer.add_norm_2, after)
        feed_forward = FeedForwardSteps.of(layer.feed_forward, second)
        result = sublayer_result(layer.add_norm_2, after, feed_forward.output)
        return cls(x, first, attention, after, second, feed_forward, result)


@dataclass(frozen=True)
class DecoderLayerSteps:
    """One decoder layer."""

    self_attention: AttentionSteps
    cross_attention: AttentionSteps
    result: Tensor
    """(batch, target_len, d_model)."""

    @classmethod
    def of(
        cls,
        layer: DecoderLayer,
        x: Tensor,
        memory: Tensor,
        self_mask: Tensor,
        cross_mask: Tensor,
        rule: Rule,
    ) -> DecoderLayerSteps:
        first = sublayer_input(layer.add_norm_1, x)
        own = AttentionSteps.of(layer.self_attention, first, first, self_mask, rule)
        x = sublayer_result(layer.add_norm_1, x, own.output)
        second = sublayer_input(layer.add_norm_2, x)
        cross = AttentionSteps.of(layer.cross_attention, second, memory, cross_mask)
        x = sublayer_result(layer.add_norm_2, x, cross.output)
        inner = FeedForwardSteps.of(layer.feed_forward, sublayer_input(layer.add_norm_3, x))
        return cls(own, cross, sublayer_result(layer.add_norm_3, x, inner.output))


def embed(
    model: Transformer, embedding: nn.Embedding, encoding: nn.Module | None, tokens: Tokens
) -> Tensor:
    x = embedding(tokens.ids) * math.sqrt(model.d_model)
    return x if encoding is None else x + encoding(tokens.positions)


@dataclass(frozen=True)
class ModelSteps:
    """The way from a sentence pair to the logits of each next target piece."""

    encoder: list[EncoderLayerSteps]
    memory: Tensor
    """(batch, source_len, d_model), the encoder's output."""
    decoder: list[DecoderLayerSteps]
    hidden: Tensor
    """(batch, target_len, d_model)."""
    logits: Tensor
    """(batch, target_len, target_vocab)."""

    @classmethod
    def of(cls, model: Transformer, source: Tokens, target: Tokens) -> ModelSteps:
        """Raise AssertionError unless the logits equal the model's within 1e-5."""
        window = model.attention_window
        x = embed(model, model.source_embedding, model.source_positions, source)
        mask = self_attention_mask(source.segments, window=window)
        rule = Rule.of(model.encoder_rule, source.positions)
        encoder = []
        for layer in model.encoder_layers:
            encoder.append(EncoderLayerSteps.of(layer, x, mask, rule))
            x = encoder[-1].result
        memory = model.encoder_norm(x)

        x = embed(model, model.target_embedding, model.target_positions, target)
        self_mask = self_attention_mask(target.segments, causal=True, window=window)
        cross_mask = memory_mask(target.segments, source.segments)
        rule = Rule.of(model.decoder_rule, target.positions)
        decoder = []
        for layer in model.decoder_layers:
            decoder.append(DecoderLayerSteps.of(layer, x, memory, self_mask, cross_mask, rule))
            x = decoder[-1].result
        hidden = model.decoder_norm(x)
        logits = hidden @ model.output_weight.T
        torch.testing.assert_close(logits, model(source, target), rtol=0.0, atol=1e-5)
        return cls(encoder, memory, decoder, hidden, logits)


LogProbabilities = Callable[[list[int]], Tensor]
"""Returns log P(next piece | source, ids), (target_vocab,); the ids begin with bos."""


class Hypothesis(NamedTuple):
    ids: list[int]
    """With bos, and with eos if it is finished."""
    log_probability: float


def next_pieces(model: Transformer, source: Tokens) -> LogProbabilities:
    memory = model.encode(source)

    def log_probabilities(ids: list[int]) -> Tensor:
        row = torch.tensor([ids])
        hidden = model.decode(Tokens.padded(row, torch.ones_like(row, dtype=torch.bool)), memory)
        log_p = torch.log_softmax(model.logits(hidden[0, -1]), dim=-1)
        log_p[:EOS] = -math.inf  # padding, unknown and bos are no output
        return log_p

    return log_probabilities


def beam_search(
    log_probabilities: LogProbabilities, width: int, limit: int
) -> tuple[list[Hypothesis], list[list[Hypothesis]]]:
    """Return `width` finished hypotheses, and the open hypotheses after each step.

    limit: the largest number of pieces without eos.
    """
    finished: list[Hypothesis] = []
    steps = [[Hypothesis([BOS], 0.0)]]
    while len(finished) < width and steps[-1]:
        longer = [
            Hypothesis([*ids, piece], total + log_p)
            for ids, total in steps[-1]
            for piece, log_p in enumerate(log_probabilities(ids).tolist())
            if piece == EOS or len(ids) <= limit
        ]
        best = sorted(longer, key=lambda h: -h.log_probability)[: 2 * width]
        finished += [h for h in best[:width] if h.ids[-1] == EOS]
        steps.append([h for h in best if h.ids[-1] != EOS][:width])
    return finished, steps[1:]


def one_update(
    objective: TrainingObjective, batch: Batch, config: TrainingConfig
) -> tuple[LossSums, Tensor, LossSums]:
    """Return the losses before and after an update on a batch, and the norm of the gradient."""
    optimizer = build_optimizer(objective.model, config)
    before = objective(batch)
    (before.objective / batch.target_tokens).backward()
    norm = nn.utils.clip_grad_norm_(objective.parameters(), config.clip_norm or math.inf)
    optimizer.step()
    return before, norm, objective(batch)
