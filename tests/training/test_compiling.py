"""Compilation of the objective: equal gradients, and training without it if it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import DigitCorpus, NoBoard, tiny_config, tiny_objective

from nmt.runs import Run
from nmt.training import compiling
from nmt.training.compiling import compile_objective
from nmt.training.memory import largest_batch
from nmt.training.updates import batches_of

CPU = torch.device("cpu")


def gradients(objective: Any, batch: Any) -> list[torch.Tensor]:
    objective.zero_grad()
    torch.manual_seed(1)
    objective(batch).objective.backward()
    return [p.grad.clone() for p in objective.parameters()]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run")


@pytest.mark.parametrize("packing", ["on", pytest.param("off", marks=pytest.mark.slow)])
def test_compiled_objective_has_the_same_gradients(
    run: Run, packing: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    compiled_by_inductor = torch.compile

    def by_aot_eager(function: Any, **options: Any) -> Any:
        return compiled_by_inductor(function, backend="aot_eager", **options)

    monkeypatch.setattr(compiling.torch, "compile", by_aot_eager)
    torch.compiler.reset()
    config = tiny_config(packing=packing)
    # Compiled code draws other dropout masks.
    config = config.model_copy(update={"model": config.model.model_copy(update={"dropout": 0.0})})
    corpus: Any = DigitCorpus(60, seed=1)
    batch = largest_batch(batches_of(corpus, config.training), 1, CPU)
    objective = tiny_objective(config)
    objective.train()
    expected = gradients(objective, batch)
    with NoBoard(run) as progress:
        compile_objective(objective, batch, "fp32", progress)
    assert "forward" in vars(objective)
    assert all(p.grad is None for p in objective.parameters())
    torch.testing.assert_close(gradients(objective, batch), expected)
    assert "compiled in" in capfd.readouterr().err


def test_failed_compilation_is_reported_and_undone(
    run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing(function: Any, **_: Any) -> Any:
        def fail(*_: Any) -> None:
            raise RuntimeError("no C++ compiler\nfound")

        return fail

    monkeypatch.setattr(compiling.torch, "compile", failing)
    config = tiny_config()
    corpus: Any = DigitCorpus(60, seed=1)
    batch = largest_batch(batches_of(corpus, config.training), 1, CPU)
    objective = tiny_objective(config)
    with NoBoard(run) as progress:
        compile_objective(objective, batch, "fp32", progress)
    assert "torch.compile failed, training without it: no C++ compiler" in capfd.readouterr().err
    assert torch.isfinite(objective(batch).objective)
