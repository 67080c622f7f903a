"""The sequence of updates: their batches, number and seeds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nmt.data.batching import Batch, plan, training_batches

if TYPE_CHECKING:
    import numpy as np

    from nmt.config import TrainingConfig
    from nmt.data.corpus import Corpus


@dataclass(frozen=True)
class Update:
    """The batches of one update, and the next position in the data."""

    batches: list[Batch]
    epoch: int
    """Epoch of the batch after this update, from 1."""
    batch: int
    """Number of the batch after this update within its epoch, from 0."""

    @property
    def target_tokens(self) -> int:
        """Target tokens of all batches, including eos but not padding."""
        return sum(batch.target_tokens for batch in self.batches)

    @property
    def pairs(self) -> list[int]:
        """The numbers of the sentence pairs in the corpus, from 1, in ascending order."""
        return sorted(int(index) + 1 for batch in self.batches for index in batch.indices)


def updates_from(
    epoch: int, batch: int, corpus: Corpus, config: TrainingConfig, sampling: bool
) -> Iterator[Update]:
    """Yield updates without end, starting at a batch of an epoch.

    epoch (from 1) and batch (from 0) number the first batch. With `sampling`, subwords are sampled
    again in each epoch. An update never spans two epochs: the last one of an epoch may have fewer
    than `accumulate` batches. The result is a function of the arguments.
    """
    while True:
        batches = _plan(corpus, config, epoch)
        seed = _sampling_seed(config.seed, epoch) if sampling else None
        group: list[Batch] = []
        for ready in training_batches(corpus, batches, batch, seed):
            group.append(ready)
            batch += 1
            if batch == len(batches):
                yield Update(group, epoch + 1, 0)
            elif len(group) == config.accumulate:
                yield Update(group, epoch, batch)
                group = []
        epoch, batch = epoch + 1, 0


def total_steps(corpus: Corpus, config: TrainingConfig) -> int | None:
    """Return the number of steps after which max_steps or max_epochs ends the training run.

    Returns None if neither is set.
    """
    totals = [] if config.max_steps is None else [config.max_steps]
    if config.max_epochs is not None:
        per_epoch = math.ceil(len(_plan(corpus, config, epoch=1)) / config.accumulate)
        totals.append(config.max_epochs * per_epoch)
    return min(totals, default=None)


def _plan(corpus: Corpus, config: TrainingConfig, epoch: int) -> list[np.ndarray]:
    lengths = corpus.source_lengths, corpus.target_lengths
    return plan(*lengths, config.batch_tokens, config.seed, epoch)


def _sampling_seed(seed: int, epoch: int) -> Callable[[int], int]:
    return lambda window: derive_seed(seed, "sampling", epoch, window)


def derive_seed(seed: int, *parts: int | str) -> int:
    """Return a seed of 63 bits for one purpose, a fixed hash of the run's seed and the parts."""
    digest = hashlib.blake2b(repr((seed, *parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
