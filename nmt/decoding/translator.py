"""Text in, text out: clean, tokenize, sort, batch, search, and put back in order."""

from __future__ import annotations

import gc
import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from nmt.config import DecodingConfig
from nmt.decoding.search import Hypothesis, beam_search, sample, target_log_probabilities
from nmt.devices import Precision, autocast, keep_freed_memory, resolve_device
from nmt.errors import ConfigError
from nmt.model.packing import Packing, can_pack, pack_linears
from nmt.text import clean_line
from nmt.tokenizer.ids import BOS, EOS

if TYPE_CHECKING:
    from nmt.model import Model
    from nmt.runs import Run
    from nmt.tokenizer import Tokenizer

MAX_CHARACTERS = 100_000
"""Longer sentences are refused: translated to nothing, with a warning."""

Warn = Callable[[int, str], None]
"""Called with the index of a sentence and what was done to it."""
Search = Callable[[Tensor, Tensor, Sequence[int]], list[list[Hypothesis]]]
"""Search of a batch: source ids, their mask, and the index of each row's sentence."""


class Translation(NamedTuple):
    """One translation of a sentence."""

    text: str
    score: float
    """log_probability / length ** length_penalty, the figure that hypotheses are ranked by."""
    log_probability: float
    """log P(translation | source) in nats."""
    at_limit: bool
    """Whether it is as long as max_length or max_length_ratio allow: probably cut or a loop."""


class PairScore(NamedTuple):
    """How probable a given translation is."""

    log_probability: float
    """log P(target | source) in nats."""
    tokens: int
    """Target tokens, eos counted."""


def warn_in_python(index: int, message: str) -> None:
    """A Python warning that counts sentences from 1."""
    warnings.warn(f"sentence {index + 1}: {message}", stacklevel=2)


