"""Drop or notice bad training pairs, and count them by reason.

`collect_training` makes the checks that need no tokenizer, and keeps the texts in a file.
`too_long` checks the subword lengths of the encoded texts. All validation and test pairs are kept,
so that line N stays line N. Texts are compared by 64-bit hashes; for 5 million pairs, a false match
has a probability of one in a million. The hashes are stored in a file and compared in shares, so
that memory does not grow with their number.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from nmt.data.sources import Pair

if TYPE_CHECKING:
    from nmt.config import DataConfig
    from nmt.data.report import SplitReport

EMPTY = "empty"
LONG = "too long"
RATIO = "length ratio"
COPY = "target equals source"
DUPLICATE = "duplicates"
LEAKED = "in valid or test"
IN_TRAIN = "source in train"

# Text damaged by an earlier program: name, substring for a fast check, pattern that confirms it.
_DAMAGED = (
    ("HTML entities", "&", re.compile(r"&(?:#\d+|#x[\da-fA-F]+|[a-zA-Z]{2,8});")),
    ("mojibake", "\u00c3", re.compile("\u00c3[\u00a0-\u00bf]")),  # UTF-8 read as Latin-1
    ("mojibake", "\u00e2\u20ac", re.compile("\u00e2\u20ac")),  # quotes and dashes as Windows-1252
    ("escaped line ends", "\\", re.compile(r"\\n")),
)

_CHUNK_PAIRS, _CHUNK_CHARACTERS = 8192, 1 << 24
_SHARE = 1 << 20  # hashes sorted at a time
_LONGEST_PIECE = 16  # characters; SentencePiece's default
_SCHEMA = pa.schema(
    {"source": pa.string(), "target": pa.string(), "origin": pa.int32(), "line": pa.int64()}
)


class Chunk(NamedTuple):
    """A bounded number of the collected pairs."""

    sources: list[str]
    targets: list[str]
    locations: list[str]
    """The file:line of each pair."""


class Collected:
    """The cleaned pairs of a split, stored in a file in their order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.dropped = np.zeros(0, dtype=bool)
        """(count,): whether a later check dropped the pair. `chunks` skips dropped pairs."""
        self._files: list[str] = []

    def chunks(self) -> Iterator[Chunk]:
        """Yield the remaining pairs in chunks of bounded size."""
        first = 0
        # The file is not mapped, because mapped pages would count as resident memory.
        with pa.OSFile(str(self.path), "rb") as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                dropped = self.dropped[first : first + len(batch)]
                first += len(batch)
                if dropped.any():
                    batch = batch.filter(pa.array(~dropped))
                sources, targets, origins, lines = (c.to_pylist() for c in batch.columns)
                names = (self._files[origin] for origin in origins)
                locations = [f"{name}:{line}" for name, line in zip(names, lines, strict=True)]
                yield Chunk(sources, targets, locations)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the remaining pairs one by one, as (source, target)."""
        for chunk in self.chunks():
            yield from zip(chunk.sources, chunk.targets, strict=True)

    def _write(self, chunks: Iterable[Sequence[Pair]]) -> None:
        origins: dict[str, int] = {}
        with self.path.open("xb") as file, pa.ipc.new_stream(file, _SCHEMA) as writer:
            for pairs in chunks:
                self.count += len(pairs)
                columns = [
                    [pair.source for pair in pairs],
                    [pair.target for pair in pairs],
                    [origins.setdefault(pair.path, len(origins)) for pair in pairs],
                    [pair.line for pair in pairs],
                ]
                writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
        self._files = list(origins)
        self.dropped = np.zeros(self.count, dtype=bool)


class HeldOut:
    """Source sentences of the validation and test sets, to find them in the training data."""

    def __init__(self) -> None:
        self._sources: dict[str, np.ndarray] = {}
        self._found = np.zeros(0, dtype=np.uint64)

    def collect(
        self,
        split: str,
        pairs: Iterator[Pair],
        path: Path,
        report: SplitReport,
        check_stop: Callable[[], None],
    ) -> Collected:
        """Store all pairs of a held-out split."""
        hashes = []

        def chunks() -> Iterator[list[Pair]]:
            for chunk in _chunks(pairs):
                check_stop()
                report.lines += len(chunk)
                _notice_damaged(chunk, report)
                hashes.append(_hashes([pair.source for pair in chunk if pair.source]))
                yield chunk

        collected = Collected(path)
        collected._write(chunks())
        self._sources[split] = np.concatenate([*hashes, self._found[:0]])
        return collected

    def find(self, sources: np.ndarray) -> np.ndarray:
        """Return which of the hashed training sources, (n,) uint64, are held out: (n,) bool."""
        leaked = np.isin(sources, np.concatenate([*self._sources.values(), self._found[:0]]))
        if leaked.any():
            self._found = np.union1d(self._found, sources[leaked])
        return leaked

    def leaks(self, split: str) -> int:
        """Return how many sentences of a split `find` has found so far."""
        return int(np.isin(self._sources[split], self._found).sum())


def collect_training(
    pairs: Iterator[Pair],
    path: Path,
    data: DataConfig,
    held_out: HeldOut,
    report: SplitReport,
    check_stop: Callable[[], None],
) -> Collected:
    """Store the training pairs that pass all checks except `too_long`."""
    # A longer text has more than max_tokens tokens in any segmentation. The factor 4 allows for
    # normalization, which may shorten the text.
    longest = 4 * _LONGEST_PIECE * data.max_tokens

    def judge(drop: bool, reason: str, pair: Pair) -> bool:
        """Count the pair as dropped or as noticed, and return `drop`."""
        (report.drop if drop else report.notice)(reason, f"{pair.path}:{pair.line}")
        return drop

    def chunks(hashes: BinaryIO) -> Iterator[list[Pair]]:
        for chunk in _chunks(pairs):
            check_stop()
            report.lines += len(chunk)
            _notice_damaged(chunk, report)
            kept = []
            for pair in chunk:
                if not pair.source or not pair.target:
                    report.drop(EMPTY, f"{pair.path}:{pair.line}")
                elif len(pair.source) > longest or len(pair.target) > longest:
                    report.drop(LONG, f"{pair.path}:{pair.line}")
                elif pair.source != pair.target or not judge(data.drop_copies, COPY, pair):
                    kept.append(pair)
            sources = _hashes([pair.source for pair in kept])
            targets = _hashes([pair.target for pair in kept])
            leaked = held_out.find(sources)
            stays = np.ones(len(kept), dtype=bool)
            for i in np.flatnonzero(leaked):
                stays[i] = not judge(data.drop_leaked, LEAKED, kept[i])
            # An odd factor distinguishes (a, b) from (b, a) and keeps all 64 bits.
            hashes.write((sources * np.uint64(0x9E3779B97F4A7C15) + targets)[stays].tobytes())
            yield [pair for pair, stay in zip(kept, stays, strict=True) if stay]

    collected = Collected(path)
    with tempfile.TemporaryFile(dir=path.parent) as hashes:
        collected._write(chunks(hashes))
        repeated = _repeated(hashes, collected.count)
    if repeated.any():
        _judge_duplicates(collected, repeated, data.drop_duplicates, report)
    return collected


def too_long(
    source_lengths: np.ndarray, target_lengths: np.ndarray, data: DataConfig
) -> list[tuple[str, np.ndarray]]:
    """Return the reasons to drop training pairs, each with its pairs, (n,) bool.

    Lengths: (n,) in tokens. A text that normalization leaves without tokens counts as empty.
    """
    shorter = np.minimum(source_lengths, target_lengths)
    longer = np.maximum(source_lengths, target_lengths)
    empty = shorter == 0
    long = ~empty & (longer > data.max_tokens)
    return [
        (EMPTY, empty),
        (LONG, long),
        (RATIO, ~empty & ~long & (longer > data.max_length_ratio * shorter)),
    ]


def _notice_damaged(pairs: Sequence[Pair], report: SplitReport) -> None:
    """Count pairs whose text an earlier program damaged; they are kept."""
    everything = "\n".join(text for pair in pairs for text in pair[:2])
    for kind, mark, pattern in _DAMAGED:
        if mark in everything:
            for pair in pairs:
                if any(mark in text and pattern.search(text) for text in pair[:2]):
                    report.notice(kind, f"{pair.path}:{pair.line}")


def _judge_duplicates(
    collected: Collected, repeated: np.ndarray, drop: bool, report: SplitReport
) -> None:
    first = 0
    for chunk in collected.chunks():
        for i in np.flatnonzero(repeated[first : first + len(chunk.locations)]):
            (report.drop if drop else report.notice)(DUPLICATE, chunk.locations[i])
        first += len(chunk.locations)
    if drop:
        collected.dropped = repeated


def _chunks(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    """Yield lists of pairs of bounded number and characters."""
    chunk: list[Pair] = []
    characters = 0
    while few := list(islice(pairs, 64)):
        chunk += few
        characters += sum(len(pair.source) + len(pair.target) for pair in few)
        if len(chunk) >= _CHUNK_PAIRS or characters >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _hashes(texts: Sequence[str]) -> np.ndarray:
    """Return a 64-bit hash of each text: (n,) uint64."""
    digests = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts])
    return np.frombuffer(digests, dtype=np.uint64)


def _repeated(hashes: BinaryIO, count: int) -> np.ndarray:
    """Return which values (uint64) of a file also occur earlier in it: (count,) bool.

    Equal values have equal remainders, so the values of one remainder are compared at a time.
    """
    repeated = np.zeros(count, dtype=bool)
    shares = np.uint64(count // _SHARE + 1)
    for share in range(int(shares)):
        values, indices = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
        hashes.seek(0)
        first = 0
        while len(block := np.frombuffer(hashes.read(8 * _SHARE), dtype=np.uint64)):
            found = np.flatnonzero(block % shares == share)
            values.append(block[found])
            indices.append(found + first)
            first += len(block)
        mine = np.concatenate(values)
        order = np.argsort(mine, kind="stable")
        mine = mine[order]
        repeats = order[1:][mine[1:] == mine[:-1]]
        repeated[np.concatenate(indices)[repeats]] = True
    return repeated
