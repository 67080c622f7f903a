"""The plan of the batches of an epoch, and the batches themselves.

`plan` is a pure function of (lengths, seed, epoch). A run that resumes computes the plan again and
continues at its position, so there is no iterator state to save.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nmt.model.base import Tokens
from nmt.tokenizer.ids import BOS, EOS, PAD

if TYPE_CHECKING:
    from nmt.data.corpus import Corpus


WINDOW = 16
"""Number of consecutive batches that are re-cut together when subwords are sampled."""


@dataclass(frozen=True)
class Batch:
    """Sentence pairs of similar length, ready for the model.

    The loss needs only the real target tokens. They are selected by index, so that computing the
    loss never waits for a value from the device.
    """

    source: Tokens
    """Every sentence ends with eos."""
    target: Tokens
    """The decoder's input: every sentence starts with bos."""
    predictions: Tensor
    """(target_tokens,) int64: indices of real tokens in the flattened (batch, length) target."""
    references: Tensor
    """(target_tokens,) int64: correct next token at each index; the last of a sentence is eos."""
    indices: np.ndarray
    """(pairs,) int64: indices of the pairs in the corpus."""

    @property
    def target_tokens(self) -> int:
        """Number of real target tokens, including eos."""
        return len(self.references)

    def apply(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """Return the batch with a function applied to each tensor."""
        return replace(
            self,
            source=self.source.apply(function),
            target=self.target.apply(function),
            predictions=function(self.predictions),
            references=function(self.references),
        )

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; a GPU copies it from pinned memory in the background."""
        if device.type == "cpu":
            return self
        return self.apply(lambda tensor: tensor.pin_memory().to(device, non_blocking=True))

    def split(self) -> tuple[Batch, Batch]:
        """Return the two halves of a batch that does not fit in memory."""
        half = len(self.indices) // 2

        def part(rows: slice) -> Batch:
            def chosen_rows(x: Tensor) -> Tensor:
                return x[rows] if len(x) > 1 else x  # All rows share one row of positions.

            length = self.target.ids.shape[1]
            begin, end, _ = rows.indices(len(self.indices))
            chosen = (self.predictions >= begin * length) & (self.predictions < end * length)
            return Batch(
                self.source.apply(chosen_rows),
                self.target.apply(chosen_rows),
                self.predictions[chosen] - begin * length,
                self.references[chosen],
                self.indices[rows],
            )

        return part(slice(None, half)), part(slice(half, None))


def plan(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    batch_tokens: int,
    seed: int,
    epoch: int,
) -> list[np.ndarray]:
    """Group the pairs into batches of similar length; a pure function of its arguments.

    Lengths: (pairs,) in tokens, without bos and eos. A batch has at most batch_tokens tokens, which
    are its sentences times its longest side with eos, or a single longer pair. Pairs are shuffled,
    sorted by length (stable, so batches differ between epochs) and cut into batches, which are
    shuffled. Returns index arrays (batch,) with each pair once.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(source_lengths))
    source, target = source_lengths[order] + 1, target_lengths[order] + 1
    by_length = _by_length(source, target)
    longest = np.maximum(source, target)[by_length]
    batches = [order[by_length[cut]] for cut in _cut(longest, batch_tokens)]
    return [batches[i] for i in rng.permutation(len(batches))]


def _by_length(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the order by longest side, which decides the size of a batch.

    Target and source lengths break ties, which keeps the padding of the other side low.
    """
    return np.lexsort((source, target, np.maximum(source, target)))


def _cut(longest: np.ndarray, batch_tokens: int) -> list[slice]:
    """Cut ascending lengths (pairs,) into batches of at most batch_tokens with padding."""
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


def collate(pairs: Sequence[tuple[Sequence[int], Sequence[int]]], indices: np.ndarray) -> Batch:
    """Pad pairs of ids (without bos and eos) into a batch of one pair per row; add bos and eos."""
    source, source_mask = pad([[*s, EOS] for s, _ in pairs])
    target, target_mask = pad([[BOS, *t] for _, t in pairs])
    references = np.concatenate([np.asarray([*t, EOS], dtype=np.int64) for _, t in pairs])
    return Batch(
        Tokens.padded(source, source_mask),
        Tokens.padded(target, target_mask),
        target_mask.flatten().nonzero()[:, 0],
        torch.from_numpy(references),
        indices,
    )


def pad(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return ids int64 and mask (True = real token), both (sequences, longest), of id sequences."""
    lengths = np.array([len(ids) for ids in sequences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    padded = np.full(mask.shape, PAD, dtype=np.int64)
    padded[mask] = np.concatenate([np.asarray(ids, dtype=np.int64) for ids in sequences])
    return torch.from_numpy(padded), torch.from_numpy(mask)


def training_batches(
    corpus: Corpus,
    batches: Sequence[np.ndarray],
    first: int = 0,
    sampling_seed: Callable[[int], int] | None = None,
    ahead: int = 4,
) -> Iterator[Batch]:
    """Yield the batches of a plan from number `first` on; a thread prepares `ahead` of them.

    sampling_seed returns the seed of subword sampling for window number n; None: no sampling.
    Sampling changes the lengths, so the pairs of WINDOW batches are sorted again and cut into the
    same number of batches. Batch n remains a function of the plan, the seeds and n.
    """

    def prepared() -> Iterator[Batch]:
        if sampling_seed is None:
            for indices in batches[first:]:
                yield collate(corpus.read(indices), indices)
            return
        for begin in range(first - first % WINDOW, len(batches), WINDOW):
            seed = sampling_seed(begin // WINDOW)
            window = _sampled(corpus, batches[begin : begin + WINDOW], seed)
            yield from itertools.islice(window, max(0, first - begin), None)

    return _in_background(prepared(), ahead)


def _sampled(corpus: Corpus, batches: Sequence[np.ndarray], seed: int) -> Iterator[Batch]:
    """Yield the same number of batches with sampled subwords."""
    indices = np.concatenate(batches)
    pairs = corpus.read(indices, seed)
    source, target = (np.array([len(pair[side]) + 1 for pair in pairs]) for side in (0, 1))
    order = _by_length(source, target)
    cuts = _cut_evenly(np.maximum(source, target)[order], len(batches))
    for number in np.random.default_rng(seed).permutation(len(cuts)):
        rows = order[cuts[number]]
        yield collate([pairs[row] for row in rows], indices[rows])


def _in_background(items: Iterator[Batch], ahead: int) -> Iterator[Batch]:
    """Run an iterator in a thread, which computes at most `ahead` results in advance."""
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
