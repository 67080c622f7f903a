"""Text in, text out: clean, tokenize, sort, batch, search, and put back in order."""

from __future__ import annotations

import gc
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, overload

import torch
from torch import Tensor

from nmt.data.batching import pad
from nmt.decoding.engine import build_program
from nmt.decoding.search import Hypothesis, beam_search, normalized_score, sample
from nmt.devices import gpu_has_native_bf16, keep_freed_memory, made_current, resolve_device
from nmt.errors import ConfigError
from nmt.kernels.linear import NumberFormat, can_pack
from nmt.text import clean_line
from nmt.tokenizer.ids import BOS, EOS

if TYPE_CHECKING:
    from nmt.config import DecodingConfig
    from nmt.decoding.engine import DecoderProgram
    from nmt.runs import Run
    from nmt.tokenizer import Tokenizer

MAX_CHARACTERS = 100_000
"""Longer sentences are refused: translated to nothing, with a warning."""

Warn = Callable[[int, str], None]
"""Called with the index of a sentence and what was done to it."""
Search = Callable[[Tensor, Sequence[int]], list[list[Hypothesis]]]
"""Search of a batch: padded source ids, and the index of each row's sentence."""


class Translation(NamedTuple):
    """One translation of a sentence."""

    text: str
    score: float
    """Score by which translations are ranked, see `nmt.decoding.search.normalized_score`."""
    log_probability: float
    """log P(translation | source) in nats."""
    at_limit: bool
    """Whether it is as long as max_length or max_length_ratio allow: probably cut or a loop."""


class PairScore(NamedTuple):
    """How probable a given translation is."""

    log_probability: float
    """log P(target | source) in nats."""
    tokens: int
    """Target tokens, including eos."""


def warn_in_python(index: int, message: str) -> None:
    """Issue a Python warning; sentences are counted from 1."""
    warnings.warn(f"sentence {index + 1}: {message}", stacklevel=2)


