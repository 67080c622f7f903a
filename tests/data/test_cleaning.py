"""Dropped and noticed pairs, counted by reason."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config import DataConfig
from nmt.data import cleaning
from nmt.data.cleaning import HeldOut, _repeated, collect_training, too_long
from nmt.data.report import PERCENTILES, DataReport, SideReport, SplitReport, side_report
from nmt.data.sources import Pair

Texts = list[tuple[str, str]]


def data_config(**options: Any) -> DataConfig:
    source = {"builtin": "phrasebook"}
    return DataConfig.model_validate({"train": source, "valid": source, **options})


def collect(
    path: Path, texts: Texts, held_out: HeldOut | None = None, **options: Any
) -> tuple[Texts, SplitReport]:
    report = SplitReport()
    pairs = (Pair(s, t, ("f", "g"), i) for i, (s, t) in enumerate(texts, 1))
    parts = data_config(**options).parts("train")
    collected = collect_training(
        pairs, path / "t", parts, held_out or HeldOut(), report, lambda: None
    )
    assert report.lines == len(texts)
    return list(collected.texts()), report


def test_empty_sides_are_dropped(tmp_path: Path) -> None:
    texts, report = collect(tmp_path, [("a", "b"), ("", "b"), ("a", ""), ("", "")])
    assert texts == [("a", "b")]
    assert report.dropped == {"empty": 3}
    assert report.examples == {"empty": ["f:2", "g:3", "f:4"]}


def test_line_of_a_megabyte_is_dropped_before_tokenization(tmp_path: Path) -> None:
    texts, report = collect(tmp_path, [("a", "x" * (1 << 20)), ("a", "b")], max_tokens=100)
    assert texts == [("a", "b")]
    assert report.dropped == {"too long": 1}
    assert report.examples == {"too long": ["g:1"]}


@pytest.mark.parametrize("drop", [False, True])
def test_duplicates_and_copies_are_counted_or_dropped(tmp_path: Path, drop: bool) -> None:
    given = [("a", "b"), ("b", "a"), ("a", "b"), ("c", "c"), ("a", "x"), ("a", "b")]
    texts, report = collect(tmp_path, given, drop_duplicates=drop, drop_copies=drop)
    found = {"target equals source": 1, "duplicates": 2}
    if drop:
        assert texts == [("a", "b"), ("b", "a"), ("a", "x")]
        assert report.dropped == found
        assert not report.noticed
    else:
        assert texts == given
        assert report.noticed == found
        assert not report.dropped
    assert report.examples["duplicates"] == ["f:3", "f:6"]


@pytest.mark.parametrize("drop", [False, True])
def test_leaked_pairs_are_counted_or_dropped(tmp_path: Path, drop: bool) -> None:
    held_out = HeldOut()
    report = SplitReport()
    pairs = (Pair(s, "x", ("v", "v"), 1) for s in ["a", "b", "a", "", "q"])
    kept = held_out.collect("valid", pairs, tmp_path / "v", report, lambda: None)
    assert [source for source, _ in kept.texts()] == ["a", "b", "a", "", "q"]
    given = [("a", "1"), ("", "2"), ("z", "3"), ("b", "4"), ("b", "5")]
    texts, train = collect(tmp_path, given, held_out, drop_leaked=drop)
    assert held_out.leaks("valid") == 3  # a, b, a
    if drop:
        assert texts == [("z", "3")]
        assert train.dropped == {"empty": 1, "in valid or test": 3}
    else:
        assert len(texts) == 4
        assert train.noticed == {"in valid or test": 3}


def test_order_and_locations_are_kept_over_many_chunks(tmp_path: Path) -> None:
    given = [(f"s{i % 15_000}", f"t{i % 15_000}") for i in range(20_000)]
    texts, report = collect(tmp_path, given, drop_duplicates=True)
    assert texts == given[:15_000]
    assert report.examples["duplicates"] == ["f:15001", "f:15002", "f:15003"]


def test_damaged_text_is_counted_and_kept(tmp_path: Path) -> None:
    given = [
        ("a &amp; b", "&#39;x&#x27;"),
        ("R&D; x & y", "AT&T"),
        ("f\u00c3\u00bcr", "f\u00fcr"),
        ("x", "\u00e2\u20ac\u2122"),
        ("S\u00c3O", "Ma\u00c3 m"),
        ("one\\ntwo", "\\alpha"),
    ]
    texts, report = collect(tmp_path, given)
    assert texts == given
    assert not report.dropped
    assert report.examples == {
        "HTML entities": ["f:1"],
        "mojibake": ["f:3", "g:4"],
        "escaped line ends": ["f:6"],
    }


def case_copies(path: Path, texts: Texts, share: float, **options: Any) -> list[Texts]:
    """Return the texts without copies, and the copies of all chunks."""
    report = SplitReport()
    pairs = (Pair(s, t, ("f", "g"), i) for i, (s, t) in enumerate(texts, 1))
    parts = data_config(case_copies=share, **options).parts("train")
    collected = collect_training(pairs, path / "t", parts, HeldOut(), report, lambda: None)
    first: Texts = []
    copies: Texts = []
    for chunk in collected.chunks():
        lines: set[int] = set()
        for pair in chunk:
            (copies if pair.line in lines else first).append((pair.source, pair.target))
            lines.add(pair.line)
    assert report.lines == len(texts)
    return [first, copies]


def test_case_copies_are_in_capitals_and_in_title_case(tmp_path: Path) -> None:
    texts = [("don't »go there«", "geh nicht zur straße"), ("猫 1", "die Katze"), ("cat", "猫")]
    first, copies = case_copies(tmp_path, texts, 1.0)
    assert first == texts
    assert copies == [
        ("DON'T »GO THERE«", "GEH NICHT ZUR STRASSE"),
        ("Don't »Go There«", "Geh Nicht Zur Straße"),
        ("CAT", "猫"),
        ("Cat", "猫"),
    ]


def test_case_copies_are_a_share_that_depends_on_the_content_only(tmp_path: Path) -> None:
    texts = [(f"s{i}", f"t{i}") for i in range(20_000)]
    _, copies = case_copies(tmp_path, texts, 0.1)
    assert len(copies) == pytest.approx(4000, rel=0.1)
    (tmp_path / "t").unlink()
    _, again = case_copies(tmp_path, texts[::-1], 0.1)
    assert sorted(again) == sorted(copies)
    (tmp_path / "t").unlink()
    assert set(copies) < set(case_copies(tmp_path, texts, 0.2)[1])
    (tmp_path / "t").unlink()
    assert case_copies(tmp_path, texts, 0.0) == [texts, []]


def test_dropped_pairs_have_no_case_copies(tmp_path: Path) -> None:
    texts = [("a", "b"), ("a", "b"), ("x", "x"), ("", "c")]
    first, copies = case_copies(tmp_path, texts, 1.0, drop_duplicates=True, drop_copies=True)
    assert (first, set(copies)) == ([("a", "b")], {("A", "B")})


def test_too_long_finds_empty_long_and_unequal_pairs() -> None:
    source = np.array([5, 11, 10, 1, 1, 0, 30])
    target = np.array([5, 1, 10, 9, 10, 3, 0])
    reasons = dict(too_long(source, target, data_config(max_tokens=10, max_length_ratio=9.0)))
    assert {name: np.flatnonzero(pairs).tolist() for name, pairs in reasons.items()} == {
        "empty": [5, 6],
        "too long": [1],
        "length ratio": [4],
    }


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100, 101])
def test_side_report_has_lengths_at_percentiles(count: int) -> None:
    lengths = np.random.default_rng(count).integers(0, 30, count)
    ids = np.array([0, 2, 3, 0, 5])
    report = side_report(Counter(lengths.tolist()), ids, np.arange(5) == 4, 1)
    assert (report.tokens, report.unknown, report.spelt, report.pieces_used) == (10, 2, 5, 3)
    shares = PERCENTILES if count else []
    assert report.lengths == [np.percentile(lengths, s, method="higher") for s in shares]


@pytest.mark.parametrize("share", [1, 3, 1 << 20])
@given(values=st.lists(st.integers(0, 40)))
def test_repeated_finds_values_that_occurred_before(share: int, values: list[int]) -> None:
    hashes = np.array(values, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    with patch.object(cleaning, "_SHARE", share):
        found = _repeated(BytesIO(hashes.tobytes()), len(values)).tolist()
    assert found == [value in values[:i] for i, value in enumerate(values)]


def test_report_is_restored_from_json() -> None:
    train = SplitReport(lines=9, kept=7, source=SideReport(100, 1, 4, [3, 4, 5, 6], 8))
    train.drop("empty", "a:1", ["", "x" * 1000])
    train.notice("duplicates", "a:2")
    train.repaired["tabs"] += 3
    report = DataReport({"train": train, "valid": SplitReport(lines=2, kept=2)}, 16, 16)
    values = report.to_dict()
    assert values["splits"]["train"]["source"]["coverage"] == 0.95
    assert values["splits"]["train"]["source"]["unknown_rate"] == 0.01
    assert DataReport.from_dict(values) == report
    assert report.summary().split("\n") == [
        "train: 9 pairs, 7 kept; dropped: empty (1); repaired: tabs (3); noticed: duplicates (1)",
        "valid: 2 pairs",
    ]
    table = report.table()
    assert "dropped: empty" in table
    assert "95.000%" in table
    assert list(report.affected()) == [
        ("train: empty", [["a:1", "", "x" * 500]]),
        ("train: duplicates", [["a:2"]]),
    ]
    assert "case copies" not in table
    train.case_copies = 5
    assert DataReport.from_dict(report.to_dict()) == report
    assert report.summary().startswith("train: 9 pairs and 5 case copies, 7 kept;")
    assert "added: case copies" in report.table()
    del (earlier := report.to_dict())["splits"]["train"]["case_copies"]
    assert DataReport.from_dict(earlier).splits["train"].case_copies == 0
