"""Which config may continue a run, and what becomes of the run's files when none may."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel
from tiny import text_config

from nmt import storage
from nmt.cli import main
from nmt.config import Config
from nmt.config.json_schema import HEAD_LINE
from nmt.config.writing import dump_config
from nmt.decoding.translator import Translator
from nmt.errors import ConfigError, DataError, StorageError
from nmt.runs import Run
from nmt.training import final_test, pipeline
from nmt.training.averaging import average_run
from nmt.training.continuation import settle
from nmt.training.pipeline import run_training

CPU = torch.device("cpu")
MAY_CHANGE = {
    *(f"data.{key}" for key in ("train", "valid", "test", "source_language", "target_language")),
    "evaluation.tokenize",
    *(f"training.{key}" for key in ("threads", "device", "valid_every", "log_every")),
    *(f"training.{key}" for key in ("keep_checkpoints", "patience", "max_steps", "max_epochs")),
}


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Run:
    shutil.copytree(trained.path, tmp_path / "copy")
    return Run(tmp_path / "copy")


def changed(config: Config, key: str, value: Any) -> Config:
    """Return the config with another value of a dotted key; the value is not validated."""
    section, _, name = key.partition(".")
    part = getattr(config, section).model_copy(update={name: value})
    return config.model_copy(update={section: part})


def other_values(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield each key of the schema with a value that differs from the config's."""
    for section, part in config:
        assert isinstance(part, BaseModel)
        for name, value in part:
            key = f"{section}.{name}"
            if key == "training.precision":
                yield key, "bf16"
            elif name.endswith("_language"):
                yield key, "zh"
            elif value is None:
                yield key, 7
            elif isinstance(value, str):
                yield key, "another"
            elif isinstance(value, list):
                first = value[0].model_copy(update={"source": "another"})
                yield key, [first, *value[1:]]
            else:
                yield key, not value if isinstance(value, bool) else value + 1


KEYS = [key for key, _ in other_values(text_config(Path()))]


@pytest.mark.parametrize("key", KEYS)
def test_only_the_documented_keys_may_change(trained: Run, key: str) -> None:
    """`data.train`, `data.valid` and `data.test` are compared by content later."""
    value = dict(other_values(trained.config))[key]
    asked = changed(trained.config, key, value)
    if key in MAY_CHANGE or key.startswith("decoding."):
        settled = settle(Run(trained.path), asked, CPU)
        assert settled.config == asked
        assert len(settled.changes) == 1
        assert next(iter(settled.changes)).startswith(key)
    else:
        with pytest.raises(ConfigError, match=key) as error:
            settle(Run(trained.path), asked, CPU)
        assert "was started with a different config" in error.value.message
        assert "may change" in (error.value.hint or "")


