"""Smaller data that stands for a large corpus."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config import TextFiles
from nmt.data.sources import Pair, read_pairs
from nmt.data.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nmt.config import DataConfig, DataSource
    from nmt.data.sources import Split

_READ = 2_000_000
"""Pairs after which the rest of a source is not read."""


def excerpt(data: DataConfig, split: Split, size: int, folder: Path) -> tuple[DataConfig, float]:
    """Return the data with smaller sources of a split, and the share of its pairs.

    Of a source with more than twice `size` pairs, at least `size` are written to two files in
    `folder`, spread evenly over its first _READ pairs. Raises DataError as `read_pairs` does.
    """
    sources: Sequence[DataSource] = getattr(data, split)
    smaller: list[DataSource] = []
    seen = kept = 0
    for number, (source, part) in enumerate(zip(sources, data.parts(split), strict=False)):
        spread = Spread[Pair](size)
        for pair in islice(read_pairs([part], split), _READ):
            spread.add(pair)
        seen += spread.seen
        kept += len(spread.items)
        if len(spread.items) < spread.seen:
            paths = {side: folder / f"{split}.{number}.{side}" for side in ("source", "target")}
            for side, path in paths.items():
                lines = (f"{getattr(pair, side)}\n" for pair in spread.items)
                path.write_text("".join(lines), encoding="utf-8", newline="")
            shared = source.model_dump(include={*TextFiles.model_fields} - {*paths})
            source = TextFiles(**{**shared, **{side: str(path) for side, path in paths.items()}})
        smaller.append(source)
    return data.model_copy(update={split: smaller}), kept / max(seen, 1)
