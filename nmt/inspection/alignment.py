"""Word alignments from encoder-decoder attention.

The weight between two words is the sum over the source word's subwords and the mean over the target
word's subwords. A target word is linked to the source word with the largest weight, or to none if
`</s>` has more. The weights come from the state that predicts a target piece, or from the next
state, which reads it (Chen et al., 2020, "Accurate word alignment induction from neural machine
translation").
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor

from nmt.bars import track
from nmt.inspection.attention import AttentionMaps, Head, attention_maps
from nmt.inspection.words import membership

if TYPE_CHECKING:
    from nmt.config import DataConfig
    from nmt.model import EncoderDecoder
    from nmt.tokenizer import Tokenizer

Links = list[tuple[int, int]]
"""Sorted pairs (source word, target word), from 0."""
State = Literal["predicts", "reads"]
"""Attention of the state that predicts a target piece, or of the state that reads it."""
STATES: tuple[State, State] = ("predicts", "reads")

_BATCH_TOKENS = 4096
_PAIRS_TO_CHOOSE_BY = 500


class Choice(NamedTuple):
    """The attention to align by; layer and head count from 1."""

    layer: int
    head: Head
    state: State

    def __str__(self) -> str:
        head = "mean of heads" if self.head == "mean" else f"head {self.head}"
        return f"layer {self.layer}, {head}, of the state that {self.state} the word"


class WordAttention:
    """Attention between the words of a sentence pair, of all heads."""

    def __init__(self, maps: AttentionMaps, source: Tensor, target: Tensor) -> None:
        """source, target: (words, pieces) float, 1 if the word has the piece."""
        cross = torch.stack(maps.layers("cross"))
        cross = torch.cat([cross, cross.mean(1, keepdim=True)], dim=1)
        pieces = target.shape[1]
        rows = torch.stack([cross[:, :, :pieces], cross[:, :, 1 : pieces + 1]], dim=2)
        rows = (target / target.sum(1, keepdim=True).clamp(min=1)) @ rows
        nothing = rows[..., -1:] + (target.sum(1, keepdim=True) == 0)
        self.weights = torch.cat([rows[..., :-1] @ source.T, nothing], dim=-1)
        """(layers, heads + 1, states, target_words, source_words + 1); the last head is the mean,
        the last source word is `</s>`."""
        self.best = self.weights.argmax(-1)
        """(layers, heads + 1, states, target_words): the source word of each target word."""

    def choices(self) -> list[Choice]:
        """Return the choices in the order of `best`."""
        layers, heads = self.best.shape[:2]
        names: list[Head] = [*range(1, heads), "mean"]
        numbers = range(1, layers + 1)
        return [Choice(*c) for c in itertools.product(numbers, names, STATES)]

    def links(self, choice: Choice) -> Links:
        head = -1 if choice.head == "mean" else choice.head - 1
        best = self.best[choice.layer - 1, head, STATES.index(choice.state)].tolist()
        none = self.weights.shape[-1] - 1
        return sorted((s, t) for t, s in enumerate(best) if s != none)


def word_attention(
    model: EncoderDecoder,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
    max_tokens: int,
    tags: Sequence[str] = (),
    advance: Callable[[int], object] = lambda _: None,
) -> Iterator[WordAttention | None]:
    """Return the attention between the words of each (source, target) pair of texts.

    It is None for a pair with a side without words or with more than max_tokens subwords. tags:
    tags of the tokenizer before each source. advance: called after each batch with its pairs.
    """
    before = tokenizer.source.tag_ids(tags)
    sources = tokenizer.source.encode_batch([source for source, _ in pairs])
    targets = tokenizer.target.encode_batch([target for _, target in pairs])
    ids = [(before + s if s else s, t) for s, t in zip(sources, targets, strict=True)]
    lengths = [max(len(source), len(target)) + 1 for source, target in ids]
    usable = [i for i, (s, t) in enumerate(ids) if s and t and lengths[i] <= max_tokens + 1]
    usable.sort(key=lambda i: -lengths[i])
    found: dict[int, WordAttention] = {}
    while usable:
        count = max(1, _BATCH_TOKENS // lengths[usable[0]])
        batch, usable = usable[:count], usable[count:]
        for i, maps in zip(
            batch, attention_maps(model, tokenizer, [ids[i] for i in batch]), strict=True
        ):
            source = membership(tokenizer.source, pairs[i][0], ids[i][0])
            target = membership(tokenizer.target, pairs[i][1], ids[i][1])
            if len(source) and len(target):
                found[i] = WordAttention(maps, source, target)
        advance(len(batch))
    return (found.get(i) for i in range(len(pairs)))


def alignment_errors(
    model: EncoderDecoder,
    tokenizer: Tokenizer,
    examples: Iterable[tuple[str, str, Iterable[tuple[int, int]]]],
    max_tokens: int,
    tags: Sequence[str] = (),
    advance: Callable[[int], object] = lambda _: None,
) -> dict[Choice, float]:
    """Return the alignment error rate of each choice on (source, target, gold links) examples.

    1 - 2 |A & G| / (|A| + |G|), by Och and Ney (2003) with all gold links sure; 0 is perfect.
    """
    examples = list(examples)
    hits, made = [], []
    wanted = 0
    choices: list[Choice] = []
    pairs = [(source, target) for source, target, _ in examples]
    found = word_attention(model, tokenizer, pairs, max_tokens, tags, advance)
    for attention, (_, _, links) in zip(found, examples, strict=True):
        gold = set(links)
        wanted += len(gold)
        if attention is None:
            continue
        choices = attention.choices()
        table = torch.zeros(attention.weights.shape[-2:], dtype=torch.bool)
        for s, t in gold:
            table[t, s] = True
        hits.append(table[torch.arange(len(table)), attention.best].sum(-1))
        made.append((attention.best < table.shape[1] - 1).sum(-1))
    if not hits:
        return {}
    total = torch.stack(made).sum(0) + wanted
    errors = 1 - 2 * torch.stack(hits).sum(0).double() / total.clamp(min=1)
    return dict(zip(choices, errors.flatten().tolist(), strict=True))


def has_gold(data: DataConfig) -> bool:
    """Return whether the validation set has gold alignments, as the built-in corpus has."""
    from nmt.config import BuiltinCorpus

    return all(isinstance(source, BuiltinCorpus) for source in data.valid)


def choose(
    model: EncoderDecoder,
    tokenizer: Tokenizer,
    data: DataConfig,
    layer: int | None = None,
    head: Head | None = None,
    state: State | None = None,
) -> Choice:
    """Choose layer, head and state where they are None.

    With gold alignments, the choice has the lowest alignment error rate. Otherwise it is the mean
    of heads of the last layer, in the state that predicts. Raises UsageError if the layer, the
    head, or encoder-decoder attention does not exist.
    """
    [maps] = attention_maps(model, tokenizer, [([], [])])
    panels = maps.panels("cross", layer, head)
    if head is None:
        panels += maps.panels("cross", layer, "mean")
    states = [state] if state else STATES
    candidates = [Choice(panel.layer, panel.head, s) for panel in panels for s in states]
    if len(candidates) > 1 and has_gold(data):
        from nmt.phrasebook import generate

        examples = itertools.islice(generate("valid"), _PAIRS_TO_CHOOSE_BY)
        tags = data.parts("valid")[0].tags
        with track("choosing a layer and head", _PAIRS_TO_CHOOSE_BY) as advance:
            limit = data.max_tokens
            errors = alignment_errors(model, tokenizer, examples, limit, tags, advance)
        return min(candidates, key=errors.__getitem__)
    # It is close to the best on the phrasebook (docs/results.md).
    return Choice(layer or len(maps.cross), head or "mean", state or "predicts")
