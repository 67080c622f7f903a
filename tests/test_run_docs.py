"""The program that runs the commands of the documentation, and their options."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from nmt.cli import app

ROOT = Path(__file__).parents[1]
PAGES = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))

EXAMPLE = """\
    nmt info runs/a    # indented
    text that is not a command

```sh
# a comment
nmt train a.yaml \\
    --set b=1 | tail
   nmt runs
```

```console
$ nmt translate --model runs/both "x"
error: the model has several target languages
$ make demo
done
```

```python
nmt.load("runs/demo")
```
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))


def test_commands_of_a_page_are_found() -> None:
    from run_docs import commands

    found = list(commands("page.md", EXAMPLE))
    assert [(command.line, command.text) for command in found] == [
        (1, "nmt info runs/a    # indented"),
        (6, "nmt train a.yaml \\\n    --set b=1 | tail"),
        (8, "nmt runs"),
        (12, 'nmt translate --model runs/both "x"'),
        (14, "make demo"),
    ]
    assert [command.line for command in found if command.fails] == [12]
    assert [command.line for command in found if command.skipped] == [14]


def documented_calls() -> list[tuple[str, list[str]]]:
    """Return the page and the words of each `nmt` command, in blocks and in sentences."""
    from run_docs import commands

    calls = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [command.text.replace("\\\n", " ") for command in commands(page.name, text)]
        lines += re.findall(r"`(nmt [a-z][^`\n]*)`", text)
        for part in itertools.chain.from_iterable(line.split("|") for line in lines):
            program, *words = shlex.split(part, comments=True)
            if program.removeprefix(".venv/bin/") == "nmt":
                calls.append((page.name, words))
    return calls


def test_documented_commands_and_options_exist() -> None:
    """Every command in the documentation exists and has the options that follow it."""
    root: Any = typer.main.get_command(app)
    calls = documented_calls()
    assert len(calls) > 80
    for page, words in calls:
        command = root
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert command is not root, f"{page}: nmt {' '.join(words)}"
        known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
        used = {word.partition("=")[0] for word in words if re.match(r"-+[a-z]", word)}
        assert used <= known, f"{page}: {command.name} has no {used - known}"
