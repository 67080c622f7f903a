"""The decoder of the Transformer one position at a time, as beam search asks for it.

A step computes little: the newest position of a few hypotheses. Calling modules would take longer
than what they compute, so the layers are taken apart once a search, and each step makes as few
calls as it can. The results are those of `Transformer.decode`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention
from nmt.model.layers import DecoderLayer

if TYPE_CHECKING:
    from nmt.model.protocol import Memory
    from nmt.model.transformer import Transformer

Rotate = Callable[[Tensor], Tensor]


def attend(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """softmax(QK^T / sqrt(d_k) + bias) V; for so few queries faster than torch's fused kernel.

    q: (batch, heads, beam, d_k); keys, values: (batch * heads, entries, d_k); bias: (batch *
    heads, beam or 1, entries), -inf where a query may not attend. Returns (batch * beam,
    heads * d_k).
    """
    batch, heads, beam, d_k = q.shape
    queries = q.reshape(batch * heads, beam, d_k)
    scores = torch.baddbmm(bias, queries, keys.mT, alpha=1.0 / math.sqrt(d_k))
    read = torch.bmm(torch.softmax(scores, dim=-1).to(values.dtype), values)
    by_hypothesis = read.view(batch, heads, beam, d_k).transpose(1, 2)
    return by_hypothesis.reshape(batch * beam, heads * d_k)


class LayerStep:
    """`DecoderLayer.forward` at the newest position of each hypothesis."""

    def __init__(self, layer: DecoderLayer) -> None:
        self.attention = layer.self_attention
        self.w_o = layer.self_attention.w_o.forward
        self.w_1 = layer.feed_forward.w_1.forward
        self.activation = layer.feed_forward.activation
        self.w_2 = layer.feed_forward.w_2.forward
        add_norms = (layer.add_norm_1, layer.add_norm_2, layer.add_norm_3)
        self.norms = [_norm(add_norm.layer_norm) for add_norm in add_norms]
        self.norm_first = layer.add_norm_1.norm == "pre"

    def __call__(
        self,
        x: Tensor,
        cache: KeyValueCache,
        bias: Tensor,
        rotate: Rotate | None,
        memory: PlainMemory | FoldedMemory,
    ) -> Tensor:
        """x: (batch * beam, d_model), and so is the result; bias: (batch * heads, beam, entries),
        -inf where an entry of the cache is not the hypothesis' own; rotate: the position rule."""
        norm_1, norm_2, norm_3 = self.norms
        if self.norm_first:
            x = x + self._attend(norm_1(x), cache, bias, rotate)
            x = x + memory.read(norm_2(x))
            return x + self._feed_forward(norm_3(x))
        x = norm_1(x + self._attend(x, cache, bias, rotate))
        x = norm_2(x + memory.read(x))
        return norm_3(x + self._feed_forward(x))

    def _attend(
        self, x: Tensor, cache: KeyValueCache, bias: Tensor, rotate: Rotate | None
    ) -> Tensor:
        attention = self.attention
        if attention.w_qkv is not None:
            joined = attention.w_qkv.forward(x)
        else:
            joined = torch.cat(tuple(attention.project_self(x)), dim=-1)
        heads = attention.heads
        qkv = joined.view(-1, bias.shape[1], 3, heads, x.shape[1] // heads).permute(2, 0, 3, 1, 4)
        if rotate is not None:
            queries_and_keys = qkv[:2]
            queries_and_keys.copy_(rotate(queries_and_keys))
        keys, values = cache.append(qkv[1:])
        result: Tensor = self.w_o(attend(qkv[0], keys, values, bias))
        return result

    def _feed_forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.w_2(self.activation(self.w_1(x)))
        return result


def _norm(module: nn.LayerNorm) -> Callable[[Tensor], Tensor]:
    shape, weight, bias, eps = module.normalized_shape, module.weight, module.bias, module.eps
    return lambda x: torch.layer_norm(x, shape, weight, bias, eps)


class _Memory:
    """What a decoder layer attends to of each sentence: keys, values and a bias, batch first."""

    keys: Tensor
    values: Tensor
    bias: Tensor

    def select(self, sentences: Tensor) -> None:
        """Keep the sentences (new_batch,), in that order."""
        self.keys = keep_sentences(self.keys, sentences)
        self.values = keep_sentences(self.values, sentences)
        self.bias = keep_sentences(self.bias, sentences)


class PlainMemory(_Memory):
    """Encoder-decoder attention of one layer, whose keys and values are made once a sentence."""

    def __init__(
        self, attention: MultiHeadAttention, keys: Tensor, values: Tensor, padding: Tensor
    ) -> None:
        """keys, values: (batch, heads, source_len, d_k); padding: (batch, 1, 1, source_len), -inf
        where a position is padding."""
        self.w_q, self.w_o = attention.w_q.forward, attention.w_o.forward
        self.keys, self.values = keys.contiguous(), values.contiguous()
        self.bias = padding.repeat(1, attention.heads, 1, 1)

    def read(self, x: Tensor) -> Tensor:
        """(batch * beam, d_model) to the same."""
        batch, heads, _, d_k = self.keys.shape
        q = self.w_q(x).view(batch, -1, heads, d_k).transpose(1, 2)
        keys, values = self.keys.flatten(0, 1), self.values.flatten(0, 1)
        result: Tensor = self.w_o(attend(q, keys, values, self.bias.flatten(0, 1)))
        return result


class FoldedMemory(_Memory):
    """The same for a few sentences, with W^Q folded into the keys and W^O into the values.

    The memory stays while the queries change: (x W^Q) K^T = x (W^Q K^T), and (A V) W^O =
    A (V W^O). Two products with (d_model, heads * source_len) matrices of the sentence take the
    place of four, which costs memory: heads times that of keys and values.
    """

    LARGEST = 1 << 18
    """Numbers in one folded matrix of the whole batch, at most."""

    def __init__(
        self, attention: MultiHeadAttention, keys: Tensor, values: Tensor, padding: Tensor
    ) -> None:
        """As in PlainMemory."""
        _, heads, _, d_k = keys.shape
        d_model = heads * d_k
        keys = keys / math.sqrt(d_k)
        w_q = attention.w_q.weight.view(heads, d_k, d_model)
        w_o = attention.w_o.weight.view(d_model, heads, d_k).permute(1, 2, 0)
        self.heads = heads
        self.keys = self._fold(keys, w_q).mT
        self.values = self._fold(values, w_o)
        of_bias = keys @ attention.w_q.bias.view(heads, d_k, 1)
        self.bias = (padding + of_bias.mT).flatten(1)[:, None]
        self.output_bias = attention.w_o.bias

    @staticmethod
    def _fold(x: Tensor, weight: Tensor) -> Tensor:
        """x (batch, heads, source_len, d_k) by weight (heads, d_k, d_model): (batch, heads *
        source_len, d_model)."""
        batch, heads, length, d_k = x.shape
        product = x.transpose(0, 1).reshape(heads, batch * length, d_k) @ weight
        by_sentence = product.view(heads, batch, length, -1).transpose(0, 1)
        return by_sentence.flatten(1, 2)

    @classmethod
    def suits(cls, attention: MultiHeadAttention, keys: Tensor) -> bool:
        """Whether the matrices are small and the weights at hand."""
        return keys.numel() * attention.heads <= cls.LARGEST and all(
            isinstance(getattr(linear, "weight", None), Tensor)
            for linear in (attention.w_q, attention.w_o)
        )

    def read(self, x: Tensor) -> Tensor:
        """(batch * beam, d_model) to the same."""
        batch, _, columns = self.keys.shape
        scores = torch.baddbmm(self.bias, x.view(batch, -1, x.shape[1]), self.keys)
        by_head = scores.view(batch, -1, self.heads, columns // self.heads)
        weights = torch.softmax(by_head, dim=-1).to(self.values.dtype).view_as(scores)
        return torch.baddbmm(self.output_bias, weights, self.values).view_as(x)


class KeyValueCache:
    """Keys and values of the tokens decoded so far, shared by all hypotheses of a sentence.

    Each step appends one entry a hypothesis: which entries a hypothesis descends from stands in a
    bias (`HypothesisTree`), so that a beam search reorders a few numbers instead of copying the
    cache.

    """

    def __init__(self, batch: int, heads: int, d_k: int, capacity: int, like: Tensor) -> None:
        self.entries = 0
        self._use(like.new_empty(2, batch, heads, capacity, d_k))

    def _use(self, keys_and_values: Tensor) -> None:
        """(2, batch, heads, capacity, d_k)."""
        self._both = keys_and_values
        self._keys, self._values = keys_and_values.flatten(1, 2).unbind(0)

    def append(self, keys_and_values: Tensor) -> tuple[Tensor, Tensor]:
        """Add (2, batch, heads, beam, d_k); returns all keys and all values so far,
        (batch * heads, entries, d_k)."""
        begin, beam = self.entries, keys_and_values.shape[3]
        self.entries = end = begin + beam
        self._both.narrow(3, begin, beam).copy_(keys_and_values)
        return self._keys.narrow(1, 0, end), self._values.narrow(1, 0, end)

    def keep(self, entries: Tensor, capacity: int) -> None:
        """Keep the entries (batch, kept) of each sentence, in that order, with room for more."""
        _, batch, heads, old_capacity, d_k = self._both.shape
        first = torch.arange(0, batch * heads * old_capacity, old_capacity, device=entries.device)
        rows = (first.view(batch, heads, 1) + entries[:, None]).flatten()
        self.entries = entries.shape[1]
        larger = self._both.new_empty(2, batch, heads, capacity, d_k)
        for old, new in zip(self._both, larger, strict=True):
            selected = old.view(-1, d_k).index_select(0, rows)
            new[:, :, : self.entries] = selected.view(batch, heads, -1, d_k)
        self._use(larger)

    def select(self, sentences: Tensor) -> None:
        """Keep the sentences (new_batch,) of the batch, in that order."""
        for part in self._both:
            keep_sentences(part, sentences)
        self._use(self._both[:, : len(sentences)])


def keep_sentences(x: Tensor, sentences: Tensor) -> Tensor:
    """The sentences (new_batch,) of x (batch, ...), in that order; x is overwritten.

    Only sentences that change their place are copied.
    """
    moved = (sentences != torch.arange(len(sentences), device=x.device)).nonzero()[:, 0]
    x[moved] = x.index_select(0, sentences[moved])
    return x[: len(sentences)]


class HypothesisTree:
    """Which cache entries each hypothesis descends from.

    bias: (batch, beam, entries), 0 where the entry is on the hypothesis' own path, else -inf.
    positions: (batch, entries) int64, the target position of each entry; only if asked for.
    """

    def __init__(self, batch: int, like: Tensor, with_positions: bool) -> None:
        self.bias = like.new_zeros(batch, 1, 0)
        self.positions: Tensor | None = None
        if with_positions:
            self.positions = torch.zeros(batch, 0, dtype=torch.int64, device=like.device)
        self.length = 0

    def grow(self) -> None:
        """One more token a hypothesis: each descends from its own new entry."""
        batch, beam, _ = self.bias.shape
        own = _own_entries(beam, self.bias.dtype, self.bias.device)
        self.bias = torch.cat([self.bias, own.expand(batch, beam, beam)], dim=2)
        if self.positions is not None:
            new = self.positions.new_full((batch, beam), self.length)
            self.positions = torch.cat([self.positions, new], dim=1)
        self.length += 1

    def forget_dead(self) -> Tensor:
        """Drop entries that no hypothesis descends from; returns those kept, (batch, kept).

        The sentence with most living entries decides how many; others keep some dead ones.
        """
        alive = (self.bias == 0.0).any(dim=1)
        kept = int(alive.sum(dim=1).max())
        entries = torch.argsort(~alive, dim=1, stable=True)[:, :kept]
        beam = self.bias.shape[1]
        self.bias = self.bias.gather(2, entries[:, None].expand(-1, beam, -1))
        if self.positions is not None:
            self.positions = self.positions.gather(1, entries)
        return entries

    def select(self, sentences: Tensor, beams: Tensor) -> None:
        """New hypothesis (i, j) continues old (sentences[i], beams[i, j])."""
        _, beam, entries = self.bias.shape
        rows = (sentences[:, None] * beam + beams).flatten()
        self.bias = self.bias.view(-1, entries).index_select(0, rows).view(*beams.shape, entries)
        if self.positions is not None:
            self.positions = self.positions.index_select(0, sentences)


@functools.cache
def _own_entries(beam: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """0 on the diagonal, else -inf: (beam, beam)."""
    return torch.full((beam, beam), -math.inf, dtype=dtype, device=device).fill_diagonal_(0.0)


class TransformerState:
    """What a search remembers of a batch of sentences; see `DecoderState`."""

    CAPACITY = 32
    """Entries of each cache at first."""
    cache_type: type[KeyValueCache] = KeyValueCache

    def __init__(self, model: Transformer, memory: Memory, max_length: int) -> None:
        batch, _, d_model = memory.states.shape
        self.heads, self.window = model.heads, model.attention_window
        self.rule: Any = model.decoder_rule
        self.norm, self.logits = model.decoder_norm.forward, model.logits
        self.capacity = min(max_length, self.CAPACITY)
        padding = memory.states.new_zeros(memory.mask.shape)
        padding = padding.masked_fill_(~memory.mask, -math.inf)[:, None, None]
        self.layers: list[LayerStep] = []
        self.memories: list[PlainMemory | FoldedMemory] = []
        self.caches: list[KeyValueCache] = []
        for layer in model.decoder_layers:
            assert isinstance(layer, DecoderLayer)
            cross = layer.cross_attention
            keys, values = map(cross.split_heads, cross.project_memory(memory.states))
            kind = FoldedMemory if FoldedMemory.suits(cross, keys) else PlainMemory
            self.layers.append(LayerStep(layer))
            self.memories.append(kind(cross, keys, values, padding))
            d_k = d_model // self.heads
            self.caches.append(self.cache_type(batch, self.heads, d_k, self.capacity, keys))
        with_positions = self.window is not None or self.rule is not None
        self.tree = HypothesisTree(batch, keys, with_positions)

    def advance(self, x: Tensor) -> Tensor:
        """All layers at the next position: from its embedding, (batch * beam, d_model), to the
        logits of the one after it, (batch * beam, target_vocab)."""
        batch, beam, entries = self.tree.bias.shape
        if entries + beam > self.capacity:
            self._make_room()
        self.tree.grow()
        bias, newest = self._position_rules()
        bias = bias.expand(batch, self.heads, beam, -1).reshape(batch * self.heads, beam, -1)
        return self._compute(x, bias, newest)

    def _compute(self, x: Tensor, bias: Tensor, newest: Tensor | None) -> Tensor:
        """The work of a step; bias: (batch * heads, beam, entries), newest: (1,), its position."""
        rotate = None
        if newest is not None and self.rule is not None:
            rotate = functools.partial(self.rule.rotate, positions=newest)
        for layer, cache, memory in zip(self.layers, self.caches, self.memories, strict=True):
            x = layer(x, cache, bias, rotate, memory)
        result: Tensor = self.logits(self.norm(x))
        return result

    def _make_room(self) -> None:
        """Drop dead entries and enlarge the caches."""
        kept = self.tree.forget_dead()
        self.capacity = kept.shape[1] * 3 // 2 + 4 * self.tree.bias.shape[1]
        for cache in self.caches:
            cache.keep(kept, self.capacity)

    def _position_rules(self) -> tuple[Tensor, Tensor | None]:
        """What is added to the scores of the cache's entries, (batch, heads or 1, beam, entries),
        and the newest position, (1,), if it matters."""
        bias, positions = self.tree.bias[:, None], self.tree.positions
        if positions is None:
            return bias, None
        newest = positions[0, -1:]
        if self.window is not None:
            far = newest - positions > self.window
            bias = bias.masked_fill(far[:, None, None], -math.inf)
        if self.rule is not None:
            by_distance = self.rule.bias(newest, positions.flatten())
            if by_distance is not None:  # (heads, 1, batch * entries)
                by_distance = by_distance.unflatten(2, positions.shape)
                bias = bias + by_distance.permute(2, 0, 1, 3)
        return bias, newest

    def select(self, sentences: Tensor, beams: Tensor) -> None:
        """See `DecoderState.select`."""
        same = len(sentences) == len(self.tree.bias)  # then it is the same batch
        self.tree.select(sentences, beams)
        if not same:
            self._select_sentences(sentences)

    def _select_sentences(self, sentences: Tensor) -> None:
        for part in (*self.caches, *self.memories):
            part.select(sentences)
