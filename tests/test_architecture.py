"""Rules of the code: imports between parts, no import cycles, no dangerous calls, fast start."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "nmt"
FILES = sorted(PACKAGE.rglob("*.py"))

# All imports between two parts of the package. A part is a module or a folder; `nmt` is
# nmt/__init__.py. Imports inside functions and for type checking count.
ARROWS = {
    "__main__": "cli",
    "bars": "terminal",
    "charts": "errors",
    "cli": "bars charts config data decoding devices errors evaluation inspection languages "
    "loading manage nmt phrasebook planning reading report runs storage tables terminal text "
    "tokenizer training",
    "config": "errors languages storage text version",
    "data": "bars config errors languages model phrasebook reading storage tables text tokenizer",
    "decoding": "config data devices errors kernels languages loading model runs text tokenizer",
    "devices": "errors",
    "errors": "",
    "evaluation": "bars data decoding errors languages reading runs storage tables text",
    "inspection": "bars charts config data decoding errors languages model phrasebook terminal "
    "text tokenizer",
    "kernels": "model tokenizer",
    "languages": "errors",
    "loading": "config errors kernels model runs storage",
    "machine": "",
    "manage": "data errors machine runs storage text version",
    "model": "",
    "nmt": "config decoding runs version",
    "phrasebook": "",
    "planning": "config data devices errors languages storage text tokenizer",
    "reading": "errors",
    "report": "charts config data decoding errors evaluation inspection languages manage nmt runs "
    "storage text training",
    "runs": "config errors storage tokenizer version",
    "storage": "errors version",
    "tables": "terminal",
    "terminal": "",
    "text": "",
    "tokenizer": "bars config errors storage",
    "training": "bars config data decoding devices errors evaluation kernels languages loading "
    "machine model nmt runs storage terminal text tokenizer version",
    "version": "errors",
}

HEAVY = (
    "torch",
    "numpy",
    "datasets",
    "pyarrow",
    "sentencepiece",
    "sacrebleu",
    "tqdm",
    "rich",
    "regex",
    "wcwidth",
    "jinja2",
    "matplotlib",
)

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


def part_of(name: str) -> str:
    """Return `model` for model/layers.py, `runs` for runs.py and `nmt` for __init__.py."""
    part = name.split("/")[0].removesuffix(".py")
    return "nmt" if part == "__init__" else part


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and full name of everything that a file imports, also in functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: use an absolute import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def file_of(imported: str) -> str | None:
    """Return the file that defines an imported name: a module, or a package's __init__.py."""
    first, *rest = imported.split(".")
    if first != "nmt":
        return None
    for length in range(len(rest), -1, -1):
        path = PACKAGE.joinpath(*rest[:length])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file() and file.is_relative_to(PACKAGE):
                return name_of(file)
    raise AssertionError(f"{imported} does not exist")


@cache
def file_imports() -> dict[str, set[str]]:
    """Return the files of the package that each file imports."""
    return {
        name_of(path): {file for _, name in imports_of(path) if (file := file_of(name))}
        for path in FILES
    }


@cache
def part_imports() -> dict[str, set[str]]:
    """Return the parts of the package that each part imports, except itself."""
    arrows: dict[str, set[str]] = {part_of(file): set() for file in file_imports()}
    for file, imported in file_imports().items():
        arrows[part_of(file)] |= {part_of(other) for other in imported} - {part_of(file)}
    return arrows


def cycles(graph: Mapping[str, set[str]]) -> set[str]:
    """Return the nodes that are part of a cycle."""

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += graph[node]
        return seen

    return {node for node in graph if node in reachable(node)}


def test_imports_between_parts_equal_the_declared_ones() -> None:
    declared = {part: set(imported.split()) for part, imported in ARROWS.items()}
    found = part_imports()
    problems = [f"{part} is not declared" for part in found.keys() - declared]
    problems += [f"{part} does not exist" for part in declared.keys() - found]
    for part in sorted(found.keys() & declared):
        problems += [f"{part} -> {other} is not declared" for other in found[part] - declared[part]]
        problems += [f"{part} -> {other} is not used" for other in declared[part] - found[part]]
    assert not problems, "change ARROWS or the imports:\n" + "\n".join(problems)


def test_parts_have_no_circular_imports() -> None:
    assert cycles(part_imports()) == set()


def test_files_have_no_circular_imports() -> None:
    assert cycles(file_imports()) == set()


def test_cycles_returns_the_nodes_of_a_cycle() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {"b", "c"}


def test_model_imports_only_torch_and_itself() -> None:
    allowed = {*sys.stdlib_module_names, "torch"}
    found = {
        f"{name_of(path)}: {name}"
        for path in FILES
        if part_of(name_of(path)) == "model"
        for _, name in imports_of(path)
        if name.split(".")[0] not in allowed and not name.startswith("nmt.model")
    }
    assert found == set()


def test_commands_do_not_import_each_other() -> None:
    for file, imported in file_imports().items():
        if part_of(file) == "cli" and file != "cli/__init__.py":
            shared = {"cli/common.py", "cli/prompt.py"}
            assert {other for other in imported if part_of(other) == "cli"} <= shared


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_code_makes_no_dangerous_calls(path: Path) -> None:
    for line, name in imports_of(path):
        assert name.split(".")[0] not in BANNED_MODULES, f"{path}:{line} imports {name}"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        location = f"{path}:{node.lineno}"
        for keyword in node.keywords:
            assert keyword.arg not in BANNED_ARGUMENTS, f"{location} passes {keyword.arg}"
        function = node.func
        if isinstance(function, ast.Name):
            assert function.id not in BANNED_CALLS, f"{location} calls {function.id}"
        elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            called = (function.value.id, function.attr)
            assert called not in BANNED_ATTRIBUTES, f"{location} calls {'.'.join(called)}"


def python(code: str) -> str:
    """Return what a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize(
    "module", ["nmt", "nmt.cli", "nmt.config", "nmt.config.loading", "nmt.runs"]
)
def test_import_loads_no_heavy_modules(module: str) -> None:
    loaded = python(f"import sys, {module}; print(*sys.modules)").split()
    assert not set(HEAVY) & set(loaded)


def test_command_line_imports_no_config_before_a_command_runs() -> None:
    loaded = python("import sys, nmt.cli; print(*sys.modules)").split()
    assert not {"pydantic", "ruamel.yaml", "nmt.config"} & set(loaded)


def test_help_loads_no_heavy_modules_and_is_fast() -> None:
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
