"""SentencePiece tokenizers: training in a child process, sizes, round trips and sampling."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt import storage
from nmt.config import TokenizerConfig
from nmt.errors import ConfigError, DataError, StorageError
from nmt.text import clean_line
from nmt.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, Vocabulary
from nmt.tokenizer.training import train_tokenizer

FUZZ_CASES = int(os.environ.get("NMT_FUZZ", "500"))
SYLLABLES = ["ba", "ko", "ri", "tel", "um", "fa", "sen", "do", "gru", "li", "mä", "ß"]


def sentences(count: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(120)]
    return [" ".join(rng.choices(words, k=rng.randint(3, 9))) + "." for _ in range(count)]


PAIRS = list(zip(sentences(200), sentences(200, 2), strict=True))


def train(folder: Path, pairs: list[tuple[str, str]] = PAIRS, **config: Any) -> Tokenizer:
    settings = TokenizerConfig(**{"type": "bpe", "vocab_size": 400, **config})
    return train_tokenizer(lambda: iter(pairs), settings, folder)


@pytest.fixture(scope="module")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train(tmp_path_factory.mktemp("bpe") / "tokenizer")


@pytest.fixture(scope="module")
def unigram(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train(tmp_path_factory.mktemp("unigram") / "tokenizer", type="unigram")


def test_vocabulary_has_expected_size_and_control_ids(bpe: Tokenizer) -> None:
    assert len(bpe.source) == 400
    assert bpe.shared
    assert bpe.source.pieces([PAD, UNK, BOS, EOS]) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert int(bpe.source.is_byte().sum()) == 256
    assert bpe.source.encode("") == []
    assert bpe.source.decode([]) == ""


def test_training_is_deterministic(bpe: Tokenizer, unigram: Tokenizer, tmp_path: Path) -> None:
    assert train(tmp_path / "a").source.model == bpe.source.model
    assert train(tmp_path / "b", type="unigram").source.model == unigram.source.model


def test_separate_vocabularies_are_trained_per_side(tmp_path: Path) -> None:
    pairs = [(source, target.upper()) for source, target in PAIRS]
    trained = train(tmp_path / "tokenizer", pairs, shared=False, vocab_size=350)
    loaded = Tokenizer.load(tmp_path / "tokenizer")
    assert not trained.shared
    assert not loaded.shared
    assert loaded.target.model == trained.target.model != trained.source.model
    source, target = pairs[0]
    assert len(loaded.source.encode(source)) < len(loaded.target.encode(source))
    assert loaded.target.decode(loaded.target.encode(target)) == target


def test_max_training_lines_selects_pairs_evenly(tmp_path: Path) -> None:
    """Training uses every tenth of the 200 pairs; other characters stay unknown."""
    pairs = [(f"a{chr(0x4E00 + i)}", "b") for i in range(200)]
    tokenizer = train(
        tmp_path / "tokenizer", pairs, vocab_size=284, max_training_lines=40, byte_fallback=True
    )
    known = [i for i in range(200) if not tokenizer.source.is_byte()[
        tokenizer.source.encode(pairs[i][0])].any()]  # fmt: skip
    assert known == list(range(9, 200, 10))


def test_long_lines_are_used_in_part(tmp_path: Path) -> None:
    long = "wa " * 3000
    tokenizer = train(tmp_path / "tokenizer", [(long, "xu")] * 2, vocab_size=266)
    assert UNK not in tokenizer.source.encode("wa")
    assert not tokenizer.source.is_byte()[tokenizer.source.encode("wa")].any()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_too_large_vocabulary_error_names_the_largest_size(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "tokenizer"
    with pytest.raises(ConfigError, match="vocab_size: 30000") as caught:
        train(folder, PAIRS[:40], type=kind, vocab_size=30_000)
    assert not folder.exists()
    largest = int(caught.value.message.rpartition(" ")[2])
    assert len(train(folder, PAIRS[:40], type=kind, vocab_size=largest).source) == largest
    with pytest.raises(ConfigError, match=f"largest possible size is {largest}$"):
        train(folder, PAIRS[:40], type=kind, vocab_size=largest + 1)


def test_too_small_vocabulary_error_names_the_smallest_size(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="smallest possible size is") as caught:
        train(tmp_path / "tokenizer", vocab_size=262)
    smallest = int(caught.value.message.rpartition(" ")[2])
    assert len(train(tmp_path / "tokenizer", vocab_size=smallest).source) == smallest


def test_hint_for_a_too_small_vocabulary_works(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="smallest possible size is") as caught:
        train(tmp_path / "tokenizer", vocab_size=262)
    assert caught.value.hint
    assert "byte_fallback=false" in caught.value.hint
    train(tmp_path / "tokenizer", vocab_size=262, byte_fallback=False)
    with pytest.raises(ConfigError) as caught:
        train(tmp_path / "other", vocab_size=16, byte_fallback=False)
    assert "character_coverage" in str(caught.value.hint)


@pytest.mark.parametrize("shared", [True, False])
def test_default_vocabulary_is_reduced_to_the_largest_possible_size(
    tmp_path: Path, shared: bool
) -> None:
    pairs = [(source, target[:30]) for source, target in PAIRS[:40]]
    config = TokenizerConfig(shared=shared)
    tokenizer = train_tokenizer(lambda: iter(pairs), config, tmp_path / "t")
    assert len(tokenizer.source) == len(tokenizer.target) < config.vocab_size
    explicit = TokenizerConfig(shared=shared, vocab_size=len(tokenizer.source) + 1)
    with pytest.raises(ConfigError, match="largest possible size is"):
        train_tokenizer(lambda: iter(pairs), explicit, tmp_path / "other")


@pytest.mark.parametrize("pairs", [[], [("", "")]])
def test_empty_text_raises_data_error(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(DataError, match="the text for training the tokenizer is empty"):
        train(tmp_path / "tokenizer", pairs)


class StoppedError(Exception):
    pass


def test_stop_during_training_leaves_no_tokenizer(tmp_path: Path) -> None:
    calls = 0

    def check_stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:  # after the first line, the child is training
            raise StoppedError

    with pytest.raises(StoppedError):
        train_tokenizer(
            lambda: iter(PAIRS), TokenizerConfig(vocab_size=400), tmp_path / "t", check_stop
        )
    assert not (tmp_path / "t").exists()


def test_killed_child_raises_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel kills the child like this when memory runs out."""
    children: list[subprocess.Popen[bytes]] = []

    class Child(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            children.append(self)

    monkeypatch.setattr("nmt.tokenizer.training.subprocess.Popen", Child)
    with pytest.raises(DataError, match="exit status -9"):
        train_tokenizer(
            lambda: iter(PAIRS), TokenizerConfig(), tmp_path / "t", lambda: children[0].kill()
        )


def test_child_fails_when_its_input_ends_early() -> None:
    """The input ends early if the parent was killed. The child must not write a model then."""
    child = subprocess.run(
        [sys.executable, "-m", "nmt.tokenizer.child", '{"vocab_size": 300}'],
        input=b"some text\n" * 100, capture_output=True, check=False,
    )  # fmt: skip
    assert (child.returncode, child.stdout) == (1, b"")


# --- Storage --------------------------------------------------------------------------------


def test_damaged_tokenizer_raises_storage_error(bpe: Tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    bpe.save(folder)
    assert Tokenizer.load(folder).source.model == bpe.source.model
    path = folder / "shared.model"
    intact = path.read_bytes()
    rng = random.Random(1)
    for _ in range(200):
        damaged = bytearray(intact)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"shared\.model is damaged"):
            Tokenizer.load(folder)
    path.write_bytes(intact[:-1])
    with pytest.raises(StorageError, match=r"shared\.model is damaged"):
        Tokenizer.load(folder)
    path.unlink()
    with pytest.raises(StorageError, match=r"shared\.model"):
        Tokenizer.load(folder)


def test_invalid_model_raises_runtime_error() -> None:
    with pytest.raises(RuntimeError):
        Vocabulary(b"no model")


# --- Texts ----------------------------------------------------------------------------------

STRANGE = [
    "</s>", "<s> <pad> <unk>", "<0x41>", "\u2581", "a \u2581 b", "日本語", "🎉👩‍👩‍👧", "e\u0301 é",
    "ﬁ Ⅳ ①", "שלום\u200f", "\u200b", "ı ß", "  two  spaces ", "\u00a0", "a" * 3000,
]  # fmt: skip


def assert_flat_equals_batch(vocabulary: Vocabulary, texts: list[str]) -> None:
    sizes, flat = vocabulary.encode_flat(texts)
    expected = vocabulary.encode_batch(texts)
    assert sizes.tolist() == [len(ids) for ids in expected]
    assert flat.tolist() == [i for ids in expected for i in ids]


@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_decoding_restores_the_text(text: str, kind: str, request: pytest.FixtureRequest) -> None:
    vocabulary = request.getfixturevalue(kind).source
    ids = vocabulary.encode(text)
    assert not {PAD, UNK, BOS, EOS} & set(ids)
    assert vocabulary.decode(ids) == vocabulary.normalize(text)
    assert vocabulary.decode_pieces(vocabulary.pieces(ids)) == vocabulary.normalize(text)
    assert vocabulary.encode_batch([text, "x"])[0] == ids
    assert_flat_equals_batch(vocabulary, ["x y", text, "", text])


@settings(max_examples=FUZZ_CASES)
@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_fuzz_round_trip(unigram: Tokenizer, text: str) -> None:
    vocabulary = unigram.source
    text = clean_line(text)
    ids = vocabulary.encode(text)
    assert not {PAD, UNK, BOS, EOS} & set(ids)
    assert vocabulary.decode(ids) == vocabulary.normalize(text)


@settings(max_examples=FUZZ_CASES)
@given(texts=st.lists(st.text(st.characters(codec="utf-8") | st.just(" "), max_size=40)))
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_fuzz_encode_flat(texts: list[str], kind: str, request: pytest.FixtureRequest) -> None:
    vocabulary = request.getfixturevalue(kind).source
    assert_flat_equals_batch(vocabulary, [clean_line(text) for text in texts])


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nfkc_cf", "none"])
def test_normalization_does_not_cross_spaces(rule: str, tmp_path: Path) -> None:
    vocabulary = train(tmp_path / "t", source_normalization=rule).source
    # Signs whose decomposition begins with a space, such as U+00B4 to space and U+0301.
    signs = [chr(i) for i in range(0x10000) if unicodedata.normalize("NFKD", chr(i))[0] == " "]
    marks = {mark for sign in signs for mark in unicodedata.normalize("NFKD", sign)[1:]}
    assert_flat_equals_batch(vocabulary, [f"a {c} {c}b b{c} a" for c in [*signs, *marks]])


@pytest.mark.parametrize("shared", [True, False])
def test_each_side_has_its_rule_after_loading(shared: bool, tmp_path: Path) -> None:
    rules: Any = {"source_normalization": "nfkc_cf", "target_normalization": "none"}
    text = "M² 𝕏 ﬁ e\u0301 می\u200cخ"
    trained = train(tmp_path / "t", shared=shared, vocab_size=350, **rules)
    for tokenizer in (trained, Tokenizer.load(tmp_path / "t")):
        assert tokenizer.shared == shared
        assert (tokenizer.source.model == tokenizer.target.model) == shared
        assert tokenizer.source.normalize(text) == "m2 x fi \u00e9 می\u200cخ"
        assert tokenizer.target.normalize(text) == text
        for vocabulary in (tokenizer.source, tokenizer.target):
            normalized = vocabulary.normalize(text)
            drawn = vocabulary.sample_batch([text], 0.2, 1)
            for ids in (vocabulary.encode(text), *vocabulary.encode_batch([text]), *drawn):
                assert vocabulary.decode(ids) == normalized
            assert vocabulary.keeps(text) == (normalized == text)
            assert vocabulary.keeps("m2 x e\u0301 ")
            assert not vocabulary.keeps("a ▁")
            assert not vocabulary.keeps("a \ufffd")


def test_each_side_is_trained_on_its_normalized_text(tmp_path: Path) -> None:
    """NFC gives one character, which gets a piece; NFD gives two."""
    pairs = [("e\u0301 ﬁ", "e\u0301 ﬁ")] * 20
    tokenizer = train(tmp_path / "t", pairs, vocab_size=268)  # nfkc and nfc
    pieces = set(tokenizer.source.pieces(range(len(tokenizer.source))))
    assert {"\u00e9", "ﬁ", "f", "i"} <= pieces
    assert not {"e", "\u0301"} & pieces


@pytest.mark.parametrize("rules", [{"source": "nfd"}, {"target": 7}, {"source": ["nfc"]}, "nfc"])
def test_unknown_rule_in_a_manifest_raises_storage_error(
    rules: Any, bpe: Tokenizer, tmp_path: Path
) -> None:
    contents = {"shared.model": bpe.source.model}
    storage.write_folder(tmp_path / "t", contents, {"normalization": rules})
    with pytest.raises(StorageError, match="is not an nmt tokenizer"):
        Tokenizer.load(tmp_path / "t")


@settings(max_examples=FUZZ_CASES)
@given(ids=st.lists(st.integers(0, 399), max_size=20))
def test_any_ids_decode_to_text_without_control_pieces(bpe: Tokenizer, ids: list[int]) -> None:
    vocabulary = bpe.source
    text = vocabulary.decode(ids)
    assert text.encode().decode() == text
    assert vocabulary.decode([BOS, *ids, EOS, PAD, PAD]) == text
    again = vocabulary.encode(clean_line(text))
    assert not {PAD, UNK, BOS, EOS} & set(again)
    assert vocabulary.decode(again) == vocabulary.normalize(clean_line(text))


# --- Sampling -------------------------------------------------------------------------------

TEXTS = sentences(40, 3)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sampling_depends_only_on_its_arguments(kind: str, request: pytest.FixtureRequest) -> None:
    vocabulary = request.getfixturevalue(kind).source
    plain = vocabulary.encode_batch(TEXTS)
    drawn = vocabulary.sample_batch(TEXTS, 0.2, 7)
    vocabulary.sample_batch(TEXTS[:5], 0.2, 1)
    vocabulary.encode_batch(TEXTS)
    assert vocabulary.sample_batch(TEXTS, 0.2, 7) == drawn
    assert vocabulary.sample_batch(TEXTS, 0.2, 8) != drawn
    assert drawn != plain
    for text, ids in zip(TEXTS, drawn, strict=True):
        assert vocabulary.decode(ids) == text
    vocabulary.sample_batch(TEXTS, 0.2, 2**40)
    assert vocabulary.sample_batch([], 0.2, 1) == []


def test_sampling_is_the_same_in_another_process(bpe: Tokenizer, tmp_path: Path) -> None:
    bpe.save(tmp_path / "tokenizer")
    code = (
        "import sys, hashlib, pathlib; from nmt.tokenizer import Tokenizer;"
        "v = Tokenizer.load(pathlib.Path(sys.argv[1])).source;"
        "print(hashlib.sha256(repr(v.sample_batch(sys.argv[2:], 0.1, 3)).encode()).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "tokenizer"), *TEXTS]
    there = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    here = repr(bpe.source.sample_batch(TEXTS, 0.1, 3)).encode()
    assert hashlib.sha256(here).hexdigest() == there


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sampling_is_close_to_sentencepiece(kind: str, request: pytest.FixtureRequest) -> None:
    """Compare mean lengths with SentencePiece, and the segmentation without dropout."""
    vocabulary = request.getfixturevalue(kind).source
    texts = sentences(1500, 4)
    for strength in (0.1, 0.5):
        theirs = vocabulary._processor.encode(
            texts, enable_sampling=True, alpha=strength, nbest_size=-1
        )
        ours = vocabulary.sample_batch(texts, strength, 1)
        lengths = [sum(map(len, ids)) / len(ids) for ids in (theirs, ours)]
        assert lengths[0] == pytest.approx(lengths[1], rel=0.03)
    if kind == "bpe":
        assert vocabulary.sample_batch(texts, 1e-12, 1) == vocabulary.encode_batch(texts)


def test_sampling_handles_unknown_characters(bpe: Tokenizer, tmp_path: Path) -> None:
    plain = train(tmp_path / "t", vocab_size=150, byte_fallback=False).source
    assert plain.sample_batch(["日本"], 1e-12, 1) == plain.encode_batch(["日本"])
    assert UNK in plain.sample_batch(["日本"], 0.1, 1)[0]
    for text in STRANGE:
        [ids] = bpe.source.sample_batch([text], 0.3, 1)
        assert not {PAD, UNK, BOS, EOS} & set(ids)
        assert bpe.source.decode(ids) == bpe.source.normalize(text)


def test_sampling_strength_increases_the_token_count(bpe: Tokenizer) -> None:
    def tokens(strength: float) -> int:
        return sum(map(len, bpe.source.sample_batch(TEXTS, strength, 1)))

    plain = sum(map(len, bpe.source.encode_batch(TEXTS)))
    assert plain < tokens(0.1) < tokens(0.5)


def test_pairs_are_read_again_for_each_side(tmp_path: Path) -> None:
    def lines() -> Iterator[tuple[str, str]]:
        yield from PAIRS

    config = TokenizerConfig(type="bpe", vocab_size=300, shared=False)
    assert len(train_tokenizer(lines, config, tmp_path / "t").target) == 300
