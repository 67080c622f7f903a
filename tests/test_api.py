"""The Python interface: what `nmt.load` and its translator accept and return."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from untrained import write_run

import nmt
from nmt.errors import UsageError

SENTENCES = ["the dog runs .", "", "a tree"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("api") / "run"
    write_run(path)
    return path


@pytest.fixture(scope="module")
def translator(run: Path) -> nmt.Translator:
    return nmt.load(run, device="cpu")


def test_one_string_gives_one_string(translator: nmt.Translator) -> None:
    text: str = translator.translate("the dog runs .")
    assert isinstance(text, str)
    assert text
    assert text == translator.translate(["the dog runs ."])[0]
    assert translator.translate("") == ""


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda x: (s for s in x), dict.fromkeys])
def test_any_iterable_of_strings_gives_a_list(translator: nmt.Translator, kind: Any) -> None:
    expected = translator.translate(SENTENCES)
    assert len(expected) == 3
    assert translator.translate(kind(SENTENCES)) == expected
    assert [best[0].text for best in translator.translate_nbest(kind(SENTENCES), 2)] == expected
    assert translator.sample(kind(SENTENCES)) == translator.sample(SENTENCES)


@pytest.mark.parametrize("value", [None, 5, b"a dog", [b"a dog"], ["a dog", None], [["a dog"]]])
def test_sentences_that_are_not_strings_raise_type_error(
    translator: nmt.Translator, value: Any
) -> None:
    for translate in (
        translator.translate,
        lambda values: translator.translate_nbest(values, 1),
        translator.sample,
    ):
        with pytest.raises(TypeError, match="expected an iterable of strings"):
            translate(value)


def test_nbest_and_sample_do_not_read_a_string_as_sentences(translator: nmt.Translator) -> None:
    with pytest.raises(TypeError, match="not str"):
        translator.translate_nbest("a dog", 1)
    with pytest.raises(TypeError, match="not str"):
        translator.sample("a dog")


def test_score_takes_an_iterable_of_pairs(translator: nmt.Translator) -> None:
    pairs = [("the dog", "a tree"), ("a tree", "")]
    assert translator.score(iter(pairs)) == translator.score(pairs)
    wrong: list[Any] = [["ab"], [("a", "b", "c")], [("a", 1)], [None], 5]
    for value in wrong:
        with pytest.raises(TypeError):
            translator.score(value)


@pytest.mark.parametrize("device", ["mps", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", "", None])
def test_unknown_device_raises_value_error_that_names_the_valid_ones(
    run: Path, device: Any
) -> None:
    with pytest.raises(ValueError, match="'auto', 'cpu', 'cuda' or 'cuda:N'"):
        nmt.load(run, device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
def test_missing_gpu_raises_usage_error(run: Path, device: str) -> None:
    with pytest.raises(UsageError, match=f"device is {device},"):
        nmt.load(run, device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_numbered_gpu_is_used(run: Path) -> None:
    last = torch.cuda.device_count() - 1
    translator = nmt.load(run, device=f"cuda:{last}")
    assert translator.program.device == torch.device("cuda", last)
    assert len(translator.translate(SENTENCES)) == 3
    with pytest.raises(UsageError, match=f"finds {last + 1} CUDA device"):
        nmt.load(run, device=f"cuda:{last + 1}")


def test_decoding_of_another_type_raises_type_error(run: Path) -> None:
    wrong: Any = {"beam_size": 2}
    with pytest.raises(TypeError, match="decoding is a dict, not a DecodingConfig"):
        nmt.load(run, device="cpu", decoding=wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 0),
        ("temperature", 0.0),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_k", -1),
        ("top_p", -0.1),
        ("top_p", 1.1),
        ("seed", -1),
        ("first", -1),
    ],
)
def test_sampling_arguments_out_of_range_raise_value_error(
    translator: nmt.Translator, name: str, value: float
) -> None:
    options: dict[str, Any] = {name: value}
    for sentences in (SENTENCES, []):
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            translator.sample(sentences, **options)


def test_sampling_arguments_at_their_limits_are_accepted(translator: nmt.Translator) -> None:
    for options in (
        {"temperature": 0.001},
        {"top_p": 0.0},
        {"top_k": 10**6},
        {"seed": 2**64},
    ):
        wide: Any = options
        assert len(translator.sample(SENTENCES, **wide)) == 3
