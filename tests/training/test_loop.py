"""The training loop: non-finite numbers, too little memory, checkpoints, and learning."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import DigitCorpus, DigitTokenizer, tiny_config, tiny_objective, tiny_setting

from nmt import storage
from nmt.config import DecodingConfig
from nmt.decoding.engine import build_program
from nmt.decoding.search import beam_search
from nmt.errors import DivergedError, UsageError
from nmt.runs import Run
from nmt.tokenizer.ids import EOS
from nmt.training.checkpoint import read_state
from nmt.training.loop import train
from nmt.training.objective import LossSums, TrainingObjective
from nmt.training.updates import derive_seed


def final_weights(path: Path) -> dict[str, torch.Tensor]:
    return storage.read_tensors(Run(path).checkpoints()[0] / "model.safetensors")


def run(path: Path, **training: Any) -> Any:
    path.mkdir()
    config = tiny_config(**training)
    objective = tiny_objective(config)
    return train(objective, tiny_setting(path, objective, config), None)


def damage(monkeypatch: pytest.MonkeyPatch, bad_calls: set[int], value: float) -> None:
    """Multiply the objective of some calls by a non-finite value."""
    calls, forward = 0, TrainingObjective.forward

    def damaged(objective: TrainingObjective, batch: Any) -> LossSums:
        nonlocal calls
        calls += 1
        loss = forward(objective, batch)
        factor = value if calls in bad_calls else 1.0
        return LossSums(loss.objective * factor, loss.nll)

    monkeypatch.setattr(TrainingObjective, "forward", damaged)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_update_is_skipped_with_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], value: float
) -> None:
    damage(monkeypatch, {3}, value)
    state = run(tmp_path / "run", max_steps=3, valid_every=2)
    assert (state.step, state.skipped, state.skipped_in_row) == (3, 1, 1)
    before = storage.read_tensors(tmp_path / "run/checkpoints/step-00000002/model.safetensors")
    after = final_weights(tmp_path / "run")
    assert all(torch.equal(before[name], after[name]) for name in before)
    printed = capfd.readouterr().err
    assert "step 3 is skipped" in printed
    assert "training pairs" in printed


def test_nan_gradient_changes_nothing(tmp_path: Path) -> None:
    """The gradient is NaN in the middle of the model, and the loss is finite."""
    config = tiny_config(max_steps=3, valid_every=2)
    objective = tiny_objective(config)
    calls = 0

    def damaged(gradient: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return gradient * (math.nan if calls == 3 else 1.0)

    next(p for p in objective.parameters() if p.ndim == 1).register_hook(damaged)
    (tmp_path / "run").mkdir()
    state = train(objective, tiny_setting(tmp_path / "run", objective, config), None)
    assert (state.step, state.skipped) == (3, 1)
    for name in ("model", "optimizer"):
        before, after = (
            storage.read_tensors(
                tmp_path / f"run/checkpoints/step-0000000{step}/{name}.safetensors"
            )
            for step in (2, 3)
        )
        assert all(torch.equal(before[key], after[key]) for key in before)


def test_nan_weight_raises_diverged_error(tmp_path: Path) -> None:
    config = tiny_config(max_skipped=4)
    objective = tiny_objective(config)
    (tmp_path / "run").mkdir()
    with torch.no_grad():
        next(objective.parameters())[5] = math.nan
    before = [p.detach().clone() for p in objective.parameters()]
    with pytest.raises(DivergedError, match=r"4 updates in a row .* checkpoint: none yet"):
        train(objective, tiny_setting(tmp_path / "run", objective, config), None)
    for old, new in zip(before, objective.parameters(), strict=True):
        torch.testing.assert_close(old, new, rtol=0, atol=0, equal_nan=True)
    assert not Run(tmp_path / "run").checkpoints()


def test_rdrop_starts_after_rdrop_after_steps(tmp_path: Path) -> None:
    run(tmp_path / "plain", valid_every=1, keep_checkpoints=12)
    run(tmp_path / "later", valid_every=1, keep_checkpoints=12, rdrop=5.0, rdrop_after=3)
    run(tmp_path / "at once", valid_every=1, keep_checkpoints=12, rdrop=5.0)

    def same(step: int, other: str) -> bool:
        one, two = (
            storage.read_tensors(tmp_path / name / f"checkpoints/step-{step:08d}/model.safetensors")
            for name in ("plain", other)
        )
        return all(torch.equal(one[key], two[key]) for key in one)

    assert same(3, "later") and not same(4, "later")
    assert not same(1, "at once")


def test_training_continues_after_skipped_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(monkeypatch, {2, 3, 7}, math.nan)
    state = run(tmp_path / "run")
    assert (state.step, state.skipped, state.skipped_in_row) == (12, 3, 0)
    assert all(torch.isfinite(t).all() for t in final_weights(tmp_path / "run").values())


def test_too_many_skipped_updates_raise_diverged_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(monkeypatch, set(range(7, 100)), math.nan)
    with pytest.raises(DivergedError, match="last good checkpoint: step 5") as error:
        run(tmp_path / "run", max_skipped=3)
    assert error.value.exit_code == 3
    assert "learning_rate" in (error.value.hint or "")


def test_out_of_memory_splits_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without dropout, whose masks depend on the shape, the result is the same."""
    largest, forward = 6, TrainingObjective.forward

    def small_memory(objective: TrainingObjective, batch: Any) -> LossSums:
        loss = forward(objective, batch)
        if len(batch.indices) > largest:
            loss.objective.backward()  # A failure half way leaves gradients like these.
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss

    config = tiny_config(max_steps=1)
    config = config.model_copy(update={"model": config.model.model_copy(update={"dropout": 0.0})})
    for name in ("enough", "little"):
        (tmp_path / name).mkdir()
        objective = tiny_objective(config)
        train(objective, tiny_setting(tmp_path / name, objective, config), None)
        monkeypatch.setattr(TrainingObjective, "forward", small_memory)
    assert "step 1: out of memory; continuing with the update in" in capfd.readouterr().err
    # Compare gradients: where they are zero, Adam makes a full step of their rounding errors.
    enough, little = (
        storage.read_tensors(Run(tmp_path / name).checkpoints()[0] / "optimizer.safetensors")
        for name in ("enough", "little")
    )
    for name in enough:
        torch.testing.assert_close(enough[name], little[name], rtol=1e-4, atol=1e-7)


