"""The recurrent encoder-decoder, with one fixed context vector or with additive attention.

Cho et al. (2014), "Learning Phrase Representations using RNN Encoder-Decoder", and Bahdanau et al.
(2015), "Neural Machine Translation by Jointly Learning to Align and Translate". In shapes, `beam`
is the number of hypotheses per sentence; it is 1 in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nmt.model.base import EncoderDecoder, Memory, Tokens
from nmt.model.layers import WordDropout

Attention = Literal["none", "additive"]


class BidirectionalGRU(nn.Module):
    """Two GRUs of width d_model / 2, of which one reads forwards and one backwards."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.forward_gru = nn.GRU(d_model, d_model // 2, batch_first=True)
        self.backward_gru = nn.GRU(d_model, d_model // 2, batch_first=True)

    def forward(self, x: Tensor, mirror: Tensor) -> Tensor:
        """Map x (batch, length, d_model) to the same shape; mirror: from `mirrored_positions`."""
        forwards, _ = self.forward_gru(x)
        backwards, _ = self.backward_gru(_take(x, mirror))
        return torch.cat([forwards, _take(backwards, mirror)], dim=-1)


def mirrored_positions(mask: Tensor) -> Tensor:
    """Return positions (batch, length) int64 that reverse each sentence but not its padding.

    mask: (batch, length) bool, True = real token.
    """
    positions = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - positions, positions)


def _take(x: Tensor, positions: Tensor) -> Tensor:
    """Return x (batch, length, width) at positions (batch, new_length)."""
    return x.gather(1, positions[..., None].expand(-1, -1, x.shape[-1]))


