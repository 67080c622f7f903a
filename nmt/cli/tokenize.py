"""The commands `nmt tokenize` and `nmt detokenize`: text to subwords and back, line by line."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli import common
from nmt.reading import name_of, open_input

if TYPE_CHECKING:
    from nmt.tokenizer import Vocabulary

_Input = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE ...]", help="Files to read. Default: standard input."),
]
_Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Run folder or tokenizer folder. Default: newest run."),
]
_Side = Annotated[
    Literal["source", "target"],
    typer.Option(help="Language of the text: selects vocabulary and normalization."),
]


def tokenize(
    files: _Input = None,
    model: _Model = None,
    side: _Side = "source",
    ids: Annotated[bool, typer.Option("--ids", help="Print ids instead of subwords.")] = False,
) -> None:
    """Print each line as the subwords that the model reads, separated by spaces.

    Example: echo "A dog runs." | nmt tokenize
    """
    from nmt.text import clean_line, clean_source

    vocabulary = _vocabulary(model, side)
    clean = clean_source if side == "source" else clean_line

    def convert(line: str, where: str) -> str:
        found = vocabulary.encode(clean(line))
        return " ".join(map(str, found) if ids else vocabulary.pieces(found))

    _each_line(files, convert)


def detokenize(
    files: _Input = None,
    model: _Model = None,
    side: _Side = "source",
    ids: Annotated[bool, typer.Option("--ids", help="Read ids instead of subwords.")] = False,
) -> None:
    """Print the text of each line of subwords, as `nmt tokenize` prints them.

    Example: nmt tokenize test.en | nmt detokenize
    """
    from nmt.errors import DataError
    from nmt.text import clean_line

    vocabulary = _vocabulary(model, side)

    def convert(line: str, where: str) -> str:
        tokens = [token for token in line.strip("\r").split(" ") if token]
        if not ids:
            return clean_line(vocabulary.decode_pieces(tokens))
        size = len(vocabulary)
        for token in tokens:
            if not (token.isascii() and token.isdigit() and len(token) < 10 and int(token) < size):
                raise DataError(f"{where}: {token[:40]!r} is not an id from 0 to {size - 1}")
        return clean_line(vocabulary.decode([int(token) for token in tokens]))

    _each_line(files, convert)


def _each_line(files: list[Path] | None, convert: Callable[[str, str], str]) -> None:
    inputs: list[Path | None] = [*files] if files else [None]
    with (
        common.line_bar("converting", *inputs) as advance,
        common.Warnings() as warnings,
        common.open_output(None) as output,
    ):
        for path in inputs:
            numbers = itertools.count(1)
            with open_input(path) as file:
                for group in common.line_groups(file):
                    for line, number in zip(group, numbers, strict=False):
                        where = f"{name_of(path)}:{number}"
                        if len(line) > (limit := common.MAX_LINE_BYTES):
                            warnings(where, f"longer than {limit:,} bytes, the rest is dropped")
                        text, repaired = common.decode(line[:limit])
                        if repaired:
                            warnings(where, repaired)
                        output.write(f"{convert(text, where)}\n".encode())
                    output.flush()
                    advance(len(group))


def _vocabulary(model: str | None, side: Literal["source", "target"]) -> Vocabulary:
    from nmt.tokenizer import Tokenizer

    if model is not None and any(Path(model).glob("*.model")):
        tokenizer = Tokenizer.load(Path(model))
    else:
        tokenizer = common.open_run(model).tokenizer
    return tokenizer.source if side == "source" else tokenizer.target
