"""Token ids and texts of sentence pairs, memory-mapped."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from nmt.tokenizer import Tokenizer


class _Column(NamedTuple):
    """A list or string column of a record batch, as views of the mapped file."""

    offsets: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, array: Any) -> _Column:
        if pa.types.is_list(array.type):
            bits = array.type.value_type.bit_width
            values = array.values.buffers()[1]
            dtype = np.dtype(f"u{bits // 8}")
        else:
            values, dtype = array.buffers()[2], np.dtype("u1")
        offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)
        offsets = offsets[array.offset : array.offset + len(array) + 1]
        return cls(offsets, np.frombuffer(values or b"", dtype=dtype))

    def row(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


class Corpus:
    """Pairs as token ids and texts, which stay on disk until they are read."""

    def __init__(
        self,
        path: Path,
        fingerprint: str,
        tokenizer: Tokenizer,
        sampling: float = 0.0,
        max_tokens: int = 0,
        parts: Sequence[int] = (),
    ) -> None:
        """Map the file. A pair is not sampled if a side would have more than max_tokens tokens."""
        self.fingerprint = fingerprint
        """SHA-256 of texts and ids, in hexadecimal."""
        self.parts = parts
        """Pairs by part, in the order of the pairs; empty if they were not counted."""
        self._tokenizer = tokenizer
        self._tags = frozenset(tokenizer.source.tags.values())
        self._sampling = sampling
        self._max_tokens = max_tokens
        with path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_file(pa.py_buffer(self._mapped))
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self._parts = [tuple(_Column.of(column) for column in b.columns) for b in batches]
        self._starts = np.cumsum([0, *map(len, batches)])
        self.source_lengths, self.target_lengths = map(self._lengths, (0, 1))

    def __len__(self) -> int:
        return int(self._starts[-1])

    def within(self, max_tokens: int) -> np.ndarray:
        """Return the indices, int64, of pairs with at most max_tokens tokens on each side."""
        return np.flatnonzero(np.maximum(self.source_lengths, self.target_lengths) <= max_tokens)

    def _lengths(self, side: int) -> np.ndarray:
        """Return the lengths in tokens, (pairs,), as uint16 if they fit including eos."""
        lengths = []
        for number, part in enumerate(self._parts):
            sizes = np.diff(part[side].offsets)
            small = sizes.max(initial=0) < np.iinfo(np.uint16).max
            lengths.append(sizes.astype(np.uint16 if small else np.uint32))
            if number % 128 == 127:
                self._give_pages_back()
        self._give_pages_back()
        return np.concatenate([*lengths, np.zeros(0, dtype=np.uint16)])

    def _give_pages_back(self) -> None:
        """Release pages, which count as memory of the process."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)

    def read(
        self, indices: Sequence[int] | np.ndarray, sampling_seed: int | None = None
    ) -> list[tuple[list[int], list[int]]]:
        """Return the ids of the pairs, without bos and eos; a seed segments the texts at random."""
        stored = [
            (part[0].row(row).tolist(), part[1].row(row).tolist())
            for part, row in self._find(indices)
        ]
        if sampling_seed is None:
            return stored
        sides = zip(*self.texts(indices), strict=True)
        sampled = (
            vocabulary.sample_batch(texts, self._sampling, 2 * sampling_seed + side)
            for side, (vocabulary, texts) in enumerate(
                zip((self._tokenizer.source, self._tokenizer.target), sides, strict=True)
            )
        )
        pairs = [
            ([*itertools.takewhile(self._tags.__contains__, usual[0]), *source], target)
            for source, target, usual in zip(*sampled, stored, strict=True)
        ]
        return [
            pair if max(map(len, pair)) <= self._max_tokens else usual
            for pair, usual in zip(pairs, stored, strict=True)
        ]

    def sources(self) -> Iterator[pa.StringArray]:
        """Yield all source texts in order."""
        for number, part in enumerate(self._parts):
            offsets, characters = (pa.py_buffer(values) for values in part[2])
            yield pa.StringArray.from_buffers(len(part[2].offsets) - 1, offsets, characters)
            if number % 128 == 127:
                self._give_pages_back()

    def texts(self, indices: Sequence[int] | np.ndarray) -> list[tuple[str, str]]:
        """Return the cleaned texts of the pairs."""
        return [
            (part[2].row(row).tobytes().decode(), part[3].row(row).tobytes().decode())
            for part, row in self._find(indices)
        ]

    def _find(self, indices: Sequence[int] | np.ndarray) -> list[tuple[tuple[_Column, ...], int]]:
        indices = np.asarray(indices, dtype=np.int64)
        parts = np.searchsorted(self._starts, indices, side="right") - 1
        rows = indices - self._starts[parts]
        return [
            (self._parts[part], row)
            for part, row in zip(parts.tolist(), rows.tolist(), strict=True)
        ]
