"""Shared parts of the commands: options, opening a model, reading and writing lines.

Lines are bytes that are split at \\n only.
"""

from __future__ import annotations

import itertools
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, Self

import typer

from nmt.errors import DataError, StorageError, UsageError

if TYPE_CHECKING:
    from nmt.config import DecodingConfig
    from nmt.decoding.translator import Translator
    from nmt.inspection.attention import Head
    from nmt.runs import Run

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="Config file of the experiment (YAML)."),
]
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
"""The rest of a longer line is dropped; no command accepts lines of this length."""
GROUP_LINES, GROUP_BYTES = 4096, 1 << 20
_CHUNK = 1 << 16


def line_groups(file: BinaryIO, scale: int = 1, wait: float = 0.05) -> Iterator[list[bytes]]:
    """Yield the lines of an open file in groups that are large enough to sort by length.

    A group ends at scale * GROUP_LINES lines or scale * GROUP_BYTES bytes. In a pipe, a group also
    ends when no line arrives for `wait` seconds, so that slow writers get answers immediately.
    Memory is bounded for lines of any length.
    """
    descriptor = file.fileno()
    lines: list[bytes] = []
    size = 0
    rest = b""
    while chunk := os.read(descriptor, _CHUNK):
        *ended, rest = (rest + chunk).split(b"\n")
        rest = rest[: MAX_LINE_BYTES + 1]
        lines += ended
        size += sum(map(len, ended))
        full = len(lines) >= scale * GROUP_LINES or size >= scale * GROUP_BYTES
        if lines and (full or not select.select([descriptor], [], [], wait)[0]):
            yield lines
            lines, size = [], 0
    if rest:
        lines.append(rest)
    if lines:
        yield lines


def decode(line: bytes) -> tuple[str, str | None]:
    """Return the text of a line, and a warning if invalid UTF-8 was replaced by U+FFFD."""
    try:
        return line.decode(), None
    except UnicodeDecodeError as error:
        return line.decode(errors="replace"), f"not valid UTF-8 at byte {error.start + 1}, repaired"


@contextmanager
def open_input(path: Path | None) -> Iterator[BinaryIO]:
    """Open a file, or standard input for None. Raises DataError if it cannot be read."""
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise DataError(f"{path} is a folder, not a text file")
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    with file:
        yield file


def check_output(path: Path | None, *inputs: Path | None) -> None:
    """Raise UsageError if the output file is also an input of the command or a part of a run.

    For `path`, None means standard output, which is not checked. For an input, None means standard
    input. Links are followed. Call this before any work.
    """
    from nmt.runs import run_that_owns

    if path is None:
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
        found = os.fstat(sys.stdin.fileno()) if given is None else given.stat()
        return stat.S_ISREG(found.st_mode) and os.path.samestat(found, output.stat())
    except (OSError, ValueError):  # ValueError: standard input is closed.
        return False


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Open a file for writing, or standard output for None.

    The file gets its name once it is complete; after an error nothing has changed. If `path` is a
    link, its target is written. Raises StorageError if the file cannot be written.
    """
    if path is None:
        yield sys.stdout.buffer
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
    """Warnings about lines on standard error: the first are printed, the others counted."""

    def __init__(self, shown: int = 20) -> None:
        self.shown = shown
        self.count = 0

    def __call__(self, where: str, message: str) -> None:
        """Print or count a warning about the line at `where`."""
        self.count += 1
        if self.count <= self.shown:
            print(f"warning: {where}: {message}", file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.count > self.shown:
            print(f"warning: {self.count - self.shown:,} more like these", file=sys.stderr)


def open_run(name: str | None) -> Run:
    """Return a run. None means the newest run, whose path is printed to standard error.

    Raises UsageError if there is no such run.
    """
    from nmt.runs import find_run

    run = find_run(name)
    if name is None:
        print(f"model: {run.path}", file=sys.stderr)
    return run


def decoding_config(run: Run, settings: dict[str, Any]) -> DecodingConfig:
    """Return the decoding section of a run's config with the settings that are not None."""
    given = {key: value for key, value in settings.items() if value is not None}
    return run.config.decoding.model_copy(update=given)


def load_translator(
    model: str | None,
    device: Literal["auto", "cpu", "cuda"],
    threads: int | None,
    settings: dict[str, Any],
) -> Translator:
    """Return the translator of a run with the decoding settings that are not None."""
    from nmt.decoding.translator import load_alone

    run = open_run(model)
    return load_alone(run, device, threads, decoding_config(run, settings))


def parse_head(text: str | None) -> Head | None:
    """Return the value of --head: a number from 1, `mean`, or None. Raises UsageError."""
    if text is None or text == "mean":
        return text  # type: ignore[return-value]
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise UsageError(f"--head {text} is neither a number from 1 nor mean")


def groups_of_pairs(
    source: Path | None, target: Path | None, warnings: Warnings
) -> Iterator[list[tuple[str, str]]]:
    """Yield groups of pairs from two text files, or from standard input as source TAB target.

    Bytes that are not UTF-8 become U+FFFD, with a warning. Raises DataError if the files have
    different numbers of lines, or if a line of standard input does not have two columns.
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
                            f"{where}: {len(columns)} columns instead of 2",
                            "write source TAB target on each line",
                        )
                    pairs.append((columns[0], columns[1]))
                yield pairs
        return
    with open_input(source) as sources, open_input(target) as targets:
        both: Iterator[tuple[bytes | None, bytes | None]] = itertools.zip_longest(
            itertools.chain.from_iterable(line_groups(sources)),
            itertools.chain.from_iterable(line_groups(targets)),
        )
        while lines := list(itertools.islice(both, GROUP_LINES)):
            pairs = []
            for (left, right), number in zip(lines, numbers, strict=False):
                if left is None or right is None:
                    shorter, longer = (source, target) if left is None else (target, source)
                    raise DataError(f"{shorter} ends after line {number - 1}, {longer} is longer")
                pairs.append(
                    (
                        text(left, f"{source}, line {number}"),
                        text(right, f"{target}, line {number}"),
                    )
                )
            yield pairs
