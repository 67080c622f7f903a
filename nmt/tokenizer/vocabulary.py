"""One SentencePiece model: text to ids and back."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.tokenizer.ids import BOS, EOS, PAD, UNK
from nmt.tokenizer.sampling import Sampler

if TYPE_CHECKING:
    import pyarrow as pa


class Vocabulary:
    """One SentencePiece model: text to ids and back. Texts are clean lines (nmt.text)."""

    def __init__(self, model: bytes) -> None:
        """`model`: the content of a model file. Raises RuntimeError if it is none, ValueError if
        its control ids are not ours."""
        import sentencepiece

        self.model = model
        self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._sampler: Sampler | None = None
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
            self._sampler = Sampler(self._processor, strength)
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