class AdditiveAttention(nn.Module):
    """Weights softmax(v^T tanh(W s + U h)) (Bahdanau et al., 2015, appendix A.1.2)."""

    def __init__(self, d_model: int, dropout: nn.Dropout) -> None:
        super().__init__()
        self.w = nn.Linear(d_model, d_model)
        self.u = nn.Linear(d_model, d_model, bias=False)
        self.v = nn.Linear(d_model, 1, bias=False)
        self.dropout = dropout
        self.watch: Callable[[Tensor], None] | None = None
        """Called with the attention weights (batch, 1, query_len, source_len) of each forward."""

    def forward(self, state: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """Attend from the decoder's previous states (batch, beam, d_model) to the source.

        Returns the contexts (batch, beam, d_model) and the weights (batch, beam, source_len).
        """
        energy = torch.tanh(self.w(state)[:, :, None] + source.keys[:, None])
        scores = self.v(energy).squeeze(-1)
        mask = source.mask[:, None]
        weights = torch.softmax(scores.masked_fill(~mask, -math.inf), dim=-1)
        return self.dropout(weights).to(source.states.dtype) @ source.states, weights


@dataclass(frozen=True)
class Source:
    """The source sentences as the decoder reads them.

    summary: (batch, d_model), the fixed vector; states: h, (batch, source_len, d_model); keys: U h
    for attention, otherwise h; mask: (batch, source_len) bool, True = real token.
    """

    summary: Tensor
    keys: Tensor
    states: Tensor
    mask: Tensor

    def select(self, sentences: Tensor) -> Source:
        """Return the sentences with the numbers (new_batch,) int64, in that order."""
        parts = (self.summary, self.keys, self.states, self.mask)
        return Source(*(part.index_select(0, sentences) for part in parts))


class FixedContextGRU(nn.Module):
    """A decoder layer that reads the same context at every step (Cho et al., 2014, equation 2)."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.gru = nn.GRU(2 * d_model, d_model, batch_first=True)

    def keys(self, states: Tensor) -> Tensor:
        """Return the states unchanged; there is no attention."""
        return states

    def forward(self, x: Tensor, state: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """Return new states and contexts for the inputs x, all (batch, beam, length, d_model).

        state: (batch, beam, d_model), the state before the first input.
        """
        contexts = source.summary[:, None, None].expand(*x.shape[:-1], -1)
        return run_gru(self.gru, torch.cat([x, contexts], dim=-1), state), contexts


class AttentiveGRU(nn.Module):
    """A decoder layer that attends to the source from its previous state at every step."""

    def __init__(self, d_model: int, dropout: nn.Dropout) -> None:
        super().__init__()
        self.attention = AdditiveAttention(d_model, dropout)
        self.cell = nn.GRUCell(2 * d_model, d_model)

    def keys(self, states: Tensor) -> Tensor:
        """Return U h for the source states h, both (batch, source_len, d_model)."""
        return self.attention.u(states)

    def forward(self, x: Tensor, state: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """Return new states and contexts for the inputs x, all (batch, beam, length, d_model).

        state: (batch, beam, d_model), the state before the first input.
        """
        states, contexts, weights = [], [], []
        for step in x.unbind(dim=2):
            context, weight = self.attention(state, source)
            inputs = torch.cat([step, context], dim=-1)
            state = self.cell(inputs.flatten(0, 1), state.flatten(0, 1)).view_as(state)
            states.append(state)
            contexts.append(context)
            weights.append(weight)
        if self.attention.watch is not None:
            self.attention.watch(torch.stack(weights, dim=2).flatten(1, 2)[:, None])
        return torch.stack(states, dim=2), torch.stack(contexts, dim=2)


def run_gru(gru: nn.GRU, x: Tensor, state: Tensor) -> Tensor:
    """Return the states (batch, beam, length, d_model) of a GRU that reads x.

    x: (batch, beam, length, width); state: (batch, beam, d_model), the state before x.
    """
    states, _ = gru(x.flatten(0, 1), state.flatten(0, 1)[None].contiguous())
    return states.unflatten(0, x.shape[:2])


class RNNEncoderDecoder(EncoderDecoder):
    """Encoder of bidirectional GRUs and decoder of GRUs.

    The first decoder layer reads the source; each other layer reads the layer below. The next token
    is predicted from the top state, the previous token and the context (Bahdanau et al., 2015,
    appendix A.2.2, with tanh instead of maxout).
    """

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        *,
        d_model: int,
        encoder_layers: int,
        decoder_layers: int,
        attention: Attention = "none",
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        word_dropout: float = 0.0,
        share_embeddings: bool = False,
        tie_output: bool = True,
        dropout_layer: Callable[[float], nn.Dropout] = nn.Dropout,
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.source_embedding = nn.Embedding(source_vocab, d_model)
        self.target_embedding = (
            self.source_embedding if share_embeddings else nn.Embedding(target_vocab, d_model)
        )
        self.encoder_layers = nn.ModuleList(
            BidirectionalGRU(d_model) for _ in range(encoder_layers)
        )
        self.decoder_start = nn.Linear(d_model, decoder_layers * d_model)
        first: FixedContextGRU | AttentiveGRU = (
            FixedContextGRU(d_model)
            if attention == "none"
            else AttentiveGRU(d_model, dropout_layer(attention_dropout))
        )
        upper = [nn.GRU(d_model, d_model, batch_first=True) for _ in range(decoder_layers - 1)]
        self.decoder_layers = nn.ModuleList([first, *upper])
        self.decoder_readout = nn.Linear(3 * d_model, d_model)
        self.output_projection = nn.Linear(d_model, target_vocab, bias=False)
        self.word_dropout = WordDropout(word_dropout)
        self.dropout = dropout_layer(dropout)
        self._initialize()
        if tie_output:
            self.output_projection.weight = self.target_embedding.weight

    def _initialize(self) -> None:
        for name, parameter in self.named_parameters():
            if "embedding" in name:
                nn.init.normal_(parameter, std=self.d_model**-0.5)
            elif parameter.dim() == 1:
                nn.init.zeros_(parameter)
            elif "weight_hh" in name:
                for gate in parameter.detach().chunk(3):
                    nn.init.orthogonal_(gate)
            else:
                nn.init.xavier_uniform_(parameter)

    def _embed(self, embedding: nn.Module, ids: Tensor) -> Tensor:
        return self.dropout(self.word_dropout(embedding(ids)) * math.sqrt(self.d_model))

    def encode(self, source: Tokens) -> Memory:
        """Return the states of both directions, (batch, source_len, d_model).

        Raises ValueError for packed rows, because a state cannot be reset in the middle of a row.
        """
        if bool((source.segments > 1).any()):
            raise ValueError("an RNN reads one sentence per row")
        x = self._embed(self.source_embedding, source.ids)
        mirror = mirrored_positions(source.segments > 0)
        for layer in self.encoder_layers:
            x = self.dropout(layer(x, mirror))
        return Memory(x, source.segments)

    def read(self, memory: Memory) -> tuple[Source, list[Tensor]]:
        """Return the source and the states (batch, 1, d_model) of all decoder layers before bos.

        The summary joins the final states of both directions: forwards at the last token, backwards
        at the first token.
        """
        mask = memory.segments > 0
        last = mask.sum(dim=1, keepdim=True) - 1
        half = self.d_model // 2
        ends = _take(memory.states, last).squeeze(1)[:, :half], memory.states[:, 0, half:]
        summary = torch.cat(ends, dim=-1)
        # States accumulate rounding errors over many steps: keep the weights' dtype under autocast.
        dtype = self.target_embedding.weight.dtype
        states = torch.tanh(self.decoder_start(summary))[:, None].to(dtype)
        first = self.decoder_layers[0]
        assert isinstance(first, FixedContextGRU | AttentiveGRU)
        source = Source(summary, first.keys(memory.states), memory.states, mask)
        return source, list(states.chunk(len(self.decoder_layers), dim=-1))

    def advance(
        self, tokens: Tensor, source: Source, states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Read tokens (batch, beam, length) from the states (batch, beam, d_model) of all layers.

        Returns hidden states (batch, beam, length, d_model) and the new states of all layers.
        """
        words = self._embed(self.target_embedding, tokens)
        first, *upper = self.decoder_layers
        x, contexts = first(words, states[0], source)
        new_states = [x[:, :, -1]]
        for layer, state in zip(upper, states[1:], strict=True):
            assert isinstance(layer, nn.GRU)
            x = run_gru(layer, self.dropout(x), state)
            new_states.append(x[:, :, -1])
        together = torch.cat([self.dropout(x), words, contexts], dim=-1)
        return self.dropout(torch.tanh(self.decoder_readout(together))), new_states

    def decode(self, target: Tokens, memory: Memory) -> Tensor:
        hidden, _ = self.advance(target.ids[:, None], *self.read(memory))
        return hidden.squeeze(1)
