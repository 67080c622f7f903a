"""The sets of a validation or test split: the parts of one name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.config.data import DataConfig, Part, Split
    from nmt.data.corpus import Corpus


class EvaluationSet(NamedTuple):
    """Sentence pairs that are scored together. All have the languages and tags of `part`."""

    name: str
    part: Part
    pairs: np.ndarray
    """Indices of the pairs in the split, (pairs,) int64."""


def sets_of(
    data: DataConfig, split: Split, pairs: int, by_part: Sequence[int]
) -> list[EvaluationSet]:
    """Return the sets of a split in order of their first parts.

    pairs: number of pairs of the split; by_part: of each part, which only several sets need.
    """
    parts = data.parts(split)
    names = [part.set_name for part in parts]
    if len(set(names)) == 1:
        return [EvaluationSet(names[0], parts[0], np.arange(pairs))]
    part_of_pair = np.repeat(np.arange(len(parts)), by_part)
    return [
        EvaluationSet(
            name or split,
            parts[names.index(name)],
            np.flatnonzero(np.isin(part_of_pair, [i for i, n in enumerate(names) if n == name])),
        )
        for name in dict.fromkeys(names)
    ]


def check_sets(data: DataConfig, split: Split, corpus: Corpus) -> None:
    """Raise DataError if a set has no pairs, or if no pair of a validation set has a loss."""
    sets = sets_of(data, split, len(corpus), corpus.parts)
    within = corpus.within(data.max_tokens)
    for one in sets:
        where = f"the set {one.name} of data.{split}" if len(sets) > 1 else f"data.{split}"
        if not len(one.pairs):
            raise DataError(f"{where} has no pairs", "remove its sources, or add pairs")
        if split == "valid" and not np.isin(one.pairs, within).any():
            raise DataError(
                f"all pairs of {where} have more than {data.max_tokens:,} tokens on a side, so "
                "there is no validation loss",
                f"give {where} shorter sentences, or raise data.max_tokens",
            )
