"""The house rules: which part may import which, what is never called, what must stay fast."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "nmt"
FILES = sorted(PACKAGE.rglob("*.py"))

# What each part of the package may import of the others: arrows run from left to right of
# cli -> training -> evaluation | decoding | inspection | data -> runs -> tokenizer | model ->
# storage | devices | config_file -> config -> errors.
ALLOWED = {
    "errors": "",
    "config": "errors",
    "config_file": "config errors",
    "storage": "errors",
    "devices": "errors",
    "text": "errors",
    "phrasebook": "",
    "tokenizer": "config errors storage text",
    "model": "errors",
    "runs": "config config_file errors model storage tokenizer",
    "data": "config errors phrasebook runs storage text tokenizer",
    "decoding": "config errors text model devices runs tokenizer",
    "evaluation": "config data decoding errors devices runs tokenizer",
    "inspection": "config text phrasebook data decoding errors model devices runs tokenizer",
    "training": "config config_file data decoding errors evaluation model devices runs storage "
    "tokenizer",
    "cli": "config config_file text data decoding errors evaluation inspection model devices runs "
    "storage tokenizer training",
    "": "config decoding runs",  # nmt/__init__.py
    "__main__": "cli",
    # More than its folder may: the only file of the model that knows the config.
    "model/__init__.py": "config errors",
}
HEAVY = ("torch", "numpy", "datasets", "pyarrow", "sentencepiece", "sacrebleu", "tqdm", "rich")

BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "yaml", "joblib"}
BANNED_CALLS = {"eval", "exec", "compile", "__import__"}
BANNED_ATTRIBUTES = {
    ("torch", "load"),
    ("torch", "save"),
    ("os", "system"),
    ("os", "popen"),
    ("np", "load"),
    ("numpy", "load"),
}
BANNED_ARGUMENTS = {"shell", "trust_remote_code", "allow_pickle"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part_of(path: Path) -> str:
    """`model` of nmt/model/layers.py, `runs` of nmt/runs.py, nothing of nmt/__init__.py."""
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if part == "__init__" else part


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(path)
    allowed = ALLOWED.get(name_of(path), ALLOWED[part]).split()
    for line, name in imports_of(path):
        if not name.startswith("nmt."):
            continue
        inner = name.removeprefix("nmt.") + "."
        own = part and inner.startswith(f"{part}.")
        assert own or any(inner.startswith(f"{other}.") for other in allowed), (
            f"{path}:{line} imports {name}; {part or 'nmt'} may import {', '.join(allowed)}"
        )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_dangerous_is_called(path: Path) -> None:
    for line, name in imports_of(path):
        assert name.split(".")[0] not in BANNED_MODULES, f"{path}:{line} imports {name}"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        place = f"{path}:{node.lineno}"
        for keyword in node.keywords:
            assert keyword.arg not in BANNED_ARGUMENTS, f"{place} passes {keyword.arg}"
        function = node.func
        if isinstance(function, ast.Name):
            assert function.id not in BANNED_CALLS, f"{place} calls {function.id}"
        elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            called = (function.value.id, function.attr)
            assert called not in BANNED_ATTRIBUTES, f"{place} calls {'.'.join(called)}"


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize("module", ["nmt", "nmt.cli", "nmt.config_file", "nmt.runs"])
def test_an_import_loads_nothing_heavy(module: str) -> None:
    loaded = python(f"import sys, {module}; print(*sys.modules)").split()
    assert not set(HEAVY) & set(loaded)


def test_the_command_line_imports_no_config_before_a_command_runs() -> None:
    loaded = python("import sys, nmt.cli; print(*sys.modules)").split()
    assert not {"pydantic", "ruamel.yaml", "nmt.config"} & set(loaded)


def test_help_loads_nothing_heavy_and_is_instant() -> None:
    show_help = "import sys, atexit, nmt.cli; sys.argv = ['nmt', '--help']; "
    at_exit = "atexit.register(lambda: print(*sys.modules)); "
    loaded = python(f"{show_help}{at_exit}nmt.cli.main()").split("\n")[-2].split()
    assert "nmt.cli.train" in loaded
    assert not set(HEAVY) & set(loaded)
    seconds = []
    for _ in range(3):
        before = os.times()
        python(f"{show_help}nmt.cli.main()")
        after = os.times()
        seconds.append(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )
    assert min(seconds) < 0.4
