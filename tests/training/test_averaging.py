"""The final model: the mean of checkpoints or the best one, whichever validates better."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import NoBoard, text_config
from untrained import write_run

from nmt import storage
from nmt.cli.average import average
from nmt.config import TrainingConfig
from nmt.data.preparation import prepare_data
from nmt.decoding.translator import Translator
from nmt.errors import UsageError
from nmt.runs import Run
from nmt.training.averaging import write_final_model
from nmt.training.checkpoint import read_state
from nmt.training.pipeline import run_training
from nmt.training.progress import Progress
from nmt.training.state import TrainState, Validated
from nmt.training.validation import Figures

STEPS = (1, 2, 3)
BLEU = {1: 30.0, 2: 50.0, 3: 40.0}


def figures(bleu: float, loss: float = 1.0) -> Figures:
    return Figures(loss, bleu, 10.0, ())


class Finished:
    """A run whose checkpoint at step N has the single weight N."""

    def __init__(self, path: Path) -> None:
        self.run = Run(path)
        scores = [Validated(step, BLEU[step], 1.0) for step in STEPS]
        self.state = TrainState(step=3, validated=3, scores=scores, best_step=2)
        for step in STEPS:
            weights = {"weight": torch.full((2,), float(step))}
            folder = self.run.checkpoints_folder / f"step-{step:08d}"
            storage.write_folder(folder, {"model.safetensors": weights}, {})
        self.validated: list[float] = []

    def write(self, mean: Figures, **training: Any) -> float:
        """Write the final model, where `mean` are the results of the averaged weights."""

        def validate(weights: Mapping[str, torch.Tensor]) -> Figures:
            self.validated.append(weights["weight"][0].item())
            return mean

        config = TrainingConfig.model_validate({"max_steps": 3, **training})
        progress: Progress = NoBoard(self.run)
        return write_final_model(self.run, self.state, config, {}, validate, progress)

    @property
    def weight(self) -> float:
        path = self.run.model_folder / "model.safetensors"
        return storage.read_tensors(path)["weight"][0].item()

    @property
    def averaged(self) -> list[int]:
        steps: list[int] = storage.read_manifest(self.run.model_folder)["averaged_steps"]
        return steps


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    return Finished(tmp_path / "run")


@pytest.mark.parametrize(
    ("mean", "kept"),
    [
        (figures(60.0, loss=2.0), "mean"),
        (figures(50.0, loss=1.0), "mean"),
        (figures(50.004, loss=0.9), "mean"),
        (figures(50.004, loss=1.1), "best"),
        (figures(12.67, loss=0.5), "best"),
        (figures(math.nan, loss=math.nan), "best"),
    ],
)
def test_better_of_mean_and_best_checkpoint_is_kept(
    finished: Finished, capfd: pytest.CaptureFixture[str], mean: Figures, kept: str
) -> None:
    loss = finished.write(mean, average_checkpoints=3)
    assert finished.validated == [2.0]
    assert finished.averaged == ([1, 2, 3] if kept == "mean" else [2])
    assert loss == (mean.loss if kept == "mean" else 1.0)
    record = json.loads(finished.run.metrics_file.read_text())
    assert record["event"] == "average"
    assert (record["averaged_steps"], record["best_step"], record["kept"]) == ([1, 2, 3], 2, kept)
    assert record["best_score"] == 50.0
    said = capfd.readouterr().err.splitlines()
    assert said[0].startswith("mean of steps 1, 2, 3 | nll ")
    assert f"BLEU {mean.bleu:.2f}" in said[0]
    assert said[1] == "best checkpoint: step 2 | nll 1.000 | BLEU 50.00"
    what = "mean of the checkpoints at steps 1, 2, 3" if kept == "mean" else "checkpoint at step 2"
    assert said[2].startswith(f"final model: {what}, because its validation score is")


@pytest.mark.parametrize(("mean", "weight"), [(figures(51.0), 2.5), (figures(49.0), 2.0)])
def test_weights_of_the_kept_model(finished: Finished, mean: Figures, weight: float) -> None:
    finished.write(mean, average_checkpoints=2, average="last")
    assert finished.validated == [2.5]
    assert finished.weight == weight


def test_best_checkpoint_is_kept_although_it_is_not_averaged(finished: Finished) -> None:
    finished.state.best_step = 1
    finished.state.scores[0] = Validated(1, 70.0, 1.0)
    finished.write(figures(69.0), average_checkpoints=2, average="last")
    assert (finished.averaged, finished.weight) == ([1], 1.0)


def test_loss_that_an_earlier_version_did_not_save_is_left_out(
    finished: Finished, capfd: pytest.CaptureFixture[str]
) -> None:
    finished.state.scores = [Validated(step, BLEU[step]) for step in STEPS]
    finished.write(figures(49.0), average_checkpoints=3)
    assert "best checkpoint: step 2 | BLEU 50.00\n" in capfd.readouterr().err


def test_single_checkpoint_is_not_validated_again(
    finished: Finished, capfd: pytest.CaptureFixture[str]
) -> None:
    assert finished.write(figures(0.0)) == 1.0
    assert finished.validated == []
    assert (finished.averaged, finished.weight) == ([2], 2.0)
    assert capfd.readouterr().err == "final model: checkpoint at step 2\n"


def test_damaged_best_checkpoint_is_neither_averaged_nor_kept(
    finished: Finished, capfd: pytest.CaptureFixture[str]
) -> None:
    (finished.run.checkpoints_folder / "step-00000002" / "model.safetensors").write_bytes(b"")
    finished.write(figures(39.0), average_checkpoints=3)
    assert (finished.averaged, finished.weight) == ([3], 3.0)
    assert "skipping checkpoint step-00000002" in capfd.readouterr().err


def comparison_of(run: Run) -> dict[str, Any]:
    """Return the record of the validation of the mean."""
    records = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    return next(record for record in records if record["event"] == "average")


def test_training_run_keeps_the_better_model(trained: Run) -> None:
    """In so short a run the weights change a lot, and the mean is worse than the last ones."""
    record = comparison_of(trained)
    assert record["averaged_steps"] == [8, 10]
    assert record["nll"] > record["best_nll"]
    assert record["kept"] == "best"
    assert storage.read_manifest(trained.model_folder)["averaged_steps"] == [10]
    checkpoint = trained.checkpoints_folder / "step-00000010" / "model.safetensors"
    final = storage.read_tensors(trained.model_folder / "model.safetensors")
    for name, tensor in storage.read_tensors(checkpoint).items():
        assert torch.equal(final[name], tensor)
    assert "because its validation score is better" in trained.log_file.read_text()


def test_mean_of_equal_checkpoints_validates_like_them(digits: Path, tmp_path: Path) -> None:
    """With a learning rate near zero, all checkpoints and their mean have the same score."""
    config = text_config(digits, learning_rate=1e-12, max_steps=4, valid_every=2)
    run = run_training(config, tmp_path / "run")
    record = comparison_of(run)
    assert record["nll"] == pytest.approx(record["best_nll"], abs=1e-9)


def test_average_command_writes_the_mean_and_compares_it(
    trained: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    average([trained.path], tmp_path / "mean", last=2)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == f"{tmp_path}/mean: mean of steps 8, 10"
    record = comparison_of(trained)
    assert lines[1].startswith(f"mean of steps 8, 10 | nll {record['nll']:.3f} | BLEU ")
    assert lines[2] == f"best checkpoint: step 10 | nll {record['best_nll']:.3f}"
    manifest = storage.read_manifest(tmp_path / "mean" / "model")
    assert manifest["averaged_steps"] == [8, 10]


def test_example_of_the_average_command_fits_the_default_of_keep_checkpoints() -> None:
    last = re.search(r"Example: nmt average .* --last (\d+) ", average.__doc__ or "")
    assert last
    assert int(last[1]) <= TrainingConfig(max_steps=1).keep_checkpoints


def test_too_few_checkpoints_raise_error_with_the_possible_number(
    trained: Run, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="has only 3 of the 5 checkpoints to average") as error:
        average([trained.path], tmp_path / "mean", last=5)
    hint = "use --last 3, or train with a higher training.keep_checkpoints"
    assert (error.value.hint or "").startswith(hint)
    average([trained.path], tmp_path / "mean", last=3)


@pytest.mark.parametrize("how", ["missing", "damaged", "other"])
def test_average_command_reports_missing_validation_set(
    trained: Run, tmp_path: Path, digits: Path, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    run = Run(tmp_path / "run")
    shutil.copytree(trained.path, run.path)
    if how == "missing":
        shutil.rmtree(run.data_folder)
    elif how == "damaged":
        (run.data_folder / "valid.arrow").write_bytes(b"")
    else:
        config = text_config(digits)
        data = config.data.model_copy(update={"valid": config.data.test})
        changed = config.model_copy(update={"data": data})
        prepare_data(changed, run.data_folder, run.tokenizer_folder, print, lambda: None)
    average([run.path], tmp_path / "mean")
    said = capfd.readouterr().err
    assert "warning: the mean was not validated: " in said
    assert str(run.data_folder) in said
    assert len(Translator.load(Run(tmp_path / "mean"), "cpu").translate(["one two"])) == 1


def test_state_of_an_earlier_version_has_scores_without_losses(
    trained: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(trained.checkpoints()[0], folder)
    values = json.loads((folder / "state.json").read_text())
    values["scores"] = [entry[:2] for entry in values["scores"]]
    del values["untrained_loss"]
    (folder / "state.json").write_text(json.dumps(values))
    state = read_state(folder)
    assert [entry.step for entry in state.scores] == [4, 8, 10]
    assert all(entry.loss == math.inf for entry in state.scores)
    assert state.untrained_loss == math.inf


def test_mean_of_runs_is_weighted(trained: Run, tmp_path: Path) -> None:
    average([trained.path], tmp_path / "other", last=1)
    other = Run(tmp_path / "other")
    old = storage.read_tensors(other.model_folder / "model.safetensors")
    facts = {k: v for k, v in storage.read_manifest(other.model_folder).items() if k != "files"}
    del facts["name"]
    moved = {name: tensor + 1 for name, tensor in old.items()}
    storage.write_folder(other.model_folder, {"model.safetensors": moved}, facts)
    average([trained.path, other.path], tmp_path / "mean", weights="0.25,0.75")
    mean = storage.read_tensors(tmp_path / "mean" / "model" / "model.safetensors")
    first = storage.read_tensors(trained.weights())
    for name, tensor in mean.items():
        torch.testing.assert_close(tensor, 0.25 * first[name] + 0.75 * moved[name])
    Translator.load(Run(tmp_path / "mean"), "cpu")


@pytest.mark.parametrize("weights", ["1", "1,2,3", "1,-1", "nan,1", "a,b"])
def test_unsuitable_weights_are_an_error(trained: Run, tmp_path: Path, weights: str) -> None:
    with pytest.raises(UsageError, match="weight"):
        average([trained.path, trained.path], tmp_path / "mean", weights=weights)
    assert not (tmp_path / "mean").exists()


def test_runs_of_other_models_are_one_error(trained: Run, tmp_path: Path) -> None:
    write_run(tmp_path / "other", heads=4)
    with pytest.raises(UsageError, match=r"differ in model\.heads \(2 and 4\), the vocabulary"):
        average([trained.path, tmp_path / "other"], tmp_path / "mean")
