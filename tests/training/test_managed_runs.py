"""Commands that manage runs, on a run of the training pipeline."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import pytest
import torch
from tiny import text_config

from nmt import machine, storage
from nmt.decoding.translator import Translator
from nmt.errors import StorageError
from nmt.manage.deletion import keep_best
from nmt.manage.overview import overview
from nmt.manage.verification import verify_run
from nmt.runs import Run
from nmt.training.pipeline import run_training


def test_trained_run_is_done_and_intact(trained: Run) -> None:
    about = overview(trained)
    assert (about.state, about.step, about.metric) == ("done", 10, "loss")
    assert len(about.bleu) == 3
    assert [part.problem for part in verify_run(trained) if part.problem] == []
    assert {"statistics", "data"} <= {part.name for part in verify_run(trained)}


def test_every_manifest_records_machine_and_versions(trained: Run) -> None:
    for folder in (trained.model_folder, *trained.checkpoints()):
        manifest = storage.read_manifest(folder)
        assert manifest["machine"] == machine.described()
        assert manifest["python"] == platform.python_version()
        assert manifest["sentencepiece"] == machine.installed("sentencepiece")


def test_run_without_checkpoints_translates_but_cannot_resume(
    trained: Run, digits: Path, tmp_path: Path
) -> None:
    run = Run(Path(shutil.copytree(trained.path, tmp_path / "run")))
    before = Translator.load(run, "cpu").translate(["one two"])
    keep_best(run)
    assert Translator.load(Run(run.path), "cpu").translate(["one two"]) == before
    assert run_training(text_config(digits), run.path).finished  # Nothing is left to do.
    with pytest.raises(StorageError, match="has a model but no intact checkpoint"):
        run_training(text_config(digits, max_steps=20), run.path)


def test_unfinished_run_resumes_from_the_checkpoint_that_is_kept(
    trained: Run, digits: Path, tmp_path: Path
) -> None:
    run = Run(Path(shutil.copytree(trained.path, tmp_path / "run")))
    storage.remove(run.model_folder)
    storage.remove(run.checkpoint(10))
    assert overview(run).state == "interrupted"
    keep_best(run)
    assert len(run.checkpoints()) == 1
    assert run_training(text_config(digits), run.path).finished
    torch.testing.assert_close(
        storage.read_tensors(run.checkpoint(10) / "model.safetensors"),
        storage.read_tensors(trained.checkpoint(10) / "model.safetensors"),
        rtol=0,
        atol=0,
    )