def test_changes_are_reported_and_kept(
    copy: Run, digits: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = text_config(digits, max_steps=14, valid_every=2, log_every=1, keep_checkpoints=1)
    run_training(config, copy.path)
    printed = capfd.readouterr().err
    assert "changes in the config from step 10 on:" in printed
    assert "  training.max_steps: 10 -> 14" in printed
    assert "  training.valid_every: 4 -> 2" in printed
    steps = [json.loads(line)["step"] for line in copy.metrics_file.read_text().splitlines()]
    assert {11, 12, 13, 14} <= set(steps)
    run = Run(copy.path)
    assert run.config == config
    capfd.readouterr()
    before = snapshot(run)
    run_training(config, run.path)
    assert "already finished" in capfd.readouterr().err
    assert snapshot(run) == before


def test_test_set_is_translated_with_the_changed_config(
    copy: Run, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    class Observed(Translator):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            used.append(self.decoding)

    monkeypatch.setattr(final_test, "Translator", Observed)
    decoding = {"beam_size": 1, "max_length": 3}
    config = text_config(digits)
    config = config.model_copy(update={"decoding": config.decoding.model_copy(update=decoding)})
    run_training(config, copy.path)
    assert [options.model_dump(include={*decoding}) for options in used] == [decoding]


def test_run_that_has_not_trained_chooses_again(tmp_path: Path, digits: Path) -> None:
    """Packing does not suit an RNN, so the choice of the first start cannot be kept."""
    run = Run(tmp_path)
    run.config_file.write_text(dump_config(text_config(digits, packing="on", precision="bf16")))
    values = text_config(digits, packing="auto").model_dump()
    asked = Config.model_validate({**values, "model": {"architecture": "rnn"}})
    training = settle(run, asked, CPU).config.training
    assert (training.packing, training.precision) == ("off", "fp32")


def test_run_keeps_its_choices_unless_the_config_sets_others(trained: Run) -> None:
    asked = trained.config.model_dump(exclude={"tokenizer"})
    asked["training"] |= {"precision": "auto", "threads": None, "packing": "auto"}
    asked["tokenizer"] = {"byte_fallback": False}
    assert settle(trained, Config.model_validate(asked), CPU).config == trained.config
    asked["tokenizer"]["vocab_size"] = 50
    with pytest.raises(ConfigError, match=r"tokenizer.vocab_size: 40 -> 50\Z"):
        settle(trained, Config.model_validate(asked), CPU)


def test_same_data_at_another_path_continues_to_the_same_end(
    copy: Run, trained: Run, digits: Path, tmp_path: Path
) -> None:
    shutil.copytree(digits, tmp_path / "moved")
    shutil.rmtree(copy.model_folder)
    shutil.rmtree(copy.checkpoints_folder / "step-00000010")
    config = text_config(tmp_path / "moved")
    run_training(config, copy.path)
    assert snapshot(copy)["model/model.safetensors"] == snapshot(trained)["model/model.safetensors"]
    assert Run(copy.path).config.data == config.data


@pytest.mark.parametrize("split", ["train", "valid"])
def test_other_data_at_another_path_is_refused_and_changes_nothing(
    copy: Run, digits: Path, tmp_path: Path, split: str
) -> None:
    before = snapshot(copy)
    shutil.copytree(digits, tmp_path / "other")
    path = tmp_path / "other" / f"{split}.en"
    path.write_text(path.read_text().replace("one", "two"))
    with pytest.raises(DataError, match=f"the {split} data changed"):
        run_training(text_config(tmp_path / "other", max_steps=12), copy.path)
    assert snapshot(copy) == before


def without_test(config: Config) -> Config:
    return changed(config, "data.test", None)


def test_added_and_changed_test_set_is_scored(digits: Path, tmp_path: Path) -> None:
    config = text_config(digits, max_steps=4)
    run = run_training(without_test(config), tmp_path / "run")
    weights = snapshot(run)["model/model.safetensors"]
    other = tmp_path / "other"
    shutil.copytree(digits, other)
    for side in ("en", "de"):
        path = other / f"test.{side}"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]))
    longer = text_config(other, max_steps=4)
    tests = [json.loads(line)["event"] for line in run.metrics_file.read_text().splitlines()]
    assert "test" not in tests
    for data in (config.data, longer.data):
        run_training(config.model_copy(update={"data": data}), run.path)
        lines = run.metrics_file.read_text().splitlines()
        assert [json.loads(line)["event"] for line in lines].count("test") == 1
        assert Run(run.path).config.data == data
    assert "test | 5 sentences" in run.log_file.read_text()
    assert snapshot(run)["model/model.safetensors"] == weights
    run_training(text_config(other, max_steps=6), run.path)
    assert storage.verify(run.model_folder)["step"] == 6


def test_max_steps_may_be_lowered_to_the_step_reached(copy: Run, digits: Path) -> None:
    shutil.rmtree(copy.model_folder)
    shutil.rmtree(copy.checkpoints_folder / "step-00000010")
    with pytest.raises(ConfigError, match="max_steps: 10 -> 7") as error:
        run_training(text_config(digits, max_steps=7), copy.path)
    assert "has reached step 8" in error.value.message
    run_training(text_config(digits, max_steps=9), copy.path)
    assert storage.verify(copy.model_folder)["step"] == 9
    run_training(text_config(digits, max_steps=9), copy.path)


