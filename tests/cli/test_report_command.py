"""The command `nmt report`: files, messages and exit codes. tests/report checks the page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from run_folders import write_run_folder
from untrained import LINES, write_run

from nmt.runs import Run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return an untrained run whose validation set is two text files."""
    monkeypatch.chdir(tmp_path)
    for side in ("en", "de"):
        Path(f"text.{side}").write_text("".join(f"{line}\n" for line in LINES if line.strip()))
    write_run(Path("run"))
    run = Run(Path("run"))
    text = run.config_file.read_text()
    built_in = "    - builtin: phrasebook\n      split: null\n"
    run.config_file.write_text(
        text.replace(built_in, "    - source: text.en\n      target: text.de\n")
    )
    return run


def test_report_is_written_to_the_working_folder(nmt: Any, run: Run) -> None:
    code, output, messages = nmt("report", "run")
    assert (code, output) == (0, "")
    assert messages.splitlines()[-1] == "wrote run-report.html"
    page = Path("run-report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "Validation set, 3 sentences" in page


def test_report_on_standard_output(nmt: Any, run: Run) -> None:
    code, output, messages = nmt("report", "run", "-o", "-", "--worst", "0")
    assert code == 0
    assert output.startswith("<!doctype html>")
    assert output.endswith("</html>")
    assert "wrote" not in messages


def test_report_of_a_run_without_weights_warns(nmt: Any, run: Run) -> None:
    (run.model_folder / "model.safetensors").unlink()
    code, _, messages = nmt("report", "run", "-o", "a.html")
    assert code == 0
    assert "warning: Nothing was translated for this report: " in messages
    assert "Nothing was translated for this report: " in Path("a.html").read_text()


def test_report_without_translation_loads_no_model(
    nmt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run_folder(Path("made"))
    code, _, messages = nmt("report", "made", "--no-translate", "-o", "a.html")
    assert (code, messages) == (0, "wrote a.html\n")
    assert "--no-translate" in Path("a.html").read_text()


def test_report_does_not_replace_data_or_parts_of_the_runs(nmt: Any, run: Run) -> None:
    write_run_folder(Path("other"))
    before = Path("text.en").read_bytes()
    for output in ("text.en", "run/config.yaml", "other/config.yaml", "other/model/x.html"):
        code, _, messages = nmt("report", "run", "--against", "other", "-o", output)
        assert code == 2
        assert "choose another output file" in messages
    assert Path("text.en").read_bytes() == before


def test_missing_matplotlib_is_reported_before_translating(
    nmt: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    code, _, messages = nmt("report", "run")
    assert code == 2
    assert messages.endswith("hint: run python -m pip install 'nmt[plot]'\n")
    assert not Path("run-report.html").exists()


def test_unknown_run_is_a_usage_error(nmt: Any, run: Run) -> None:
    assert nmt("report", "nothing")[0] == 2
    assert nmt("report", "run", "--against", "nothing")[0] == 2


def test_output_that_cannot_be_written_is_reported_before_translating(
    nmt: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.report.testing.evaluate_runs", lambda *_: pytest.fail("translated"))
    code, _, messages = nmt("report", "run", "-o", "missing/a.html")
    assert code == 5
    assert "missing/a.html: No such file or directory" in messages
