"""Statistics of the training sources: lengths, words, bounded memory and the folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from nmt.data.statistics import (
    Statistics,
    count,
    keep_statistics,
    known_form,
    load_statistics,
    strip_punctuation,
)
from nmt.errors import StorageError

SOURCES = ["The dog runs.", "the  DOG, sleeps!", "«Ça va»", "今天天气好。", "x" * 90, "हिंदी भाषा।"]


@dataclass
class Texts:
    """The part of a corpus that statistics need."""

    texts: list[str]
    fingerprint: str = "1"

    def sources(self) -> list[pa.Array]:
        return [pa.array(self.texts[:2], pa.string()), pa.array(self.texts[2:], pa.string())]


def written(folder: Path, texts: list[str], fingerprint: str = "1") -> Statistics:
    corpus: Any = Texts(texts, fingerprint)
    keep_statistics(corpus, folder, lambda: None)
    return Statistics(folder)


def test_lengths_are_characters_of_the_sources(tmp_path: Path) -> None:
    found = written(tmp_path / "s", ["x" * n for n in range(1, 101)])
    assert found.source_lengths[50] == 50
    assert found.source_lengths[100] == 100
    assert found.usual_length == 95


def test_words_are_counted_without_case_and_punctuation() -> None:
    found = count(Texts(SOURCES).sources(), lambda: None)
    assert found.words["the"] == found.words["dog"] == 2
    assert found.words["ça"] == 1
    assert found.words["天"] == 2
    assert found.words["हिंदी"] == found.words["भाषा"] == 1
    assert found.lengths.total() == len(SOURCES)
    assert found.rarest == 1


def test_unknown_words_are_those_that_no_source_has(tmp_path: Path) -> None:
    found = written(tmp_path / "s", SOURCES)
    assert found.unknown_words("THE dog, the cat; a “Cat”... !? 今日") == ["cat", "a", "日"]
    assert found.unknown_words("c\u0327a\tva हिंदी") == []
    assert found.unknown_words("") == found.unknown_words(" ... 。") == []


def test_rare_words_are_dropped_from_large_vocabularies() -> None:
    often, rare = ["the dog runs"] * 50, [f"w{i}" for i in range(2000)]
    group = 1 << 24
    filler = " " * (group // 100)
    texts = [text + filler for text in [*often, *rare]]
    arrays = (pa.array(texts[i : i + 50]) for i in range(0, len(texts), 50))
    found = count(arrays, lambda: None, max_words=500)
    assert len(found.words) <= 500
    assert found.words["dog"] == 50
    assert 1 < found.rarest < 50


def test_statistics_are_written_again_only_for_other_data_or_damaged_files(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    words = folder / "source_words.tsv"
    written(folder, ["one"])
    assert written(folder, ["two"]).words >= {"one"}
    assert written(folder, ["two"], fingerprint="2").words >= {"two"}
    words.write_text("three\t1\n")
    with pytest.raises(StorageError, match=r"source_words\.tsv is damaged"):
        load_statistics(folder)
    assert written(folder, ["two"], fingerprint="2").words >= {"two"}


def test_a_folder_without_statistics_has_none(tmp_path: Path) -> None:
    assert load_statistics(tmp_path / "s") is None
    (tmp_path / "s").mkdir()
    with pytest.raises(StorageError) as error:
        load_statistics(tmp_path / "s")
    assert "delete" in str(error.value.hint)


def test_stop_signal_ends_counting() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count(Texts(SOURCES).sources(), stop)


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("Dog.", "dog"),
        ("(C++)", "c"),
        ("don't", "don't"),
        ("ＡＢＣ", "abc"),
        ("!?", ""),
        ("Straße", "strasse"),
    ],
)
def test_known_form_folds_case_width_and_punctuation(word: str, form: str) -> None:
    assert known_form(word) == form
    assert known_form(strip_punctuation(word)) == form
