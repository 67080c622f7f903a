"""The version of the package, and runs that a newer version has written."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from untrained import write_run

import nmt
from nmt import storage
from nmt.errors import StorageError, VersionError
from nmt.loading import load_model
from nmt.runs import Run
from nmt.version import CONFIG_VERSION, UNKNOWN


def test_version_is_that_of_the_installed_package() -> None:
    assert nmt.__version__ == importlib.metadata.version("nmt")


def test_version_of_a_source_folder_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert nmt.__version__ == "0+source"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    write_run(tmp_path / "run")
    return Run(tmp_path / "run")


def record(run: Run, **facts: Any) -> None:
    """Write the model's folder again, with more facts in its manifest."""
    old = storage.read_manifest(run.model_folder)
    contents = {name: (run.model_folder / name).read_bytes() for name in old["files"]}
    storage.write_folder(run.model_folder, contents, {"tokenizer": old["tokenizer"], **facts})


def add_unknown_key(run: Run) -> None:
    run.config_file.write_text(run.config_file.read_text() + "novelty: {depth: 3}\n")


def test_run_with_a_newer_config_version_names_both_versions(run: Run) -> None:
    record(run, nmt="99.1.0", config_version=CONFIG_VERSION + 1)
    expected = rf"was written by nmt 99\.1\.0; this is nmt {nmt.__version__}"
    with pytest.raises(VersionError, match=expected) as error:
        load_model(run, torch.device("cpu"))
    assert error.value.hint == "upgrade nmt to version 99.1.0 or newer"
    with pytest.raises(VersionError, match=expected):
        _ = Run(run.path).config


def test_unknown_key_in_a_run_of_a_newer_version_names_both_versions(run: Run) -> None:
    record(run, nmt="99.1.0", config_version=CONFIG_VERSION)
    add_unknown_key(run)
    with pytest.raises(VersionError, match=rf"nmt 99\.1\.0; this is nmt {nmt.__version__}"):
        _ = run.config


@pytest.mark.parametrize("facts", [{}, {"nmt": "0.0.9"}, {"nmt": "x"}], ids=str)
def test_unknown_key_in_a_run_of_no_newer_version_is_named(run: Run, facts: Any) -> None:
    record(run, **facts)
    add_unknown_key(run)
    with pytest.raises(StorageError, match=rf'nmt {nmt.__version__} .* key "novelty"') as error:
        _ = run.config
    assert not isinstance(error.value, VersionError)
    assert "upgrade nmt" in (error.value.hint or "")


def test_known_keys_of_a_newer_version_load(run: Run) -> None:
    record(run, nmt="99.1.0", config_version=CONFIG_VERSION)
    load_model(run, torch.device("cpu"))


def test_source_folder_compares_no_versions(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.version.own_version", lambda: UNKNOWN)
    record(run, nmt="0.1.0")
    run.config_file.write_text("data: [")
    with pytest.raises(StorageError, match="damaged"):
        _ = run.config