class Translator:
    """A decoder program, its tokenizer and how to search. Empty sentences translate to nothing."""

    def __init__(
        self,
        program: DecoderProgram,
        tokenizer: Tokenizer,
        decoding: DecodingConfig,
        max_source_tokens: int,
    ) -> None:
        """max_source_tokens: longer sentences are translated in pieces; eos does not count."""
        self.program = program
        self.tokenizer = tokenizer
        self.decoding = decoding
        self.max_source_tokens = max_source_tokens

    @classmethod
    def load(cls, run: Run, device: str = "auto", decoding: DecodingConfig | None = None) -> Self:
        """Load the translator of a run; `decoding` replaces that section of its config.

        device: see `resolve_device`. Raises StorageError if the run is damaged, UsageError if there
        is no such GPU, ValueError if the device is unknown, TypeError if `decoding` is not a
        DecodingConfig, and ConfigError if the device cannot compute in decoding.precision.
        """
        from nmt.config import DecodingConfig
        from nmt.loading import load_model

        config = run.config
        if decoding is not None:
            if not isinstance(decoding, DecodingConfig):
                raise TypeError(f"decoding is a {type(decoding).__name__}, not a DecodingConfig")
            config = config.model_copy(update={"decoding": decoding})
        where = resolve_device(device)
        with made_current(where):
            number_format = resolve_decoding_precision(config.decoding.precision, where)
            program = build_program(load_model(run, where), number_format, where)
        decoding = config.decoding.model_copy(update={"max_length": config.max_target_tokens})
        return cls(program, run.tokenizer, decoding, config.max_source_tokens)

    @overload
    def translate(self, sentences: str, warn: Warn = ...) -> str: ...  # type: ignore[overload-overlap]
    @overload
    def translate(self, sentences: Iterable[str], warn: Warn = ...) -> list[str]: ...

    def translate(
        self, sentences: str | Iterable[str], warn: Warn = warn_in_python
    ) -> str | list[str]:
        """Return the best translation of a sentence, or of each of several sentences, in order.

        Raises TypeError if `sentences` is neither a string nor an iterable of strings.
        """
        if isinstance(sentences, str):
            return self.translate([sentences], warn)[0]
        return [best[0].text for best in self.translate_nbest(sentences, 1, warn)]

    def translate_nbest(
        self, sentences: Iterable[str], nbest: int, warn: Warn = warn_in_python
    ) -> list[list[Translation]]:
        """Return the nbest best translations of each sentence, best first; at least one each.

        Raises ValueError if nbest exceeds the beam size, and TypeError if `sentences` is not an
        iterable of strings other than a string.
        """

        def search(source: Tensor, _: Sequence[int]) -> list[list[Hypothesis]]:
            return beam_search(self.program, source, self.decoding, nbest)

        return self._translate(sentences, search, warn)

    def sample(
        self,
        sentences: Iterable[str],
        *,
        count: int = 1,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
        first: int = 0,
        warn: Warn = warn_in_python,
    ) -> list[list[Translation]]:
        """Return `count` random translations of each sentence, best first (see `search.sample`).

        The draws of a sentence depend on the seed and its number alone, counted from `first`.
        Raises ValueError if a number is out of range: count is at least 1, temperature is in
        [0.001, 1000], top_k, seed and first are at least 0, top_p is in [0, 1]; and TypeError if
        `sentences` is not an iterable of strings other than a string.
        """
        _check_range("count", count, 1)
        _check_range("temperature", temperature, 0.001, 1000)
        _check_range("top_k", top_k, 0)
        _check_range("top_p", top_p, 0, 1)
        _check_range("seed", seed, 0)
        _check_range("first", first, 0)

        def search(source: Tensor, rows: Sequence[int]) -> list[list[Hypothesis]]:
            seeds = [(seed, first + row) for row in rows]
            return sample(
                self.program,
                source,
                self.decoding,
                seeds,
                count=count,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
            )

        return self._translate(sentences, search, warn)

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[PairScore]:
        """Return the probability of each given (source, target) pair; an empty target is just eos.

        Raises TypeError if `pairs` is not an iterable of pairs of strings.
        """
        pairs = list(pairs)
        for pair in pairs:
            if len(_sentences(pair)) != 2:
                raise TypeError(f"{pair!r} is not a pair of a source and a target")
        sources = self.tokenizer.source.encode_batch([clean_line(source) for source, _ in pairs])
        targets = self.tokenizer.target.encode_batch([clean_line(target) for _, target in pairs])
        totals = [0.0] * len(pairs)
        lengths = [max(len(s), len(t)) + 1 for s, t in zip(sources, targets, strict=True)]
        for rows in _batches(lengths, self.decoding.batch_tokens):
            source = self._padded([[*sources[i], EOS] for i in rows])
            target = self._padded([[BOS, *targets[i], EOS] for i in rows])
            with made_current(self.program.device):
                found = self.program.target_log_probabilities(source, target)
            for i, total in zip(rows, found, strict=True):
                totals[i] = total
        return [PairScore(total, len(t) + 1) for total, t in zip(totals, targets, strict=True)]

    def _translate(
        self, sentences: Iterable[str], search: Search, warn: Warn
    ) -> list[list[Translation]]:
        sentences = _sentences(sentences)
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
        for rows in _batches([len(p) + 1 for p in pieces], self.decoding.batch_tokens):
            source = self._padded([[*pieces[i], EOS] for i in rows])
            with made_current(self.program.device):
                hypotheses = search(source, [owners[i] for i in rows])
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
        """Return translations of a sentence from the hypotheses of its pieces, best with best."""
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
                    normalized_score(total, length, self.decoding),
                    total,
                    any(h.at_limit for h in pieces),
                )
            )
        return translations

    def _padded(self, sequences: list[list[int]]) -> Tensor:
        """Return the ids padded with PAD, (batch, longest) int64, on the program's device."""
        ids, _ = pad(sequences)
        return ids.to(self.program.device)


def _sentences(values: Iterable[str]) -> list[str]:
    """Return the values as a list. Raises TypeError if they are a string or not all strings."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"expected an iterable of strings, not {type(values).__name__}")
    sentences = list(values)
    for sentence in sentences:
        if not isinstance(sentence, str):
            kind = type(sentence).__name__
            raise TypeError(f"expected an iterable of strings; it contains {kind}")
    return sentences


def _check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ValueError unless low <= value <= high."""
    if not low <= value <= high:
        limit = "" if high == math.inf else f" and at most {high}"
        raise ValueError(f"{name} is {value}; it must be at least {low}{limit}")


def load_alone(
    run: Run, device: str, threads: int | None, decoding: DecodingConfig | None
) -> Translator:
    """Call `Translator.load` in a process that does nothing else, set up to be fast at it.

    threads: CPU threads; None for all cores.
    """
    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    translator = Translator.load(run, device, decoding)
    gc.freeze()  # the collector need not look through the loaded objects again and again
    return translator


def resolve_decoding_precision(
    name: Literal["auto", "fp32", "fp16", "bf16", "int8"], device: torch.device
) -> NumberFormat:
    """Return the number format meant by `decoding.precision`.

    Raises ConfigError if the device cannot compute in it.
    """
    if name == "int8" or (name == "fp16" and device.type == "cpu"):
        if not can_pack(device, name):
            raise ConfigError(
                f"decoding.precision {name} does not run on {device.type} with this build of torch",
                f"{name} needs FBGEMM on an x86 CPU; use fp32 or bf16",
            )
        return name
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if gpu_has_native_bf16() else "fp32"
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
    """Yield batches of indices of similar length, longest first.

    A batch has at most batch_tokens tokens, including padding, or a single sequence.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    first = 0
    while first < len(order):
        last = first + max(1, batch_tokens // lengths[order[first]])
        yield order[first:last]
        first = last
