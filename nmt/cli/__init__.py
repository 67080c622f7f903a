"""The command line: names of the commands, and reporting of errors.

Command functions import what is slow to load, so that `nmt --help` is fast.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from nmt.cli.align import align
from nmt.cli.attention import attention
from nmt.cli.average import average
from nmt.cli.config import schema, show
from nmt.cli.data import check
from nmt.cli.demo import demo
from nmt.cli.doctor import doctor
from nmt.cli.evaluate import evaluate
from nmt.cli.finetune import finetune
from nmt.cli.info import info
from nmt.cli.init import init
from nmt.cli.report import report
from nmt.cli.runs import rm, runs
from nmt.cli.score import score
from nmt.cli.tokenize import detokenize, tokenize
from nmt.cli.train import train
from nmt.cli.translate import translate
from nmt.errors import NmtError
from nmt.text import escape

BROKEN_PIPE = 141  # exit code that a shell reports for a program that SIGPIPE ended


class _Commands(TyperGroup):
    """All commands, listed under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        width = max(map(len, self.commands), default=0)
        for name, command in self.commands.items():
            row = (name.ljust(width), command.get_short_help_str(limit=100))
            panels.setdefault(getattr(command, "rich_help_panel", "Commands"), []).append(row)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # typer would return exit code 1.
            return BROKEN_PIPE


app = typer.Typer(
    name="nmt",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from nmt import __version__

        print(f"nmt {__version__}")
        raise typer.Exit


@app.callback()
def _nmt(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Train neural machine translation models, translate with them, and evaluate them."""


def _group(
    panel: str, name: str, summary: str, **commands: tuple[str, Callable[..., None]]
) -> None:
    """Add a group of commands, such as `nmt data`, whose summary is also its help."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
    for inner, (help_text, command) in commands.items():
        group.command(inner, short_help=help_text)(command)
    group.callback()(lambda: None)
    app.add_typer(group, name=name, rich_help_panel=panel, short_help=summary, help=summary)


def _add(panel: str, summary: str, command: Callable[..., None]) -> None:
    app.command(rich_help_panel=panel, short_help=summary)(command)


_group(
    "Train",
    "data",
    "Check parallel data before training: `nmt data check`.",
    check=("Report the contents of a config's data, and their problems.", check),
)
_add("Train", "Train on the built-in corpus, evaluate and translate.", demo)
_add("Train", "Write a config for your own data.", init)
_add("Train", "Train a model from a config file, or resume training.", train)
_add("Train", "Train a run further on your own pairs.", finetune)
_add("Train", "Average checkpoints, or several runs, into one model.", average)
_add("Translate", "Translate text, a file or standard input.", translate)
_add("Translate", "Print the log-probability of given translations.", score)
_add("Translate", "Convert text to subwords.", tokenize)
_add("Translate", "Convert subwords to text.", detokenize)
_add("Look inside", "Compute BLEU, chrF++ and TER; compare systems.", evaluate)
_add("Look inside", "Show the config, size, training history and scores of a run.", info)
_add("Look inside", "Write a report on a run, or on two, as one HTML file.", report)
_add("Look inside", "Draw attention weights in the terminal or to a file.", attention)
_add("Look inside", "Print word alignments of parallel text.", align)
_runs = typer.Typer(rich_markup_mode=None)
_runs.callback(invoke_without_command=True)(runs)
_runs.command(short_help="Delete runs, or checkpoints that translation does not need.")(rm)
app.add_typer(
    _runs,
    name="runs",
    rich_help_panel="Manage",
    short_help="List all runs with state, scores and size; delete runs.",
)
_group(
    "Manage",
    "config",
    "Explain config keys, and write their schema for editors.",
    show=("List config keys with their meaning, range and default.", show),
    schema=("Print the JSON schema of a config.", schema),
)
_add("Manage", "Describe the installation and the machine, and check both.", doctor)


class _Killed(BaseException):
    """The process received the signal whose number is the argument."""


def main() -> None:
    """Run the command line and exit with a code of `nmt.errors`."""
    if sys.platform == "win32":
        hint = "use the Windows Subsystem for Linux (WSL)"
        sys.exit(_report("nmt runs on Linux and macOS, not on Windows", hint, 2))
    _prepare_streams()
    with _unwinding_when_killed():
        code = _run()
    try:
        sys.stdout.flush()
    except OSError as error:
        # The interpreter flushes standard output again at exit, which must succeed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        closed = isinstance(error, BrokenPipeError)
        code = BROKEN_PIPE if closed else code or _report(f"{error.strerror}", None, 5)
    sys.exit(code)


@contextmanager
def _unwinding_when_killed() -> Iterator[None]:
    """Raise _Killed on SIGTERM and SIGHUP, so that temporary files are removed."""

    def handle(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise _Killed(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run() -> int:
    try:
        code = app(prog_name="nmt", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except NmtError as error:
        return _report(error.message, error.hint, error.exit_code)
    except TyperException as error:
        return _report_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except _Killed as killed:
        return 128 + int(killed.args[0])
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _report(f"{error.strerror or error}{where}", None, 5)
    except Exception as error:
        if _is_out_of_memory(error):
            hint = "reduce batch_tokens, the beam size or the model size"
            return _report("out of memory", hint, 2)
        text = f"{type(error).__name__}: {error}"
        hint = "set NMT_DEBUG=1 to print the traceback"
        return _report(f"{text} (this is a bug in nmt)", hint, 1)


def _is_out_of_memory(error: Exception) -> bool:
    # torch raises OutOfMemoryError on a GPU, but a RuntimeError on a CPU.
    name = type(error).__name__
    return name in ("MemoryError", "OutOfMemoryError") or (
        name == "RuntimeError" and "can't allocate memory" in str(error)
    )


def _report(message: str, hint: str | None, code: int) -> int:
    with suppress(OSError):  # Standard error may be a closed pipe.
        if os.environ.get("NMT_DEBUG"):
            traceback.print_exc()
        print("error:", escape(message, keep="\n"), file=sys.stderr)
        if hint:
            print("hint:", escape(hint, keep="\n"), file=sys.stderr)
    return code


def _report_usage(error: TyperException) -> int:
    context: typer.Context | None = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return 2
    command = context.command_path if context else "nmt"
    hint = context and _names_hint(context)
    return _report(error.format_message().rstrip("."), hint or f"run {command} --help", 2)


def _names_hint(context: typer.Context) -> str | None:
    """Return a hint if the command line has an option of another tool, such as `-src`."""
    from nmt.config.other_tools import meant_keys, meant_options, plain

    names = (name for parameter in context.command.params for name in parameter.opts)
    own = {plain(name): name for name in names if name.startswith("--")}
    for argument in sys.argv[1:]:
        name = argument.partition("=")[0]
        if not re.fullmatch(r"--?[a-z][a-z_-]+", name) or name in own.values():
            continue
        known = own.get(plain(name))
        meant = [known] if known else [o for o in meant_options(name) if o in own.values()]
        if meant:
            return f"use {' or '.join(meant)} instead of {name}"
        if (keys := meant_keys(name)) and "set" in own:
            key = " and ".join(keys)
            return f"set {key} in the config or with --set (see nmt config show {keys[0]})"
    return None


def _prepare_streams() -> None:
    """Open missing standard streams, and let them write any text in any locale."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # The parent process has closed the stream.
            stream = open(os.devnull, mode)  # noqa: PTH123, SIM115
            setattr(sys, name, stream)
        if mode == "w":
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
