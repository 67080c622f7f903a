"""Planted mismatches in pairs of ciphers, which differ by letters and word order like languages."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nmt.config import DataConfig
from nmt.data import mismatches
from nmt.data.mismatches import Finding, find_mismatches, foreign
from nmt.phrasebook import generate

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SENTENCES = [example.source for example in generate("train")][:1000]


def cipher(seed: int) -> list[str]:
    """Return the sentences with permuted letters and, for an odd seed, in another word order."""
    letters = random.Random(seed).sample(LETTERS, len(LETTERS))
    table = str.maketrans(LETTERS, "".join(letters))
    texts = [sentence.lower().translate(table) for sentence in SENTENCES]
    return [" ".join(reversed(text.split())) for text in texts] if seed % 2 else texts


FIRST, SECOND, THIRD = map(cipher, (1, 2, 3))
LANGUAGE = {
    text: code for texts, code in ((FIRST, "en"), (SECOND, "de"), (THIRD, "fr")) for text in texts
}


@pytest.fixture(autouse=True)
def without_identification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "identify", lambda text: None)


@pytest.fixture
def with_identification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "identify", LANGUAGE.get)


@pytest.fixture
def find(tmp_path: Path) -> Callable[..., list[Finding]]:
    """Return a function from both sides of a training set, and config values, to the findings."""

    def findings(source: Sequence[str], target: Sequence[str], **values: str) -> list[Finding]:
        files = {"source": str(tmp_path / "train.en"), "target": str(tmp_path / "train.de")}
        for side, texts in zip(files, (source, target), strict=True):
            Path(files[side]).write_text("".join(f"{t}\n" for t in texts), encoding="utf-8")
        data = DataConfig.model_validate({"train": files, "valid": files, **values})
        return list(find_mismatches(data, "train", lambda: None))

    return findings


@pytest.mark.parametrize("sides", [(FIRST, SECOND), (SECOND, THIRD), (THIRD, FIRST)])
@pytest.mark.parametrize("size", [0, 1, 7, 200, 1000])
def test_pairs_in_order_have_no_findings(
    find: Callable[..., list[Finding]], sides: tuple[list[str], list[str]], size: int
) -> None:
    assert find(sides[0][:size], sides[1][:size]) == []


@pytest.mark.usefixtures("with_identification")
def test_pairs_in_order_have_the_expected_languages(find: Callable[..., list[Finding]]) -> None:
    assert find(FIRST, SECOND) == []


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_swapped_pairs_are_counted_and_located(
    find: Callable[..., list[Finding]], share: float
) -> None:
    rng = random.Random(5)
    swapped = [rng.random() < share for _ in FIRST]
    rows = [(t, s) if swap else (s, t) for s, t, swap in zip(FIRST, SECOND, swapped, strict=True)]
    (found,) = find(*zip(*rows, strict=True))
    assert found.kind == "swapped sides"
    assert abs(int(found.message.split()[0]) - sum(swapped)) <= 0.02 * sum(swapped)
    first = swapped.index(True)
    location, source, target = found.examples[0]
    assert location.endswith(f"train.en:{first + 1}")
    assert (source, target) == (SECOND[first], FIRST[first])
    assert len(found.examples) == 3


@pytest.mark.parametrize("offset", [-1, 1, 2])
@pytest.mark.parametrize("block", [1 << 15, 400])
def test_shifted_lines_are_located(
    find: Callable[..., list[Finding]], monkeypatch: pytest.MonkeyPatch, offset: int, block: int
) -> None:
    monkeypatch.setattr(mismatches, "_BLOCK", block)
    target = [*SECOND[:300], *SECOND[300 - offset : 700 - offset], *SECOND[700:]]
    (found,) = find(FIRST, target)
    assert found.kind == "shifted lines"
    first, last = (int(word) for word in found.message.split()[1:4:2])
    assert abs(first - 301) <= 15
    assert abs(last - 700) <= 15
    direction = "later" if offset > 0 else "earlier"
    lines = "1 line" if abs(offset) == 1 else "2 lines"
    assert f"the translation of a line is {lines} {direction}" in found.message
    assert int(found.examples[0][0].rpartition(":")[2]) in range(first, last)


def test_lines_of_neighbors_with_equal_lengths_are_not_shifted(
    find: Callable[..., list[Finding]],
) -> None:
    assert find(sorted(FIRST, key=len), sorted(SECOND, key=len)) == []


def test_unrelated_lines_are_not_shifted(find: Callable[..., list[Finding]]) -> None:
    assert find(FIRST, random.Random(1).sample(SECOND, len(SECOND))) == []


def test_untranslated_pairs_are_counted(find: Callable[..., list[Finding]]) -> None:
    target = [*SECOND[:900], *(f"{text} ." for text in FIRST[900:])]
    (found,) = find(FIRST, target)
    assert found.kind == "untranslated"
    assert abs(int(found.message.split()[0]) - 100) <= 5
    assert found.examples[0][0].endswith("train.en:901")


@pytest.mark.usefixtures("with_identification")
def test_third_language_is_found(find: Callable[..., list[Finding]]) -> None:
    target = [THIRD[i] if i % 20 == 7 else text for i, text in enumerate(SECOND)]
    (found,) = find(FIRST, target)
    assert found.kind == "wrong language"
    assert "about 5.0% of the target sentences" in found.message
    assert found.message.endswith("fr (5.0%)")
    assert [example[2] for example in found.examples] == [THIRD[7], THIRD[27], THIRD[47]]


@pytest.mark.usefixtures("with_identification")
def test_swapped_files_are_found_by_their_names(find: Callable[..., list[Finding]]) -> None:
    (found,) = find(SECOND, FIRST)
    assert found.kind == "swapped sides"
    assert "the source is de instead of en, and the target is en" in found.message


@pytest.mark.usefixtures("with_identification")
def test_wrong_language_of_a_side_is_found(find: Callable[..., list[Finding]]) -> None:
    (found,) = find(FIRST, SECOND, target_language="es")
    assert found.kind == "wrong language"
    assert found.message.endswith("train.de is mostly de instead of es")


def test_other_script_is_found_without_identification(find: Callable[..., list[Finding]]) -> None:
    greek = "η γάτα κοιμάται"
    source = [greek if i % 10 == 3 else text for i, text in enumerate(FIRST)]
    (found,) = find(source, SECOND)
    assert found.kind == "wrong language"
    assert found.message.endswith("GREEK (10.0%)")
    assert found.examples[0][1] == greek
