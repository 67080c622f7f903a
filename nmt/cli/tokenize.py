"""The commands `nmt tokenize` and `nmt detokenize`: text to subwords and back, line by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli import common

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
    typer.Option(help="Language of the text, for languages with separate vocabularies."),
]


def tokenize(
    files: _Input = None,
    model: _Model = None,
    side: _Side = "source",
    ids: Annotated[bool, typer.Option("--ids", help="Print ids instead of pieces.")] = False,
) -> None:
    """Print each line as the subwords that the model reads, separated by spaces.

    Example: echo "A dog runs." | nmt tokenize
    """
    from nmt.text import clean_line

    vocabulary = _vocabulary(model, side)

    with common.Warnings() as warnings:

        def convert(line: bytes, where: str) -> str:
            text, repaired = common.decode(line)
            if repaired:
                warnings(where, repaired)
            found = vocabulary.encode(clean_line(text))
            return " ".join(map(str, found) if ids else vocabulary.pieces(found))

        _each_line(files, convert)


def detokenize(
    files: _Input = None,
    model: _Model = None,
    side: _Side = "source",
    ids: Annotated[bool, typer.Option("--ids", help="Read ids instead of pieces.")] = False,
) -> None:
    """Print the text of lines of subwords, in the format of `nmt tokenize`.

    Example: nmt tokenize test.en | nmt detokenize
    """
    from nmt.errors import DataError
    from nmt.text import clean_line

    vocabulary = _vocabulary(model, side)

    def convert(line: bytes, where: str) -> str:
        tokens = common.decode(line)[0].strip("\r").split(" ")
        tokens = [token for token in tokens if token]
        if not ids:
            return clean_line(vocabulary.decode_pieces(tokens))
        size = len(vocabulary)
        for token in tokens:
            if not (token.isascii() and token.isdigit() and len(token) < 10 and int(token) < size):
                raise DataError(f"{where}: {token[:40]!r} is not an id from 0 to {size - 1}")
        return clean_line(vocabulary.decode([int(token) for token in tokens]))

    _each_line(files, convert)


def _each_line(files: list[Path] | None, convert: Callable[[bytes, str], str]) -> None:
    inputs: list[Path | None] = [*files] if files else [None]
    with common.open_output(None) as output:
        for path in inputs:
            name = "standard input" if path is None else str(path)
            number = 0
            with common.open_input(path) as file:
                for group in common.line_groups(file):
                    for line in group:
                        number += 1
                        output.write(f"{convert(line, f'{name}:{number}')}\n".encode())
                    output.flush()


def _vocabulary(model: str | None, side: Literal["source", "target"]) -> Vocabulary:
    from nmt.tokenizer import Tokenizer

    if model is not None and any(Path(model).glob("*.model")):
        tokenizer = Tokenizer.load(Path(model))
    else:
        tokenizer = common.open_run(model).tokenizer
    return tokenizer.source if side == "source" else tokenizer.target
