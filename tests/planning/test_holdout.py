"""Validation and test pairs that are set aside."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config import TextFiles
from nmt.data.cleaning import Collected
from nmt.data.report import SplitReport
from nmt.data.sources import Pair
from nmt.errors import DataError
from nmt.planning.holdout import hold_out


def collected(pairs: list[tuple[str, str]], folder: Path) -> Collected:
    rows = [Pair(s, t, ("a", "b"), number) for number, (s, t) in enumerate(pairs, 1)]
    return Collected(folder / "pairs", [rows[:7], rows[7:]], SplitReport())


def texts(files: TextFiles) -> list[tuple[str, str]]:
    sides = [Path(file).read_text().splitlines() for file in (files.source, files.target)]
    return list(zip(*sides, strict=True))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), sentences=st.integers(30, 400))
def test_no_sentence_is_in_two_parts(
    seed: int, sentences: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = random.Random(seed)
    drawn = {(f"s{rng.randrange(sentences)}", f"t{rng.randrange(sentences)}") for _ in range(100)}
    folder = tmp_path_factory.mktemp("parts")
    pairs = collected(sorted(drawn), folder)
    try:
        parts = hold_out(pairs, {"valid": 5, "test": 5}, folder / "out", ("en", "de"), seed)
    except DataError as error:
        assert "nearly all" in error.message
        return
    held = {part: texts(found.files) for part, found in parts.items()}
    assert {part: found.pairs for part, found in parts.items()} == {
        p: len(h) for p, h in held.items()
    }
    assert all(0 < len(found) <= 5 for found in held.values())
    sources = {source for found in held.values() for source, _ in found}
    # data.drop_leaked removes these pairs from the training set.
    held["train"] = [pair for pair in drawn if pair[0] not in sources]
    assert sum(map(len, held.values())) == len(drawn)
    for one, other in combinations(held.values(), 2):
        for side in (0, 1):
            assert not {pair[side] for pair in one} & {pair[side] for pair in other}


def test_same_seed_gives_the_same_parts(tmp_path: Path) -> None:
    pairs = collected([(f"s{i}", f"t{i}") for i in range(1000)], tmp_path)
    sizes = {"valid": 20, "test": 30}

    def held(name: str, seed: int) -> dict[str, list[tuple[str, str]]]:
        parts = hold_out(pairs, sizes, tmp_path / name, ("en", "de"), seed)
        return {part: texts(found.files) for part, found in parts.items()}

    first = held("a", 1)
    assert {part: len(found) for part, found in first.items()} == sizes
    assert held("b", 1) == first
    assert held("c", 2) != first
    # The pairs are random, not those at the start.
    assert max(int(source[1:]) for source, _ in first["valid"]) > 500


def test_pairs_that_all_share_a_sentence_raise_error(tmp_path: Path) -> None:
    pairs = collected([(f"s{i}", "the same") for i in range(100)], tmp_path)
    with pytest.raises(
        DataError, match="cannot set aside pairs for the valid set: nearly all"
    ) as caught:
        hold_out(pairs, {"valid": 5, "test": 5}, tmp_path / "out", ("en", "de"))
    assert "--valid" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()
