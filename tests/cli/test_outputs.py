"""No command overwrites its own input or a trained model.

The tests find commands and options in the typer app, and output options by the written files.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import typer
from untrained import LINES, write_run

from nmt import cli, storage
from nmt.cli import common
from nmt.errors import UsageError
from nmt.runs import Run, run_that_owns, tokenizer_digest
from nmt.training.state import TrainState

CONFIG = """
data:
  train: {source: text.en, target: text.de}
  valid: {source: text.en, target: text.de}
tokenizer: {vocab_size: 40, byte_fallback: false}
model: {d_model: 16, heads: 2, encoder_layers: 1, decoder_layers: 1, feedforward: 16}
training: {max_steps: 1, precision: fp32, device: cpu, threads: 1}
"""

# Valid calls of each command: one for each way to use the command.
CALLS = {
    "train": [{"config": "config.yaml", "run_dir": "new"}],
    "average": [{"runs": "run", "output": "mean"}],
    "translate": [{"model": "run", "input": "text.en", "beam_size": "1", "max_length": "2"}],
    "score": [{"model": "run", "source": "text.en", "target": "text.de"}],
    "tokenize": [{"model": "run", "files": "text.en"}],
    "detokenize": [{"model": "run", "files": "text.en"}],
    "evaluate": [
        {"model": "run", "source": "text.en", "reference": "text.de", "beam_size": "1"},
        {"hypothesis": "text.en", "reference": "text.de"},
        {"model": "files", "beam_size": "1"},
    ],
    "info": [{"run": "run"}],
    "report": [{"run": "files", "worst": "0", "output": "report.html"}],
    "attention": [{"sentence": "a tree", "model": "run"}],
    "align": [
        {"model": "run", "source": "text.en", "target": "text.de"}
        | {"layer": "1", "head": "1", "state": "reads"}
    ],
    "data check": [{"config": "config.yaml"}],
    "config show": [{"config": "config.yaml"}],
    "config schema": [{}],
    "doctor": [{}],
    "init": [{"files": "pairs.tsv"}],
}


def commands() -> Iterator[tuple[str, Any, Callable[..., None]]]:
    """Yield the name, the command and its function for every command of the app."""
    groups = [("", cli.app), *((f"{g.name} ", g.typer_instance) for g in cli.app.registered_groups)]
    for prefix, app in groups:
        found = typer.main.get_command(app).commands  # type: ignore[attr-defined]
        for registered in app.registered_commands:
            assert registered.callback is not None
            name = registered.name or registered.callback.__name__
            yield f"{prefix}{name}", found[name], registered.callback


COMMANDS = {name: (command, function) for name, command, function in commands()}


def takes_a_path(parameter: Any, function: Callable[..., None]) -> bool:
    """Return whether the type or the help of a parameter says that its value is a path."""
    hint = typing.get_type_hints(function).get(parameter.name)
    if hint is Path or Path in [a for h in typing.get_args(hint) for a in (h, *typing.get_args(h))]:
        return True
    text = f"{parameter.metavar} {getattr(parameter, 'help', '')}".lower()
    return hint is not bool and ("run folder" in text or "_file" in text)


def paths_of(name: str) -> list[str]:
    """Return the names of the parameters of a command that are paths."""
    command, function = COMMANDS[name]
    return [p.name for p in command.params if takes_a_path(p, function)]


def call(name: str, values: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command with the values of its parameters; return the exit code."""
    command, _ = COMMANDS[name]
    options, arguments = [], []
    for parameter in command.params:
        if parameter.name in values:
            value = values[parameter.name]
            if parameter.param_type_name == "argument":
                arguments.append(value)
            else:
                options += [max(parameter.opts, key=len), value]
    monkeypatch.setattr(sys, "argv", ["nmt", *name.split(), *options, *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    assert caught.value.code != 1, values
    return caught.value.code


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with texts, a config and two runs, each with a checkpoint.

    The config of the run `files` names the texts; the config of `run` has a built-in corpus.
    """
    folder = tmp_path_factory.mktemp("world")
    for side in ("en", "de"):
        lines = [f"{line} {side}\n" for line in LINES if line.strip()] * 3
        (folder / f"text.{side}").write_text("".join(lines))
    (folder / "pairs.tsv").write_text("".join(f"a {i} tree\tein {i} Baum\n" for i in range(200)))
    (folder / "config.yaml").write_text(CONFIG)
    for name in ("run", "files"):
        write_run(folder / name)
        run = Run(folder / name)
        weights = storage.read_tensors(run.model_folder / "model.safetensors")
        state = TrainState(step=1, validated=1, scores=[(1, 0.0)], best_step=1)
        storage.write_folder(
            run.checkpoints_folder / "step-00000001",
            {"model.safetensors": weights, "state.json": json.dumps(asdict(state)).encode()},
            {"tokenizer": tokenizer_digest(run.tokenizer_folder), "step": 1},
        )
    kept = (folder / "files" / "config.yaml").read_text()
    text = "    - source: text.en\n      target: text.de\n"
    built_in = "    - builtin: phrasebook\n      split: null\n"
    assert kept.count(built_in) == 2
    (folder / "files" / "config.yaml").write_text(kept.replace(built_in, text))
    return folder


@pytest.fixture
def _here(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def contents(*folders: Path) -> dict[Path, str]:
    """Return a checksum of every file, except the lock and the log of a run."""
    files = (path for folder in folders for path in [folder, *folder.rglob("*")])
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and path.name not in ("lock", "train.log")
    }


def test_calls_include_every_command() -> None:
    # The demo and finetune run other commands. Tests of `nmt runs rm` check what it deletes.
    assert {*CALLS, "demo", "finetune", "runs rm"} == set(COMMANDS)
    assert {name: paths_of(name) for name in ("translate", "evaluate", "average")} == {
        "translate": ["model", "input", "output"],
        "evaluate": ["model", "source", "reference", "hypothesis", "against", "save"],
        "average": ["runs", "output"],
    }


Outputs = Callable[[str, int], list[str]]


@pytest.fixture(scope="module")
def outputs(world: Path) -> Outputs:
    """Return a function that finds the options of a call that create the path in their value."""

    @functools.cache
    def find(name: str, number: int) -> list[str]:
        found = []
        for option in paths_of(name):
            path = Path(f"made-by-{option}.json")
            with pytest.MonkeyPatch.context() as patches:
                call(name, {**CALLS[name][number], option: str(path)}, patches)
            if path.exists():
                found.append(option)
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
        return found

    return find


@pytest.mark.usefixtures("_here")
def test_commands_that_write_are_found(outputs: Outputs) -> None:
    writing = {name: outputs(name, 0) for name in CALLS}
    assert {name: options for name, options in writing.items() if options} == {
        "train": ["run_dir"],
        "average": ["output"],
        "translate": ["output"],
        "evaluate": ["save"],
        "report": ["output"],
        "attention": ["output"],
        "config schema": ["output"],
        "init": ["output"],
    }


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("name", CALLS)
def test_no_command_writes_over_a_trained_model(
    name: str, world: Path, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Give each part of a run to each option that writes, also through a link."""
    run = Run(world / "run")
    [tokenizer] = run.tokenizer_folder.glob("*.model")
    checkpoint = run.checkpoints()[0]
    protected = [run.path, run.config_file, tokenizer, run.model_folder, checkpoint]
    protected += [*run.model_folder.iterdir(), *checkpoint.iterdir()]
    before = contents(run.path)
    link = world / "link.json"
    for number, values in enumerate(CALLS[name]):
        for option in outputs(name, number):
            for path in protected:
                link.symlink_to(path)
                for given in (path, link):
                    assert call(name, {**values, option: str(given)}, monkeypatch) in (2, 5)
                    assert contents(run.path) == before
                link.unlink()
        assert contents(run.path) == before


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("name", CALLS)
def test_no_command_writes_over_its_input(
    name: str, world: Path, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Give the file of each option to each option that writes, also through links."""
    before = contents(world / "text.en", world / "text.de", world / "config.yaml")
    for number, values in enumerate(CALLS[name]):
        inputs = [Path(value) for value in values.values() if Path(value).is_file()]
        if "files" in values.values():
            inputs += [Path("text.en"), Path("text.de")]
        for option in outputs(name, number):
            for given in inputs:
                link, hard = Path("link"), Path("hard")
                link.symlink_to(given)
                hard.hardlink_to(given)
                for path in (given, link, hard):
                    assert call(name, {**values, option: str(path)}, monkeypatch) in (2, 5)
                    assert contents(*before) == before
                link.unlink()
                hard.unlink()


@pytest.mark.usefixtures("_here")
def test_output_over_standard_input_is_rejected(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (world / "text.en").read_bytes()
    with (world / "text.en").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert call("translate", {"model": "run", "output": "text.en"}, monkeypatch) == 2
    assert (world / "text.en").read_bytes() == text


def test_check_output_names_the_file_and_the_run(world: Path) -> None:
    with pytest.raises(UsageError, match=r"text\.en is both input and output"):
        common.check_output(world / "text.en", world / "text.de", world / "text.en")
    with pytest.raises(UsageError, match=r"is a part of the run .*/run"):
        common.check_output(world / "run" / "model" / "new")
    common.check_output(world / "run" / "my notes", world / "text.en")
    common.check_output(Path("/dev/null"), Path("/dev/null"))


def test_run_that_owns_returns_the_run_of_a_part(world: Path, tmp_path: Path) -> None:
    owner = run_that_owns(world / "run" / "model" / "model.safetensors")
    assert owner is not None
    assert owner.path == world / "run"
    for path in (world / "config.yaml", world / "run", world / "run" / "mine", tmp_path / "x"):
        assert run_that_owns(path) is None


def test_output_through_a_link_is_written_to_its_target(tmp_path: Path) -> None:
    """The target is created if it does not exist. After an error, the target is unchanged."""
    target, link = tmp_path / "disk" / "target", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to(target)
    for content in (b"first", b"second"):
        with common.open_output(link) as file:
            file.write(content)
        assert link.readlink() == target
        assert target.read_bytes() == content
    with pytest.raises(KeyError), common.open_output(link) as file:
        file.write(b"third")
        raise KeyError
    assert target.read_bytes() == b"second"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


@pytest.mark.usefixtures("_here")
def test_average_through_a_link_is_written_to_its_target(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    assert call("average", {"runs": "run", "output": str(link)}, monkeypatch) == 0
    assert link.is_symlink()
    assert Run(tmp_path / "target").finished
