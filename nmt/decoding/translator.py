"""Translation and scoring of text: cleaning, tokenization, batching and search."""

from __future__ import annotations

import copy
import gc
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self, overload

import torch
from torch import Tensor

from nmt.data.batching import pad
from nmt.data.statistics import load_statistics
from nmt.decoding.directions import Directions
from nmt.decoding.engine import build_program
from nmt.decoding.engine.formats import resolve_decoding_precision
from nmt.decoding.search import Hypothesis, beam_search, normalized_score, sample
from nmt.decoding.splitting import Piece, Splitter, halve
from nmt.devices import keep_freed_memory, made_current, resolve_device
from nmt.text import clean_line, clean_source
from nmt.tokenizer.ids import BOS, EOS

if TYPE_CHECKING:
    from nmt.config import DecodingConfig
    from nmt.config.data import Part
    from nmt.decoding.engine import DecoderProgram
    from nmt.runs import Run
    from nmt.tokenizer import Tokenizer

MAX_CHARACTERS = 100_000
"""Longer sentences get an empty translation and a warning."""

SMALL_BATCH, LARGE_BATCH = 1 << 12, 1 << 16
"""Source tokens per batch by default: on a CPU, where larger batches are not faster, and a GPU."""

Warn = Callable[[int, str], None]
"""Function called with the index of a sentence, from 0, and a message."""
Advance = Callable[[float], object]
"""Function called with the number of sentences that were finished since the last call."""
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
        directions: Directions | None = None,
    ) -> None:
        """Create a translator, which `into` gives a target language if the model has several.

        Lines of more than max_source_tokens, excluding eos, are translated in pieces; pairs with
        such a line are not scored. `split_sentences: auto` splits lines of more than usual_length
        characters, or without usual_length, of more than max_source_tokens.
        """
        self.program = program
        self.tokenizer = tokenizer
        self.decoding = decoding
        self.max_source_tokens = max_source_tokens
        self.usual_length = usual_length
        on_gpu = program.device.type == "cuda"
        self.batch_tokens = decoding.batch_tokens or (LARGE_BATCH if on_gpu else SMALL_BATCH)
        """Maximum tokens per batch, which is halved if memory runs out."""
        self.directions = directions or Directions([*tokenizer.source.tags])
        self.splitter = Splitter()
        self.advance: Advance = lambda _: None
        """Called after each batch. A piece of a sentence counts as a part of it."""
        self._tags: list[int] | None = None
        if not self.directions.targets:
            self._choose()

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
            Directions.of(config.data),
        )

    def facts(self) -> dict[str, Any]:
        """Return what the translations depend on: settings of the search, precision, engine."""
        decoding, device = self.decoding, self.program.device
        return {
            "beam_size": decoding.beam_size,
            "length_penalty": decoding.length_penalty,
            "precision": resolve_decoding_precision(decoding.precision, device),
            "engine": f"torch {torch.__version__.partition('+')[0]} on {device.type}",
        }

    def into(self, target_language: str | None = None, tag: str | None = None) -> Self:
        """Return this translator for a target language of the model, and a tag of its sources.

        Raises UsageError, which lists the languages or tags of the model, for an unknown one, and
        if the model has several target languages and none is given.
        """
        other = copy.copy(self)
        other._choose(target_language, tag)
        return other

    def _choose(self, target_language: str | None = None, tag: str | None = None) -> None:
        tags, self.splitter = self.directions.choose(target_language, tag)
        self._tags = self.tokenizer.source.tag_ids(tags)

    def for_part(self, part: Part) -> Self:
        """Return this translator with the tags and languages of a part of the data."""
        other = copy.copy(self)
        other.splitter = Splitter(part.source_language, part.target_language)
        other._tags = self.tokenizer.source.tag_ids(part.tags)
        return other

    @property
    def tags(self) -> list[int]:
        """The ids before each source. Raises UsageError without a needed target language."""
        if self._tags is None:
            self.directions.choose()
        assert self._tags is not None
        return self._tags

    @overload
    def translate(  # type: ignore[overload-overlap]
        self,
        sentences: str,
        warn: Warn = ...,
        target_language: str | None = ...,
        tag: str | None = ...,
    ) -> str: ...
    @overload
    def translate(
        self,
        sentences: Iterable[str],
        warn: Warn = ...,
        target_language: str | None = ...,
        tag: str | None = ...,
    ) -> list[str]: ...

    def translate(
        self,
        sentences: str | Iterable[str],
        warn: Warn = warn_in_python,
        target_language: str | None = None,
        tag: str | None = None,
    ) -> str | list[str]:
        """Return the best translation of a string, or of each string; see `into`.

        Raises TypeError for anything but a string or an iterable of strings.
        """
        if target_language is not None or tag is not None:
            return self.into(target_language, tag).translate(sentences, warn)
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
        tags = self.tags
        sources = [[*tags, *source] for source in sources]
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
        order = [scored[i] for i in _longest_first([lengths[i] for i in scored])]
        while order:
            rows = order[: max(1, (self.decoding.batch_tokens or SMALL_BATCH) // lengths[order[0]])]
            order = order[len(rows) :]
            source = self._padded([[*sources[i], EOS] for i in rows])
            target = self._padded([[BOS, *targets[i], EOS] for i in rows])
            with made_current(self.program.device):
                found = self.program.target_log_probabilities(source, target)
            for i, total in zip(rows, found, strict=True):
                results[i] = PairScore(total, len(targets[i]) + 1)
            self.advance(len(rows))
        return results

    def _translate(
        self, sentences: Iterable[str], search: Search, warn: Warn
    ) -> list[list[Translation]]:
        lines = _sentences(sentences)
        tags = self.tags
        cleaned = [clean_source(_limited(line)) for line in lines]
        pieces: list[list[Piece]] = []
        sources: list[list[int]] = []
        owners: list[int] = []
        for i, ids in enumerate(self.tokenizer.source.encode_batch(cleaned)):
            parts = self._split(cleaned[i], ids)
            if len(lines[i]) > MAX_CHARACTERS:
                warn(i, f"longer than {MAX_CHARACTERS:,} characters, not translated")
            elif len(ids) > self.max_text_tokens:
                warn(i, f"{len(ids)} tokens long, translated in {len(parts)} pieces")
            pieces.append([piece for piece, _ in parts])
            sources += [[*tags, *ids] for _, ids in parts]
            owners += [i] * len(parts)

        found = self._search([[*ids, EOS] for ids in sources], owners, search)
        results: list[list[list[Hypothesis]]] = [[] for _ in lines]
        for owner, best in zip(owners, found, strict=True):
            results[owner].append(best)
        return [self._join(*line) for line in zip(pieces, results, strict=True)]

    def _search(
        self, sources: list[list[int]], owners: list[int], search: Search
    ) -> list[list[Hypothesis]]:
        found: list[list[Hypothesis]] = [[] for _ in sources]
        parts_of = Counter(owners)
        order = _longest_first([len(source) for source in sources])
        while order:
            longest = len(sources[order[0]])
            rows = order[: max(1, self.batch_tokens // longest)]
            hypotheses = None
            try:
                with made_current(self.program.device):
                    source = self._padded([sources[i] for i in rows])
                    hypotheses = search(source, [owners[i] for i in rows])
            except torch.OutOfMemoryError:
                if len(rows) == 1:
                    raise
            if hypotheses is None:  # Outside the except block: the exception keeps tensors alive.
                self.batch_tokens = len(rows) * longest // 2
                continue
            for i, best in zip(rows, hypotheses, strict=True):
                found[i] = best
            self.advance(sum(1 / parts_of[owners[i]] for i in rows))
            order = order[len(rows) :]
        return found

    def _split(self, line: str, ids: list[int]) -> list[tuple[Piece, list[int]]]:
        mode, usual = self.decoding.split_sentences, self.usual_length
        too_long = len(ids) > self.max_text_tokens
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
        return len(self.tokenizer.source.encode(text)) <= self.max_text_tokens

    @property
    def max_text_tokens(self) -> int:
        """Maximum length of a source in tokens, without tags and eos."""
        return self.max_source_tokens - len(self.tags)

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
    run: Run,
    device: str,
    threads: int | None,
    decoding: DecodingConfig | None,
    target_language: str | None = None,
    tag: str | None = None,
) -> Translator:
    """Load a translator in a process that does nothing else; see `Translator.into`.

    threads: None means all cores.
    """
    # Raise the error for an unknown language or tag before the model is loaded.
    Directions.of(run.config.data).choose(target_language, tag)
    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    translator = Translator.load(run, device, decoding).into(target_language, tag)
    gc.freeze()  # garbage collection then skips the loaded objects
    return translator


def _longest_first(lengths: Sequence[int]) -> list[int]:
    """Return the indices of sequences, so that batches of consecutive ones have little padding."""
    return sorted(range(len(lengths)), key=lambda i: -lengths[i])
