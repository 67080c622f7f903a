"""Validation, test scores and `nmt evaluate` of a run whose targets are written without spaces."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny import text_config

from nmt.cli.evaluate import evaluate
from nmt.config import Config
from nmt.errors import DataError, UsageError
from nmt.evaluation.metrics import corpus_bleu
from nmt.runs import Run
from nmt.training.pipeline import run_training

DIGITS = dict(zip(
    ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
    "零一二三四五六七八九",
    strict=True,
))  # fmt: skip


def chinese_config(digits: Path, folder: Path, **data: Any) -> Config:
    """Write the corpus with Chinese targets, and return a config with relative paths to it."""
    for path in digits.glob("*.en"):
        shutil.copy(path, folder)
        german = path.with_suffix(".de").read_text(encoding="utf-8").split("\n")
        chinese = ["".join(DIGITS[word] for word in line.split()) for line in german]
        (folder / path.name).with_suffix(".zh").write_text("\n".join(chinese), encoding="utf-8")
    values = text_config(Path()).model_dump()
    for split in ("train", "valid", "test"):
        values["data"][split][0]["target"] = f"{split}.zh"
    values["data"] |= data
    values["tokenizer"]["vocab_size"] = 50
    values["training"] |= {"max_steps": 40, "valid_every": 40}
    return Config.model_validate(values)


@pytest.fixture(scope="module")
def chinese(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run without languages, whose relative paths lead nowhere from other folders."""
    folder = tmp_path_factory.mktemp("chinese")
    config = chinese_config(digits, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_training(config, folder / "run")
    return Run(folder / "run")


def records(run: Run, event: str) -> list[dict[str, Any]]:
    lines = map(json.loads, run.metrics_file.read_text().splitlines())
    return [record for record in lines if record["event"] == event]


def test_validation_scores_characters(chinese: Run) -> None:
    (valid,) = records(chinese, "valid")
    assert valid["tokenizer"] == "char"
    log = chinese.log_file.read_text(encoding="utf-8")
    assert log.count("written without spaces: BLEU uses the tokenizer char") == 1
    assert f"| BLEU (char) {valid['bleu']:.2f} |" in log
    (test,) = records(chinese, "test")
    assert "tok:char" in test["signature"]
    assert "ter" not in test
    assert "TER is left out" in log


def test_language_and_setting_choose_the_tokenizer_and_may_change(
    chinese: Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(chinese.path, "run")
    run = Run(Path("run"))
    config = chinese_config(digits, tmp_path, target_language="zh-Hans")
    values = config.model_dump()
    values["training"]["max_steps"] = 42
    run_training(Config.model_validate(values), run.path)
    assert [record["tokenizer"] for record in records(run, "valid")] == ["char", "zh"]
    assert "written without spaces" not in run.log_file.read_text().split("target_language")[1]
    values["evaluation"] = {"tokenize": "intl"}
    run_training(Config.model_validate(values), run.path)
    assert "tok:intl" in records(run, "test")[-1]["signature"]


def test_missing_tokenizer_is_an_error_before_the_data_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.languages.find_spec", lambda name: None)
    values = text_config(tmp_path / "missing").model_dump()
    config = Config.model_validate({**values, "evaluation": {"tokenize": "ja-mecab"}})
    with pytest.raises(UsageError, match="ja-mecab is not installed"):
        run_training(config, tmp_path / "run")


def test_evaluate_uses_the_data_in_the_run_folder(
    chinese: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    evaluate(model=str(chinese.path), json=True, save=Path("out.zh"), beam_size=2)
    found = json.loads(capsys.readouterr().out)
    (test,) = records(chinese, "test")
    assert found["scores"][0]["value"] == pytest.approx(test["bleu"])
    assert found["scores"][0]["tokenizer"] == "char"
    hypotheses = Path("out.zh").read_text(encoding="utf-8").splitlines()
    references = (chinese.path.parent / "test.zh").read_text(encoding="utf-8").splitlines()
    assert corpus_bleu(hypotheses, [references], "char") == found["scores"][0]["value"]


def test_evaluate_reads_the_sources_of_a_changed_config(
    chinese: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(chinese.path, "run")
    config_file = Path("run/config.yaml")
    text = config_file.read_text().replace("test.", "new.")
    config_file.write_text(text.replace("bad_utf8: error", "bad_utf8: skip"))
    with pytest.raises(DataError, match=r"cannot read new\.en"):
        evaluate(model="run")
    Path("new.en").write_bytes(b"one\nt\xffwo\n")
    Path("new.zh").write_text("一\n二\n", encoding="utf-8")
    evaluate(model="run", json=True, worst=2)
    found = json.loads(capsys.readouterr().out)
    assert found["sentences"] == 2
    assert "t\ufffdwo" in [sentence["source"] for sentence in found["worst"]]


def test_evaluate_without_the_stored_data_reads_the_sources(
    chinese: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(chinese.path, tmp_path / "run", ignore=shutil.ignore_patterns("data"))
    monkeypatch.chdir(chinese.path.parent)
    evaluate(model=str(tmp_path / "run"), json=True)
    (test,) = records(chinese, "test")
    assert json.loads(capsys.readouterr().out)["scores"][0]["value"] == pytest.approx(test["bleu"])
