"""`nmt score`: how probable a model finds given translations."""

from __future__ import annotations

import itertools
import json as json_module
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from nmt.cli.streams import Warnings


def score(
    source: Annotated[
        Path | None, typer.Option("--source", "-s", help="Text file of sources, one a line.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--target", "-t", help="Text file of their translations.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Run folder, or its name in runs/; default: newest."),
    ] = None,
    per_token: Annotated[
        bool, typer.Option("--per-token", help="Divide by the number of tokens, eos counted.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to run.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; default: all cores.")
    ] = None,
) -> None:
    """Print the log-probability (in nats) that the model gives to each translation.

    Pairs come from two files or, without them, from standard input as source TAB target. The
    mean per token and the perplexity follow on standard error.

    Example: nmt score --source test.en --target test.de
    """
    from nmt.cli import streams
    from nmt.cli.translate import load_translator
    from nmt.errors import UsageError

    if (source is None) != (target is None):
        raise UsageError("--source and --target go together", "give both, or pairs on a pipe")
    translator = load_translator(model, device, threads, {})
    total, tokens = 0.0, 0
    with streams.Warnings() as warnings, streams.open_output(None) as sink:
        for pairs in groups_of_pairs(source, target, warnings):
            for result in translator.score(pairs):
                mean = result.log_probability / result.tokens
                if json:
                    record = {"log_probability": result.log_probability, "tokens": result.tokens}
                    line = json_module.dumps(record)
                else:
                    line = f"{mean if per_token else result.log_probability:.6f}"
                sink.write(f"{line}\n".encode())
                total, tokens = total + result.log_probability, tokens + result.tokens
            sink.flush()
    if tokens:
        mean = total / tokens
        print(f"{mean:.4f} nats a token, perplexity {math.exp(-mean):.3f}", file=sys.stderr)


def groups_of_pairs(
    source: Path | None, target: Path | None, warnings: Warnings
) -> Iterator[list[tuple[str, str]]]:
    from nmt.cli import streams
    from nmt.errors import DataError

    numbers = itertools.count(1)

    def text(raw: bytes, where: str) -> str:
        line, repaired = streams.decode(raw)
        if repaired:
            warnings(where, repaired)
        return line

    if source is None or target is None:
        with streams.open_input(None) as file:
            for group in streams.line_groups(file):
                pairs = []
                for raw, number in zip(group, numbers, strict=False):
                    where = f"standard input, line {number}"
                    columns = text(raw, where).split("\t")
                    if len(columns) != 2:
                        raise DataError(
                            f"{where}: {len(columns)} columns instead of 2",
                            "give source TAB target",
                        )
                    pairs.append((columns[0], columns[1]))
                yield pairs
        return
    with streams.open_input(source) as sources, streams.open_input(target) as targets:
        both: Iterator[tuple[bytes | None, bytes | None]] = itertools.zip_longest(
            itertools.chain.from_iterable(streams.line_groups(sources)),
            itertools.chain.from_iterable(streams.line_groups(targets)),
        )
        while lines := list(itertools.islice(both, streams.GROUP_LINES)):
            pairs = []
            for (left, right), number in zip(lines, numbers, strict=False):
                if left is None or right is None:
                    shorter = source if left is None else target
                    raise DataError(f"{shorter} has only {number - 1} lines, the other has more")
                pairs.append(
                    (
                        text(left, f"{source}, line {number}"),
                        text(right, f"{target}, line {number}"),
                    )
                )
            yield pairs
