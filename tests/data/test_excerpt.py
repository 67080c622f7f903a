"""Excerpts of large sources."""

from __future__ import annotations

from pathlib import Path

from nmt.config import DataConfig, PairFile, TextFiles
from nmt.data.excerpt import excerpt
from nmt.data.sources import read_pairs


def test_excerpt_replaces_large_sources_by_spread_pairs(tmp_path: Path) -> None:
    for name, count in (("large", 100), ("small", 9)):
        rows = "".join(f"{name} {i}\t{i} {name}\r\n" for i in range(count))
        (tmp_path / f"{name}.tsv").write_text(rows, newline="")
    large, small = (PairFile(file=str(tmp_path / f"{name}.tsv")) for name in ("large", "small"))
    data = DataConfig(train=[large, small], valid=[small])
    smaller, share = excerpt(data, "train", 10, tmp_path)
    assert smaller.valid == data.valid
    assert isinstance(smaller.train[0], TextFiles)
    assert smaller.train[1] == small
    pairs = [pair[:2] for pair in read_pairs(smaller.parts("train")[:1], "train")]
    assert pairs == [(f"large {i}", f"{i} large") for i in range(0, 100, 8)]
    assert share == (len(pairs) + 9) / 109
