"""Shared parts of the commands: options, opening a model, reading and writing lines."""

from __future__ import annotations

import itertools
import os
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, Self

import typer

from nmt.errors import ConfigError, DataError, StorageError, UsageError
from nmt.reading import name_of, open_input, read_blocks
from nmt.terminal import Look, fit, is_terminal
from nmt.text import counted, escape, shell

if TYPE_CHECKING:
    from nmt.config import DecodingConfig
    from nmt.decoding.translator import Translator
    from nmt.inspection.attention import Head
    from nmt.runs import Run

_CONFIG = typer.Option(
    "--config", "-c", metavar="FILE", help="Config file (YAML), or a name such as `demo`."
)
ConfigFile = Annotated[Path, _CONFIG]
OptionalConfigFile = Annotated[Path | None, _CONFIG]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="KEY=VALUE", help="Override a config key. Can be repeated."
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Run folder, or its name in runs/. Default: newest run."),
]
_SOURCE = typer.Option("--source", "-s", help="Text file of source sentences, one per line.")
_TARGET = typer.Option("--target", "-t", help="Text file of their translations.")
SourceFile = Annotated[Path, _SOURCE]
TargetFile = Annotated[Path, _TARGET]
OptionalSourceFile = Annotated[Path | None, _SOURCE]
OptionalTargetFile = Annotated[Path | None, _TARGET]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to run.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Number of CPU threads. Default: all cores.")
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="LANGUAGE", help="Target language, for a model with several: de."),
]
Tag = Annotated[
    str | None,
    typer.Option("--tag", metavar="TAG", help="Tag before each source: <bt>. Default: none."),
]
BeamSize = Annotated[
    int | None,
    typer.Option(min=1, max=10_000, help="Hypotheses kept per sentence; 1 is greedy search."),
]
LengthPenalty = Annotated[
    float | None,
    typer.Option(min=0.0, max=10.0, help="Exponent of the length that divides log P."),
]
BatchTokens = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of source tokens per batch.")
]

Layer = Annotated[int | None, typer.Option(min=1, help="Layer, from 1.")]
HeadText = Annotated[
    str | None, typer.Option(metavar="N|mean", help="Head, from 1, or the mean of all.")
]
OneObject = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ObjectPerLine = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]

MAX_LINE_BYTES = 400_000
"""The rest of a longer line is dropped."""
GROUP_LINES, GROUP_BYTES = 4096, 1 << 20
_CHUNK = 1 << 16


def line_groups(file: BinaryIO, scale: int = 1, wait: float = 0.05) -> Iterator[list[bytes]]:
    """Yield the lines of an open file in groups that are large enough to sort by length.

    A group ends at scale * GROUP_LINES lines or scale * GROUP_BYTES bytes, or when no line arrives
    for `wait` seconds, so that slow writers get answers immediately.
    """
    lines: list[bytes] = []
    size = 0
    rest = b""
    name = name_of(file.name if file.fileno() else None)
    for chunk in read_blocks(file, name, _CHUNK):
        *ended, rest = (rest + chunk).split(b"\n")
        rest = rest[: MAX_LINE_BYTES + 1]
        lines += ended
        size += sum(map(len, ended))
        full = len(lines) >= scale * GROUP_LINES or size >= scale * GROUP_BYTES
        if lines and (full or not select.select([file], [], [], wait)[0]):
            yield lines
            lines, size = [], 0
    if rest:
        lines.append(rest)
    if lines:
        yield lines


def decode(line: bytes) -> tuple[str, str | None]:
    """Return the text of a line, and a warning if U+FFFD replaced invalid UTF-8."""
    try:
        return line.decode(), None
    except UnicodeDecodeError as error:
        return line.decode(errors="replace"), f"not valid UTF-8 at byte {error.start + 1}, repaired"


def argument_text(argument: str) -> str:
    """Return an argument with U+FFFD for bytes that are not UTF-8."""
    return os.fsencode(argument).decode(errors="replace")


def check_output(path: Path | None, *inputs: Path | None) -> None:
    """Raise UsageError if the output file is also an input of the command or a part of a run.

    None and `-` mean standard output or input. Links are followed.
    """
    from nmt.runs import run_that_owns

    if path is None or str(path) == "-":
        return
    if any(_is_same_file(path, given) for given in inputs):
        raise UsageError(f"{path} is both input and output", "choose another output file")
    run = run_that_owns(path)
    if run is not None:
        raise UsageError(
            f"{path} is a part of the run {run.path}, which only `nmt train` writes",
            "choose another output file",
        )


def _is_same_file(output: Path, given: Path | None) -> bool:
    try:
        file = sys.stdin.fileno() if given is None or str(given) == "-" else given
        found = os.stat(file)  # noqa: PTH116 (a descriptor or a path)
        return stat.S_ISREG(found.st_mode) and os.path.samestat(found, output.stat())
    except (OSError, ValueError, AttributeError):  # Standard input may be closed.
        return False


@contextmanager
def line_bar(what: str, *paths: Path | None) -> Iterator[Callable[[float], object]]:
    """Show a bar until the block ends; it yields a function that adds to the finished lines.

    The lines of files are counted first. There is no bar for other inputs, and unless standard
    error is a terminal.
    """
    files = [path for path in paths if path and path.is_file()]
    if len(files) < len(paths) or not is_terminal(sys.stderr):
        yield lambda _: None
        return
    from nmt.bars import track

    with track(what, sum(map(_count_lines, files))) as advance:
        yield advance


