"""`nmt demo`."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer


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
    _run("train", "--config", "demo", "--run-dir", folder)
    _run("evaluate", "--model", folder)
    _run("translate", "--model", folder, *DEMO)
    if sys.stdin.isatty() and sys.stdout.isatty():
        _run("translate", "--model", folder)


def _run(*arguments: str) -> None:
    """Print and run a command of nmt; exit with its code if it fails."""
    shown = [f'"{word}"' if " " in word else shlex.quote(word) for word in arguments]
    print(f"\n$ nmt {' '.join(shown)}", file=sys.stderr, flush=True)
    # Ctrl-C also reaches the command, which saves its state; this process waits for it. SIG_IGN
    # would be inherited by the command, a handler is not.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with subprocess.Popen([sys.executable, "-m", "nmt", *arguments]) as command:
            try:
                code = command.wait()
            except BaseException:  # SIGTERM or SIGHUP, see `nmt.cli.main`.
                command.terminate()
                raise
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise typer.Exit(code if code > 0 else 128 - code)