def test_cosine_schedule_refuses_another_max_steps(copy: Run, digits: Path) -> None:
    path = copy.path.with_name("cosine")
    run_training(text_config(digits, schedule="cosine", max_steps=4), path)
    for steps in (3, 5):
        with pytest.raises(ConfigError, match=f"max_steps: 4 -> {steps}"):
            run_training(text_config(digits, schedule="cosine", max_steps=steps), path)


def test_reduced_vocabulary_is_stored_and_kept(digits: Path, tmp_path: Path) -> None:
    """Only a default size is reduced. It is in config.yaml, so that a copy of it trains again."""

    def default_vocabulary(max_steps: int) -> Config:
        values = text_config(digits, max_steps=max_steps).model_dump()
        del values["tokenizer"]["vocab_size"]
        return Config.model_validate(values)

    whole = run_training(default_vocabulary(6), tmp_path / "whole")
    run = run_training(default_vocabulary(4), tmp_path / "part")
    size = len(run.tokenizer.source)
    assert run.config.tokenizer.vocab_size == size < 100
    run_training(default_vocabulary(6), run.path)
    assert snapshot(run)["model/model.safetensors"] == snapshot(whole)["model/model.safetensors"]
    assert Run(run.path).config.tokenizer.vocab_size == size
    with pytest.raises(ConfigError, match=f"tokenizer.vocab_size: {size} -> 8000"):
        run_training(changed(default_vocabulary(6), "tokenizer.vocab_size", 8000), run.path)


