"""Translation and scoring of text: cleaning, tokenization, batching and search."""

from __future__ import annotations

import gc
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, overload

import torch
from torch import Tensor

from nmt.data.batching import pad
from nmt.data.statistics import load_statistics
from nmt.decoding.engine import build_program
from nmt.decoding.search import Hypothesis, beam_search, normalized_score, sample
from nmt.decoding.splitting import Piece, Splitter, halve
from nmt.devices import gpu_has_native_bf16, keep_freed_memory, made_current, resolve_device
from nmt.errors import ConfigError
from nmt.kernels.linear import NumberFormat, can_pack
from nmt.text import clean_line, clean_source
from nmt.tokenizer.ids import BOS, EOS

if TYPE_CHECKING:
    from nmt.config import DecodingConfig
    from nmt.decoding.engine import DecoderProgram
    from nmt.runs import Run
    from nmt.tokenizer import Tokenizer

MAX_CHARACTERS = 100_000
"""Longer sentences get an empty translation and a warning."""

Warn = Callable[[int, str], None]
"""Function called with the index of a sentence, from 0, and a message."""
Search = Callable[[Tensor, Sequence[int]], list[list[Hypothesis]]]
"""Function called with padded source ids and the index of each row's sentence."""


class Translation(NamedTuple):
    text: str
    score: float
    """See `nmt.decoding.search.normalized_score`."""
    log_probability: float
    """log P(translation | source) in nats."""
    at_limit: bool
    """Whether the translation reached the length limit: probably cut or repetitive."""


class PairScore(NamedTuple):
    log_probability: float
    """log P(target | source) in nats; NaN if a side is too long."""
    tokens: int
    """Target tokens, including eos; 0 if a side is too long."""


def warn_in_python(index: int, message: str) -> None:
    """Issue a Python warning that counts sentences from 1."""
    warnings.warn(f"sentence {index + 1}: {message}", stacklevel=2)


