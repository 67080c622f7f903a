"""The training loop: non-finite numbers, out of memory, checkpoints, patience and learning."""

from __future__ import annotations

import json
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
from nmt.training import loop
from nmt.training.checkpoint import newest_valid, read_state
from nmt.training.loop import train
from nmt.training.objective import LossSums, TrainingObjective
from nmt.training.state import TrainState, Validated
from nmt.training.updates import derive_seed
from nmt.training.validation import Figures


def final_weights(path: Path) -> dict[str, torch.Tensor]:
    return storage.read_tensors(Run(path).checkpoints()[0] / "model.safetensors")


def run(path: Path, **training: Any) -> Any:
    path.mkdir()
    config = tiny_config(**training)
    objective = tiny_objective(config)
    return train(objective, tiny_setting(path, objective, config), None)


def damage(monkeypatch: pytest.MonkeyPatch, bad_steps: set[int], value: float) -> None:
    """Multiply the objective of the steps with these numbers by a non-finite value."""
    calls, forward = -1, TrainingObjective.forward  # The first batch is only a trial.

    def damaged(objective: TrainingObjective, batch: Any) -> LossSums:
        nonlocal calls
        calls += 1
        loss = forward(objective, batch)
        factor = value if calls in bad_steps else 1.0
        return LossSums(loss.objective * factor, loss.nll)

    monkeypatch.setattr(TrainingObjective, "forward", damaged)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_step_is_skipped_with_warning(
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
    config = tiny_config(max_steps=3, valid_every=2, ema=0.9)
    objective = tiny_objective(config)
    calls = 0

    def damaged(gradient: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return gradient * (math.nan if calls == 4 else 1.0)

    next(p for p in objective.parameters() if p.ndim == 1).register_hook(damaged)
    (tmp_path / "run").mkdir()
    state = train(objective, tiny_setting(tmp_path / "run", objective, config), None)
    assert (state.step, state.skipped) == (3, 1)
    for name in ("model", "optimizer", "ema"):
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
    with pytest.raises(DivergedError, match=r"4 updates in a row .* checkpoint does not exist yet"):
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


def test_training_continues_after_skipped_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(monkeypatch, {2, 3, 7}, math.nan)
    state = run(tmp_path / "run")
    assert (state.step, state.skipped, state.skipped_in_row) == (12, 3, 0)
    assert all(torch.isfinite(t).all() for t in final_weights(tmp_path / "run").values())


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_launching_steps_ahead_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ema: float
) -> None:
    """A GPU computes a step while Python launches the next one."""
    states = []
    for name, ahead in (("waiting", False), ("ahead", True)):
        with monkeypatch.context() as patch:
            damage(patch, {2, 3, 7, 10, 12}, math.nan)
            patch.setattr(loop, "_is_ahead", lambda *_, ahead=ahead: ahead)
            states.append(run(tmp_path / name, ema=ema))
    for state in states:
        state.seconds = 0.0
    assert states[0] == states[1]
    one, two = (final_weights(tmp_path / name) for name in ("waiting", "ahead"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_too_many_skipped_steps_raise_diverged_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(monkeypatch, set(range(7, 100)), math.nan)
    with pytest.raises(DivergedError, match="last good checkpoint is step 5") as error:
        run(tmp_path / "run", max_skipped=3)
    assert error.value.exit_code == 3
    assert "learning_rate" in (error.value.hint or "")


def test_overflow_in_fp16_lowers_the_saved_loss_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    damage(monkeypatch, {2, 3}, math.inf)
    state = run(tmp_path / "run", precision="fp16", max_skipped=1, max_steps=10)
    assert (state.step, state.skipped, state.skipped_in_row) == (10, 2, 0)
    assert (state.loss_scale, state.steps_at_scale) == (2.0**14, 7)
    assert "step 3 overflowed in fp16; loss scale: 16384" in capfd.readouterr().err
    saved = read_state(Run(tmp_path / "run").checkpoints()[0])
    assert (saved.loss_scale, saved.steps_at_scale) == (2.0**14, 7)


def test_overflow_at_the_lowest_loss_scale_raises_diverged_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(monkeypatch, set(range(2, 100)), math.inf)
    with pytest.raises(DivergedError, match=r"3 updates in a row .* the last at step 20"):
        run(tmp_path / "run", precision="fp16", max_skipped=3, max_steps=50)


def test_fp16_learns_as_fp32(tmp_path: Path) -> None:
    losses = {}
    for precision in ("fp32", "fp16"):
        state = run(tmp_path / precision, precision=precision, max_steps=40, log_every=40)
        lines = (tmp_path / precision / "metrics.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        losses[precision] = next(r["smoothed_loss"] for r in records if r["event"] == "train")
        assert state.skipped == 0
    assert losses["fp16"] == pytest.approx(losses["fp32"], rel=0.01)


def test_out_of_memory_splits_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Dropout is off because its masks depend on the shape of the batch."""
    largest, forward = 6, TrainingObjective.forward

    def small_memory(objective: TrainingObjective, batch: Any) -> LossSums:
        loss = forward(objective, batch)
        if len(batch.indices) > largest:
            loss.objective.backward()  # A real error can also leave gradients behind.
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss

    config = tiny_config(max_steps=1)
    config = config.model_copy(update={"model": config.model.model_copy(update={"dropout": 0.0})})
    for name in ("enough", "little"):
        (tmp_path / name).mkdir()
        objective = tiny_objective(config)
        train(objective, tiny_setting(tmp_path / name, objective, config), None)
        monkeypatch.setattr(TrainingObjective, "forward", small_memory)
    assert "step 1: out of memory; retrying with" in capfd.readouterr().err
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
    with pytest.raises(UsageError, match="out of memory at step 0 with a batch of a single row"):
        run(tmp_path / "run")


def test_ema_of_the_first_step_is_near_the_weights(tmp_path: Path) -> None:
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


def scripted(*results: tuple[float, float]) -> Any:
    """Return a validation function that returns these pairs (BLEU, loss), one per call."""
    left = iter(results)

    def validate(check_stop: Any) -> Figures:
        bleu, loss = next(left)
        return Figures(loss, bleu, 0.0, ())

    return validate


def run_scripted(
    path: Path, *results: tuple[float, float], untrained_loss: float = math.inf, **training: Any
) -> TrainState:
    """Start or resume a training run that has a scripted validation after each step."""
    path.mkdir(exist_ok=True)
    config = tiny_config(**{"valid_every": 1, "valid_metric": "bleu", **training})
    objective = tiny_objective(config)
    setting = tiny_setting(
        path,
        objective,
        config,
        validate=scripted(*results),
        validation_loss=lambda check_stop: untrained_loss,
    )
    found = newest_valid(Run(path), pytest.fail)
    return train(objective, setting, found and found[0])


@pytest.mark.parametrize(
    ("results", "best_step", "last_step"),
    [
        ([(0.0, 4.72), (0.0, 4.42), (0.0, 4.5)], 2, 3),
        ([(0.004, 4.72), (0.001, 4.42), (0.0, 4.5)], 2, 3),
        ([(5.0, 4.0), (5.0, 4.0)], 1, 2),
        ([(5.0, 4.0), (4.0, 3.0)], 1, 2),
        ([(0.0, 4.0), (0.0, math.nan)], 1, 2),
        ([(0.0, 4.0), (1.0, 5.0), (1.0, 6.0)], 2, 3),
    ],
)
def test_equal_score_with_lower_loss_is_an_improvement(
    tmp_path: Path, results: list[tuple[float, float]], best_step: int, last_step: int
) -> None:
    """With a patience of 1, the first validation that is not better ends the training run."""
    state = run_scripted(tmp_path / "run", *results, patience=1)
    assert (state.best_step, state.step) == (best_step, last_step)
    assert state.best_steps(1) == [best_step]


def test_best_steps_are_ordered_by_score_then_loss_then_step() -> None:
    scores = [(1, 0.0, 3.0), (2, 1.0, 5.0), (3, 0.0, 2.0), (4, 1.0, 5.0), (5, 1.0, 4.0)]
    state = TrainState(scores=[Validated(*entry) for entry in scores])
    assert state.best_steps(5) == [5, 2, 4, 3, 1]


def test_end_by_patience_is_reported_also_when_resumed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = (
        "training ends at step 4: no better validation in 2 since step 2 "
        "(hint: raise training.patience above 2 to train longer)\n"
    )
    results = [(1.0, 4.0), (2.0, 3.0), (1.0, 2.0), (1.0, 1.0)]
    run_scripted(tmp_path / "run", *results, patience=2)
    assert capfd.readouterr().err.endswith(expected)
    state = run_scripted(tmp_path / "run", patience=2, max_steps=20)
    assert state.step == 4
    assert capfd.readouterr().err == expected
    state = run_scripted(tmp_path / "run", (1.0, 1.0), patience=3, max_steps=20)
    assert state.step == 5
    assert "no better validation in 3 since step 2" in capfd.readouterr().err


def test_end_by_max_steps_does_not_mention_patience(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_scripted(tmp_path / "run", (1.0, 4.0), (1.0, 4.0), patience=2, max_steps=2)
    assert "training ends" not in capfd.readouterr().err


def test_loss_above_that_of_the_untrained_model_prints_warning(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The loss of the untrained model is measured once and kept in the checkpoint."""
    results = [(0.0, 9.1), (0.0, 8.9), (0.0, 9.0), (0.0, math.nan)]
    state = run_scripted(tmp_path / "run", *results, untrained_loss=9.0, max_steps=4)
    assert state.step == 4
    warnings = [line for line in capfd.readouterr().err.split("\n") if "warning" in line]
    assert [line.partition(",")[0] for line in warnings] == [
        f"warning: the validation loss after step {step} is {loss}"
        for step, loss in ((1, "9.100"), (3, "9.000"), (4, "nan"))
    ]
    assert all("lower training.learning_rate" in line for line in warnings)
    run_scripted(tmp_path / "run", (0.0, 9.2), untrained_loss=99.0, max_steps=5)
    assert "but before training it was 9.000" in capfd.readouterr().err


def test_derived_seeds_are_distinct_and_fixed() -> None:
    seeds = {derive_seed(1, "dropout", step) for step in range(1000)}
    assert len(seeds) == 1000
    assert derive_seed(1, "dropout", 1) == 1444289146920958775


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True], ids=["copy", "reverse"])
def test_trained_model_copies_or_reverses_digits(tmp_path: Path, reverse: bool) -> None:
    """Train with a random seed; at least 98 % of 200 unseen strings must be exact."""
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
