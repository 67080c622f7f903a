"""The plan of batches, and batches made of it.

`plan` is a pure function of (lengths, seed, epoch): a training that resumes recomputes it and
goes on at its position, with no iterator state to save.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from nmt.data.corpus import Corpus

PAD, BOS, EOS = 0, 2, 3


@dataclass(frozen=True)
class Batch:
    """Sentences of similar length, padded; ids int64, masks bool with True = real token.

    source, source_mask: (batch, source_len), every source ends with eos. target_in (starts with
    bos), target_out (ends with eos), target_mask: (batch, target_len). indices: (batch,), the
    pairs' places in the corpus.
    """

    source: Tensor
    source_mask: Tensor
    target_in: Tensor
    target_out: Tensor
    target_mask: Tensor
    indices: np.ndarray
    source_tokens: int
    """Real source tokens, eos counted."""
    target_tokens: int
    """Real target tokens, eos counted."""

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        if device.type == "cpu":
            return self

        def moved(tensor: Tensor) -> Tensor:
            return tensor.pin_memory().to(device, non_blocking=True)

        return Batch(
            moved(self.source),
            moved(self.source_mask),
            moved(self.target_in),
            moved(self.target_out),
            moved(self.target_mask),
            self.indices,
            self.source_tokens,
            self.target_tokens,
        )

    def split(self) -> tuple[Batch, Batch]:
        """The two halves of the sentences, for when the whole does not fit in memory."""
        half = len(self.indices) // 2

        def part(rows: slice) -> Batch:
            source_mask, target_mask = self.source_mask[rows], self.target_mask[rows]
            return Batch(
                self.source[rows],
                source_mask,
                self.target_in[rows],
                self.target_out[rows],
                target_mask,
                self.indices[rows],
                int(source_mask.sum()),
                int(target_mask.sum()),
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

    lengths: (pairs,) in tokens, without bos and eos. A batch holds at most batch_tokens tokens,
    that is its sentences times its longest side with eos, or a single longer pair. Pairs are
    shuffled, sorted by length (pairs of equal lengths stay shuffled, so batches differ from epoch
    to epoch), cut, and the batches shuffled. Returns index arrays (batch,), each pair in one.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(source_lengths))
    source, target = source_lengths[order] + 1, target_lengths[order] + 1
    longest = np.maximum(source, target)
    # The longest side decides the size of a batch; sorting by target and source within it keeps
    # the padding of the other side low too.
    order = order[np.lexsort((source, target, longest))]
    longest = np.sort(longest)
    batches = []
    first = 0
    while first < len(order):
        # longest[first:] ascends, so the largest n with n * longest[first + n - 1] <= budget
        # lies where the product passes the budget.
        ceiling = min(len(order) - first, max(1, batch_tokens // int(longest[first])))
        sizes = np.arange(1, ceiling + 1) * longest[first : first + ceiling]
        count = max(1, int(np.searchsorted(sizes, batch_tokens, side="right")))
        batches.append(order[first : first + count])
        first += count
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(pairs: Sequence[tuple[Sequence[int], Sequence[int]]], indices: np.ndarray) -> Batch:
    """Pad pairs of ids (without bos and eos) into a batch, adding bos and eos."""
    source, source_mask = _padded([[*s, EOS] for s, _ in pairs])
    target_out, target_mask = _padded([[*t, EOS] for _, t in pairs])
    target_in, _ = _padded([[BOS, *t] for _, t in pairs])
    return Batch(
        source,
        source_mask,
        target_in,
        target_out,
        target_mask,
        indices,
        int(source_mask.sum()),
        int(target_mask.sum()),
    )


def _padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, PAD, dtype=np.int64)
    ids[mask] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    return torch.from_numpy(ids), torch.from_numpy(mask)


def training_batches(
    corpus: Corpus,
    batches: Sequence[np.ndarray],
    first: int = 0,
    sampling_seed: Callable[[int], int] | None = None,
    ahead: int = 4,
) -> Iterator[Batch]:
    """The batches of a plan from number `first` on, prepared ahead in a thread.

    sampling_seed gives the seed of subword sampling of batch number n; None: no sampling.
    """

    def make(number: int) -> Batch:
        seed = None if sampling_seed is None else sampling_seed(number)
        return collate(corpus.read(batches[number], seed), batches[number])

    return _in_background((make, range(first, len(batches))), ahead)


def _in_background(work: tuple[Callable[[int], Batch], range], ahead: int) -> Iterator[Batch]:
    """Run make(n) for each n in a thread, at most `ahead` results in advance, in order."""
    make, numbers = work
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
            for number in numbers:
                if closed.is_set():
                    return
                put(make(number))
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