class Translator:
    """A model, its tokenizer and how to search. Empty sentences translate to nothing."""

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        decoding: DecodingConfig | None = None,
        device: torch.device | str = "cpu",
        precision: Precision = "fp32",
        max_source_tokens: int = 256,
    ) -> None:
        """`model` must be on `device`. Sentences of more than max_source_tokens tokens, which
        training never showed, are translated in pieces."""
        self.model = model
        self.tokenizer = tokenizer
        self.decoding = decoding or DecodingConfig()
        self.device = torch.device(device)
        self.precision: Precision = precision
        self.max_source_tokens = max_source_tokens

    @classmethod
    def load(
        cls,
        run: Run,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        decoding: DecodingConfig | None = None,
    ) -> Self:
        """The translator of a run, searching as its config says unless `decoding` is given.

        Raises StorageError if the run is damaged, UsageError if there is no such device.
        """
        from nmt.runs import load_model

        config = run.config
        decoding = decoding or config.decoding
        where = resolve_device(device)
        max_source_tokens = config.data.max_tokens
        if config.model.positions == "learned":
            # One position is taken by eos in the source, by bos in the target.
            room = config.model.max_positions - 1
            max_source_tokens = min(max_source_tokens, room)
            decoding = decoding.model_copy(update={"max_length": min(decoding.max_length, room)})
        chosen = resolve_decoding_precision(decoding.precision, where)
        model = load_model(run, where)
        precision: Precision = "bf16" if chosen == "bf16" else "fp32"
        if can_pack(where, chosen):
            assert isinstance(model, torch.nn.Module)
            pack_linears(model, chosen)
            precision = "fp32"  # what surrounds the packed products
        return cls(model, run.tokenizer, decoding, where, precision, max_source_tokens)

    def translate(self, sentences: Sequence[str], warn: Warn = warn_in_python) -> list[str]:
        """The best translation of each sentence, in order."""
        return [best[0].text for best in self.translate_nbest(sentences, 1, warn)]

    def translate_nbest(
        self, sentences: Sequence[str], nbest: int, warn: Warn = warn_in_python
    ) -> list[list[Translation]]:
        """The nbest best translations of each sentence, best first; at least one each.

        Raises ValueError if nbest exceeds the beam size.
        """

        def search(source: Tensor, mask: Tensor, _: Sequence[int]) -> list[list[Hypothesis]]:
            return beam_search(self.model, source, mask, self.decoding, nbest)

        return self._translate(sentences, search, warn)

    def sample(
        self,
        sentences: Sequence[str],
        *,
        count: int = 1,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
        first: int = 0,
        warn: Warn = warn_in_python,
    ) -> list[list[Translation]]:
        """`count` random translations of each sentence, best first (see `search.sample`).

        The draws of a sentence depend on the seed and its number alone, counted from `first`.
        """

        def search(source: Tensor, mask: Tensor, rows: Sequence[int]) -> list[list[Hypothesis]]:
            seeds = [(seed, first + row) for row in rows]
            return sample(
                self.model,
                source,
                mask,
                self.decoding,
                seeds,
                count=count,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
            )

        return self._translate(sentences, search, warn)

    def stream(
        self, lines: Iterable[str], group: int = 1024, warn: Warn = warn_in_python
    ) -> Iterator[str]:
        """Translate lines without holding them all: read, sort and answer `group` at a time."""
        lines = iter(lines)
        first = 0
        while sentences := list(itertools.islice(lines, group)):
            yield from self.translate(sentences, lambda i, text, n=first: warn(n + i, text))  # type: ignore[misc]
            first += len(sentences)

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[PairScore]:
        """The probability of each given (source, target) pair; an empty target is just eos."""
        sources = self.tokenizer.source.encode_batch([clean_line(source) for source, _ in pairs])
        targets = self.tokenizer.target.encode_batch([clean_line(target) for _, target in pairs])
        totals = [0.0] * len(pairs)
        lengths = [max(len(s), len(t)) + 1 for s, t in zip(sources, targets, strict=True)]
        with evaluation_mode(self.model), autocast(self.device, self.precision):
            for rows in _batches(lengths, self.decoding.batch_tokens):
                source, source_mask = self._padded([[*sources[i], EOS] for i in rows])
                target_in, _ = self._padded([[BOS, *targets[i]] for i in rows])
                target_out, target_mask = self._padded([[*targets[i], EOS] for i in rows])
                found = target_log_probabilities(
                    self.model, source, source_mask, target_in, target_out, target_mask
                )
                for i, total in zip(rows, found, strict=True):
                    totals[i] = total
        return [PairScore(total, len(t) + 1) for total, t in zip(totals, targets, strict=True)]

    def _translate(
        self, sentences: Sequence[str], search: Search, warn: Warn
    ) -> list[list[Translation]]:
        pieces: list[list[int]] = []
        owners: list[int] = []
        cleaned = [clean_line(s) if len(s) <= MAX_CHARACTERS else "" for s in sentences]
        for i, sentence in enumerate(sentences):
            if len(sentence) > MAX_CHARACTERS:
                warn(i, f"longer than {MAX_CHARACTERS:,} characters, not translated")
        for i, ids in enumerate(self.tokenizer.source.encode_batch(cleaned)):
            parts = [ids] if ids else []
            if len(ids) > self.max_source_tokens:
                parts = self._split(cleaned[i])
                warn(i, f"{len(ids)} tokens long, translated in {len(parts)} pieces")
            pieces += parts
            owners += [i] * len(parts)

        found: list[list[Hypothesis]] = [[] for _ in pieces]
        with evaluation_mode(self.model), autocast(self.device, self.precision):
            for rows in _batches([len(p) + 1 for p in pieces], self.decoding.batch_tokens):
                source, mask = self._padded([[*pieces[i], EOS] for i in rows])
                hypotheses = search(source, mask, [owners[i] for i in rows])
                for i, best in zip(rows, hypotheses, strict=True):
                    found[i] = best

        results: list[list[list[Hypothesis]]] = [[] for _ in sentences]
        for owner, best in zip(owners, found, strict=True):
            results[owner].append(best)
        return [self._join(parts) for parts in results]

    def _split(self, text: str) -> list[list[int]]:
        encode = self.tokenizer.source.encode
        ids = (encode(piece) for piece in split_text(text, self._fits))
        return [piece for piece in ids if piece]

    def _fits(self, text: str) -> bool:
        return len(self.tokenizer.source.encode(text)) <= self.max_source_tokens

    def _join(self, parts: list[list[Hypothesis]]) -> list[Translation]:
        """Translations of a sentence from the hypotheses of its pieces, best with best."""
        if not parts or not all(parts):
            return [Translation("", 0.0, 0.0, False)]
        translations = []
        for pieces in zip(*parts, strict=False):
            texts = [clean_line(self.tokenizer.target.decode(h.tokens)) for h in pieces]
            total = sum(h.log_probability for h in pieces)
            length = sum(len(h.tokens) + 1 for h in pieces)
            translations.append(
                Translation(
                    " ".join(text for text in texts if text),
                    total / length**self.decoding.length_penalty,
                    total,
                    any(h.at_limit for h in pieces),
                )
            )
        return translations

    def _padded(self, sequences: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Ids and mask, (batch, longest), on the device."""
        lengths = np.array([len(ids) for ids in sequences])
        mask = np.arange(lengths.max()) < lengths[:, None]
        padded = np.zeros(mask.shape, dtype=np.int64)
        padded[mask] = np.concatenate(sequences)
        return torch.from_numpy(padded).to(self.device), torch.from_numpy(mask).to(self.device)


def load_alone(
    run: Run,
    device: Literal["auto", "cpu", "cuda"],
    threads: int | None,
    decoding: DecodingConfig | None,
) -> Translator:
    """`Translator.load` for a process that does nothing else, set up to be fast at it; threads:
    None for all cores."""
    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    translator = Translator.load(run, device, decoding)
    gc.freeze()  # what is loaded stays: the collector need not look through it again and again
    return translator


class evaluation_mode:  # noqa: N801
    """Context in which a model runs without dropout; afterwards it is as it was."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.was_training = self.model.training
        if self.was_training:  # it takes longer than a step of the search
            self.model.eval()

    def __exit__(self, *_: object) -> None:
        if self.was_training:
            self.model.train()


def resolve_decoding_precision(
    name: Literal["auto", "fp32", "fp16", "bf16", "int8"], device: torch.device
) -> Packing:
    """The number format meant by `decoding.precision`. Raises ConfigError if this machine cannot
    multiply in it."""
    if name in ("fp16", "int8") and not can_pack(device, name):
        raise ConfigError(
            f"decoding.precision {name} does not run on {device.type} with this build of torch",
            "it needs FBGEMM on an x86 CPU; use fp32 or bf16",
        )
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
        return "fp16" if can_pack(device, "fp16") else "fp32"
    return name


_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？।؟])\s*")
_CLAUSE_END = re.compile(r"(?<=[,;:–—،؛])\s+|(?<=[，、；：])\s*")
_SPACE = re.compile(r"\s+")


def split_text(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Halve a text until every piece fits.

    It is cut at the sentence end nearest to the middle; if none lies in its middle half, at the
    nearest end of a clause, or space, or right in the middle.
    """
    if len(text) < 2 or fits(text):
        return [text]
    quarter, middle = len(text) // 4, len(text) // 2
    cut = middle
    for pattern in (_SENTENCE_END, _CLAUSE_END, _SPACE):
        matches = pattern.finditer(text, quarter, len(text) - quarter)
        ends = [match.end() for match in matches if 0 < match.end() < len(text)]
        if ends:
            cut = min(ends, key=lambda end: abs(end - middle))
            break
    return [*split_text(text[:cut].rstrip(), fits), *split_text(text[cut:], fits)]


def _batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, of at most batch_tokens with padding
    (or a single sequence)."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    first = 0
    while first < len(order):
        last = first + max(1, batch_tokens // lengths[order[first]])
        yield order[first:last]
        first = last
