"""The attention weights of a model for a pair of sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nmt.data.batching import collate
from nmt.decoding.search import beam_search
from nmt.errors import UsageError
from nmt.inspection.words import Groups, word_groups
from nmt.text import clean_line, clean_source
from nmt.tokenizer.ids import EOS

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator
    from nmt.model import EncoderDecoder
    from nmt.tokenizer import Tokenizer

Kind = Literal["encoder", "decoder", "cross"]
Head = int | Literal["mean"]
Unit = Literal["subword", "word"]

TITLES: dict[Kind, str] = {
    "encoder": "encoder self-attention",
    "decoder": "masked decoder self-attention",
    "cross": "encoder-decoder attention",
}

_ROWS_AND_COLUMNS: dict[Kind, str] = {
    "encoder": "Each row is a source {unit}; each column is a source {unit} that it looks at.",
    "decoder": "Each row is a target {unit} that the decoder has read, from <s> on; each column is "
    "a {unit} that it looks at. Later {unit}s are masked.",
    "cross": "Each row is a target {unit} that the decoder writes; each column is a source {unit} "
    "that it looks at.",
}


class Panel(NamedTuple):
    """The map of a head or of the mean of heads; layer and head count from 1."""

    layer: int
    head: Head
    weights: Tensor
    """(query_len, key_len) float32; rows sum to 1."""

    @property
    def title(self) -> str:
        head = "mean of heads" if self.head == "mean" else f"head {self.head}"
        return f"layer {self.layer}, {head}"


@dataclass(frozen=True)
class AttentionMaps:
    """All attention weights of a sentence pair: per layer (heads, query_len, key_len) float32.

    Each row sums to 1; masked weights are exactly 0.
    """

    source_pieces: list[str]
    """Subwords that the encoder reads, with `</s>`."""
    target_pieces: list[str]
    """Subwords that the decoder predicts, with `</s>`."""
    encoder: list[Tensor]
    """Queries and keys are the source pieces."""
    decoder: list[Tensor]
    """Queries and keys are `<s>` and all target pieces except the last."""
    cross: list[Tensor]
    """Queries are the states that predict each target piece; keys are the source pieces."""
    unit: Unit = "subword"

    def explanation(self, kind: Kind) -> str:
        """Return sentences that say what the rows and columns are."""
        text = _ROWS_AND_COLUMNS[kind].format(unit=self.unit)
        text += " Each row adds up to 1."
        if not self.encoder:
            text += f" The state of a source {self.unit} has read the whole sentence, both ways."
        if self.unit == "word":
            text += " The rows of the subwords of a word are averaged, their columns are summed."
        return text

    def by_words(self, source: Groups, target: Groups) -> AttentionMaps:
        """Return the maps of words, given the words of both sides without `</s>`.

        The rows of the pieces of a word are averaged, their columns are summed: a row sums to 1.
        """
        sources, targets = (_with_end(side.members) for side in (source, target))
        inputs = _with_end(target.members.flip(0, 1)).flip(0, 1)  # `<s>` is the first input.

        def merged(layers: list[Tensor], queries: Tensor, keys: Tensor) -> list[Tensor]:
            mean = queries / queries.sum(1, keepdim=True)
            return [mean @ weights @ keys.T for weights in layers]

        return AttentionMaps(
            [*source.names, self.source_pieces[-1]],
            [*target.names, self.target_pieces[-1]],
            merged(self.encoder, sources, sources),
            merged(self.decoder, inputs, inputs),
            merged(self.cross, targets, sources),
            "word",
        )

    def labels(self, kind: Kind) -> tuple[list[str], list[str]]:
        """Return the names of the queries (rows) and of the keys (columns)."""
        inputs = ["<s>", *self.target_pieces[:-1]]
        return {
            "encoder": (self.source_pieces, self.source_pieces),
            "decoder": (inputs, inputs),
            "cross": (self.target_pieces, self.source_pieces),
        }[kind]

    def layers(self, kind: Kind) -> list[Tensor]:
        """Return the maps of a kind. Raises UsageError if the model has no such attention."""
        layers: list[Tensor] = getattr(self, kind)
        if not layers:
            has = [other for other in TITLES if getattr(self, other)]
            raise UsageError(
                f"this model has no {TITLES[kind]}",
                f"use --kind {' or '.join(has)}" if has else "use a model with attention",
            )
        return layers

    def panels(self, kind: Kind, layer: int | None = None, head: Head | None = None) -> list[Panel]:
        """Return the maps of all layers and heads, or of the given ones, by layer.

        Raises UsageError if the layer or head does not exist.
        """
        layers = self.layers(kind)
        heads = layers[0].shape[0]
        _check("layer", layer, len(layers))
        _check("head", None if head == "mean" else head, heads)
        chosen = range(1, heads + 1) if head is None else [head]
        return [
            Panel(n, h, weights.mean(0) if h == "mean" else weights[h - 1])
            for n, weights in enumerate(layers, start=1)
            if layer in (None, n)
            for h in chosen
        ]

    def to_dict(self, kind: Kind, panels: Sequence[Panel]) -> dict[str, Any]:
        rows, columns = self.labels(kind)
        return {
            "kind": kind,
            "unit": self.unit,
            "explanation": self.explanation(kind),
            "source": self.source_pieces,
            "target": self.target_pieces,
            "queries": rows,
            "keys": columns,
            "maps": [
                {"layer": p.layer, "head": p.head, "weights": p.weights.tolist()} for p in panels
            ],
        }

    def sharpest(self, kind: Kind) -> int:
        """Return the layer, from 1, whose mean of heads has the largest row maxima on average."""
        sharpness = [weights.mean(0).amax(-1).mean().item() for weights in self.layers(kind)]
        return sharpness.index(max(sharpness)) + 1


def _with_end(members: Tensor) -> Tensor:
    """Add a group of one piece at the end."""
    joined = members.new_zeros(len(members) + 1, members.shape[1] + 1)
    joined[:-1, :-1] = members
    joined[-1, -1] = 1
    return joined


def _check(what: str, number: int | None, count: int) -> None:
    if number is not None and not 1 <= number <= count:
        raise UsageError(f"there is no {what} {number}", f"use a {what} from 1 to {count}")


@contextmanager
def record_attention(model: EncoderDecoder) -> Iterator[dict[Kind, list[list[Tensor]]]]:
    """Record the attention weights of one `encode` and one `decode` of the model.

    Yields, per kind and layer, the weights (batch, heads, query_len, key_len) of each call.
    """
    recording: dict[Kind, list[list[Tensor]]] = {kind: [] for kind in TITLES}
    watched = [(name, m) for name, m in model.named_modules() if hasattr(m, "watch")]
    before = [module.watch for _, module in watched]
    for name, module in watched:
        calls: list[Tensor] = []
        recording[_kind(name)].append(calls)
        module.watch = calls.append
    try:
        yield recording
    finally:
        for (_, module), watch in zip(watched, before, strict=True):
            module.watch = watch


def _kind(name: str) -> Kind:
    if name.startswith("encoder"):
        return "encoder"
    return "decoder" if name.endswith("self_attention") else "cross"


@torch.inference_mode()
def attention_maps(
    model: EncoderDecoder, tokenizer: Tokenizer, pairs: Sequence[tuple[list[int], list[int]]]
) -> list[AttentionMaps]:
    """Return the maps of (source ids, target ids) pairs without bos and eos, as one batch.

    The model must be in evaluation mode.
    """
    device = next(model.parameters()).device
    batch = collate(pairs, np.arange(len(pairs))).to(device)
    with record_attention(model) as recording:
        model.decode(batch.target, model.encode(batch.source))
    # An attention that runs position by position is called once per position.
    encoder, decoder, cross = (
        [torch.cat(calls, dim=2).float().cpu() for calls in recording[kind] if calls]
        for kind in TITLES
    )
    maps = []
    for i, (source, target) in enumerate(pairs):
        s, t = len(source) + 1, len(target) + 1
        maps.append(
            AttentionMaps(
                [*tokenizer.source.pieces(source), "</s>"],
                [*tokenizer.target.pieces(target), "</s>"],
                [weights[i, :, :s, :s] for weights in encoder],
                [weights[i, :, :t, :t] for weights in decoder],
                [weights[i, :, :t, :s] for weights in cross],
            )
        )
    return maps


def translation_maps(
    translator: Translator, source: str, target: str | None = None
) -> dict[Unit, AttentionMaps]:
    """Return the maps of a sentence and its target, which is translated if it is None.

    `AttentionMaps.by_words` makes the maps of words. Raises UsageError if a text is empty or too
    long for the translator.
    """
    tokenizer, program = translator.tokenizer, translator.program
    source_ids = _checked(tokenizer.source.encode(clean_source(source)), "sentence", translator)
    source_ids = [*translator.tags, *source_ids]
    if target is not None:
        target_ids = _checked(tokenizer.target.encode(clean_line(target)), "target", translator)
    else:
        ids = torch.tensor([[*source_ids, EOS]], device=program.device)
        [[best]] = beam_search(program, ids, translator.decoding)
        target_ids = best.tokens
    [maps] = attention_maps(program.model, tokenizer, [(source_ids, target_ids)])
    groups = (
        word_groups(tokenizer.source, source_ids),
        word_groups(tokenizer.target, target_ids),
    )
    return {"subword": maps, "word": maps.by_words(*groups)}


def _checked(ids: list[int], name: str, translator: Translator) -> list[int]:
    limit = translator.max_text_tokens
    if not ids:
        raise UsageError(f"the {name} is empty", "enter some text")
    if len(ids) > limit:
        raise UsageError(
            f"the {name} has {len(ids):,} subwords, more than {limit:,}", f"shorten the {name}"
        )
    return ids
