"""`nmt config`, `nmt doctor`, and hints for the options of other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nmt.config.json_schema import schema_text


def test_config_show_prints_the_reference_file(nmt: Any) -> None:
    reference = Path("configs/reference.yaml").read_text(encoding="utf-8")
    assert nmt("config", "show") == (0, reference, "")


def test_config_show_prints_values_of_a_config(nmt: Any) -> None:
    arguments = ("training.seed", "--config", "demo", "--set", "training.seed=7")
    code, output, _ = nmt("config", "show", *arguments)
    assert code == 0
    assert "  seed: 7  # " in output
    assert output.endswith("default: 1\n")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["lr"], "no section or key lr", "did you mean training.learning_rate?"),
        (["--set", "training.seed=7"], "--set was given without --config", "add --config FILE"),
        (["--config", "none.yaml"], "config file none.yaml does not exist", ""),
    ],
)
def test_config_show_reports_errors(
    nmt: Any, arguments: list[str], message: str, hint: str
) -> None:
    code, output, messages = nmt("config", "show", *arguments)
    assert (code, output) == (2, "")
    assert message in messages
    assert hint in messages


def test_config_schema_is_printed_or_written(nmt: Any, tmp_path: Path) -> None:
    assert nmt("config", "schema", "--output", str(tmp_path / "s.json"))[0] == 0
    assert (tmp_path / "s.json").read_text() == schema_text()
    assert json.loads(schema_text())["title"] == "Config of nmt"
    code, _, messages = nmt("config", "schema", "--output", str(tmp_path / "no" / "s.json"))
    assert code == 5
    assert "cannot write" in messages


def test_doctor_reports_facts_and_checks(nmt: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("NMT_RUNS", str(tmp_path / "runs"))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to("gone")
    monkeypatch.setenv("COLUMNS", "200")
    code, output, _ = nmt("doctor")
    assert code == 0
    for title in ("nmt", "python", "cpu", "torch", "packages", "NMT_RUNS", "ok", "warn"):
        assert f"\n{title}: " in f"\n{output}"
    assert "latest points to gone" in output
    code, output, _ = nmt("doctor", "--json")
    report = json.loads(output)
    assert report["facts"]["memory"]
    assert not all(check["good"] for check in report["checks"])


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("translate --beam 5", "use --beam-size instead of --beam"),
        ("translate -beam_size 5", "use --beam-size instead of -beam_size"),
        ("translate -src a", "use --input instead of -src"),
        ("translate --n-best=3", "use --nbest instead of --n-best"),
        ("translate --lenpen 1", "use --length-penalty instead of --lenpen"),
        ("score -src a -tgt b", "use --source instead of -src"),
        ("train --data a", "set data.train in the config or with --set"),
        ("train --max-update 9", "(see nmt config show training.max_steps)"),
        ("train --save-dir a", "use --run-dir instead of --save-dir"),
        ("translate --no-such 1", "run nmt translate --help"),
        ("data check --lr 1", "set training.learning_rate in the config"),
    ],
)
def test_option_of_another_tool_has_a_hint(nmt: Any, command: str, hint: str) -> None:
    code, _, messages = nmt(*command.split())
    assert code == 2
    assert messages.split("\n")[1].startswith("hint: ")
    assert hint in messages.split("\n")[1]
