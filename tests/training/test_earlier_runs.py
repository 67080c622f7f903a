"""Runs of versions of nmt in which the SentencePiece model normalized both sides."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
import sentencepiece
import torch
from tiny import text_config

from nmt import storage
from nmt.config import Config
from nmt.decoding.translator import Translator
from nmt.errors import ConfigError
from nmt.runs import Run
from nmt.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from nmt.training.continuation import settle
from nmt.training.pipeline import run_training


def with_rule(config: Config, rule: str) -> Config:
    rules = {"source_normalization": rule, "target_normalization": rule}
    return config.model_copy(update={"tokenizer": config.tokenizer.model_copy(update=rules)})


def write_earlier_tokenizer(digits: Path, folder: Path) -> None:
    """Write a model that contains the rule nmt_nfkc, and a manifest without rules."""
    model = io.BytesIO()
    lines = [line for side in ("en", "de") for line in (digits / f"train.{side}").open()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=40, minloglevel=2,
        pad_id=PAD, unk_id=UNK, bos_id=BOS, eos_id=EOS, normalization_rule_name="nmt_nfkc",
    )  # fmt: skip
    storage.write_folder(folder, {"shared.model": model.getvalue()}, {})


def write_earlier_configs(run: Run) -> None:
    """Rewrite config.yaml and the configs in the manifests with the keys of earlier versions."""
    text = run.config_file.read_text()
    for new, old in (
        ("  source_normalization: nmt_nfkc\n", "  normalization: nmt_nfkc\n"),
        ("  target_normalization: nmt_nfkc\n", ""),
        ("  case_copies: 0.0\n", ""),
        ("  packing: off\n", ""),
    ):
        assert new in text
        text = text.replace(new, old)
    run.config_file.write_text(text)
    for folder in run.checkpoints():
        facts = storage.read_manifest(folder)
        rules = facts["config"]["tokenizer"]
        rules["normalization"] = rules.pop("source_normalization")
        del rules["target_normalization"], facts["config"]["data"]["case_copies"]
        del facts["config"]["training"]["packing"]
        contents = {name: (folder / name).read_bytes() for name in facts["files"]}
        state = json.loads(contents["state.json"])
        del state["loss_scale"], state["steps_at_scale"]
        contents["state.json"] = json.dumps(state).encode()
        own = {key: value for key, value in facts.items() if key not in ("name", "files")}
        storage.write_folder(folder, contents, own)


@pytest.fixture
def complete(digits: Path, tmp_path: Path) -> Run:
    """Return a finished run of this version with the tokenizer of an earlier one."""
    run = Run(tmp_path / "run")
    run.path.mkdir()
    write_earlier_tokenizer(digits, run.tokenizer_folder)
    return run_training(with_rule(text_config(digits), "nmt_nfkc"), run.path)


def test_earlier_run_resumes_to_the_same_end(complete: Run, digits: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "earlier")
    shutil.copytree(complete.path, run.path)
    shutil.rmtree(run.model_folder)
    shutil.rmtree(run.checkpoints_folder / "step-00000010")
    write_earlier_configs(run)
    cache = (run.data_folder / "cache.json").read_bytes()
    with pytest.raises(ConfigError, match="source_normalization: 'nmt_nfkc' -> 'nfc'"):
        run_training(with_rule(text_config(digits), "nfc"), run.path)
    asked = text_config(digits, packing="auto")
    assert settle(run, asked, torch.device("cuda")).config.training.packing == "off"
    run_training(asked, run.path)
    assert (run.data_folder / "cache.json").read_bytes() == cache
    weights = [
        storage.verify(r.model_folder)["files"]["model.safetensors"] for r in (run, complete)
    ]
    assert weights[0] == weights[1]
    assert Run(run.path).config == complete.config


def test_earlier_run_keeps_the_normalization_of_its_model(complete: Run) -> None:
    expected = Translator.load(complete, "cpu").translate(["one two"])
    write_earlier_configs(complete)
    run = Run(complete.path)
    assert run.config.tokenizer.target_normalization == "nmt_nfkc"
    for vocabulary in (run.tokenizer.source, run.tokenizer.target):
        assert vocabulary.normalize("m² a\u200cb ▁") == "m2 a b"
    assert Translator.load(run, "cpu").translate(["one two"]) == expected


def test_another_rule_is_another_tokenizer(complete: Run, digits: Path) -> None:
    """The manifests of a run contain a checksum of the models and the rules."""
    tokenizer = Tokenizer.load(complete.tokenizer_folder)
    changed = Tokenizer(tokenizer.source, tokenizer.target.normalized_by("nfc"))
    changed.save(complete.tokenizer_folder)
    with pytest.raises(Exception, match="is damaged"):
        _ = Run(complete.path).tokenizer
