"""Conversion of text to token ids and back."""

from __future__ import annotations

import copy
import functools
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.errors import ConfigError
from nmt.tokenizer.ids import BOS, EOS, PAD, UNK
from nmt.tokenizer.sampling import Sampler

if TYPE_CHECKING:
    import pyarrow as pa

_nfc = functools.partial(unicodedata.normalize, "NFC")
# Much faster than SentencePiece's rules.
_UNICODE_RULES: dict[Any, Callable[[str], str]] = {
    "none": str,
    "nfc": _nfc,
    "nfkc": functools.partial(unicodedata.normalize, "NFKC"),
}


class Vocabulary:
    """A SentencePiece model, which converts clean lines (`nmt.text.clean_line`) to ids and back."""

    def __init__(self, model: bytes, normalization: str | None = None) -> None:
        """Load the content of a model file.

        normalization: rule for texts; None: only the model's own rule. Raises RuntimeError if it is
        not a model, ValueError for other control ids or an unknown rule.
        """
        import sentencepiece

        self.model = model
        self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._use(normalization)
        if self.pieces([PAD, UNK, BOS, EOS]) != ["<pad>", "<unk>", "<s>", "</s>"]:
            raise ValueError("the first pieces are not pad, unk, bos and eos")
        control = filter(self._processor.is_control, range(EOS + 1, len(self)))
        self.tags = {self.pieces([i])[0]: i for i in control}
        """Ids of the tags, such as `<2de>`, which no text is encoded to."""

    def _use(self, normalization: str | None) -> None:
        self.normalization = normalization
        self._normalized = normalizer(normalization) if normalization else str
        self._sampler: Sampler | None = None

    def normalized_by(self, normalization: str | None) -> Vocabulary:
        other = copy.copy(self)
        other._use(normalization)
        return other

    def __len__(self) -> int:
        return int(self._processor.vocab_size())

    def is_byte(self) -> np.ndarray:
        """Return which ids represent single bytes, (len,) bool."""
        return np.array([self._processor.is_byte(i) for i in range(len(self))])

    def tag_ids(self, tags: Sequence[str]) -> list[int]:
        """Return the ids of tags. Raises ConfigError for an unknown tag."""
        for tag in tags:
            if tag not in self.tags:
                raise ConfigError(
                    f"the tokenizer has no tag {tag}, but these: {', '.join(self.tags) or 'none'}",
                    "train a new tokenizer, or use one of these tags",
                )
        return [self.tags[tag] for tag in tags]

    def normalize(self, text: str) -> str:
        """Return the normalized text, which is equal to decode(encode(text))."""
        normalized: str = self._processor.normalize(self._normalized(text))
        return normalized.replace("\u2581", " ").strip(" ")

    def keeps(self, text: str) -> bool:
        """Return whether the normalized text is canonically equivalent to the text."""
        normalized = self._normalized(text)
        return normalized == text or _nfc(normalized) == _nfc(text)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without bos and eos."""
        ids: list[int] = self._processor.encode(self._normalized(text))
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, without bos and eos."""
        normalized = list(map(self._normalized, texts))
        ids: list[list[int]] = self._processor.encode(normalized, num_threads=1)
        return ids

    def encode_flat(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of ids of each text, (n,) int32, and all ids concatenated, int32."""
        texts = list(map(self._normalized, texts))
        if self._words_apart:
            return self._encode_words(texts)
        ids = self._encode_each(texts)
        return np.diff(ids.offsets.to_numpy()), ids.values.to_numpy()

    def _encode_words(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        import pyarrow as pa
        from pyarrow import compute

        # Encoding each distinct word once takes a quarter of the time for natural text.
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
        """Whether the ids of a text are the concatenated ids of its words.

        This is true for BPE if U+2581, the space before a word, only begins pieces.
        """
        # A unigram model, whose scores are no ranks, rounds sums of log-probabilities along a text.
        ids = range(EOS + 1, len(self))
        pieces = self.pieces(ids)
        return (
            "\u2581" in pieces
            and all("\u2581" not in piece[1:] for piece in pieces)
            and all(self._processor.get_score(i).is_integer() for i in ids)
        )

    def sample_batch(self, texts: Sequence[str], strength: float, seed: int) -> list[list[int]]:
        """Return the ids of random segmentations, a pure function of the arguments.

        strength: share of merges that BPE skips (Provilkov et al., 2020), or the exponent alpha of
        a unigram model (Kudo, 2018).
        """
        if self._sampler is None or self._sampler.strength != strength:
            self._sampler = Sampler(self._processor, strength)
        normalize, normalized = self._processor.normalize, self._normalized
        return self._sampler.sample([normalize(normalized(t)) for t in texts], seed)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; control ids are skipped, invalid UTF-8 becomes U+FFFD."""
        text: str = self._processor.decode([int(i) for i in ids])
        return text

    def decode_pieces(self, pieces: Sequence[str]) -> str:
        """Return the text of pieces; other strings are not changed."""
        text: str = self._processor.decode(list(pieces))
        return text

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the pieces of ids, in which U+2581 represents a space."""
        return [str(self._processor.id_to_piece(int(i))) for i in ids]


def normalizer(rule: str) -> Callable[[str], str]:
    """Return the function of a rule of `tokenizer.source_normalization`.

    It also replaces U+2581, the space in pieces, and U+FFFD by spaces. Raises ValueError for an
    unknown rule.
    """
    if rule in _UNICODE_RULES:
        change = _UNICODE_RULES[rule]
    elif rule in ("nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf"):
        import sentencepiece

        change = sentencepiece.SentencePieceNormalizer(
            rule_name=rule,
            add_dummy_prefix=False,
            escape_whitespaces=False,
            remove_extra_whitespaces=False,
        ).normalize
    else:
        raise ValueError(f"unknown normalization {rule!r}")
    return lambda text: change(text).replace("\u2581", " ").replace("\ufffd", " ")
