"""`nmt data check`, `nmt tokenize` and `nmt detokenize`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from nmt.cli import common
from nmt.cli.data import check
from nmt.cli.tokenize import detokenize, tokenize
from nmt.config import TokenizerConfig
from nmt.errors import ConfigError, DataError, UsageError
from nmt.tokenizer.training import train_tokenizer

CONFIG = """
data:
  train: {source: train.en, target: train.de}
  valid: {source: valid.en, target: valid.de}
tokenizer: {type: bpe, vocab_size: 290}
training: {max_steps: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "train.en": "a dog runs\n\na dog runs\r\nthe cat\nthe cat\n",
        "train.de": "ein hund rennt\nx\nein hund rennt\ndie katze\ndie katze [/b] \x1b[31m\n",
        "valid.en": "the cat\n\n",
        "valid.de": "die katze\n\n",
        "config.yaml": CONFIG,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check_prints_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.iterdir())
    check(folder / "config.yaml", ["data.drop_duplicates=true"])
    shown = capsys.readouterr()
    rows = [line.split("  ") for line in shown.out.split("\n")]
    cells = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert cells["pairs read"] == ["5", "2"]
    assert cells["kept"] == ["3", "2"]
    assert cells["dropped: empty"] == ["1", "-"]
    assert cells["dropped: duplicates"] == ["1", "-"]
    assert cells["repaired: CRLF line ends"] == ["1", "-"]
    assert cells["noticed: in valid or test"] == ["2", "-"]
    assert cells["noticed: source in train"] == ["-", "1"]
    assert cells["source coverage"] == ["100.000%", "100.000%"]
    assert "train, empty: train.en:2" in shown.out
    assert "training SentencePiece" in shown.err
    assert sorted(folder.iterdir()) == before


def test_check_prints_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(folder / "config.yaml", json=True)
    splits = json.loads(capsys.readouterr().out)["splits"]
    assert splits["train"]["lines"] == 5
    assert splits["train"]["noticed"]["duplicates"] == 1
    assert splits["valid"]["source"]["tokens"] > 0


def test_check_of_invalid_config_or_data_raises_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="largest possible size is"):
        check(folder / "config.yaml", ["tokenizer.vocab_size=5000"])
    (folder / "train.de").write_text("x\n")
    with pytest.raises(DataError, match=r"train\.en has 5 lines but train\.de has 1"):
        check(folder / "config.yaml")


class Stream:
    """Standard input or output with a binary buffer."""

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer


@pytest.fixture
def model(tmp_path: Path) -> str:
    lines = [("a dog runs", "ein hund rennt"), ("the cat", "die katze")]
    config = TokenizerConfig(type="bpe", vocab_size=290)
    train_tokenizer(lambda: iter(lines), config, tmp_path / "tokenizer")
    return str(tmp_path / "tokenizer")


def converted(command: Any, text: bytes, path: Path, **options: Any) -> bytes:
    path.write_bytes(text)
    output = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Stream(output))
        command([path], **options)
    return output.getvalue()


@pytest.mark.parametrize("ids", [False, True])
def test_detokenized_text_is_the_cleaned_input(model: str, tmp_path: Path, ids: bool) -> None:
    text = "a dog runs\n\n  </s> 日本\r\n\u2028x\u0085y".encode()
    how = {"model": model, "ids": ids}
    tokens = converted(tokenize, text, tmp_path / "in", **how)
    assert tokens.count(b"\n") == 4
    first = tokens.split(b"\n")[0].decode().split(" ")
    assert all(token.isdigit() for token in first) == ids
    assert "".join(first).replace("\u2581", " ").strip() == "a dog runs" or ids
    back = converted(detokenize, tokens, tmp_path / "tokens", **how)
    assert back.decode() == "a dog runs\n\n</s> 日本\nx y\n"


@pytest.mark.parametrize("side", ["source", "target"])
def test_only_the_source_is_folded_by_default(model: str, tmp_path: Path, side: str) -> None:
    text = "，？ m² 10⁶ ½ น้ำ می\u200cخواهم re\u200ead"
    folded = ",? m2 106 1⁄2 น\u0e49\u0e4d\u0e32 می\u200cخواهم read"
    tokens = converted(tokenize, f"{text}\n".encode(), tmp_path / "in", model=model, side=side)
    back = converted(detokenize, tokens, tmp_path / "tokens", model=model, side=side)
    assert back.decode() == f"{folded if side == 'source' else text}\n"


def test_several_files_are_tokenized_in_order(model: str, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"the cat\n")
    output = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Stream(output))
        tokenize([tmp_path / "b", tmp_path / "b"], model)
    one, other, end = output.getvalue().split(b"\n")
    assert one == other
    assert not end


def test_detokenize_with_invalid_id_raises_data_error(model: str, tmp_path: Path) -> None:
    for text in (b"5 x\n", b"5 290\n", b"-1\n", "²\n".encode()):
        with pytest.raises(DataError, match=r"ids:1: .* is not an id from 0 to 289"):
            converted(detokenize, text, tmp_path / "ids", model=model, ids=True)


def test_invalid_utf8_is_repaired_with_warning(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = converted(tokenize, b"a\xff\n", tmp_path / "in", model=model)
    assert converted(detokenize, tokens, tmp_path / "t", model=model) == b"a\n"  # U+FFFD is a space
    assert "in:1: not valid UTF-8" in capsys.readouterr().err


def test_rest_of_a_long_line_is_dropped_with_warning(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(common, "MAX_LINE_BYTES", 5)
    tokens = converted(tokenize, b"a dog runs\na dog\n", tmp_path / "in", model=model)
    first, second, _ = tokens.split(b"\n")
    assert first == second
    warning = f"warning: {tmp_path}/in:1: longer than 5 bytes, the rest is dropped\n"
    assert capsys.readouterr().err == warning


def test_invalid_utf8_in_pieces_is_reported(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    converted(detokenize, b"a\xff\n", tmp_path / "in", model=model)
    assert "in:1: not valid UTF-8" in capsys.readouterr().err


def test_unknown_run_raises_usage_error() -> None:
    with pytest.raises(UsageError, match="no run"):
        tokenize(None, "nowhere")
