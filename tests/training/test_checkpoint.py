"""A save that is killed or fails at any file operation leaves a valid checkpoint."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_config, tiny_model

from nmt import storage
from nmt.errors import StorageError
from nmt.runs import Run
from nmt.training import checkpoint
from nmt.training.optimizer import build_optimizer
from nmt.training.state import TrainState, Validated


class Saver:
    """Helper that saves and prunes as training does, keeping two checkpoints."""

    def __init__(self, path: Path) -> None:
        config = tiny_config()
        self.run = Run(path)
        self.model = tiny_model(config)
        self.optimizer = build_optimizer(self.model, config.training)
        loss = sum(p.square().sum() for p in self.model.parameters())
        loss.backward()
        self.optimizer.step()

    def save(self, step: int, validated: bool = True) -> None:
        scores = [Validated(s, float(-s)) for s in range(100, step + 1, 100)]
        state = TrainState(
            step=step, validated=step if validated else 0, scores=scores, best_step=100
        )
        arguments = (self.run, state, self.model, self.optimizer, None, ["{}"], {})
        checkpoint.save(*arguments)
        checkpoint.prune(self.run, state, keep=2, needed={100})


@pytest.fixture
def saver(tmp_path: Path) -> Saver:
    return Saver(tmp_path / "run")


def steps(run: Run) -> list[str]:
    return [path.name for path in run.checkpoints()]


def test_pruning_keeps_the_newest_and_the_best(saver: Saver) -> None:
    for step in (100, 200, 300, 400):
        saver.save(step)
    assert steps(saver.run) == ["step-00000400", "step-00000300", "step-00000100"]


def test_stopped_checkpoint_is_removed_after_the_next_validation(saver: Saver) -> None:
    saver.save(100)
    saver.save(150, validated=False)
    assert steps(saver.run) == ["step-00000150-stopped", "step-00000100"]
    saver.save(200)
    assert steps(saver.run) == ["step-00000200", "step-00000100"]


def test_pruning_ignores_a_damaged_newer_checkpoint(saver: Saver) -> None:
    for step in (100, 200, 300):
        saver.save(step)
    (saver.run.checkpoints()[0] / "state.json").write_text("{}")
    saver.save(250, validated=False)
    assert "step-00000250-stopped" in steps(saver.run)
    warnings: list[str] = []
    found = checkpoint.newest_valid(saver.run, warnings.append)
    assert found is not None
    assert found[1]["step"] == 250
    assert len(warnings) == 1
    assert "step-00000300" in warnings[0]
    assert "state.json" in warnings[0]


def test_optimizer_state_is_restored(saver: Saver) -> None:
    saver.save(100)
    fresh = Saver(saver.run.path)
    for state in fresh.optimizer.state.values():
        for value in state.values():
            value.zero_()
    checkpoint.restore(saver.run.checkpoints()[0], fresh.model, fresh.optimizer, None)
    for ours, theirs in zip(
        saver.optimizer.state.values(), fresh.optimizer.state.values(), strict=True
    ):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert torch.equal(ours[key], theirs[key])


SAVES = {"first": (), "second": (100,), "rotating": (100, 200, 300)}


@pytest.mark.parametrize("before", SAVES.values(), ids=SAVES)
@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.faults)])
def test_process_death_leaves_the_old_or_the_new_checkpoint(
    tmp_path: Path, before: tuple[int, ...], real: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """End the save at its n-th operation by SIGKILL or, much faster, by an exception."""
    saver = Saver(tmp_path / "run")
    for step in before:
        saver.save(step)
    old, new = max(before, default=None), max(before, default=0) + 100
    seen = set()
    for number in range(1, 200):
        work = tmp_path / "work"
        if before:
            shutil.copytree(tmp_path / "run", work)
        saver.run = run = Run(work)
        if real:
            completed = _kill_in_child(saver, new, number)
        else:
            completed = _simulate_kill(saver, new, number, monkeypatch)
        storage.remove_leftovers(run.checkpoints_folder)
        found = checkpoint.newest_valid(run, pytest.fail)
        seen.add(found and found[1]["step"])
        if found is not None and before:
            best = run.checkpoints_folder / "step-00000100"
            storage.verify(best)
        shutil.rmtree(work, ignore_errors=True)
        if completed:
            break
    assert number > 15
    assert seen == {old, new}


class Died(BaseException):
    pass


def _simulate_kill(saver: Saver, step: int, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    left = number
    remove_tree = shutil.rmtree

    def die(name: str, path: Path) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Died

    def remove_unless_dead(path: Path, ignore_errors: bool = False) -> None:
        if left > 0:
            remove_tree(path, ignore_errors)

    with monkeypatch.context() as patches:
        patches.setattr(storage, "operation", die)
        patches.setattr(shutil, "rmtree", remove_unless_dead)
        try:
            saver.save(step)
        except Died:
            return False
    return True


def _kill_in_child(saver: Saver, step: int, number: int) -> bool:
    """Return whether the child completed the save."""
    child = os.fork()
    if child == 0:
        left = number

        def die(name: str, path: Path) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            storage.operation = die
            saver.save(step)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFEXITED(status)


def test_file_error_leaves_the_old_or_the_new_checkpoint(
    saver: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    saver.save(100)
    saver.save(200)
    for number in range(1, 200):
        left = number

        def fail(name: str, path: Path) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(storage, "operation", fail)
        try:
            saver.save(300)
        except StorageError as error:
            assert "No space left on device" in error.message
        monkeypatch.setattr(storage, "operation", lambda name, path: None)
        found = checkpoint.newest_valid(saver.run, pytest.fail)
        assert found is not None
        assert found[1]["step"] in (200, 300)
        storage.remove(saver.run.checkpoints_folder / "step-00000300")
        if left > 0:
            break
    assert number > 15


@pytest.mark.parametrize("missing", ["optimizer.safetensors", "state.json"])
def test_incomplete_checkpoint_raises_storage_error(
    saver: Saver, missing: str, tmp_path: Any
) -> None:
    saver.save(100)
    folder = saver.run.checkpoints()[0]
    (folder / missing).unlink()
    with pytest.raises(StorageError):
        checkpoint.restore(folder, saver.model, saver.optimizer, None)