def _count_lines(path: Path) -> int:
    with open_input(path) as file:
        return sum(block.count(b"\n") for block in read_blocks(file, str(path)))


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Open a file for writing, or standard output for None and `-`.

    The file, or the target of a link, is replaced once it is complete. Raises StorageError.
    """
    if path is None or str(path) == "-":
        if not is_terminal(sys.stdout):
            yield sys.stdout.buffer
            return
        from nmt.bars import Screen

        screen = Screen()
        try:
            yield screen
        finally:
            screen.flush()
        return
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.exists() and not path.is_file():  # /dev/null, a FIFO
            with path.open("wb") as file:
                yield file
            return
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


class Warnings:
    """Warnings on standard error, of which the first are printed and the others counted."""

    SHOWN = 20

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, where: str, message: str) -> None:
        self.count += 1
        if self.count <= self.SHOWN:
            print(f"warning: {where}: {message}", file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.count > self.SHOWN:
            print(f"warning: {self.count - self.SHOWN:,} more like these", file=sys.stderr)


def note(message: str) -> None:
    print(f"note: {message}", file=sys.stderr)


def open_run(name: str | None) -> Run:
    """Return a run; for None the newest one, whose path is printed. Raises UsageError."""
    from nmt.runs import find_run

    run = find_run(name)
    if name is None:
        print(f"model: {run.path}", file=sys.stderr)
    return run


def decoding_config(run: Run, settings: dict[str, Any]) -> DecodingConfig:
    """Return the decoding section of a run with the settings that are not None.

    Raises ConfigError if they are invalid.
    """
    from nmt.config.loading import replaced

    given = {key: value for key, value in settings.items() if value is not None}
    try:
        decoding = replaced(run.config.decoding, **given)
        return replaced(run.config, decoding=decoding).decoding
    except ConfigError as error:
        options = " or ".join(f"--{key.replace('_', '-')}" for key in given)
        raise ConfigError(error.message, f"change {options}") from error


def load_translator(
    model: str | None,
    device: Literal["auto", "cpu", "cuda"],
    threads: int | None,
    settings: dict[str, Any],
    to: str | None = None,
    tag: str | None = None,
) -> Translator:
    """Return the translator of a run; see `decoding_config` and `load_alone`."""
    from nmt.decoding.translator import load_alone

    run = open_run(model)
    return load_alone(run, device, threads, decoding_config(run, settings), to, tag)


def parse_head(text: str | None) -> Head | None:
    """Return the value of --head. Raises UsageError."""
    if text is None or text == "mean":
        return text  # type: ignore[return-value]
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise UsageError(f"--head {text} is neither a number from 1 nor mean")


def groups_of_pairs(
    source: Path | None, target: Path | None, warnings: Warnings
) -> Iterator[list[tuple[str, str]]]:
    """Yield groups of pairs from two text files, or from standard input as source TAB target.

    Warns of invalid UTF-8, which becomes U+FFFD. Raises DataError for files of different lengths
    and lines of standard input without two columns.
    """
    numbers = itertools.count(1)

    def text(raw: bytes, where: str) -> str:
        line, repaired = decode(raw)
        if repaired:
            warnings(where, repaired)
        return line

    if source is None or target is None:
        with open_input(None) as file:
            for group in line_groups(file):
                pairs = []
                for raw, number in zip(group, numbers, strict=False):
                    where = f"standard input, line {number}"
                    columns = text(raw, where).split("\t")
                    if len(columns) != 2:
                        raise DataError(
                            f"{where}: {counted(len(columns), 'column')} instead of 2",
                            "write source TAB target on each line",
                        )
                    pairs.append((columns[0], columns[1]))
                yield pairs
        return
    names = name_of(source), name_of(target)
    if names[0] == names[1] == name_of(None):
        raise UsageError(
            "--source and --target are both standard input", "pipe source TAB target without them"
        )
    with open_input(source) as sources, open_input(target) as targets:
        both: Iterator[tuple[bytes | None, bytes | None]] = itertools.zip_longest(
            itertools.chain.from_iterable(line_groups(sources)),
            itertools.chain.from_iterable(line_groups(targets)),
        )
        while lines := list(itertools.islice(both, GROUP_LINES)):
            pairs = []
            for (left, right), number in zip(lines, numbers, strict=False):
                if left is None or right is None:
                    shorter, longer = names if left is None else reversed(names)
                    raise DataError(f"{shorter} ends after line {number - 1}, {longer} is longer")
                sides = zip((left, right), names, strict=True)
                first, second = (text(raw, f"{name}, line {number}") for raw, name in sides)
                pairs.append((first, second))
            yield pairs


def say(text: str) -> None:
    """Print lines, broken to fit the terminal, on standard error."""
    print(fit(escape(text, keep="\n"), Look.of(sys.stderr).columns), file=sys.stderr)


def suggest(*arguments: str) -> None:
    """Print the next command of nmt, which is not broken into lines."""
    print(f"next: {shell('nmt', *arguments)}", file=sys.stderr)


def run_command(*arguments: str) -> None:
    """Print and run a command of nmt; exit with its code if it fails."""
    print(f"\n$ {shell('nmt', *arguments)}", file=sys.stderr, flush=True)
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
