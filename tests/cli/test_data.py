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
from nmt.config.loading import load_config
from nmt.data.preparation import prepare_data
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
    check([folder / "config.yaml"], overrides=["data.drop_duplicates=true"])
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
    assert "train: empty\n  train.en:2\n    (empty)\n    x\n" in shown.out
    assert "training SentencePiece" in shown.err
    assert sorted(folder.iterdir()) == before


def test_check_prints_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(config=folder / "config.yaml", json=True)
    splits = json.loads(capsys.readouterr().out)["splits"]
    assert splits["train"]["lines"] == 5
    assert splits["train"]["noticed"]["duplicates"] == 1
    assert splits["valid"]["source"]["tokens"] > 0


def test_check_of_two_files_needs_no_config(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / "train.de").read_text().replace("hund", "hund \u202e")
    (folder / "train.de").write_text(text)
    check([Path("train.en"), Path("train.de")], overrides=["tokenizer.byte_fallback=false"])
    shown = capsys.readouterr()
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["train"] in rows
    assert ["kept", "4"] in rows
    assert "train: duplicates\n  train.en:3\n    a dog runs\n    ein hund \\u202e" in shown.out
    assert shown.err.endswith("next: nmt init train.en train.de\n")


def test_check_of_a_pair_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "en\tde\na dog\tein hund\nbad row\nthe cat\tdie katze\n"
    (folder / "pairs.tsv").write_text(rows)
    check([Path("pairs.tsv")], overrides=["data.bad_rows=skip", "tokenizer.byte_fallback=false"])
    shown = capsys.readouterr()
    assert "dropped: bad rows" in shown.out
    assert "  pairs.tsv:3\n    1 column, but the first line has 2\n" in shown.out
    assert shown.err.endswith("next: nmt init pairs.tsv\n")


@pytest.mark.parametrize("case_copies", ["0", "1"])
def test_written_pairs_are_those_that_training_keeps(
    folder: Path, capsys: pytest.CaptureFixture[str], case_copies: str
) -> None:
    overrides = ["data.drop_duplicates=true", "tokenizer.byte_fallback=false"]
    overrides += ["tokenizer.vocab_size=30"]
    loaded = load_config(folder / "config.yaml", overrides)
    trained = prepare_data(loaded, folder / "data", folder / "t", lambda _: None, lambda: None)
    kept = trained.train.texts(range(len(trained.train)))
    check(
        [Path("config.yaml")],
        overrides=[*overrides, f"data.case_copies={case_copies}"],
        write="clean.",
    )
    sides = [(folder / f"clean.{side}").read_text().split("\n")[:-1] for side in ("en", "de")]
    assert list(zip(*sides, strict=True)) == kept
    told = capsys.readouterr().err.split("\n")
    assert "wrote clean.en and clean.de: 3 pairs (dropped: empty (1), duplicates (1))" in told
    assert told[-2].endswith("--set 'data.train={source: clean.en, target: clean.de}' --dry-run")


def test_written_pairs_do_not_replace_an_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    overrides = ["data.train={source: ~/train.en, target: train.de}"]
    with pytest.raises(UsageError, match=r"train.en is both input and output"):
        check([Path("config.yaml")], overrides=overrides, write=str(folder / "train."))


def test_written_pairs_have_one_direction(folder: Path) -> None:
    languages = ["data.source_language=en", "data.target_language=de"]
    overrides = [*languages, "data.both_directions=true"]
    with pytest.raises(UsageError, match="would mix training sources of different languages"):
        check([Path("config.yaml")], overrides=overrides, write="clean.")


def test_check_prints_findings_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side, text in (("en", "a dog runs and a cat"), ("de", "ein hund rennt und eine katze")):
        other = "η γάτα και ο σκύλος"
        lines = [f"{other if side == 'de' and i < 9 else text} {i}\n" for i in range(60)]
        (folder / f"train.{side}").write_text("".join(lines), encoding="utf-8")
    check([Path("train.en"), Path("train.de")], json=True)
    report = json.loads(capsys.readouterr().out)
    (finding,) = report["findings"]
    assert finding["split"] == "train"
    assert finding["kind"] == "wrong language"
    assert finding["examples"][0] == ["train.en:1", "a dog runs and a cat 0", f"{other} 0"]


@pytest.mark.parametrize("files", [[], ["a", "b", "c"], ["config.yaml", "train.en", "train.de"]])
def test_check_of_another_number_of_files_raises_error(folder: Path, files: list[str]) -> None:
    with pytest.raises(UsageError, match="give a config, two text files"):
        check([Path(file) for file in files])
    with pytest.raises(UsageError, match="give a config, two text files"):
        check([Path("train.en"), Path("train.de")], config=Path("config.yaml"))


def test_check_does_not_write_over_its_input(folder: Path) -> None:
    before = (folder / "train.en").read_bytes()
    with pytest.raises(UsageError, match=r"train\.en is both input and output"):
        check([Path("train.en"), Path("train.de")], write="train.")
    assert (folder / "train.en").read_bytes() == before


def test_check_of_invalid_config_or_data_raises_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="largest possible size is"):
        check([folder / "config.yaml"], overrides=["tokenizer.vocab_size=5000"])
    (folder / "train.de").write_text("x\n")
    with pytest.raises(DataError, match=r"train\.en has 5 lines but train\.de has 1"):
        check(config=folder / "config.yaml")


class Stream:
    """Standard input or output with a binary buffer."""

    closed = True

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