class Translator:
    """A decoder program, its tokenizer and the search settings."""

    def __init__(
        self,
        program: DecoderProgram,
        tokenizer: Tokenizer,
        decoding: DecodingConfig,
        max_source_tokens: int,
        usual_length: int | None = None,
        splitter: Splitter = Splitter(),  # noqa: B008  (immutable)
    ) -> None:
        """Create a translator.

        Lines of more than max_source_tokens, excluding eos, are translated in pieces; pairs with
        such a line are not scored. `split_sentences: auto` splits lines of more than usual_length
        characters, or without usual_length, of more than max_source_tokens.
        """
        self.program = program
        self.tokenizer = tokenizer
        self.decoding = decoding
        self.max_source_tokens = max_source_tokens
        self.usual_length = usual_length
        self.splitter = splitter

    @classmethod
    def load(cls, run: Run, device: str = "auto", decoding: DecodingConfig | None = None) -> Self:
        """Load the translator of a run; `decoding` replaces the config section `decoding`.

        device: see `resolve_device`, whose errors it raises. Also raises StorageError if the run is
        damaged, TypeError if `decoding` is not a DecodingConfig, and ConfigError if `decoding`
        does not fit the model or device.
        """
        from nmt.config import DecodingConfig
        from nmt.config.loading import replaced
        from nmt.loading import load_model

        config = run.config
        if decoding is not None:
            if not isinstance(decoding, DecodingConfig):
                raise TypeError(f"decoding is a {type(decoding).__name__}, not a DecodingConfig")
            config = replaced(config, decoding=decoding)
        statistics = load_statistics(run.statistics_folder)
        where = resolve_device(device)
        with made_current(where):
            number_format = resolve_decoding_precision(config.decoding.precision, where)
            program = build_program(load_model(run, where), number_format, where)
        return cls(
            program,
            run.tokenizer,
            replaced(config.decoding, max_length=config.max_target_tokens),
            config.max_source_tokens,
            statistics.usual_length if statistics else None,
            Splitter(config.data.source_language, config.data.target_language),
        )

    @overload
    def translate(self, sentences: str, warn: Warn = ...) -> str: ...  # type: ignore[overload-overlap]
    @overload
    def translate(self, sentences: Iterable[str], warn: Warn = ...) -> list[str]: ...

    def translate(
        self, sentences: str | Iterable[str], warn: Warn = warn_in_python
    ) -> str | list[str]:
        """Return the best translation of a string, or of each string.

        Raises TypeError for anything but a string or an iterable of strings.
        """
        if isinstance(sentences, str):
            return self.translate([sentences], warn)[0]
        return [best[0].text for best in self.translate_nbest(sentences, 1, warn)]

    def translate_nbest(
        self, sentences: Iterable[str], nbest: int, warn: Warn = warn_in_python
    ) -> list[list[Translation]]:
        """Return up to nbest translations of each sentence, at least one, best first.

        Raises ValueError unless 1 <= nbest <= beam size, and TypeError unless `sentences` is an
        iterable of strings, not one string.
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

        The random numbers of a sentence depend only on `seed` and `first` + index. Raises
        ValueError unless count >= 1, temperature is in [0.001, 1000], top_k, seed and first are >=
        0 and top_p is in [0, 1], and TypeError like `translate_nbest`.
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

    def score(
        self, pairs: Iterable[tuple[str, str]], warn: Warn = warn_in_python
    ) -> list[PairScore]:
        """Return the log-probability of each (source, target) pair, including eos.

        Pairs with a side of more than max_source_tokens or MAX_CHARACTERS get NaN and a warning.
        Raises TypeError for anything but pairs of strings.
        """
        pairs = list(pairs)
        for pair in pairs:
            if len(_sentences(pair)) != 2:
                raise TypeError(f"{pair!r} is not a pair of a source and a target")
        sources = self.tokenizer.source.encode_batch([clean_source(_limited(s)) for s, _ in pairs])
        targets = self.tokenizer.target.encode_batch([clean_line(_limited(t)) for _, t in pairs])
        lengths = [max(len(s), len(t)) + 1 for s, t in zip(sources, targets, strict=True)]
        scored = []
        for i, length in enumerate(lengths):
            if max(map(len, pairs[i])) > MAX_CHARACTERS:
                warn(i, f"longer than {MAX_CHARACTERS:,} characters, not scored")
            elif length > self.max_source_tokens + 1:
                warn(i, f"{length - 1} tokens long, more than {self.max_source_tokens}, not scored")
            else:
                scored.append(i)
        results = [PairScore(math.nan, 0)] * len(pairs)
        for chosen in _batches([lengths[i] for i in scored], self.decoding.batch_tokens):
            rows = [scored[i] for i in chosen]
            source = self._padded([[*sources[i], EOS] for i in rows])
            target = self._padded([[BOS, *targets[i], EOS] for i in rows])
            with made_current(self.program.device):
                found = self.program.target_log_probabilities(source, target)
            for i, total in zip(rows, found, strict=True):
                results[i] = PairScore(total, len(targets[i]) + 1)
        return results

    def _translate(
        self, sentences: Iterable[str], search: Search, warn: Warn
    ) -> list[list[Translation]]:
        lines = _sentences(sentences)
        cleaned = [clean_source(_limited(line)) for line in lines]
        pieces: list[list[Piece]] = []
        sources: list[list[int]] = []
        owners: list[int] = []
        for i, ids in enumerate(self.tokenizer.source.encode_batch(cleaned)):
            parts = self._split(cleaned[i], ids)
            if len(lines[i]) > MAX_CHARACTERS:
                warn(i, f"longer than {MAX_CHARACTERS:,} characters, not translated")
            elif len(ids) > self.max_source_tokens:
                warn(i, f"{len(ids)} tokens long, translated in {len(parts)} pieces")
            pieces.append([piece for piece, _ in parts])
            sources += [ids for _, ids in parts]
            owners += [i] * len(parts)

        found: list[list[Hypothesis]] = [[] for _ in sources]
        for rows in _batches([len(ids) + 1 for ids in sources], self.decoding.batch_tokens):
            source = self._padded([[*sources[i], EOS] for i in rows])
            with made_current(self.program.device):
                hypotheses = search(source, [owners[i] for i in rows])
            for i, best in zip(rows, hypotheses, strict=True):
                found[i] = best

        results: list[list[list[Hypothesis]]] = [[] for _ in lines]
        for owner, best in zip(owners, found, strict=True):
            results[owner].append(best)
        return [self._join(*line) for line in zip(pieces, results, strict=True)]

    def _split(self, line: str, ids: list[int]) -> list[tuple[Piece, list[int]]]:
        mode, usual = self.decoding.split_sentences, self.usual_length
        too_long = len(ids) > self.max_source_tokens
        unusual = too_long if usual is None else len(line) > usual
        pieces = [Piece(line, "")]
        if mode == "always" or (mode == "auto" and unusual):
            pieces = self.splitter.sentences(line)
        if len(pieces) == 1 and not too_long:
            return [(pieces[0], ids)] if ids else []
        pieces = [part for text, space in pieces for part in halve(text + space, self._fits)]
        encoded = self.tokenizer.source.encode_batch([piece.text for piece in pieces])
        return [part for part in zip(pieces, encoded, strict=True) if part[1]]

    def _fits(self, text: str) -> bool:
        return len(self.tokenizer.source.encode(text)) <= self.max_source_tokens

    def _join(self, pieces: list[Piece], found: list[list[Hypothesis]]) -> list[Translation]:
        """Join the translations of a line's pieces that have equal rank."""
        if not found or not all(found):
            return [Translation("", 0.0, 0.0, False)]
        translations = []
        for hypotheses in zip(*found, strict=False):
            texts = [clean_line(self.tokenizer.target.decode(h.tokens)) for h in hypotheses]
            total = sum(h.log_probability for h in hypotheses)
            length = sum(len(h.tokens) + 1 for h in hypotheses)
            translations.append(
                Translation(
                    self.splitter.join(pieces, texts),
                    normalized_score(total, length, self.decoding),
                    total,
                    any(h.at_limit for h in hypotheses),
                )
            )
        return translations

    def _padded(self, sequences: list[list[int]]) -> Tensor:
        ids, _ = pad(sequences)
        return ids.to(self.program.device)


