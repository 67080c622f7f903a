"""States, scores and sizes in the list of runs."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from run_folders import flip_last_byte, write_run_folder

from nmt import storage
from nmt.manage.overview import overview, overviews
from nmt.runs import Run, locked

GOOD = "; the last good checkpoint is step 30"


def test_finished_run_is_done_with_its_best_score(tmp_path: Path) -> None:
    about = overview(write_run_folder(tmp_path / "run"))
    assert (about.state, about.step, about.detail) == ("done", 30, "")
    assert (about.best, about.best_step, about.metric) == (30.0, 20, "bleu")
    assert about.bleu == [10.0, 30.0, 20.0]
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert about.bytes == sum(path.stat().st_size for path in files)
    assert about.command is None


def test_best_validation_by_loss_is_the_lowest(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run")
    facts = {"config": {"training": {"valid_metric": "loss"}}}
    storage.write_folder(run.model_folder, {"model.safetensors": b"weights"}, facts)
    losses = {10: 3.0, 20: 1.5, 30: 2.0}
    records = [{"event": "valid", "step": step, "nll": nll} for step, nll in losses.items()]
    run.metrics_file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    about = overview(run)
    assert (about.best, about.best_step, about.metric) == (1.5, 20, "loss")


@pytest.mark.parametrize(
    ("log", "state", "detail"),
    [
        ("stopped at step 30", "interrupted", ""),
        (f"error: 10 updates in a row{GOOD}", "diverged", f"10 updates in a row{GOOD}"),
        ("error: cannot write x", "failed", "cannot write x"),
    ],
)
def test_end_of_the_log_tells_why_a_run_ended(
    tmp_path: Path, log: str, state: str, detail: str
) -> None:
    about = overview(write_run_folder(tmp_path / "run", finished=False, log=log))
    assert (about.state, about.detail, about.step) == (state, detail, 30)
    assert about.command == f"nmt train --config {tmp_path / 'run' / 'config.yaml'}"


def test_run_without_checkpoint_is_interrupted(tmp_path: Path) -> None:
    about = overview(write_run_folder(tmp_path / "a run", (), finished=False))
    assert (about.state, about.step, about.best) == ("interrupted", 0, None)
    assert about.command
    command = ["nmt", "train", "--config", str(tmp_path / "a run" / "config.yaml")]
    assert shlex.split(about.command) == command


def test_checkpoint_after_the_model_means_that_training_went_further(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run", (10, 20))
    run.checkpoint(20).rename(run.path / "kept")
    model = write_run_folder(tmp_path / "other", (10,)).model_folder
    run.model_folder.rename(run.path / "old")
    model.rename(run.model_folder)
    assert overview(run).state == "done"
    (run.path / "kept").rename(run.checkpoint(20))
    assert (overview(run).state, overview(run).step) == ("interrupted", 20)


def test_locked_run_is_running_at_the_step_of_its_last_record(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run", (10, 20), finished=False)
    with run.metrics_file.open("a") as file:
        file.write(json.dumps({"event": "train", "step": 27}) + "\n")
    with locked(run):
        assert (overview(run).state, overview(run).step) == ("running", 27)
    assert overview(run).state == "interrupted"


def test_looking_at_a_run_leaves_it_unlocked(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run")
    overview(run)
    with locked(run):
        pass


def test_training_can_start_while_a_run_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is taken for an instant to see whether a run is in use."""
    run = write_run_folder(tmp_path / "run")
    with run.lock_file.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        monkeypatch.setattr("time.sleep", lambda _: file.close())
        with locked(run):
            pass


def test_damaged_folders_are_listed_with_the_damage(tmp_path: Path) -> None:
    def write(name: str) -> Run:
        return write_run_folder(tmp_path / name)

    flip_last_byte(write("manifest").model_folder / "manifest.json")
    with (write("shorter").checkpoint(10) / "model.safetensors").open("ab") as file:
        file.truncate(5)
    write("no config").config_file.unlink()
    write("binary").metrics_file.write_bytes(b"\xff\x00{" * 100)
    write("deep").metrics_file.write_text('{"event": "valid", "step": ' + "[" * 100_000)
    write("large").metrics_file.write_text(f'{{"event": "valid", "step": 1, "bleu": {"9" * 400}}}')
    for name in ("lock", "train.log", "metrics.jsonl"):
        (write(name).path / name).unlink()
        os.mkfifo(tmp_path / name / name)
    (tmp_path / "link").symlink_to("missing")
    (tmp_path / "latest").symlink_to("binary")
    (tmp_path / "notes").mkdir()
    (tmp_path / ".tmp-old-run").mkdir()
    (tmp_path / "file").write_text("")
    found = {about.run.path.name: about for about in overviews(tmp_path)}
    assert {name: about.state for name, about in found.items()} == {
        "manifest": "damaged",
        "shorter": "damaged",
        "no config": "damaged",
        "binary": "done",
        "deep": "done",
        "large": "done",
        "lock": "done",
        "train.log": "done",
        "metrics.jsonl": "done",
        "link": "damaged",
    }
    assert found["manifest"].bytes > 1000
    assert "manifest.json is damaged" in found["manifest"].detail
    assert "model.safetensors is damaged: 5 instead of 1,300 bytes" in found["shorter"].detail
    assert "config.yaml is missing" in found["no config"].detail
    assert "a link to missing, which is not a folder" in found["link"].detail


def test_run_of_a_newer_version_is_listed_as_newer(tmp_path: Path) -> None:
    from nmt import storage

    run = write_run_folder(tmp_path / "run")
    storage.write_folder(run.model_folder, {}, {"config_version": 1000, "nmt": "9.0"})
    assert overview(run).state == "newer"
    assert "9.0" in overview(run).detail


def test_runs_are_sorted_by_their_last_change(tmp_path: Path) -> None:
    for name, age in (("old", 300), ("newest", 100), ("older", 200)):
        run = write_run_folder(tmp_path / name)
        for path in run.path.iterdir():
            os.utime(path, (10_000 - age, 10_000 - age))
    assert [about.run.path.name for about in overviews(tmp_path)] == ["newest", "older", "old"]
    assert overviews(tmp_path / "missing") == []


def test_listing_loads_no_heavy_modules(tmp_path: Path) -> None:
    write_run_folder(tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; from nmt.manage.overview import overviews; "
        "assert overviews(Path(sys.argv[1]))[0].state == 'done'; print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert not {"torch", "numpy", "pydantic", "ruamel.yaml"} & set(done.stdout.split())
