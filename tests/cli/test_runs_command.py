"""`nmt runs`, `nmt runs rm` and `nmt info --verify`."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from run_folders import flip_last_byte, write_run_folder

from nmt.terminal import display_width


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return $NMT_RUNS with the runs `done`, `half` and `bad`."""
    monkeypatch.setenv("NMT_RUNS", str(tmp_path))
    write_run_folder(tmp_path / "done")
    write_run_folder(tmp_path / "half", (10, 20), finished=False)
    write_run_folder(tmp_path / "bad").config_file.unlink()
    return tmp_path


def on_terminal(columns: int, *arguments: str, answer: str = "") -> str:
    """Return what `nmt` shows on a terminal of this width."""
    terminal, inner = pty.openpty()
    os.write(terminal, answer.encode())
    process = subprocess.Popen(
        [sys.executable, "-m", "nmt", *arguments],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env={**os.environ, "COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"},
    )
    os.close(inner)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 1 << 16)
        except OSError:  # Linux reports the end of the other side as an error.
            break
    process.wait(timeout=60)
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n")


def test_runs_lists_states_scores_and_commands(runs: Path, nmt: Any) -> None:
    code, output, messages = nmt("runs")
    assert (code, messages) == (0, "")
    lines = {line.split()[0]: line for line in output.split("\n") if line}
    assert lines["done"].split()[1:5] == ["done", "30", "30.00", "▁█▅"]
    assert lines["half"].split()[1:5] == ["interrupted", "20", "30.00", "▁█"]
    assert f"  nmt train --config {runs}/half/config.yaml\n" in output
    assert f"bad (damaged): {runs}/bad/config.yaml is missing\n" in output


@pytest.mark.parametrize("columns", [40, 80])
def test_list_of_runs_fits_the_terminal(runs: Path, columns: int) -> None:
    shown = on_terminal(columns, "runs")
    table = shown.partition("\n\n")[0].split("\n")
    assert len(table) > 3
    assert max(map(len, table)) <= columns
    assert "▁█▅" in shown


def test_columns_of_wide_names_are_aligned(runs: Path, nmt: Any) -> None:
    write_run_folder(runs / "日本語")
    table = nmt("runs")[1].partition("\n\n")[0].split("\n")
    before = [row.partition(" done ")[0] for row in table if " done " in row]
    assert len(before) == 2
    assert len({*map(display_width, before)}) == 1


def test_run_is_deleted_once_if_it_is_named_twice(runs: Path, nmt: Any) -> None:
    code, _, messages = nmt("runs", "rm", "half", str(runs / "half"), "--yes")
    assert (code, messages.count("deleted ")) == (0, 1)


def test_runs_in_json(runs: Path, nmt: Any) -> None:
    code, output, _ = nmt("runs", "--json")
    assert code == 0
    listed = json.loads(output, parse_constant=pytest.fail)
    assert listed["folder"] == str(runs)
    found = {run["name"]: run for run in listed["runs"]}
    assert {name: run["state"] for name, run in found.items()} == {
        "done": "done",
        "half": "interrupted",
        "bad": "damaged",
    }
    assert found["half"]["best"] == 30.0
    assert found["half"]["command"].startswith("nmt train --config ")
    assert found["done"]["command"] is None


def test_empty_folder_has_no_runs(
    tmp_path: Path, nmt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NMT_RUNS", str(tmp_path / "none"))
    code, output, messages = nmt("runs")
    assert (code, output) == (0, "")
    assert "no runs in" in messages
    assert json.loads(nmt("runs", "--json")[1])["runs"] == []


def test_rm_without_terminal_needs_yes(runs: Path, nmt: Any) -> None:
    code, _, messages = nmt("runs", "rm", "half")
    assert code == 2
    assert "add --yes" in messages
    assert (runs / "half").exists()
    code, output, messages = nmt("runs", "rm", "half", "bad", "--yes")
    assert (code, output) == (0, "")
    assert messages.count("deleted") == 2
    assert [path.name for path in runs.iterdir()] == ["done"]


@pytest.mark.parametrize("answer", ["y", "n"])
def test_rm_asks_on_a_terminal(runs: Path, answer: str) -> None:
    shown = on_terminal(80, "runs", "rm", "half", answer=f"{answer}\n")
    assert f"Delete {runs / 'half'}? [y/N]" in shown
    assert (runs / "half").exists() == (answer == "n")


def test_rm_deletes_nothing_if_one_name_is_wrong(runs: Path, nmt: Any) -> None:
    assert nmt("runs", "rm", "half", "none", "--yes")[0] == 2
    (runs / "done" / "mine").write_text("")
    assert nmt("runs", "rm", "half", "done", "--yes")[0] == 5
    assert (runs / "half").exists()


def test_rm_keep_best_deletes_checkpoints_only(runs: Path, nmt: Any) -> None:
    code, _, messages = nmt("runs", "rm", "done", "--keep-best", "--yes")
    assert code == 0
    assert "training cannot resume" in messages
    assert list((runs / "done" / "checkpoints").iterdir()) == []
    assert (runs / "done" / "model").exists()


def test_verify_reports_each_part(runs: Path, nmt: Any) -> None:
    code, output, messages = nmt("info", "done", "--verify")
    assert (code, messages) == (0, "")
    assert output.count(" ok ") == 7
    flip_last_byte(runs / "done" / "checkpoints" / "step-00000010" / "model.safetensors")
    code, output, _ = nmt("info", "done", "--verify")
    assert code == 0  # The oldest checkpoint is not needed.
    assert "step-00000010/model.safetensors is damaged" in output


def test_verify_ends_with_5_if_a_needed_part_is_damaged(runs: Path, nmt: Any) -> None:
    flip_last_byte(runs / "done" / "model" / "model.safetensors")
    code, output, messages = nmt("info", "done", "--verify")
    assert code == 5
    assert "model.safetensors is damaged" in output
    assert f"delete {runs / 'done' / 'model'}; this writes it again" in messages
    assert f"\nnmt train --config {runs / 'done' / 'config.yaml'}\n" in messages
    code, output, _ = nmt("info", "done", "--verify", "--json")
    assert code == 5
    damaged = [part for part in json.loads(output) if part["problem"]]
    assert [(part["name"], part["needed"]) for part in damaged] == [("model", True)]


def test_info_shows_machine_versions_and_time(runs: Path, nmt: Any) -> None:
    code, output, _ = nmt("info", "done")
    assert code == 0
    made = output.split("Made with\n")[1].split("\n\n")[0]
    assert "machine        a CPU, 2 cores" in made
    assert "training time  30m 00s" in made
