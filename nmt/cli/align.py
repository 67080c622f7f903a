"""`nmt align`: word alignments of parallel text."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


def align(
    source: Annotated[
        Path, typer.Option("--source", "-s", help="Text file of sources, one a line.")
    ],
    target: Annotated[
        Path, typer.Option("--target", "-t", help="Text file of their translations.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Run folder, or its name in runs/; default: newest."),
    ] = None,
    layer: Annotated[int | None, typer.Option(min=1, help="Layer, from 1.")] = None,
    head: Annotated[
        str | None, typer.Option(metavar="N|mean", help="Head, from 1, or the mean of all.")
    ] = None,
    state: Annotated[
        Literal["predicts", "reads"] | None,
        typer.Option(help="Attention of the state that predicts a word, or of that reading it."),
    ] = None,
) -> None:
    """Print which words translate which, by the model's attention, in Pharaoh format.

    A line of `0-0 1-2` for each pair: source word 0 with target word 0, 1 with 2. Words are runs
    of letters and digits (with inner apostrophes and hyphens) and each other visible character.
    Each target word gets at most one link. What is not given of layer, head and state is chosen
    by alignment error rate if the model was trained on the built-in corpus, which knows the
    truth; otherwise it is the mean of heads of the last layer.

    Example: nmt align --source test.en --target test.de > test.align
    """
    from nmt.cli import streams
    from nmt.cli.attention import parse_head
    from nmt.cli.score import groups_of_pairs
    from nmt.devices import resolve_device
    from nmt.inspection.alignment import choose, word_attention
    from nmt.runs import find_run, load_model
    from nmt.text import clean_line

    wanted_head = parse_head(head)
    run = find_run(model)
    if model is None:
        print(f"model: {run.path}", file=sys.stderr)
    data, tokenizer = run.config.data, run.tokenizer
    network = load_model(run, resolve_device("auto"))
    choice = choose(network, tokenizer, data, layer, wanted_head, state)
    print(f"aligning by {choice}", file=sys.stderr)
    numbers = itertools.count(1)
    with streams.Warnings() as warnings, streams.open_output(None) as sink:
        for group in groups_of_pairs(source, target, warnings):
            pairs = [(clean_line(s), clean_line(t)) for s, t in group]
            found = word_attention(network, tokenizer, pairs, data.max_tokens)
            for attention, pair, number in zip(found, pairs, numbers, strict=False):
                links = attention.links(choice) if attention else []
                sink.write(" ".join(f"{s}-{t}" for s, t in links).encode() + b"\n")
                if attention is None and all(pair):
                    limit = f"more than {data.max_tokens} tokens"
                    warnings(f"line {number}", f"no words, or {limit}: no links")
            sink.flush()
