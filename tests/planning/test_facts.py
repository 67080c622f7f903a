"""Facts that are measured on parallel data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nmt.config import TextFiles
from nmt.planning import facts as facts_module
from nmt.planning.facts import Facts, collect, measure


def measured(folder: Path, pairs: list[tuple[str, str]], **options: Any) -> Facts:
    files = {}
    for number, side in enumerate(("source", "target")):
        files[side] = str(folder / side)
        text = "".join(f"{pair[number]}\n" for pair in pairs)
        Path(files[side]).write_text(text, encoding="utf-8")
    temporary = folder / "temporary"
    temporary.mkdir()
    found = collect(TextFiles(**files), {}, temporary)
    usual = {"names": ("", ""), "languages": (None, None), "device": "cpu"}
    return measure(found, **{**usual, **options})


def test_facts_of_text_with_and_without_spaces(tmp_path: Path) -> None:
    pairs = [(f"the red cat {i}", f"红猫{i}。") for i in range(100)]
    found = measured(tmp_path, [*pairs, pairs[0], ("", "x"), ("same", "same")])
    assert (found.read, found.pairs) == (103, 100)
    assert found.report.dropped == {"duplicates": 1, "empty": 1, "target equals source": 1}
    assert (found.source.unspaced, found.target.unspaced) == (False, True)
    assert found.source.words == 4
    assert found.source.vocabulary == 103
    assert found.source.characters() == len(set("theredcat0123456789"))
    assert found.alphabet == 0
    assert found.uneven == 0


def test_misaligned_pairs_are_uneven(tmp_path: Path) -> None:
    pairs = [(f"a sentence {i}", f"ein Satz {i}") for i in range(99)]
    assert measured(tmp_path, [*pairs, ("a", "ein sehr langer Satz " * 3)]).uneven == 0.01


def test_language_is_given_or_named_or_identified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "identify", lambda text: "fi" if "8" in text else "et")
    pairs = [(f"a {i}", f"b {i}") for i in range(10)]
    found = measured(tmp_path, pairs, languages=("pt-BR", None), names=("de", ""))
    assert (found.source.language, found.source.evidence) == ("pt-BR", "as given")
    assert found.target.language == "et"
    assert found.target.evidence == "identified in 10 sentences"


def test_large_data_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_module, "SAMPLE", 10)
    found = measured(tmp_path, [(f"a{i}", f"b{i}") for i in range(95)])
    assert found.pairs == 95
    assert 5 < found.source.vocabulary <= 10
