"""The tokenizer of a training run: given or kept and possibly extended, or trained."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nmt import storage
from nmt.errors import ConfigError
from nmt.tokenizer import UNK, Tokenizer, Vocabulary
from nmt.tokenizer.pieces import (
    is_bpe,
    scored_pieces,
    with_control_ids,
    with_pieces,
    with_symbols,
    without_dummy_prefix,
)
from nmt.tokenizer.training import train_tokenizer

if TYPE_CHECKING:
    from nmt.config import TokenizerConfig

    Lines = Callable[[], Iterator[tuple[str, str]]]

_COMPARED = 10_000  # pairs of texts


def make_tokenizer(
    lines: Lines,
    config: TokenizerConfig,
    folder: Path,
    old: Tokenizer | None,
    tags: Sequence[str],
    say: Callable[[str], None],
    check_stop: Callable[[], None],
) -> Tokenizer:
    """Save the tokenizer that a config asks for in `folder`, and return it.

    Each call of `lines` gives all pairs of texts. `old`: the tokenizer of the starting model;
    `tags`: pieces of the source that no text contains. Tells how well a kept or new vocabulary
    covers the texts. Raises ConfigError, DataError, StorageError.
    """
    if config.model:
        base = _given(config)
        say(f"tokenizer: using {', '.join(config.model)} ({_sizes(base)})")
    elif old and config.keep:
        base = old
        say(f"tokenizer: keeping the vocabulary of the starting model ({_sizes(base)})")
    else:
        say(f"tokenizer: training SentencePiece ({config.type}, {config.vocab_size:,} pieces)")
        made = train_tokenizer(lines, config, folder, check_stop, tags)
        if (reduced := len(made.source)) < config.vocab_size:
            say(f"tokenizer: reduced vocab_size to {reduced:,}, the largest size for this text")
        if old:
            _compare(lines, old, made, say)
        return made
    symbols = config.user_defined_symbols or ()
    made = _changed(base, lambda model, side: with_symbols(model, symbols, () if side else tags))
    if config.extend:
        made = extended(made, lines, config, check_stop)
        say(f"tokenizer: {_sizes(made)} after adding those that the training pairs need")
    _compare(lines, old or base, made, say)
    made.save(folder)
    return made


def _sizes(tokenizer: Tokenizer) -> str:
    sizes = [len(tokenizer.source)] if tokenizer.shared else [*map(len, _sides(tokenizer))]
    return f"{' and '.join(f'{size:,}' for size in sizes)} pieces"


def _sides(tokenizer: Tokenizer) -> tuple[Vocabulary, Vocabulary]:
    return tokenizer.source, tokenizer.target


def _changed(tokenizer: Tokenizer, change: Callable[[bytes, int], bytes]) -> Tokenizer:
    """Return a tokenizer with changed models; `change` gets a model, and 0 for the source or 1."""
    source, target = _sides(tokenizer)
    changed = Vocabulary(change(source.model, 0), source.normalization)
    if tokenizer.shared:
        return Tokenizer(changed, changed.normalized_by(target.normalization))
    return Tokenizer(changed, Vocabulary(change(target.model, 1), target.normalization))


def _given(config: TokenizerConfig) -> Tokenizer:
    """Return the tokenizer of the files in tokenizer.model."""
    rules = (config.source_normalization, config.target_normalization)
    sides = []
    for name, rule in zip(config.model or (), rules, strict=False):
        try:
            sides.append(Vocabulary(with_control_ids(storage.read_file(Path(name))), rule))
        except (ValueError, RuntimeError) as error:
            raise ConfigError(
                f"tokenizer.model: {name}: {error}", "give the .model file that SentencePiece wrote"
            ) from error
    return Tokenizer(sides[0], sides[1] if sides[1:] else sides[0].normalized_by(rules[1]))


def extended(
    base: Tokenizer, lines: Lines, config: TokenizerConfig, check_stop: Callable[[], None]
) -> Tokenizer:
    """Return a tokenizer with up to `config.extend` more pieces per model.

    The new pieces are the most frequent ones of a tokenizer that is trained on the texts, and
    first of all the characters that the old pieces cannot write. Pieces that the extended model
    would never use are left out.
    """
    wanted = config.extend
    kind = "bpe" if is_bpe(base.source.model) else "unigram"
    characters = {character for pair in lines() for text in pair for character in text}
    size = len(base.source) + wanted + len(characters)
    changed = {"type": kind, "shared": base.shared, "byte_fallback": False, "vocab_size": size}
    values = {**dict(config), **changed}
    # A size that the config does not set is reduced if the text is too small.
    reducible = type(config).model_construct(values.keys() - {"vocab_size"}, **values)
    with tempfile.TemporaryDirectory() as folder:
        trained = _sides(train_tokenizer(lines, reducible, Path(folder) / "tokenizer", check_stop))

    def change(model: bytes, side: int) -> bytes:
        old = Vocabulary(model)
        there, foreign = {*old.pieces(range(len(old)))}, _foreign_ids(old)
        candidates = [p for p in scored_pieces(trained[side].model) if p[0] not in there]
        write = spelling(old)
        candidates.sort(key=lambda p: not (len(p[0]) == 1 and foreign.intersection(write(p[0]))))
        chosen: list[tuple[str, float]] = []
        while candidates and len(chosen) < wanted:
            missing = wanted - len(chosen)
            chosen, candidates = chosen + candidates[:missing], candidates[missing:]
            write = spelling(Vocabulary(with_pieces(model, chosen)))
            chosen = [p for i, p in enumerate(chosen, start=len(old)) if write(p[0]) == [i]]
        return with_pieces(model, chosen)

    return _changed(base, change)


def spelling(vocabulary: Vocabulary) -> Callable[[str], list[int]]:
    """Return a function that maps the text of a piece, of any model, to the ids that write it."""
    exact = Vocabulary(without_dummy_prefix(vocabulary.model), vocabulary.normalization)
    return exact.encode


def rows_from(old: Vocabulary, new: Vocabulary) -> list[list[int]]:
    """Return for each id of `new` the ids of `old` with the same piece or else the same text."""
    same = {piece: [i] for i, piece in enumerate(old.pieces(range(len(old))))}
    write, is_byte = spelling(old), new.is_byte()
    return [
        same.get(piece) or (not is_byte[i] and write(piece)) or [UNK]
        for i, piece in enumerate(new.pieces(range(len(new))))
    ]


def _foreign_ids(vocabulary: Vocabulary) -> set[int]:
    return {UNK, *np.flatnonzero(vocabulary.is_byte()).tolist()}


def _compare(lines: Lines, old: Tokenizer, new: Tokenizer, say: Callable[[str], None]) -> None:
    """Print the pieces per sentence and the share of bytes and unknown pieces before and after."""
    for name, texts, before, after in zip(
        ("source", "target"),
        zip(*itertools.islice(lines(), _COMPARED), strict=True),
        _sides(old),
        _sides(new),
        strict=True,
    ):
        found = [_cover(vocabulary, texts) for vocabulary in (before, after)]
        unchanged = before.model == after.model
        length, share = (
            values[0] if unchanged else " -> ".join(values) for values in zip(*found, strict=True)
        )
        say(f"tokenizer: {name}: {length} pieces per sentence, {share} of them bytes or unknown")


def _cover(vocabulary: Vocabulary, texts: tuple[str, ...]) -> tuple[str, str]:
    _, ids = vocabulary.encode_flat(texts)
    foreign = np.isin(ids, [*_foreign_ids(vocabulary)]).mean() if len(ids) else 0.0
    return f"{len(ids) / len(texts):.1f}", f"{100 * foreign:.2f} %"
