"""The sequence of updates: their batches, number and seeds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nmt.data.batching import PaddedBatches
from nmt.data.packing import PackedBatches

if TYPE_CHECKING:
    import torch

    from nmt.config import TrainingConfig
    from nmt.data.batching import Batch, Batches
    from nmt.data.corpus import Corpus
    from nmt.data.mixing import Mixture


@dataclass(frozen=True)
class Update:
    """The batches of one update, and the position of the next batch."""

    batches: list[Batch]
    epoch: int
    """From 1."""
    batch: int
    """Within the epoch, from 0."""

    @property
    def target_tokens(self) -> int:
        """Including eos."""
        return sum(batch.target_tokens for batch in self.batches)

    @property
    def indices(self) -> np.ndarray:
        """Indices of the pairs in the corpus, (pairs,) int64."""
        return np.concatenate([batch.indices for batch in self.batches])

    @property
    def pairs(self) -> list[int]:
        """Numbers of the pairs in the corpus, from 1, ascending."""
        return sorted((self.indices + 1).tolist())


def batches_of(
    corpus: Corpus,
    config: TrainingConfig,
    pairs: np.ndarray | None = None,
    mixture: Mixture | None = None,
) -> Batches:
    """Return padded or packed batches of a corpus, of the pairs with these indices, or mixed."""
    kind = PackedBatches if config.packing == "on" else PaddedBatches
    return kind(corpus, config.batch_tokens, pairs, mixture)


def updates_from(
    epoch: int,
    batch: int,
    batches: Batches,
    config: TrainingConfig,
    sampling: bool,
    device: torch.device,
) -> Iterator[Update]:
    """Yield updates without end from a batch (counted from 0) of an epoch (from 1) on.

    `sampling` samples subwords. The last update of an epoch may have fewer batches.
    """
    while True:
        plan = batches.plan(config.seed, epoch)
        seed = partial(derive_seed, config.seed, "sampling", epoch) if sampling else None
        group: list[Batch] = []
        for ready in batches.read(plan, device, batch, seed):
            group.append(ready)
            batch += 1
            if batch == len(plan):
                yield Update(group, epoch + 1, 0)
            elif len(group) == config.accumulate:
                yield Update(group, epoch, batch)
                group = []
        epoch, batch = epoch + 1, 0
        del plan  # The next plan is made without this one in memory.


def total_steps(batches: Batches, config: TrainingConfig) -> int | None:
    """Return the step at which max_steps or max_epochs ends training, or None without both.

    Packed or mixed epochs differ by a few batches, so the result for max_epochs is approximate.
    """
    totals = [] if config.max_steps is None else [config.max_steps]
    if config.max_epochs is not None:
        per_epoch = math.ceil(len(batches.plan(config.seed, epoch=1)) / config.accumulate)
        totals.append(config.max_epochs * per_epoch)
    return min(totals, default=None)


def derive_seed(seed: int, *parts: int | str) -> int:
    """Return a fixed hash of 63 bits."""
    digest = hashlib.blake2b(repr((seed, *parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
