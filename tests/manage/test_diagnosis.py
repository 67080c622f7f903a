"""The report of `nmt doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from run_folders import write_run_folder

from nmt import machine
from nmt.manage.diagnosis import anonymous, checks, facts


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NMT_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def problems() -> list[str]:
    return [check.text for check in checks() if not check.good]


def test_report_names_versions_machine_and_variables(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = facts()
    assert torch.__version__ in found["torch"]
    assert machine.cpu_model() in found["cpu"]
    assert f"numpy {machine.installed('numpy')}" in found["packages"]
    assert found["CUDA_VISIBLE_DEVICES"] == ""
    assert "PATH" not in found


def test_broken_torch_is_reported(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert facts()["torch"] == machine.installed("torch")
    assert any(text.startswith("torch cannot be imported: ") for text in problems())


def test_report_has_no_secrets_and_no_name_of_the_user(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("NMT_API_TOKEN", "hunter2")
    monkeypatch.setenv("NMT_RUNS", "/home/ada/runs")
    found = facts()
    assert found["NMT_API_TOKEN"] == "(hidden)"
    assert found["NMT_RUNS"] == "~/runs"
    assert "ada" not in str(found).lower().replace("metadata", "")
    assert anonymous("/home/ada2/x /scratch/ada/runs ada") == "/home/ada2/x /scratch/USER/runs ada"


def test_sound_runs_folder_has_no_problems(runs: Path) -> None:
    write_run_folder(runs / "a")
    (runs / "latest").symlink_to("a")
    assert not [text for text in problems() if "runs" in text]
    assert f"1 run in {runs}, none damaged" in [check.text for check in checks()]


def test_problems_of_the_runs_folder_are_reported(runs: Path) -> None:
    write_run_folder(runs / "a").config_file.unlink()
    (runs / "latest").symlink_to("gone")
    (runs / ".tmp-old-b").mkdir()
    found = "\n".join(problems())
    assert "latest points to gone, which does not exist" in found
    assert ".tmp-old-b is left from an interrupted command" in found
    assert "damaged: a; see nmt runs" in found


def test_missing_package_and_compiler_are_reported(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "requirements", lambda *_: ["numpy", "no-such-package"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = "\n".join(problems())
    assert "packages are missing: no-such-package" in found
    assert "no C++ compiler" in found


def test_folder_without_write_permission_is_reported(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    assert any(text.startswith("cannot write to") for text in problems())


def test_requirements_of_extras_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {
        "nmt": ["torch>=2", 'sacrebleu[ja]; extra == "ja"', "x ; extra == 'dev'"],
        "sacrebleu": ["numpy", 'mecab>=1; extra == "ja"'],
    }
    monkeypatch.setattr("importlib.metadata.requires", lines.get)
    assert machine.requirements("nmt") == ["torch"]
    assert machine.requirements("nmt", "ja") == ["mecab"]
