"""Run folders without weights, for tests of commands that do not load a model."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

from nmt import storage
from nmt.config import Config
from nmt.config.writing import dump_config, write_config_file
from nmt.runs import Run, tokenizer_digest

CONFIG = Config.model_validate(
    {
        "data": {"train": {"builtin": "phrasebook"}, "valid": {"builtin": "phrasebook"}},
        "training": {"max_steps": 30},
    }
)


@patch("os.fsync", lambda descriptor: None)
def write_run_folder(
    path: Path, steps: tuple[int, ...] = (10, 20, 30), *, finished: bool = True, log: str = ""
) -> Run:
    """Write a run with a checkpoint at each step, of which the second is the best.

    log: the last line of train.log.
    """
    run = Run(path)
    path.mkdir(parents=True)
    write_config_file(run.config_file, dump_config(CONFIG))
    storage.write_folder(run.tokenizer_folder, {"shared.model": b"pieces"}, {})
    facts = {
        "nmt": "0.1.0",
        "config": CONFIG.model_dump(),
        "tokenizer": tokenizer_digest(run.tokenizer_folder),
        "machine": "a CPU, 2 cores",
    }
    best, records = 0, []
    for number, step in enumerate(steps):
        place = {"step": step, "epoch": 1, "seconds": step * 60.0}
        records.append({"event": "train", **place, "loss": 2.0})
        records.append({"event": "valid", **place, "loss": 1.0, "bleu": (10.0, 30.0, 20.0)[number]})
        best = steps[min(number, 1)]
        contents = {
            "model.safetensors": f"weights of {step}".encode() * 100,
            "state.json": json.dumps({"best_step": best}).encode(),
        }
        storage.write_folder(run.checkpoint(step), contents, {**facts, "step": step})
    run.metrics_file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    run.log_file.write_text(f"2026-11-26 20:00:00 started\n2026-11-26 20:00:01 {log}\n")
    run.lock_file.write_text("1\n")
    if finished:
        contents = {"model.safetensors": f"weights of {best}".encode()}
        storage.write_folder(run.model_folder, contents, {**facts, "step": steps[-1]})
    return run


def flip_last_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
