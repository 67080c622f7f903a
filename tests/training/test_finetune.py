"""`nmt finetune`: the plan with reasons, its held-out pairs, the commands, and resuming."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.cli import common
from nmt.cli.finetune import finetune
from nmt.config import Config, TextFiles
from nmt.config.loading import load_config
from nmt.errors import DataError, UsageError
from nmt.planning.finetuning import SCALES, Facts, Scale, plan
from nmt.runs import Run
from nmt.training.pipeline import run_training

SOURCES = {
    part: [TextFiles(source=f"{part}.en", target=f"{part}.de")] for part in ("train", "valid")
}


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return the commands that nmt would run, of which only `train` is run."""
    called: list[tuple[str, ...]] = []

    def run(*words: str) -> None:
        called.append(words)
        if words[0] == "train":
            _, _, config, _, folder, *options = words
            run_training(load_config(Path(config), options[1::2]), Path(folder))

    monkeypatch.setattr(common, "run_command", run)
    return called


def test_finetune_trains_and_compares_on_both_test_sets(
    trained: Run, digits: Path, tmp_path: Path, commands: list[tuple[str, ...]]
) -> None:
    folder = tmp_path / "made"
    files = digits / "train.en", digits / "train.de"
    overrides = ["training.max_steps=2", "training.warmup_steps=1", "tokenizer.extend=0"]
    finetune(str(trained.path), *files, folder, overrides)
    made, old = str(folder), str(trained.path)
    assert [words[0] for words in commands] == ["train", "evaluate"]
    assert commands[1][1:] == ("--model", made, "--against", old)
    run = Run(folder)
    assert run.finished and run.config.training.init_from == old
    assert [source.name for source in run.config.data.test or ()] == ["new", trained.path.name]
    assert len(run.records("test")) == 1
    planned = (run.plan_folder / "config.yaml").read_text(encoding="utf-8")
    assert "learning_rate: 0.005  # half of that of the starting run" in planned

    finetune(old, *files, folder, overrides)  # The same command finds its plan.
    assert len(commands) == 4
    with pytest.raises(UsageError, match="is another run"):
        finetune(old, digits / "valid.en", digits / "valid.de", folder)
    with pytest.raises(UsageError, match="is another run"):
        finetune(old, *files, trained.path)


def test_few_pairs_are_an_error(
    trained: Run, digits: Path, tmp_path: Path, commands: list[tuple[str, ...]]
) -> None:
    with pytest.raises(DataError, match="usable pairs"):
        finetune(str(trained.path), digits / "valid.en", digits / "valid.de", tmp_path / "made")
    assert not commands
    assert not (tmp_path / "made").exists()


def test_link_to_the_latest_run_is_an_error(
    trained: Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NMT_RUNS", str(tmp_path))
    (tmp_path / "latest").symlink_to(trained.path)
    with pytest.raises(UsageError, match="a link that each training run changes") as caught:
        finetune("latest", digits / "train.en", digits / "train.de")
    assert str(trained.path) in str(caught.value.hint)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: f"{scale.pairs}")
def test_plan_follows_the_size_of_the_data(scale: Scale, trained: Run) -> None:
    facts = Facts(max(scale.pairs, 60), 10.0, 1.3, trained.config)
    values, reasons = plan(facts, "RUN", SOURCES)
    config = Config.model_validate(values)
    assert config.training.learning_rate == 0.005
    assert scale.dropout <= 0.1 or config.model.dropout == scale.dropout
    assert config.tokenizer.extend == 0
    assert config.training.max_steps >= 12 * config.training.valid_every > 0
    assert {key for key, reason in reasons.items() if not reason} == set()


def test_plan_extends_a_vocabulary_that_does_not_fit(trained: Run) -> None:
    values, _ = plan(Facts(4000, 10.0, 2.5, trained.config), "RUN", SOURCES)
    assert Config.model_validate(values).tokenizer.extend == 1000