def test_out_of_memory_with_one_pair_raises_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*args: Any) -> LossSums:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TrainingObjective, "forward", no_memory)
    with pytest.raises(UsageError, match="out of memory at step 1 with a single sentence pair"):
        run(tmp_path / "run")


def test_averages_of_the_first_steps_follow_the_weights(tmp_path: Path) -> None:
    run(tmp_path / "run", max_steps=1, ema=0.999)
    config = tiny_config()
    start = dict(tiny_objective(config).model.named_parameters())
    weights = final_weights(tmp_path / "run")
    averages = storage.read_tensors(Run(tmp_path / "run").checkpoints()[0] / "ema.safetensors")
    for name, average in averages.items():
        expected = start[name].detach() * 2 / 11 + weights[name] * 9 / 11
        torch.testing.assert_close(average, expected)


def test_only_the_needed_checkpoints_are_kept(tmp_path: Path) -> None:
    """The sum of squared weights grows, so the first validation stays the best."""
    run(tmp_path / "run", max_steps=8, valid_every=1, keep_checkpoints=2, average_checkpoints=3)
    kept = [int(p.name.split("-")[1]) for p in Run(tmp_path / "run").checkpoints()]
    state = read_state(Run(tmp_path / "run").checkpoints()[0])
    assert kept == sorted({7, 8} | set(state.best_steps(3)), reverse=True)


def test_averaging_the_last_checkpoints_keeps_them_and_the_best(tmp_path: Path) -> None:
    run(
        tmp_path / "run",
        max_steps=8,
        valid_every=2,
        keep_checkpoints=1,
        average_checkpoints=3,
        average="last",
    )
    kept = [int(p.name.split("-")[1]) for p in Run(tmp_path / "run").checkpoints()]
    state = read_state(Run(tmp_path / "run").checkpoints()[0])
    assert state.best_step == 2
    assert kept == [8, 6, 4, 2]
    assert state.averaged_steps(tiny_config(average_checkpoints=3, average="last").training) == [
        4,
        6,
        8,
    ]


def test_seeds_are_spread_and_fixed() -> None:
    seeds = {derive_seed(1, "dropout", step) for step in range(1000)}
    assert len(seeds) == 1000
    assert derive_seed(1, "dropout", 1) == 1444289146920958775


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True], ids=["copy", "reverse"])
def test_learns_to_copy_and_to_reverse(tmp_path: Path, reverse: bool) -> None:
    """Fresh strings, a fresh seed: nearly all exact."""
    seed = int.from_bytes(__import__("os").urandom(2))
    config = tiny_config(
        seed=seed,
        max_steps=1500,
        valid_every=1500,
        log_every=500,
        batch_tokens=1000,
        learning_rate=0.003,
        warmup_steps=100,
        label_smoothing=0.0,
    )
    wide = config.model.model_copy(update={"d_model": 48, "feedforward": 96, "dropout": 0.0})
    config = config.model_copy(update={"model": wide})
    objective = tiny_objective(config)
    corpus = DigitCorpus(5000, seed, reverse)
    train(objective, tiny_setting(tmp_path, objective, config, corpus=corpus), None)
    unseen = DigitCorpus(200, seed + 1, reverse)
    assert _exact(objective.model, unseen) >= 0.98, f"seed {seed}"


def _exact(model: Any, corpus: DigitCorpus) -> float:
    program = build_program(model, "fp32", torch.device("cpu"))
    tokenizer = DigitTokenizer()
    right = 0
    for pair in corpus.pairs:
        source = torch.tensor([[*pair[0], EOS]])
        best = beam_search(program, source, DecodingConfig(beam_size=1))
        right += tokenizer.target.decode(best[0][0].tokens) == tokenizer.target.decode(pair[1])
    return right / len(corpus)
