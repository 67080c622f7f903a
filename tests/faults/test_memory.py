"""Memory does not grow with use or with the length of lines; measured by the peak (VmHWM)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PEAK = """
import os, re, sys, threading
from pathlib import Path
def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""
CALLS = """
import torch
from nmt.decoding.translator import Translator
from nmt.training.pipeline import run_training
from tiny import text_config, write_digits
folder = Path.cwd()
write_digits(folder)
torch.set_num_threads(1)
translator = Translator.load(run_training(text_config(folder), folder / "run"), "cpu")
texts = [" ".join(["one two three"] * (1 + i % 7)) for i in range(2000)]
for text in texts[:200]:
    translator.translate([text])
before = peak()
for text in texts:
    translator.translate([text])
print(peak() - before)
"""
LINE_TO_TRANSLATE = """
from nmt.cli import common
reader, writer = os.pipe()
def feed():
    with os.fdopen(writer, "wb") as file:
        for _ in range(300):
            file.write(b"x" * (1 << 20))
before = peak()
threading.Thread(target=feed).start()
with os.fdopen(reader, "rb") as file:
    assert sum(map(len, common.line_groups(file))) == 1
print(peak() - before)
"""
LINE_TO_TRAIN_ON = """
from nmt.config import Config
from nmt.data.preparation import prepare_data
from tiny import text_config, write_digits
folder = Path.cwd()
write_digits(folder)
config = text_config(folder)
def prepare(name):
    return prepare_data(config, folder / name, folder / "t", lambda _: None, lambda: None).report
prepare("a")
before = peak()
for side in ("en", "de"):
    with (folder / f"train.{side}").open("a") as file:
        file.write("one " * 250_000 + "\\n")
assert prepare("b").splits["train"].dropped["too long"] == 1
print(peak() - before)
"""


@pytest.mark.faults
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("what", "program", "megabytes"),
    [
        ("2,000 translations: at most 20 MB", CALLS, 20),
        ("a line of 300 MB to nmt translate: at most 20 MB", LINE_TO_TRANSLATE, 20),
        ("a training pair of 1 MB: at most 100 MB", LINE_TO_TRAIN_ON, 100),
    ],
)
def test_memory_growth_stays_below_the_limit(
    what: str,
    program: str,
    megabytes: int,
    tmp_path: Path,
    record_fault: Callable[[str, int, int], None],
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PEAK + program],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1] / "training"),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown = int(done.stdout.split()[-1])
    record_fault(what, 1, int(grown <= megabytes * 1_000_000))
    assert grown <= megabytes * 1_000_000
