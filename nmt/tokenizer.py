"""Subword tokenization: SentencePiece models trained, loaded and applied.

Every vocabulary has pad 0, unk 1, bos 2, eos 3; no text encodes to pad, bos or eos. Training runs
in a child process (`python -m nmt.tokenizer`): SentencePiece may abort the one it is in.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from nmt import storage
from nmt.errors import ConfigError, DataError, NmtError, StorageError

if TYPE_CHECKING:
    import pyarrow as pa

    from nmt.config import TokenizerConfig

PAD, UNK, BOS, EOS = 0, 1, 2, 3

_TRAINING_THREADS = 2  # fixed: a unigram model depends on the number of threads that trained it
_TRAINING_CHARACTERS = 1000  # of a line; SentencePiece would leave out longer lines altogether
_END = b"\x00end\n"  # what ends the lines for the child; no clean line holds a NUL


class Vocabulary:
    """One SentencePiece model: text to ids and back. Texts are clean lines (nmt.data.text)."""

    def __init__(self, model: bytes) -> None:
        """`model`: the content of a model file. Raises RuntimeError if it is none, ValueError if
        its control ids are not ours."""
        import sentencepiece

        self.model = model
        self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._sampler: _Sampler | None = None
        if self.pieces([PAD, UNK, BOS, EOS]) != ["<pad>", "<unk>", "<s>", "</s>"]:
            raise ValueError("pad, unk, bos and eos are not its first pieces")

    def __len__(self) -> int:
        return int(self._processor.vocab_size())

    def spelt(self) -> np.ndarray:
        """Which ids stand for single bytes: (len,) bool."""
        return np.array([self._processor.is_byte(i) for i in range(len(self))])

    def normalize(self, text: str) -> str:
        """The text as the model sees it, which decode(encode(text)) gives back."""
        normalized: str = self._processor.normalize(text)
        return normalized.replace("\u2581", " ").strip(" ")

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without bos and eos. What looks like a control piece is text."""
        ids: list[int] = self._processor.encode(text)
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        ids: list[list[int]] = self._processor.encode(list(texts), num_threads=1)
        return ids

    def encode_flat(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """How many ids each text has, (n,) int32, and all ids one after another, int32."""
        if self._words_apart:
            return self._encode_words(texts)
        ids = self._encode_each(list(texts))
        return np.diff(ids.offsets.to_numpy()), ids.values.to_numpy()

    def _encode_words(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Encode each distinct word of the texts once: a quarter of the time for natural text."""
        import pyarrow as pa
        from pyarrow import compute

        words = compute.split_pattern(pa.array(texts, pa.string()), " ")
        distinct = words.values.dictionary_encode()
        ids = self._encode_each(distinct.dictionary.to_pylist()).take(distinct.indices)
        ends = ids.offsets.to_numpy()[words.offsets.to_numpy()]
        return np.diff(ends), ids.values.to_numpy()

    def _encode_each(self, texts: list[str]) -> pa.ListArray:
        import pyarrow as pa

        ids = self._processor.encode(texts, out_type="numpy")  # on all cores
        ends = np.cumsum([0, *map(len, ids)], dtype=np.int32)
        flat = np.concatenate([*ids, np.zeros(0, dtype=np.int32)])
        return pa.ListArray.from_arrays(ends, flat)

    @functools.cached_property
    def _words_apart(self) -> bool:
        """Whether a text's ids are those of its words. So it is with BPE, where no merge looks
        beyond the space before a word (U+2581, which begins pieces only); a unigram model adds up
        probabilities along the text, which may round differently."""
        ids = range(EOS + 1, len(self))
        pieces = self.pieces(ids)
        return (
            "\u2581" in pieces
            and all("\u2581" not in piece[1:] for piece in pieces)
            and all(self._processor.get_score(i).is_integer() for i in ids)
        )

    def sample_batch(self, texts: Sequence[str], strength: float, seed: int) -> list[list[int]]:
        """Random segmentations of texts; a pure function of the arguments, in every process.

        strength: for a BPE model the share of merges left out (Provilkov et al., 2020), for a
        unigram model the exponent alpha of the distribution drawn from (Kudo, 2018).
        """
        if self._sampler is None or self._sampler.strength != strength:
            self._sampler = _Sampler(self._processor, strength)
        return self._sampler.sample([self._processor.normalize(t) for t in texts], seed)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; control ids are nothing, bytes that are no UTF-8 become U+FFFD."""
        text: str = self._processor.decode([int(i) for i in ids])
        return text

    def decode_pieces(self, pieces: Sequence[str]) -> str:
        """The text of pieces; what is no piece of the vocabulary stays as it is."""
        text: str = self._processor.decode(list(pieces))
        return text

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces of ids, as SentencePiece writes them (U+2581 for a space)."""
        return [str(self._processor.id_to_piece(int(i))) for i in ids]


class _Sampler:
    """Random segmentations, word by word.

    SentencePiece can draw them too, but its generator is salted anew in each process, so that a
    resumed training would see other segmentations. Here each word has a fixed set of draws, made
    when first needed and remembered; a text picks one for each of its words.
    """

    DRAWS = 32  # of each word
    _LONGEST = 32  # characters; a longer word (a text without spaces) is cut
    _REMEMBERED = 1 << 18

    def __init__(self, processor: Any, strength: float) -> None:
        self.strength = strength
        ids = range(processor.vocab_size())
        special = (processor.is_control, processor.is_unknown, processor.is_byte)
        self._ids = {processor.id_to_piece(i): i for i in ids if not any(f(i) for f in special)}
        self._bytes = [processor.piece_to_id(f"<0x{byte:02X}>") for byte in range(256)]
        scores = {piece: processor.get_score(i) for piece, i in self._ids.items()}
        if all(score == int(score) for score in scores.values()):  # BPE: ranks of merges
            self._draw, self._values = self._drop_merges, scores
        else:  # unigram: log-probabilities
            # Any factor to the power of the length cancels out; exp(8) keeps sums of products
            # within the range of floats.
            weights = {p: math.exp(strength * (score + 8 * len(p))) for p, score in scores.items()}
            self._draw, self._values = self._walk_back, weights
        self._longest_piece = max(map(len, self._ids), default=1)
        self._known: dict[tuple[str, int], list[int]] = {}

    def sample(self, texts: list[str], seed: int) -> list[list[int]]:
        """Segment normalized texts (U+2581 before each word)."""
        words = [
            [
                word[begin : begin + self._LONGEST]
                for word in (f"\u2581{rest}" for rest in text.split("\u2581")[1:])
                for begin in range(0, len(word), self._LONGEST)
            ]
            for text in texts
        ]
        draws = iter(
            np.random.default_rng(seed).integers(0, self.DRAWS, sum(map(len, words))).tolist()
        )
        known, segment = self._known, self._segment
        if len(known) > self._REMEMBERED:
            known.clear()
        sampled = []
        for text in words:
            ids: list[int] = []
            for word, draw in zip(text, draws, strict=False):
                ids += known.get((word, draw)) or segment(word, draw)
            sampled.append(ids)
        return sampled

    def _segment(self, word: str, draw: int) -> list[int]:
        ids: list[int] = []
        for piece in self._draw(word, random.Random(f"{draw} {word}")):
            if piece in self._ids:
                ids.append(self._ids[piece])
            elif self._bytes[0] != UNK:
                ids += [self._bytes[byte] for byte in piece.encode()]
            elif ids[-1:] != [UNK]:
                ids.append(UNK)
        self._known[word, draw] = ids
        return ids

    def _drop_merges(self, word: str, rng: random.Random) -> list[str]:
        """BPE-dropout as SentencePiece does it: merge the best pair, but with probability p leave
        it out instead, until a neighbour of it has merged."""
        score, nothing = self._values.get, -math.inf
        symbols = list(word)
        pairs = [score(a + b, nothing) for a, b in itertools.pairwise(symbols)]
        while pairs and (best := max(pairs)) > nothing:
            i = pairs.index(best)
            if rng.random() < self.strength:
                pairs[i] = nothing
                continue
            symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
            del pairs[i]
            for j in (i - 1, i):
                if 0 <= j < len(pairs):
                    pairs[j] = score(symbols[j] + symbols[j + 1], nothing)
        return symbols

    def _walk_back(self, word: str, rng: random.Random) -> list[str]:
        """An exact draw from P(segmentation) ~ product of p(piece) ** alpha: sums over all
        segmentations of each prefix, then pieces from the end, weighted by the sums."""
        total = [1.0]
        arrivals: list[list[tuple[float, int]]] = [[]]
        for end in range(1, len(word) + 1):
            ways = [
                (total[begin] * weight, begin)
                for begin in range(max(0, end - self._longest_piece), end)
                if (weight := self._values.get(word[begin:end]))
            ]
            if word[end - 1] not in self._values:
                ways.append((total[end - 1], end - 1))
            arrivals.append(ways)
            total.append(sum(weight for weight, _ in ways))
        pieces = []
        end = len(word)
        while end:
            left = rng.random() * total[end]
            for weight, begin in arrivals[end]:  # noqa: B007
                left -= weight
                if left < 0:
                    break
            pieces.append(word[begin:end])
            end = begin
        return pieces[::-1]


class Tokenizer:
    """The vocabularies of both sides: one and the same object when shared."""

    def __init__(self, source: Vocabulary, target: Vocabulary) -> None:
        self.source = source
        self.target = target
        self.shared = source is target

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """The tokenizer that `save` wrote. Raises StorageError if it is missing or damaged."""
        files = storage.verify(folder)["files"]
        names = ["shared.model"] if "shared.model" in files else ["source.model", "target.model"]
        vocabularies = []
        for name in names:
            try:
                vocabularies.append(Vocabulary(storage.read_file(folder / name)))
            except (RuntimeError, ValueError, IndexError) as error:
                raise StorageError(f"{folder / name} is no tokenizer of nmt: {error}") from error
        return cls(vocabularies[0], vocabularies[-1])

    def save(self, folder: Path) -> None:
        """Write the folder with checksums, whole or not at all. Raises StorageError."""
        if self.shared:
            contents = {"shared.model": self.source.model}
        else:
            contents = {"source.model": self.source.model, "target.model": self.target.model}
        storage.write_folder(folder, contents, {})


def train_tokenizer(
    lines: Callable[[], Iterator[tuple[str, str]]],
    config: TokenizerConfig,
    seed: int,
    folder: Path,
    check_stop: Callable[[], None] = lambda: None,
) -> Tokenizer:
    """Train on pairs of texts, save in `folder`, and return what was trained.

    `lines` gives the pairs, anew with each call. `check_stop` is called often and may raise.
    Raises ConfigError if the vocabulary is larger than the text supports or too small for its
    characters (naming the nearest possible size), DataError if there is no text.
    """
    total = sum(1 for _ in lines())

    def train(*sides: int) -> Vocabulary:
        # `wanted` of the pairs, evenly spread: those where i * wanted / total reaches an integer.
        wanted = min(total, max(1, config.max_training_lines // len(sides)))
        texts = (
            pair[side][:_TRAINING_CHARACTERS]
            for i, pair in enumerate(lines())
            if (i + 1) * wanted // total > i * wanted // total
            for side in sides
        )
        return Vocabulary(_train_in_child(texts, config, seed, check_stop))

    if config.shared:
        source = target = train(0, 1)
    else:
        source, target = train(0), train(1)
    tokenizer = Tokenizer(source, target)
    tokenizer.save(folder)
    return tokenizer


def _train_in_child(
    texts: Iterator[str], config: TokenizerConfig, seed: int, check_stop: Callable[[], None]
) -> bytes:
    options = {
        "vocab_size": config.vocab_size,
        "model_type": config.type,
        "character_coverage": config.character_coverage,
        "byte_fallback": config.byte_fallback,
        "normalization_rule_name": config.normalization,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "nmt.tokenizer", json.dumps(options), str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is the parent's to handle; the child ends with it
    ) as child:
        assert child.stdin and child.stdout and child.stderr
        # Pipes, not files: a full disk cannot cut the model short.
        model, messages = _Drain(child.stdout), _Drain(child.stderr)
        try:
            # A broken pipe: the child failed, and says why in its messages.
            with contextlib.suppress(BrokenPipeError), child.stdin:
                for number, text in enumerate(texts):
                    child.stdin.write(text.encode() + b"\n")
                    if number % 1000 == 0:
                        check_stop()
                child.stdin.write(_END)
            while child.poll() is None:
                check_stop()
                time.sleep(0.02)
        finally:
            child.kill()
        if child.wait() == 0:
            return model.all()
        told = messages.all().decode(errors="replace").strip()
        raise _explained(told or f"exit status {child.returncode}", config.vocab_size)


class _Drain(threading.Thread):
    """Reads a pipe to its end, so that who writes into it never waits."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._content = b""
        self.start()

    def run(self) -> None:
        self._content = self._pipe.read()

    def all(self) -> bytes:
        """What was written, once the other end is closed."""
        self.join()
        return self._content


def _explained(messages: str, size: int) -> NmtError:
    """What SentencePiece's messages mean for the user."""
    if found := re.search(r"too high.*?<= *(\d+)", messages, re.DOTALL):
        return ConfigError(
            f"tokenizer.vocab_size: {size} is more than this text supports: "
            f"the largest possible is {found[1]}",
            f"--set tokenizer.vocab_size={found[1]} or less, or train on more text",
        )
    if found := re.search(r"required_chars\D+\d+ vs (\d+)", messages):
        return ConfigError(
            f"tokenizer.vocab_size: {size} is too small for the characters of this text: "
            f"the smallest possible is {found[1]}",
            "raise it, or lower tokenizer.character_coverage (for example to 0.9995)",
        )
    if "sentences_.empty" in messages:
        return DataError("there is no text to train the tokenizer on")
    last = messages.rpartition("\n")[2]
    return DataError(f"SentencePiece could not train on this text: {last[:300]}")


def _train(options: str, seed: str) -> None:
    """The child: lines from standard input, the model to standard output."""
    import sentencepiece

    parent = os.getppid()

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    def texts() -> Iterator[bytes]:
        for line in sys.stdin.buffer:
            if line == _END:
                return
            if line != b"\n":
                yield line[:-1]
        os._exit(1)  # the parent is gone

    threading.Thread(target=end_with_parent, daemon=True).start()
    trainer: Any = sentencepiece.SentencePieceTrainer
    model = io.BytesIO()
    trainer.train(
        sentence_iterator=texts(),
        model_writer=model,
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        max_sentence_length=4 * _TRAINING_CHARACTERS,
        num_threads=_TRAINING_THREADS,
        minloglevel=1,
        **json.loads(options),
    )
    sys.stdout.buffer.write(model.getvalue())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _train(*sys.argv[1:])
