"""`nmt demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli import common


def demo(
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", "-o", metavar="DIR", help="Run folder. Default: runs/demo."),
    ] = None,
) -> None:
    """Train on the built-in English-German corpus, evaluate, and translate, in a few minutes.

    Each command is printed before it runs. On a terminal, the demo ends at a prompt that translates
    what you type.

    Example: nmt demo
    """
    from nmt.phrasebook import DEMO
    from nmt.runs import runs_folder

    folder = str(run_dir or runs_folder() / "demo")
    common.run_command("train", "--config", "demo", "--run-dir", folder)
    common.run_command("evaluate", "--model", folder)
    common.run_command("translate", "--model", folder, *DEMO)
    if sys.stdin.isatty() and sys.stdout.isatty():
        common.run_command("translate", "--model", folder)
