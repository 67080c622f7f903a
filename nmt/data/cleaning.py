"""Drop or notice bad training pairs, and count them by reason.

Validation and test pairs are all kept, so that line N stays line N. Texts are compared by 64-bit
hashes; for 5 million pairs, a false match has a probability of one in a million.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import compress, groupby, islice, repeat
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pyarrow as pa

from nmt.bars import track
from nmt.data.sources import Pair
from nmt.tokenizer.seeds import LONGEST_PIECE

if TYPE_CHECKING:
    from nmt.config.data import Cleaning, Part
    from nmt.data.report import SplitReport

EMPTY = "empty"
LONG = "too long"
RATIO = "length ratio"
COPY = "target equals source"
DUPLICATE = "duplicates"
LEAKED = "in valid or test"
IN_TRAIN = "source in train"
UNREPRODUCED = "target changed by the vocabulary"

# Text damaged by an earlier program: name, substring for a fast check, pattern that confirms it.
_DAMAGED = (
    ("HTML entities", "&", re.compile(r"&(?:#\d+|#x[\da-fA-F]+|[a-zA-Z]{2,8});")),
    ("mojibake", "\u00c3", re.compile("\u00c3[\u00a0-\u00bf]")),  # UTF-8 read as Latin-1
    ("mojibake", "\u00e2\u20ac", re.compile("\u00e2\u20ac")),  # quotes and dashes as Windows-1252
    ("escaped line ends", "\\", re.compile(r"\\n")),
)

_INITIALS = re.compile(r"(?<!\S)\W*\w")
_CHUNK_PAIRS, _CHUNK_CHARACTERS = 8192, 1 << 24
_SHARE = 1 << 20  # hashes sorted at a time
_SCHEMA = pa.schema({"source": pa.string(), "target": pa.string(), "line": pa.int64()})


class Collected:
    """The cleaned pairs of a split, stored in a file in their order, and their report."""

    def __init__(self, path: Path, chunks: Iterable[Sequence[Pair]], report: SplitReport) -> None:
        """Store the pairs. Each chunk has pairs of one part."""
        self.path = path
        self.report = report
        self.case_copies: Sequence[float] = ()
        """By part, the share of the pairs of which `chunks` also yields case copies."""
        self.sizes: Counter[int] = Counter()
        """Stored pairs by part."""
        self._origins: list[tuple[tuple[str, str], int]] = []
        """Paths and part of the pairs of each chunk."""
        with (
            path.open("xb") as file,
            pa.ipc.new_stream(file, _SCHEMA) as writer,
            track("data: reading", None) as advance,
        ):
            for pairs in chunks:
                if not pairs:
                    continue
                advance(len(pairs))
                _, _, paths, _, part = pairs[0]
                self._origins.append((paths, part))
                self.sizes[part] += len(pairs)
                columns = [
                    [pair.source for pair in pairs],
                    [pair.target for pair in pairs],
                    [pair.line for pair in pairs],
                ]
                writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
        self.dropped = np.zeros(self.sizes.total(), dtype=bool)
        """(stored pairs,): pairs that a later check dropped."""

    def __len__(self) -> int:
        return int((~self.dropped).sum())

    def chunks(self) -> Iterator[list[Pair]]:
        """Yield the remaining pairs in chunks of bounded size, with case copies.

        A chunk has pairs of one part only.
        """
        first = 0
        # The file is not mapped, because mapped pages would count as resident memory.
        with pa.OSFile(str(self.path), "rb") as file, pa.ipc.open_stream(file) as reader:
            for batch, (paths, part) in zip(reader, self._origins, strict=True):
                dropped = self.dropped[first : first + len(batch)]
                first += len(batch)
                if dropped.any():
                    batch = batch.filter(pa.array(~dropped))
                if not len(batch):
                    continue
                sources, targets, lines = (column.to_pylist() for column in batch.columns)
                pairs = list(map(Pair, sources, targets, repeat(paths), lines, repeat(part)))
                share = self.case_copies[part] if self.case_copies else 0.0
                yield pairs + _case_copies(pairs, share) if share else pairs

    def texts(self) -> Iterator[tuple[str, str]]:
        return ((pair.source, pair.target) for chunk in self.chunks() for pair in chunk)


class HeldOut:
    """Hashed sources of the validation and test sets, to find them in the training data."""

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
                hashes.append(text_hashes([pair.source for pair in chunk if pair.source]))
                yield chunk

        collected = Collected(path, chunks(), report)
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
    parts: Sequence[Part],
    held_out: HeldOut,
    report: SplitReport,
    check_stop: Callable[[], None],
) -> Collected:
    """Store the training pairs that pass all checks, by the rules of their part, but `too_long`."""
    rules = [part.rules for part in parts]
    tags = text_hashes([" ".join(part.tags) for part in parts])

    def chunks(hashes: BinaryIO) -> Iterator[list[Pair]]:
        for chunk in _chunks(pairs):
            check_stop()
            report.lines += len(chunk)
            _notice_damaged(chunk, report)
            rule = rules[chunk[0].part]
            longest = longest_text(rule)
            kept = []
            for pair in chunk:
                if not pair.source or not pair.target:
                    report.drop(EMPTY, pair.location(int(bool(pair.source))), pair[:2])
                elif max(map(len, pair[:2])) > longest:
                    too_long_side = int(len(pair.source) <= longest)
                    report.drop(LONG, pair.location(too_long_side), pair[:2])
                else:
                    if pair.source == pair.target:
                        report.notice(COPY, pair.location(), rule.drop_copies, pair[:2])
                        if rule.drop_copies:
                            continue
                    kept.append(pair)
            sources = text_hashes([pair.source for pair in kept])
            targets = text_hashes([pair.target for pair in kept])
            leaked = held_out.find(sources)
            for i in np.flatnonzero(leaked):
                report.notice(LEAKED, kept[i].location(), rule.drop_leaked, kept[i][:2])
            stays = ~(leaked & rule.drop_leaked)
            # Equal texts with different tags are no duplicates.
            tagged = _combined(tags[[chunk[0].part]], sources)
            hashes.write(_combined(tagged, targets)[stays].tobytes())
            yield list(compress(kept, stays))

    with tempfile.TemporaryFile(dir=path.parent) as hashes:
        collected = Collected(path, chunks(hashes), report)
        repeated = _repeated(hashes, len(collected))
    if repeated.any():
        _judge_duplicates(collected, repeated, rules)
    collected.case_copies = [rule.case_copies for rule in rules]
    return collected


def longest_text(rule: Cleaning) -> int:
    """Return a length in characters beyond which a text exceeds max_tokens."""
    # The factor 4 allows for normalization, which may shorten the text.
    return 4 * LONGEST_PIECE * rule.max_tokens


def too_long(
    source_lengths: np.ndarray, target_lengths: np.ndarray, rule: Cleaning, tags: int = 0
) -> list[tuple[str, np.ndarray]]:
    """Return the reasons to drop training pairs, each with its pairs, (n,) bool.

    Lengths: (n,) in tokens, without the number of tags before each source. A text without tokens
    counts as empty.
    """
    shorter = np.minimum(source_lengths, target_lengths)
    longer = np.maximum(source_lengths, target_lengths)
    empty = shorter == 0
    long = ~empty & (np.maximum(source_lengths + tags, target_lengths) > rule.max_tokens)
    return [
        (EMPTY, empty),
        (LONG, long),
        (RATIO, ~empty & ~long & (longer > rule.max_length_ratio * shorter)),
    ]


def _case_copies(pairs: list[Pair], share: float) -> list[Pair]:
    """Return copies, in capitals and in title case, of a share of the pairs with case."""
    # The hashes select the pairs by their content.
    sources = text_hashes([pair.source for pair in pairs])
    targets = text_hashes([pair.target for pair in pairs])
    return [
        pairs[i]._replace(source=source, target=change(pairs[i].target))
        for i in np.flatnonzero(_combined(sources, targets) < share * 2.0**64)
        for change in (str.upper, _titled)
        if (source := change(pairs[i].source)) != pairs[i].source
    ]


def _titled(text: str) -> str:
    return _INITIALS.sub(lambda found: found[0].upper(), text)


def _notice_damaged(pairs: Sequence[Pair], report: SplitReport) -> None:
    everything = "\n".join(text for pair in pairs for text in pair[:2])
    for kind, mark, pattern in _DAMAGED:
        if mark in everything:
            for pair in pairs:
                damaged = [mark in text and pattern.search(text) for text in pair[:2]]
                if any(damaged):
                    report.notice(kind, pair.location(int(not damaged[0])), texts=pair[:2])


def _judge_duplicates(
    collected: Collected, repeated: np.ndarray, rules: Sequence[Cleaning]
) -> None:
    first = 0
    dropped = np.zeros_like(repeated)
    for chunk in collected.chunks():
        drop = rules[chunk[0].part].drop_duplicates
        here = slice(first, first + len(chunk))
        for i in np.flatnonzero(repeated[here]):
            pair = chunk[i]
            collected.report.notice(DUPLICATE, pair.location(), drop, pair[:2])
        dropped[here] = repeated[here] & drop
        first += len(chunk)
    collected.dropped = dropped


def _chunks(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    """Yield pairs of one part in chunks of bounded size."""
    for _, of_part in groupby(pairs, key=attrgetter("part")):
        chunk: list[Pair] = []
        characters = 0
        while few := list(islice(of_part, 64)):
            chunk += few
            characters += sum(len(pair.source) + len(pair.target) for pair in few)
            if len(chunk) >= _CHUNK_PAIRS or characters >= _CHUNK_CHARACTERS:
                yield chunk
                chunk, characters = [], 0
        if chunk:
            yield chunk


def text_hashes(texts: Sequence[str]) -> np.ndarray:
    """Return a 64-bit hash of each text: (n,) uint64."""
    digests = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts])
    return np.frombuffer(digests, dtype=np.uint64)


def _combined(sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return a hash of each pair from the hashes of its texts: (n,) uint64."""
    # An odd factor distinguishes (a, b) from (b, a) and keeps all 64 bits.
    combined: np.ndarray = sources * np.uint64(0x9E3779B97F4A7C15) + targets
    return combined


def _repeated(hashes: BinaryIO, count: int) -> np.ndarray:
    """Return which values (uint64) of a file also occur earlier in it: (count,) bool."""
    # Equal values have equal remainders. Memory is bounded by comparing one remainder at a time.
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
