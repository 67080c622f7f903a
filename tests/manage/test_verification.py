"""Checking the checksums of a run folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from run_folders import flip_last_byte, write_run_folder

from nmt.manage.verification import Part, verify_run
from nmt.runs import Run


def by_name(run: Run) -> dict[str, Part]:
    return {part.name: part for part in verify_run(Run(run.path))}


def write_cache(run: Run) -> Path:
    """Write a data cache of one file, and return the file."""
    run.data_folder.mkdir()
    file = run.data_folder / "train.arrow"
    file.write_bytes(b"ids")
    cache = {"sha256": {"train": hashlib.sha256(b"ids").hexdigest()}}
    checksum = hashlib.sha256(json.dumps(cache, sort_keys=True).encode()).hexdigest()
    content = {"checksum": checksum, "cache": cache}
    (run.data_folder / "cache.json").write_text(json.dumps(content))
    return file


def test_intact_run_has_no_problems(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run")
    write_cache(run)
    found = by_name(run)
    assert list(found) == [
        "config.yaml",
        "tokenizer",
        "model",
        *(f"checkpoints/step-000000{step}" for step in (30, 20, 10)),
        "data",
        "metrics.jsonl",
    ]
    assert not any(part.problem for part in found.values())
    assert [name for name, part in found.items() if part.needed] == list(found)[:3]


def test_newest_and_best_checkpoint_of_an_unfinished_run_are_needed(tmp_path: Path) -> None:
    found = by_name(write_run_folder(tmp_path / "run", finished=False))
    uses = {name: part.use for name, part in found.items() if name.startswith("checkpoints")}
    assert list(uses.values()) == ["resuming", "translation", "spare"]
    assert [found[name].needed for name in uses] == [True, True, False]


@pytest.mark.parametrize(
    ("damaged", "part", "message"),
    [
        ("model/model.safetensors", "model", "model.safetensors is damaged: its checksum"),
        ("model/manifest.json", "model", "manifest.json is damaged"),
        ("checkpoints/step-00000010/state.json", "checkpoints/step-00000010", "state.json is dam"),
        ("tokenizer/shared.model", "tokenizer", "(shared.model) is damaged"),
        ("data/train.arrow", "data", "train.arrow is damaged"),
        ("data/cache.json", "data", "cache.json is damaged"),
    ],
)
def test_flipped_bit_is_found_in_its_part_only(
    tmp_path: Path, damaged: str, part: str, message: str
) -> None:
    run = write_run_folder(tmp_path / "run")
    write_cache(run)
    flip_last_byte(run.path / damaged)
    problems = {name: found.problem for name, found in by_name(run).items() if found.problem}
    assert list(problems) == [part]
    assert message in problems[part]


def test_missing_file_and_short_file_are_found(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run")
    (run.checkpoint(20) / "model.safetensors").write_bytes(b"short")
    (run.model_folder / "model.safetensors").unlink()
    found = by_name(run)
    assert "5 instead of 1,300 bytes" in (found["checkpoints/step-00000020"].problem or "")
    assert "No such file" in (found["model"].problem or "")


def test_damaged_config_and_line_of_the_metrics_are_found(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run")
    run.config_file.write_text("data: [")
    with run.metrics_file.open("a") as file:
        file.write('{"event": "tr')
    found = by_name(run)
    assert "damaged config of a run" in (found["config.yaml"].problem or "")
    assert "damaged in line 7" in (found["metrics.jsonl"].problem or "")
    assert not found["metrics.jsonl"].needed


def test_fifo_instead_of_a_file_is_a_problem_and_does_not_block(tmp_path: Path) -> None:
    import os

    run = write_run_folder(tmp_path / "run")
    (run.model_folder / "model.safetensors").unlink()
    os.mkfifo(run.model_folder / "model.safetensors")
    assert "not a regular file" in (by_name(run)["model"].problem or "")
