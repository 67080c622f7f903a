"""A stopped and resumed training run ends with the same bits as an uninterrupted one."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import DigitCorpus, NoBoard, tiny_config, tiny_objective, tiny_setting

from nmt import storage
from nmt.data.mixing import Mixture
from nmt.errors import Stopped
from nmt.runs import Run
from nmt.training.checkpoint import newest_valid
from nmt.training.loop import train
from nmt.training.objective import TrainingObjective
from nmt.training.stop import StopSignal

TIMES = ("seconds", "tokens_per_second", "validation_seconds")


class StoppingProgress(NoBoard):
    """Sends the stop signal after `after` steps of this process."""

    def __init__(self, run: Run, stop: StopSignal, after: int) -> None:
        super().__init__(run)
        self.stop, self.left = stop, after

    def step(self, tokens: int) -> None:
        self.left -= 1
        if self.left == 0:
            self.stop.received = signal.SIGTERM


def start_or_resume(
    path: Path,
    stop_after: int = 0,
    sampling: bool = False,
    mixture: Mixture | None = None,
    **training: Any,
) -> None:
    """Start or resume a tiny training run; stop it after `stop_after` steps unless 0."""
    config = tiny_config(**training)
    objective = tiny_objective(config)
    run, stop = Run(path), StopSignal()
    path.mkdir(exist_ok=True)
    found = newest_valid(run, pytest.fail)
    setting = tiny_setting(
        path,
        objective,
        config,
        progress=StoppingProgress(run, stop, stop_after),
        stop=stop,
        sampling=sampling,
        mixture=mixture,
    )
    if stop_after:
        with pytest.raises(Stopped):
            train(objective, setting, found and found[0])
    else:
        train(objective, setting, found and found[0])


def outcome(path: Path) -> tuple[Any, ...]:
    """Return checksums of the newest checkpoint, the state and the metrics, without times."""
    newest = Run(path).checkpoints()[0]
    files = storage.verify(newest)["files"]
    weights = {k: v["sha256"] for k, v in files.items() if k.endswith(".safetensors")}
    state = json.loads((newest / "state.json").read_text())
    return newest.name, weights, without_times(state), metrics(path)


def metrics(path: Path) -> list[dict[str, Any]]:
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [without_times(json.loads(line)) for line in lines]


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in TIMES}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    path = tmp_path_factory.mktemp("reference") / "run"
    start_or_resume(path)
    return outcome(path)


@pytest.mark.parametrize("step", range(1, 12))
def test_resume_after_any_step_is_exact(
    tmp_path: Path, reference: tuple[Any, ...], step: int
) -> None:
    path = tmp_path / "run"
    start_or_resume(path, stop_after=step)
    assert Run(path).checkpoints()[0].name.startswith(f"step-{step:08d}")
    start_or_resume(path)
    assert outcome(path) == reference


def test_resume_after_every_step_is_exact(tmp_path: Path, reference: tuple[Any, ...]) -> None:
    path = tmp_path / "run"
    for _ in range(11):
        start_or_resume(path, stop_after=1)
    start_or_resume(path)
    assert outcome(path) == reference


def test_moved_run_resumes_exactly(tmp_path: Path, reference: tuple[Any, ...]) -> None:
    start_or_resume(tmp_path / "run", stop_after=7)
    (tmp_path / "run").rename(tmp_path / "moved")
    start_or_resume(tmp_path / "moved")
    assert outcome(tmp_path / "moved") == reference


@pytest.mark.parametrize(
    "variant",
    [
        {"precision": "bf16"},
        {"precision": "fp16"},
        {"packing": "on"},
        {"packing": "on", "sampling": True},
        {"ema": 0.9},
        {"accumulate": 2},
        {"rdrop": 1.0, "rdrop_after": 1},
        {"sampling": True},
        {"mixture": Mixture((40, 20), (25, 30))},
        {"mixture": Mixture((10, 50), (25, 30)), "packing": "on", "sampling": True},
        {"patience": 2, "valid_every": 1},
        {"optimizer": "adamw", "weight_decay": 0.1, "max_epochs": 2},
        {"optimizer": "muon", "weight_decay": 0.1, "ema": 0.9},
    ],
    ids=lambda variant: "-".join(variant),
)
def test_resume_is_exact_with_training_options(tmp_path: Path, variant: dict[str, Any]) -> None:
    start_or_resume(tmp_path / "reference", **variant)
    expected = outcome(tmp_path / "reference")
    for step in (1, 2):
        path = tmp_path / f"stopped-{step}"
        start_or_resume(path, stop_after=step, **variant)
        start_or_resume(path, **variant)
        assert outcome(path) == expected


def test_stop_between_batches_repeats_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of many batches may take longer than the time between SIGTERM and SIGKILL."""
    start_or_resume(tmp_path / "reference", accumulate=3)
    path = tmp_path / "run"
    path.mkdir()
    config = tiny_config(accumulate=3)
    objective = tiny_objective(config)
    stop, calls, forward = StopSignal(), 0, TrainingObjective.forward

    def counted(objective: TrainingObjective, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 6:  # Steps have 3, 1, 3, 1, ... batches: stop in the third step.
            stop.received = signal.SIGTERM
        return forward(objective, batch)

    with monkeypatch.context() as patches:
        patches.setattr(TrainingObjective, "forward", counted)
        with pytest.raises(Stopped, match="stopped at step 2"):
            train(objective, tiny_setting(path, objective, config, stop=stop), None)
    assert calls == 6
    start_or_resume(path, accumulate=3)
    assert outcome(path) == outcome(tmp_path / "reference")


def test_stop_in_validation_repeats_validation(tmp_path: Path, reference: tuple[Any, ...]) -> None:
    path = tmp_path / "run"
    path.mkdir()
    config = tiny_config()
    objective = tiny_objective(config)
    stop = StopSignal()

    def interrupted(check_stop: Any) -> Any:
        stop.received = signal.SIGINT
        check_stop()

    setting = tiny_setting(path, objective, config, stop=stop, validate=interrupted)
    with pytest.raises(Stopped) as error:
        train(objective, setting, None)
    assert error.value.exit_code == 130
    assert "step 5" in error.value.message
    assert [p.name for p in Run(path).checkpoints()] == ["step-00000005-stopped"]
    start_or_resume(path)
    assert outcome(path) == reference


def test_extended_run_equals_a_longer_run(tmp_path: Path) -> None:
    for path, steps in (("extended", 10), ("extended", 15), ("reference", 15)):
        start_or_resume(tmp_path / path, max_steps=steps)
    assert outcome(tmp_path / "extended") == outcome(tmp_path / "reference")


def test_only_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        start_or_resume(tmp_path / name, seed=seed, max_steps=3)
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")
    assert outcome(tmp_path / "a")[1] != outcome(tmp_path / "c")[1]


def test_accumulated_step_equals_a_step_with_one_large_batch(tmp_path: Path) -> None:
    """The loss is the mean over all tokens of the step, not the mean over batch means."""
    corpus = DigitCorpus(24, seed=3)
    weights = []
    for name, training in (
        ("one", {"batch_tokens": 24 * 9}),
        ("many", {"batch_tokens": 32, "accumulate": 100}),
    ):
        config = tiny_config(max_epochs=1, **training)
        dropless = config.model_copy(
            update={"model": config.model.model_copy(update={"dropout": 0.0})}
        )
        objective = tiny_objective(dropless)
        (tmp_path / name).mkdir()
        state = train(
            objective, tiny_setting(tmp_path / name, objective, dropless, corpus=corpus), None
        )
        assert state.step == 1
        # After one step of Adam, weights only show the sign of the gradient: compare moments.
        folder = Run(tmp_path / name).checkpoints()[0]
        weights.append(storage.read_tensors(folder / "optimizer.safetensors"))
    for key in weights[0]:
        torch.testing.assert_close(weights[0][key], weights[1][key], rtol=1e-4, atol=1e-7)


@pytest.mark.slow  # two threads are slow on a busy machine
def test_two_threads_give_repeatable_weights(tmp_path: Path) -> None:
    """The weights may differ from a run with one thread."""
    torch.set_num_threads(2)
    for name in ("a", "b"):
        start_or_resume(tmp_path / name, max_steps=4)
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")
