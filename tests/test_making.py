"""Given, kept and extended vocabularies, without training a translation model."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from nmt.config import TokenizerConfig
from nmt.errors import ConfigError
from nmt.tokenizer import UNK, Tokenizer
from nmt.tokenizer.making import make_tokenizer, rows_from, spelling

OLD = [("the dog runs", "der Hund rennt"), ("a dog sees the tree", "ein Hund sieht den Baum")] * 20
NEW = [("the naïve zebra jumps", "das naive Zebra springt"), ("zebra jumps", "Zebra springt")] * 20


def made(pairs: list[tuple[str, str]], folder: Path, *, tags: Any = (), **keys: Any) -> Tokenizer:
    old = keys.pop("old", None)
    config = TokenizerConfig(**keys)
    return make_tokenizer(lambda: iter(pairs), config, folder, old, tags, print, lambda: None)


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("old") / "tokenizer"
    return made(OLD, folder, type=request.param, vocab_size=28, byte_fallback=False)


def test_extended_vocabulary_uses_every_new_piece(
    old: Tokenizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = made(NEW, tmp_path / "t", old=old, extend=15).source
    added = range(len(old.source), len(new))
    assert 0 < len(added) <= 15
    assert all(
        spelling(new)(piece) == [i] for i, piece in zip(added, new.pieces(added), strict=False)
    )
    assert UNK in old.source.encode("naïve zebra") and UNK not in new.encode("naïve zebra")
    assert len(new.encode("zebra jumps")) < len(old.source.encode("zebra jumps"))
    assert "bytes or unknown" in capsys.readouterr().out
    assert Tokenizer.load(tmp_path / "t").source.model == new.model


def test_rows_of_an_extended_vocabulary_are_those_of_the_old_pieces(
    old: Tokenizer, tmp_path: Path
) -> None:
    new = made(NEW, tmp_path / "t", old=old, extend=15).source
    rows = rows_from(old.source, new)
    assert rows[: len(old.source)] == [[i] for i in range(len(old.source))]
    for i in range(len(old.source), len(new)):
        piece = new.pieces([i])[0]
        if UNK not in rows[i]:
            assert "".join(old.source.pieces(rows[i])) == piece


def test_symbols_and_tags_are_added_to_a_kept_vocabulary(old: Tokenizer, tmp_path: Path) -> None:
    new = made(OLD, tmp_path / "t", old=old, user_defined_symbols=["{name}"], tags=["<bt>"]).source
    assert "{name}" in new.pieces(new.encode("the {name} runs"))
    assert new.decode(new.encode("the {name} runs")) == "the {name} runs"
    assert [*new.tags] == ["<bt>"]
    assert "<bt>" not in new.pieces(new.encode("the <bt> runs"))


def test_symbols_are_trained(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"vocab_size": 28, "byte_fallback": False}
    new = made(OLD, tmp_path / "t", user_defined_symbols=["{x}"], **keys).source
    assert "{x}" in new.pieces(new.encode("a {x} dog"))


def sentencepiece_model(path: Path) -> str:
    """Write a model with SentencePiece's own ids of the control pieces: no pad, unk 0, bos 1."""
    model = io.BytesIO()
    trainer: Any = sentencepiece.SentencePieceTrainer
    trainer.train(
        sentence_iterator=(text for pair in OLD for text in pair),
        model_writer=model,
        vocab_size=28,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())
    return str(path)


def test_given_model_gets_the_ids_of_nmt(tmp_path: Path) -> None:
    name = sentencepiece_model(tmp_path / "given.model")
    given: Any = sentencepiece.SentencePieceProcessor(model_file=name)
    used = made(OLD, tmp_path / "t", model=name).source
    assert len(used) == 29  # A pad piece is added.
    text = "the dog sees"
    assert used.pieces(used.encode(text)) == given.encode(text, out_type=str)


def test_separate_models_are_given_as_a_list(tmp_path: Path) -> None:
    name = sentencepiece_model(tmp_path / "given.model")
    used = made(OLD, tmp_path / "t", model=[name, name], shared=False)
    assert not used.shared and len(used.target) == 29
    with pytest.raises(ValueError, match="needs 2"):
        TokenizerConfig(model=name, shared=False)  # type: ignore[arg-type]


def test_file_that_is_not_a_model_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "text.model"
    path.write_text("the dog", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"text\.model: not a SentencePiece model"):
        made(OLD, tmp_path / "t", model=str(path))