def nmt(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["nmt", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_config_in_a_run_folder_means_that_run(
    copy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert nmt(monkeypatch, "train", "-c", "copy/config.yaml", "-s", "training.max_steps=12") == 0
    assert storage.verify(copy.model_folder)["step"] == 12
    assert not Path("runs").exists()
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    shutil.copy(copy.config_file, project)
    assert nmt(monkeypatch, "train", "-c", "project/config.yaml") == 0
    assert Run(tmp_path / "runs" / "config").finished
    assert {path.name for path in project.iterdir()} == {"data", "config.yaml"}


def test_edited_config_of_a_run_is_compared_with_what_was_trained(
    copy: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    written = copy.config_file.read_text()
    copy.config_file.write_text(written.replace("learning_rate: 0.01", "learning_rate: 0.5"))
    assert nmt(monkeypatch, "train", "-c", str(copy.config_file)) == 2
    assert "training.learning_rate: 0.01 -> 0.5" in capfd.readouterr().err
    edited = "# longer\n" + written.replace("max_steps: 10", "max_steps: 11")
    copy.config_file.write_text(edited)
    assert nmt(monkeypatch, "train", "-c", str(copy.config_file)) == 0
    assert "training.max_steps: 10 -> 11" in capfd.readouterr().err
    assert storage.verify(copy.model_folder)["step"] == 11
    assert copy.config_file.read_text() == edited


def snapshot(run: Run) -> dict[str, str]:
    """Return checksums of the config and of all files of the model and the tokenizer."""
    files = [run.config_file, *run.model_folder.rglob("*"), *run.tokenizer_folder.rglob("*")]
    return {
        path.relative_to(run.path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
    }


@pytest.mark.parametrize("made_by", ["average", "copy", "deletion", "damage"])
@pytest.mark.parametrize("change", ["nothing", "max_steps", "test", "model"])
def test_model_without_a_checkpoint_is_never_touched(
    copy: Run, digits: Path, made_by: str, change: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """config.yaml, tokenizer/ and model/ are enough to translate, so such folders exist."""
    run = copy
    if made_by == "average":
        run = Run(copy.path.with_name("mean"))
        average_run(copy, run.path, last=2)
    elif made_by == "copy":
        for name in ("fingerprints.json", "metrics.jsonl", "train.log", "lock"):
            (run.path / name).unlink()
        shutil.rmtree(run.data_folder)
    if made_by in ("copy", "deletion"):
        shutil.rmtree(run.checkpoints_folder)
    elif made_by == "damage":
        for folder in run.checkpoints():
            (folder / "state.json").write_text("{}")
    config = text_config(digits, max_steps=12 if change == "max_steps" else 10)
    if change == "test":
        config = without_test(config)
    elif change == "model":
        config = changed(config, "model.d_model", 32)
    before = snapshot(run)
    if change == "nothing" and made_by in ("deletion", "damage"):  # Its test scores are there.
        run_training(config, run.path)
        assert "already finished" in capfd.readouterr().err
    else:
        with pytest.raises((StorageError, ConfigError)) as error:
            run_training(config, run.path)
        assert "--restart" in (error.value.hint or "")
    assert snapshot(run) == before
    assert len(Translator.load(Run(run.path), "cpu").translate(["one two"])) == 1


def test_restart_moves_a_model_without_a_checkpoint_aside(copy: Run, digits: Path) -> None:
    shutil.rmtree(copy.checkpoints_folder)
    before = snapshot(copy)
    run_training(text_config(digits, max_steps=1), copy.path, restart=True)
    assert snapshot(Run(copy.path.with_name("copy.old-1"))) == before


def test_old_model_stays_usable_until_the_new_one_replaces_it(
    copy: Run, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that dies while it is continued has its old model, and is continued, not finished."""
    old = snapshot(copy)
    longer = text_config(digits, max_steps=12)
    translations = Translator.load(copy, "cpu").translate(["one two"])

    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    for place in ("train", "write_final_model"):
        with monkeypatch.context() as patches, pytest.raises(Died):
            patches.setattr(pipeline, place, die)
            run_training(longer, copy.path)
        now = snapshot(copy)
        assert {name for name in old if now.get(name) != old[name]} == {"config.yaml"}
        assert Translator.load(Run(copy.path), "cpu").translate(["one two"]) == translations
    operation, seen = storage.operation, set()

    def watch(name: str, path: Path) -> None:
        operation(name, path)
        seen.add(storage.verify(copy.model_folder)["step"])

    monkeypatch.setattr(storage, "operation", watch)
    run_training(longer, copy.path)
    assert seen == {10, 12}


def test_run_inside_a_part_of_another_run_is_refused(copy: Run, digits: Path) -> None:
    """Replacing the model of the outer run would delete the inner run."""
    for part in (copy.model_folder, copy.checkpoints_folder / "step-00000010", copy.data_folder):
        with pytest.raises(StorageError, match="is a part of the run"):
            run_training(text_config(digits), part / "inner")
        assert not (part / "inner").exists()


def test_damaged_manifest_of_the_model_is_replaced_from_the_checkpoints(
    copy: Run, trained: Run, digits: Path
) -> None:
    manifest = copy.model_folder / storage.MANIFEST
    manifest.write_text(manifest.read_text()[:-9])
    run_training(text_config(digits), copy.path)
    assert snapshot(copy)["model/model.safetensors"] == snapshot(trained)["model/model.safetensors"]


def test_config_in_a_manifest_that_is_no_config_raises_error(copy: Run, digits: Path) -> None:
    facts = storage.read_manifest(copy.model_folder)
    weights = storage.read_tensors(copy.model_folder / "model.safetensors")
    own = {key: value for key, value in facts.items() if key not in ("name", "files")}
    storage.write_folder(
        copy.model_folder, {"model.safetensors": weights}, {**own, "config": {"model": 7}}
    )
    with pytest.raises(StorageError, match="does not record a config"):
        run_training(text_config(digits), copy.path)


def test_config_of_every_manifest_loads_to_the_config_of_the_run(trained: Run) -> None:
    for folder in (trained.model_folder, *trained.checkpoints()):
        recorded = Config.model_validate(storage.read_manifest(folder)["config"])
        assert trained.config_file.read_text() == f"{HEAD_LINE}\n{dump_config(recorded)}"
