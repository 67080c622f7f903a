"""The translator: order, batches, long and unusual input, scores and precision."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from untrained import write_run

from nmt.config import DecodingConfig, ModelConfig, TokenizerConfig
from nmt.data.batching import collate
from nmt.data.statistics import keep_statistics
from nmt.decoding.engine import DecoderProgram, build_program
from nmt.decoding.engine.formats import resolve_decoding_precision
from nmt.decoding.search import IntArray, beam_search, normalized_score
from nmt.decoding.translator import (
    Translation,
    Translator,
)
from nmt.errors import ConfigError
from nmt.kernels.linear import NumberFormat, can_pack
from nmt.loading import build_model
from nmt.model import EncoderDecoder
from nmt.runs import Run
from nmt.text import clean_line
from nmt.tokenizer import Tokenizer
from nmt.tokenizer.training import train_tokenizer
from nmt.training.objective import TrainingObjective

WORDS = ["the", "a", "small", "old", "red", "dog", "cat", "man", "woman", "house", "tree"]
WORDS += ["runs", "sees", "sleeps", "and", "under", "by"]
FUZZ_CASES = int(os.environ.get("NMT_FUZZ", "500"))


def sentence(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(WORDS, words)) + "."


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    rng = np.random.default_rng(1)
    lines = [sentence(rng, 8) for _ in range(300)]
    config = TokenizerConfig(type="bpe", vocab_size=330, byte_fallback=True)
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    return train_tokenizer(lambda: iter(zip(lines, lines, strict=True)), config, folder)


@dataclass
class CopyState:
    source: Tensor
    position: int = 0

    def select(self, sentences: IntArray, parents: IntArray) -> None:
        self.source = self.source[sentences]


class CopyProgram(DecoderProgram):
    """A program whose translation of every sentence is the sentence itself."""

    def __init__(self, vocabulary: int) -> None:
        self.device = torch.device("cpu")
        self.vocabulary = vocabulary
        self.batches: list[tuple[int, ...]] = []

    def start(self, source: Tensor, max_length: int, width: int) -> CopyState:
        self.batches.append(tuple(source.shape))
        return CopyState(source.where(source > 0, 3))

    def step(self, tokens: Tensor, state: CopyState) -> Tensor:
        column = min(state.position, state.source.shape[1] - 1)
        state.position += 1
        logits = torch.nn.functional.one_hot(state.source[:, column], self.vocabulary) * 20.0
        return logits[:, None].expand(-1, tokens.shape[1], -1)


@pytest.fixture
def copier(tokenizer: Tokenizer) -> Translator:
    return copier_of(tokenizer)


def copier_of(tokenizer: Tokenizer) -> Translator:
    return Translator(CopyProgram(len(tokenizer.target)), tokenizer, DecodingConfig(), 256)


def batches_of(copier: Translator) -> list[tuple[int, ...]]:
    """Return the shapes (batch, source_len) of the batches that the copier has translated."""
    assert isinstance(copier.program, CopyProgram)
    return copier.program.batches


def network(tokenizer: Tokenizer, number_format: NumberFormat = "fp32", **how: Any) -> Translator:
    torch.manual_seed(3)
    config = ModelConfig(d_model=16, heads=2, encoder_layers=1, decoder_layers=1, feedforward=32)
    size = len(tokenizer.target)
    model = build_model(config, size, size, shared_vocab=True)
    with torch.no_grad():  # Larger weights give outputs of various lengths.
        for parameter in model.parameters():
            parameter *= 3.0
        model.get_parameter("decoder_layers.0.add_norm_3.layer_norm.bias")[0] += 3.0
        model.output_weight[3, 0] += 2.0
    program = build_program(model, number_format, torch.device("cpu"))
    return Translator(program, tokenizer, DecodingConfig(max_length=20, **how), 256)


def test_each_sentence_has_one_translation_in_order(copier: Translator) -> None:
    rng = np.random.default_rng(2)
    sentences = [sentence(rng, int(n)) for n in rng.integers(1, 30, 100)]
    sentences[10] = sentences[20] = ""
    sentences[30] = " \t\u00a0\u3000 "
    expected = [*sentences]
    expected[30] = ""
    copier = Translator(copier.program, copier.tokenizer, DecodingConfig(batch_tokens=128), 256)
    assert copier.translate(sentences) == expected
    assert sum(batch for batch, _ in batches_of(copier)) == 97
    assert all(batch * length <= 128 for batch, length in batches_of(copier))
    assert copier.translate([]) == []


def test_batches_are_halved_until_they_fit_the_memory(
    copier: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = copier.program.start

    def limited(source: Tensor, max_length: int, width: int) -> object:
        if source.numel() > 100:
            raise torch.OutOfMemoryError
        return start(source, max_length, width)

    monkeypatch.setattr(copier.program, "start", limited)
    rng = np.random.default_rng(5)
    sentences = [sentence(rng, int(n)) for n in rng.integers(1, 30, 100)]
    assert copier.translate(sentences) == sentences
    assert 50 < max(batch * length for batch, length in batches_of(copier)) <= 100
    with pytest.raises(torch.OutOfMemoryError):
        copier.translate([sentence(rng, 200)])


def test_bf16_scores_are_close_to_fp32_scores(tokenizer: Tokenizer) -> None:
    pairs = [("the dog runs.", "a cat sees the tree."), ("a man", "the house")]
    exact = network(tokenizer).score(pairs)
    translator = network(tokenizer, "bf16")
    for one, other in zip(exact, translator.score(pairs), strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, rel=0.1)
    assert len(translator.translate([source for source, _ in pairs])) == 2


def test_empty_sentences_never_reach_the_model(copier: Translator) -> None:
    assert copier.translate(["", "   ", "\x00\x01", "\n"]) == [""] * 4
    assert batches_of(copier) == []


def test_translations_do_not_depend_on_batches(tokenizer: Tokenizer) -> None:
    rng = np.random.default_rng(4)
    sentences = [sentence(rng, int(n)) for n in rng.integers(1, 12, 60)]
    results = [
        network(tokenizer, batch_tokens=tokens).translate(sentences) for tokens in (1, 60, 4096)
    ]
    assert results[0] == results[1] == results[2]
    assert results[2] == network(tokenizer).translate(sentences[::-1])[::-1]
    assert len(set(results[0])) > 30
    assert len({len(text) for text in results[0]}) > 3


@pytest.fixture(scope="module")
def trained(tokenizer: Tokenizer) -> EncoderDecoder:
    """Return a model that has learned to copy most sentences."""
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    size = len(tokenizer.target)
    config = ModelConfig(
        d_model=32, heads=4, encoder_layers=1, decoder_layers=1, feedforward=64, dropout=0.0
    )
    model = build_model(config, size, size, shared_vocab=True)
    objective = TrainingObjective(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(300):
        sentences = [sentence(rng, int(n)) for n in rng.integers(1, 9, 24)]
        pairs = [(ids, ids) for ids in tokenizer.source.encode_batch(sentences)]
        batch = collate(pairs, np.arange(len(pairs)))
        loss = objective(batch).objective / batch.target_tokens
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1.0
    return model.eval()


@pytest.mark.parametrize("search", ["beam", "sample"])
@pytest.mark.parametrize("number_format", ["fp32", "fp16", "bf16", "int8"])
def test_batch_tokens_change_no_translation_of_a_trained_model(
    tokenizer: Tokenizer, trained: EncoderDecoder, number_format: NumberFormat, search: str
) -> None:
    """Check that a batch changes only the rounding of sums.

    In float32 this moves a score by about 1e-6. In int8 it may also move an activation to the next
    of 64 levels, which moves a score by about 1e-3. Both are far below the differences between the
    words of a trained model, so a translation changes almost never; 2 of 200 may.
    """
    if number_format in ("fp16", "int8") and not can_pack(torch.device("cpu"), number_format):
        pytest.skip("torch without FBGEMM")
    program = build_program(trained, number_format, torch.device("cpu"))
    rng = np.random.default_rng(3)
    sentences = [sentence(rng, int(n)) for n in rng.integers(1, 9, 100)]

    def results(batch_tokens: int) -> list[Translation]:
        decoding = DecodingConfig(batch_tokens=batch_tokens, max_length=60)
        translator = Translator(program, tokenizer, decoding, 256)
        if search == "sample":
            found = translator.sample(sentences, count=2)
        else:
            found = translator.translate_nbest(sentences, 2)
        return [translation for translations in found for translation in translations]

    expected = results(4096)
    assert len({translation.text for translation in expected}) > 100
    tolerance = 1e-4 if number_format in ("fp32", "fp16") else 0.02
    for batch_tokens in (1, 100):
        pairs = list(zip(results(batch_tokens), expected, strict=True))
        same = [(one, other) for one, other in pairs if one.text == other.text]
        assert len(pairs) - len(same) <= 2
        for one, other in same:
            assert one.score == pytest.approx(other.score, abs=tolerance)


def test_nbest_translations_are_sorted_by_score(tokenizer: Tokenizer) -> None:
    translator = network(tokenizer)
    found = translator.translate_nbest(["the dog runs.", "", "a cat sees the man."], 4)
    assert [len(best) for best in found] == [4, 1, 4]
    assert found[1][0] == ("", 0.0, 0.0, False)
    for best in (found[0], found[2]):
        assert [t.score for t in best] == sorted((t.score for t in best), reverse=True)
    with pytest.raises(ValueError, match="nbest"):
        translator.translate_nbest(["the dog"], 6)


def test_score_of_a_pair_does_not_depend_on_the_batch(tokenizer: Tokenizer) -> None:
    translator = network(tokenizer)
    pairs = [("the dog runs.", "a cat"), ("a man", ""), ("", "the tree"), ("a man", "a man sees.")]
    together = translator.score(pairs)
    alone = [translator.score([pair])[0] for pair in pairs]
    for one, other, (_, target) in zip(together, alone, pairs, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, rel=1e-4)
        assert one.log_probability < 0
        assert one.tokens == len(tokenizer.target.encode(target)) + 1
    assert translator.score([]) == []


def test_samples_depend_on_seed_and_index(tokenizer: Tokenizer) -> None:
    translator = network(tokenizer)
    sentences = ["the dog runs.", "the dog runs.", "", "a cat sees the man."]
    first = translator.sample(sentences, count=3, seed=5)
    assert first == translator.sample(sentences, count=3, seed=5)
    assert first != translator.sample(sentences, count=3, seed=6)
    assert first[0] != first[1]
    tail = translator.sample(sentences[3:], count=3, seed=5, first=3)
    assert [t.text for t in tail[0]] == [t.text for t in first[3]]


def test_long_input_is_split_with_warning(copier: Translator) -> None:
    rng = np.random.default_rng(5)
    sentences = [sentence(rng, 12) for _ in range(60)]
    copier.max_source_tokens = 50
    warnings: list[tuple[int, str]] = []
    result = copier.translate(
        ["a dog.", " ".join(sentences)], warn=lambda i, text: warnings.append((i, text))
    )
    assert result == ["a dog.", " ".join(sentences)]
    [(index, message)] = warnings
    assert index == 1
    assert "pieces" in message
    assert max(length for _, length in batches_of(copier)) <= 51
    with pytest.warns(UserWarning, match="sentence 2"):
        copier.translate(["a dog.", " ".join(sentences)])


PARAGRAPH = "The dog runs.  The old cat sleeps.\u00a0A man sees the tree."


@pytest.mark.parametrize(
    ("mode", "usual", "pieces"),
    [
        ("auto", None, 1),
        ("auto", len(PARAGRAPH), 1),
        ("auto", len(PARAGRAPH) - 1, 3),
        ("always", None, 3),
        ("never", 5, 1),
    ],
)
def test_sentences_of_unusually_long_lines_are_translated_one_by_one(
    copier: Translator, mode: Any, usual: int | None, pieces: int
) -> None:
    copier.decoding = DecodingConfig(split_sentences=mode)
    copier.usual_length = usual
    assert copier.translate(PARAGRAPH) == (PARAGRAPH if pieces > 1 else " ".join(PARAGRAPH.split()))
    assert sum(batch for batch, _ in batches_of(copier)) == pieces


def test_translation_of_a_paragraph_is_that_of_its_sentences(tokenizer: Tokenizer) -> None:
    translator = network(tokenizer, split_sentences="always")
    sentences = ["The dog runs.", "The cat sees a man.", "A tree."]
    alone = translator.translate_nbest(sentences, 2)
    [together] = translator.translate_nbest([" ".join(sentences)], 2)
    for rank, joined in enumerate(together):
        texts = [best[rank].text for best in alone if best[rank].text]
        assert joined.text == " ".join(texts)
        total = sum(best[rank].log_probability for best in alone)
        assert joined.log_probability == pytest.approx(total, rel=1e-4)
    assert len(translator.sample([" ".join(sentences), ""], count=3)[0]) == 3


def test_sentence_beyond_the_limit_is_cut_further(copier: Translator) -> None:
    copier.max_source_tokens = 20
    copier.decoding = DecodingConfig(split_sentences="always")
    line = f"A dog runs. {'the old cat and ' * 20}a man. The tree."
    with pytest.warns(UserWarning, match="tokens long, translated in .* pieces"):
        assert copier.translate(line) == line
    assert max(length for _, length in batches_of(copier)) <= 21


def test_pairs_beyond_the_limit_are_not_scored(tokenizer: Tokenizer) -> None:
    translator = network(tokenizer)
    translator.max_source_tokens = 30
    fits = tokenizer.source.decode([*tokenizer.source.encode("a")] * 30)
    assert len(tokenizer.source.encode(fits)) == 30
    pairs = [
        ("a cat", "a dog"),
        ("a cat", f"{fits} a"),
        (f"{fits} a", ""),
        (fits, fits),
        ("x" * 200_000, "a"),
    ]
    warned: list[tuple[int, str]] = []
    scores = translator.score(pairs, lambda i, text: warned.append((i, text)))
    assert [score.tokens for score in scores] == [
        len(tokenizer.target.encode("a dog")) + 1,
        0,
        0,
        31,
        0,
    ]
    assert [math.isnan(score.log_probability) for score in scores] == [
        False,
        True,
        True,
        False,
        True,
    ]
    assert [i for i, _ in warned] == [1, 2, 4]
    assert "more than 30, not scored" in warned[0][1]
    assert scores[0].log_probability == pytest.approx(
        translator.score(pairs[:1])[0].log_probability, rel=1e-4
    )


def test_learned_positions_limit_scores_and_translations(tmp_path: Path) -> None:
    write_run(tmp_path / "run", positions="learned", max_positions=257)
    translator = Translator.load(Run(tmp_path / "run"), "cpu")
    line = "the dog " * 400
    with pytest.warns(UserWarning, match="not scored"):
        [scored] = translator.score([(line, line)])
    assert math.isnan(scored.log_probability)
    with pytest.warns(UserWarning, match="pieces"):
        assert isinstance(translator.translate(line), str)


def test_loaded_translator_uses_languages_and_statistics_of_the_run(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    run = Run(tmp_path / "run")
    assert Translator.load(run, "cpu").usual_length is None
    corpus: Any = Texts()
    keep_statistics(corpus, run.statistics_folder, lambda: None)
    assert Translator.load(run, "cpu").usual_length == 95


class Texts:
    """A corpus with a source of each length from 1 to 100 characters."""

    fingerprint = "1"

    def sources(self) -> list[pa.Array]:
        return [pa.array(["x" * n for n in range(1, 101)])]


def test_decoding_that_contradicts_the_model_raises_config_error(tmp_path: Path) -> None:
    write_run(tmp_path / "run", positions="learned", max_positions=257)
    decoding = DecodingConfig(min_length=300, max_length=400)
    with pytest.raises(ConfigError, match="learned positions hold 256 tokens"):
        Translator.load(Run(tmp_path / "run"), "cpu", decoding)


def test_very_long_input_is_skipped_with_warning(copier: Translator) -> None:
    warnings: list[str] = []
    texts = ["x" * 1_000_000, "a dog."]
    assert copier.translate(texts, warn=lambda _, text: warnings.append(text)) == ["", "a dog."]
    assert len(warnings) == 1
    assert "100,000" in warnings[0]


def test_long_input_without_sentence_end_is_split(copier: Translator) -> None:
    with pytest.warns(UserWarning):
        [text] = copier.translate(["x" * 20_000])
    assert text.replace(" ", "") == "x" * 20_000


STRANGE = [
    "",
    "   ",
    "\x00",
    "<s>",
    "</s>",
    "<pad> <unk>",
    "▁▁▁",
    "\x1b[31mred\x1b[0m",
    "\ud800 lone \udcff",
    "a\nb",
    "a\rb",
    "a\u2028b\u0085c\x0bd\x0ce",
    "\ufeffthe dog",
    "y" * 3_000,
    "😀" * 100,
    "👩‍👩‍👧‍👦" * 10,
    "שלום עולם",
    "e\u0301 é ﬁ ½",
    "\t\t",
    "\u200b\u200d\u2060",
    "the dog " * 300,
]


def check_outputs(sentences: list[str], results: list[str]) -> None:
    assert len(results) == len(sentences)
    for text, result in zip(sentences, results, strict=True):
        assert not any(char in result for char in "\n\r\x00\x1b")
        result.encode()
        if not text.strip():
            assert result == ""


def test_unusual_input_gives_one_line_per_sentence(tokenizer: Tokenizer) -> None:
    translator = network(tokenizer, beam_size=2)
    check_outputs(STRANGE, translator.translate(STRANGE, warn=lambda *_: None))
    for text in ("<s>", "</s>", "<pad>", "<unk>"):  # Ids up to 3 are control ids.
        assert all(token > 3 for token in tokenizer.source.encode(clean_line(text)))


def test_fuzz_gives_one_line_per_sentence(tokenizer: Tokenizer) -> None:
    translator = network(tokenizer, beam_size=2)
    group = 50

    @given(st.lists(st.text(max_size=60), min_size=group, max_size=group))
    @settings(max_examples=-(-FUZZ_CASES // group), deadline=None)
    def check(sentences: list[str]) -> None:
        results = translator.translate(sentences, warn=lambda *_: None)
        check_outputs(sentences, results)
        alone = translator.translate(sentences[:1], warn=lambda *_: None)
        assert alone == results[:1]

    check()


def test_generated_control_characters_are_removed(
    tokenizer: Tokenizer,
) -> None:
    bytes_to_spell = tokenizer.target.encode("\u4e00")[-3:]
    newline = bytes_to_spell[0] - 0xE4 + 0x0A  # Byte pieces are in the order of their values.
    escape = newline - 0x0A + 0x1B
    copier = copier_of(tokenizer)
    start = copier.program.start

    def spelling(source: Tensor, max_length: int, width: int) -> CopyState:
        source = source.clone()
        source[:, 0], source[:, 1] = newline, escape
        return start(source, max_length, width)  # type: ignore[no-any-return]

    copier.program.start = spelling  # type: ignore[method-assign]
    check_outputs(["the old dog"], copier.translate(["the old dog"]))


def test_translation_at_the_length_limit_is_marked(copier: Translator) -> None:
    copier.decoding = DecodingConfig(max_length=3)
    [[cut], [whole]] = copier.translate_nbest(["the dog sees the cat under the tree", "dog"], 1)
    assert cut.at_limit
    assert not whole.at_limit


def test_decoding_precision_must_run_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    with pytest.raises(ConfigError, match="int8 does not run on cuda"):
        resolve_decoding_precision("int8", cuda)
    assert resolve_decoding_precision("fp16", cuda) == "fp16"
    for precision in get_args(NumberFormat):
        if can_pack(cpu, precision):
            assert resolve_decoding_precision(precision, cpu) == precision
    expected = "fp16" if can_pack(cpu, "fp16") else "fp32"
    assert resolve_decoding_precision("auto", cpu) == expected
    monkeypatch.setattr("nmt.decoding.engine.formats.can_pack", lambda device, name: False)
    assert resolve_decoding_precision("auto", cpu) == "fp32"
    for name in ("fp16", "int8"):
        with pytest.raises(ConfigError, match=f"{name} does not run on cpu") as error:
            resolve_decoding_precision(name, cpu)  # type: ignore[arg-type]
        assert error.value.hint == f"use fp32 or bf16; {name} needs FBGEMM on an x86 CPU"


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8"])
def test_loaded_run_translates_in_every_precision(
    tmp_path: Path, precision: Literal["fp32", "fp16", "bf16", "int8"]
) -> None:
    if precision in ("fp16", "int8") and not can_pack(torch.device("cpu"), precision):
        pytest.skip("torch without FBGEMM")
    write_run(tmp_path / "run")
    run = Run(tmp_path / "run")
    decoding = run.config.decoding.model_copy(update={"precision": precision})
    exact = Translator.load(run, "cpu").score([("the dog", "a tree")])
    translator = Translator.load(run, "cpu", decoding)
    assert len(translator.translate(["the dog runs .", "a tree"])) == 2
    [(log_probability, _)] = translator.score([("the dog", "a tree")])
    assert log_probability == pytest.approx(exact[0].log_probability, rel=0.02)


def test_joined_pieces_are_scored_by_the_length_normalization(tokenizer: Tokenizer) -> None:
    rng = np.random.default_rng(6)
    text = " ".join(sentence(rng, 6) for _ in range(4))
    for normalization in ("power", "gnmt"):
        translator = network(tokenizer, length_penalty=0.6, length_normalization=normalization)
        translator.max_source_tokens = 20
        [[found]] = translator.translate_nbest([text], 1, warn=lambda *_: None)
        pieces = [ids for _, ids in translator._split(text, tokenizer.source.encode(text))]
        assert len(pieces) > 1
        program, decoding = translator.program, translator.decoding
        best = [beam_search(program, torch.tensor([[*ids, 3]]), decoding)[0][0] for ids in pieces]
        length = sum(len(h.tokens) + 1 for h in best)
        expected = normalized_score(found.log_probability, length, decoding)
        assert found.score == pytest.approx(expected, rel=1e-4)


def test_learned_positions_limit_the_length_of_outputs(tmp_path: Path) -> None:
    write_run(tmp_path / "run", positions="learned", max_positions=300)
    decoding = DecodingConfig(beam_size=1, max_length=1000, max_length_ratio=1000, min_length=299)
    translator = Translator.load(Run(tmp_path / "run"), "cpu", decoding)
    assert translator.decoding.max_length == 299
    [[translation]] = translator.translate_nbest(["the dog"], 1)
    assert translation.at_limit
