"""Commands load only the modules that they need, so that they start quickly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from untrained import write_run

CONFIGS = Path(__file__).parents[2] / "configs"
PROGRAM = """
import atexit, sys
from nmt.cli import main
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
main()
"""
COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}
DATA = {"datasets", "pyarrow", "pandas", "sacrebleu", "tensorboard", "matplotlib"}
HEAVY = {"torch", "numpy", "sentencepiece", "tqdm", *DATA}


def loaded(*arguments: str | Path, code: int = 0) -> set[str]:
    """Return the modules that `nmt` with these arguments has loaded when it exits with `code`."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr[:1000]
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["translate", "--help"], ["train", "--help"], ["--version"]]
)
def test_help_loads_no_heavy_modules(arguments: list[str]) -> None:
    assert not loaded(*arguments) & {*HEAVY, "nmt.config", "ruamel.yaml", "safetensors"}


def test_config_and_run_errors_load_no_heavy_modules(tmp_path: Path) -> None:
    wrong = loaded("train", "--config", CONFIGS / "demo.yaml", "--set", "no.such=key", code=2)
    assert "nmt.config" in wrong
    assert not wrong & HEAVY
    assert not loaded("translate", "a", "--model", tmp_path / "none", code=2) & HEAVY


def test_evaluating_text_files_does_not_load_torch(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("the dog runs .\na tree\n")
    scoring = loaded("evaluate", "--hypothesis", text, "--reference", text)
    assert "sacrebleu" in scoring
    assert not scoring & {"torch", "sentencepiece", *DATA - {"sacrebleu"}}


@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_translation_loads_no_compiler_and_no_data_libraries(
    tmp_path: Path, architecture: str
) -> None:
    write_run(tmp_path / "run", architecture=architecture)
    translating = loaded("translate", "the dog runs .", "--model", tmp_path / "run")
    assert "torch" in translating
    assert not translating & (COMPILER | DATA)
