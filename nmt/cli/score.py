"""`nmt score`: the log-probability that a model gives to translations."""

from __future__ import annotations

import json as json_module
import math
import sys
from typing import Annotated

import typer

from nmt.cli import common


def score(
    source: common.OptionalSourceFile = None,
    target: common.OptionalTargetFile = None,
    model: common.Model = None,
    per_token: Annotated[
        bool,
        typer.Option("--per-token", help="Divide by the number of tokens, including eos."),
    ] = False,
    to: common.To = None,
    tag: common.Tag = None,
    json: common.ObjectPerLine = False,
    device: common.Device = "auto",
    threads: common.Threads = None,
) -> None:
    """Print the log-probability (in nats) that the model gives to each translation.

    Pairs are read from two files or, by default, from standard input as source TAB target. The mean
    per token and the perplexity are printed to standard error. A pair with a longer side than
    data.max_tokens gets nan (JSON: null) and a warning.

    Example: nmt score --source test.en --target test.de
    """
    from nmt.errors import UsageError
    from nmt.reading import name_of

    if (source is None) != (target is None):
        raise UsageError("--source needs --target, and vice versa", "give both, or pipe the pairs")
    translator = common.load_translator(model, device, threads, {}, to, tag)
    total, tokens, number = 0.0, 0, 0
    with (
        common.line_bar("scoring", source) as translator.advance,
        common.Warnings() as warnings,
        common.open_output(None) as sink,
    ):

        def warn(index: int, message: str) -> None:
            warnings(f"{name_of(source)}, line {number + index + 1}", message)

        for pairs in common.groups_of_pairs(source, target, warnings):
            for result in translator.score(pairs, warn):
                value = result.log_probability
                if json:
                    record = {
                        "log_probability": value if result.tokens else None,
                        "tokens": result.tokens,
                    }
                    line = json_module.dumps(record)
                else:
                    line = f"{value / max(1, result.tokens) if per_token else value:.6f}"
                sink.write(f"{line}\n".encode())
                if result.tokens:
                    total, tokens = total + value, tokens + result.tokens
            sink.flush()
            number += len(pairs)
    if tokens:
        mean = total / tokens
        print(f"{mean:.4f} nats per token, perplexity {math.exp(-mean):.3f}", file=sys.stderr)
