"""Batches, and their plan for an epoch.

A plan is a pure function of (lengths, mixture, seed, epoch), so resuming needs only a position in
it.
"""

from __future__ import annotations

import itertools
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nmt.model.base import Tokens
from nmt.tokenizer.ids import BOS, EOS, PAD

if TYPE_CHECKING:
    from nmt.data.corpus import Corpus
    from nmt.data.mixing import Mixture


Pair = tuple[Sequence[int], Sequence[int]]
"""Ids of a source and its target, without bos and eos."""

WINDOW = 16
"""Batches that are cut again together when subwords are sampled."""


@dataclass(frozen=True)
class Batch:
    """Sentence pairs, ready for the model.

    Targets are selected by index, so that the loss never waits for a value from the device.
    """

    source: Tokens
    """Every sentence ends with eos."""
    target: Tokens
    """The decoder's input: every sentence starts with bos."""
    predictions: Tensor
    """(predictions,) int64: indices in the flattened (batch, length) target."""
    references: Tensor
    """(predictions,) int64: correct next token at each index, which may be eos; PAD, which the loss
    ignores, at padding of a packed batch."""
    indices: np.ndarray
    """(pairs,) int64: indices in the corpus."""
    target_tokens: int
    """Including eos, without padding."""

    @property
    def rows(self) -> int:
        return len(self.source.ids)

    @property
    def tensors(self) -> list[Tensor]:
        sides = [[side.ids, side.segments, side.positions] for side in (self.source, self.target)]
        return [*sides[0], *sides[1], self.predictions, self.references]

    def apply(self, function: Callable[[Tensor], Tensor]) -> Batch:
        return replace(
            self,
            source=self.source.apply(function),
            target=self.target.apply(function),
            predictions=function(self.predictions),
            references=function(self.references),
        )

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; a GPU copies it in the background."""
        if device.type == "cpu":
            return self
        return self.apply(lambda tensor: tensor.pin_memory().to(device, non_blocking=True))

    def split(self) -> tuple[Batch, Batch]:
        """Return the two halves of a batch of several rows."""
        half = self.rows // 2
        pairs = int(self.source.segments[:half].amax(dim=1).sum())
        length = self.target.ids.shape[1]

        def part(begin: int, end: int, indices: np.ndarray) -> Batch:
            def rows(x: Tensor) -> Tensor:
                return x[begin:end] if len(x) > 1 else x  # All rows share one row of positions.

            chosen = (self.predictions >= begin * length) & (self.predictions < end * length)
            predictions, references = self.predictions[chosen], self.references[chosen]
            return Batch(
                self.source.apply(rows),
                self.target.apply(rows),
                predictions - begin * length,
                references,
                indices,
                int((references != PAD).sum()),
            )

        first, second = self.indices[:pairs], self.indices[pairs:]
        return part(0, half, first), part(half, self.rows, second)


class Batches(ABC):
    """The batches of a corpus: their plan for an epoch, and their tokens."""

    def __init__(
        self,
        corpus: Corpus,
        batch_tokens: int,
        pairs: np.ndarray | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        """pairs: indices of the pairs to use; None: all pairs, or those that `mixture` draws."""
        self.corpus = corpus
        self.batch_tokens = batch_tokens
        self._pairs = pairs
        self.mixture = mixture

    def _shuffled(self, rng: np.random.Generator, seed: int, epoch: int) -> np.ndarray:
        """Return the indices of the epoch's pairs in random order."""
        drawn = self.mixture.draw(seed, epoch) if self.mixture else self._pairs
        order = rng.permutation(len(self.corpus.source_lengths if drawn is None else drawn))
        return order if drawn is None else drawn[order]

    def _lengths(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the lengths of the sources and of the targets with eos, each (pairs,)."""
        return self.corpus.source_lengths[pairs] + 1, self.corpus.target_lengths[pairs] + 1

    @abstractmethod
    def plan(self, seed: int, epoch: int) -> list[np.ndarray]:
        """Return the batches of an epoch as arrays of indices (pairs,).

        Without a mixture, each pair occurs once.
        """

    @abstractmethod
    def collated(
        self, plan: Sequence[np.ndarray], first: int, sampling_seed: Callable[[int], int] | None
    ) -> Iterator[Batch]:
        """Yield the batches of a plan from number `first` on; see `read`."""

    def read(
        self,
        plan: Sequence[np.ndarray],
        device: torch.device,
        first: int = 0,
        sampling_seed: Callable[[int], int] | None = None,
        ahead: int = 4,
    ) -> Iterator[Batch]:
        """Yield the batches of a plan from number `first` on; a thread prepares `ahead` of them.

        sampling_seed returns seeds of subword sampling by number; None: no sampling. There are as
        many batches as in the plan, and batch n is a function of the plan, the seeds and n.
        """
        batches = self.collated(plan, first, sampling_seed)
        return _in_background((batch.to(device) for batch in batches), ahead)


class PaddedBatches(Batches):
    """Batches of pairs of similar length, one pair per row."""

    def plan(self, seed: int, epoch: int) -> list[np.ndarray]:
        """Group pairs into batches of similar length; see `Batches.plan`.

        A batch has at most batch_tokens, or one longer pair. Pairs are shuffled, sorted (stable, so
        epochs differ) and cut into batches, which are shuffled.
        """
        rng = np.random.default_rng((seed, epoch))
        order = self._shuffled(rng, seed, epoch)
        source, target = self._lengths(order)
        by_length = _by_length(source, target)
        longest = np.maximum(source, target)[by_length]
        order = order[by_length]
        batches = [order[cut] for cut in _cut(longest, self.batch_tokens)]
        return [batches[i] for i in rng.permutation(len(batches))]

    def collated(
        self, plan: Sequence[np.ndarray], first: int, sampling_seed: Callable[[int], int] | None
    ) -> Iterator[Batch]:
        """Yield batches; see `read`.

        Sampling changes lengths, so the pairs of WINDOW batches are sorted and cut again.
        """
        if sampling_seed is None:
            for indices in plan[first:]:
                yield collate(self.corpus.read(indices), indices)
            return
        for begin in range(first - first % WINDOW, len(plan), WINDOW):
            seed = sampling_seed(begin // WINDOW)
            window = _sampled(self.corpus, plan[begin : begin + WINDOW], seed)
            yield from itertools.islice(window, max(0, first - begin), None)


def _by_length(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the order by longest side; the others break ties, which keeps their padding low."""
    return np.lexsort((source, target, np.maximum(source, target)))


def _cut(longest: np.ndarray, batch_tokens: int) -> list[slice]:
    """Cut ascending lengths (pairs,) into batches of at most batch_tokens, with padding."""
    cuts = []
    first = 0
    while first < len(longest):
        # The products are ascending; `count` is the largest size whose product fits.
        ceiling = min(len(longest) - first, max(1, batch_tokens // int(longest[first])))
        sizes = np.arange(1, ceiling + 1) * longest[first : first + ceiling]
        count = max(1, int(np.searchsorted(sizes, batch_tokens, side="right")))
        cuts.append(slice(first, first + count))
        first += count
    return cuts


def _cut_evenly(longest: np.ndarray, count: int) -> list[slice]:
    """Cut ascending lengths (pairs,) into exactly `count` batches of about equal size."""
    low, high = 1, int(len(longest) * longest[-1])
    while low < high:
        middle = (low + high) // 2
        if len(_cut(longest, middle)) <= count:
            high = middle
        else:
            low = middle + 1
    cuts = _cut(longest, high)
    while len(cuts) < count:
        widest = max(range(len(cuts)), key=lambda i: cuts[i].stop - cuts[i].start)
        first, last = cuts[widest].start, cuts[widest].stop
        half = (first + last) // 2
        cuts[widest : widest + 1] = [slice(first, half), slice(half, last)]
    return cuts


def lengths_of(pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of sources and of targets with eos, each (pairs,)."""
    source, target = zip(*pairs, strict=True)
    return np.array([*map(len, source)]) + 1, np.array([*map(len, target)]) + 1


def flat(sequences: Iterable[Sequence[int]]) -> np.ndarray:
    """Return the ids of all sequences, (ids,) int64."""
    return np.fromiter(itertools.chain.from_iterable(sequences), dtype=np.int64)


def collate(pairs: Sequence[Pair], indices: np.ndarray) -> Batch:
    """Pad pairs into a batch of one pair per row."""
    source, source_mask = pad([[*s, EOS] for s, _ in pairs])
    target, target_mask = pad([[BOS, *t] for _, t in pairs])
    references = flat([[*t, EOS] for _, t in pairs])
    return Batch(
        Tokens.padded(source, source_mask),
        Tokens.padded(target, target_mask),
        target_mask.flatten().nonzero()[:, 0],
        torch.from_numpy(references),
        indices,
        len(references),
    )


def pad(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return ids int64 and mask (True = token), both (sequences, longest)."""
    lengths = np.array([len(ids) for ids in sequences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    padded = np.full(mask.shape, PAD, dtype=np.int64)
    padded[mask] = flat(sequences)
    return torch.from_numpy(padded), torch.from_numpy(mask)


def _sampled(corpus: Corpus, batches: Sequence[np.ndarray], seed: int) -> Iterator[Batch]:
    indices = np.concatenate(batches)
    pairs = corpus.read(indices, seed)
    source, target = lengths_of(pairs)
    order = _by_length(source, target)
    cuts = _cut_evenly(np.maximum(source, target)[order], len(batches))
    for number in np.random.default_rng(seed).permutation(len(cuts)):
        rows = order[cuts[number]]
        yield collate([pairs[row] for row in rows], indices[rows])


def _in_background(items: Iterator[Batch], ahead: int) -> Iterator[Batch]:
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(ahead)
    closed = threading.Event()

    def put(item: Batch | BaseException | None) -> None:
        while not closed.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                put(item)
                if closed.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=produce, name="batches", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        closed.set()
        thread.join()