def _sentences(values: Iterable[str]) -> list[str]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"expected an iterable of strings, not {type(values).__name__}")
    sentences = list(values)
    for sentence in sentences:
        if not isinstance(sentence, str):
            kind = type(sentence).__name__
            raise TypeError(f"expected an iterable of strings; it contains {kind}")
    return sentences


def _limited(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else ""


def _check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    if not low <= value <= high:
        limit = "" if high == math.inf else f" and at most {high}"
        raise ValueError(f"{name} is {value}; it must be at least {low}{limit}")


def load_alone(
    run: Run, device: str, threads: int | None, decoding: DecodingConfig | None
) -> Translator:
    """Load a translator in a process that does nothing else; threads None: all cores."""
    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    translator = Translator.load(run, device, decoding)
    gc.freeze()  # garbage collection then skips the loaded objects
    return translator


def resolve_decoding_precision(
    name: Literal["auto", "fp32", "fp16", "bf16", "int8"], device: torch.device
) -> NumberFormat:
    """Return the number format, or raise ConfigError if the device cannot compute in it."""
    if name == "int8" or (name == "fp16" and device.type == "cpu"):
        if not can_pack(device, name):
            raise ConfigError(
                f"decoding.precision {name} does not run on {device.type} with this build of torch",
                f"use fp32 or bf16; {name} needs FBGEMM on an x86 CPU",
            )
        return name
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if gpu_has_native_bf16() else "fp32"
        return "fp16" if can_pack(device, "fp16") else "fp32"
    return name


def _batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yield the indices of sequences in batches of similar length, longest first."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    first = 0
    while first < len(order):
        last = first + max(1, batch_tokens // lengths[order[first]])
        yield order[first:last]
        first = last
