"""The command `nmt align`: word alignments of parallel text."""

from __future__ import annotations

import itertools
import sys
from typing import Annotated, Literal

import typer

from nmt.cli import common


def align(
    source: common.SourceFile,
    target: common.TargetFile,
    model: common.Model = None,
    to: common.To = None,
    tag: common.Tag = None,
    layer: common.Layer = None,
    head: common.HeadText = None,
    state: Annotated[
        Literal["predicts", "reads"] | None,
        typer.Option(help="Use attention of the state that predicts a word, or that reads it."),
    ] = None,
) -> None:
    """Print word alignments from the model's attention, in Pharaoh format.

    One line such as `0-0 1-2` per pair links source word 0 to target word 0, and 1 to 2. Words are
    runs of letters and digits (with inner apostrophes and hyphens), each character of a script
    without spaces (such as Chinese), and each other visible character. Without --layer, --head or
    --state, nmt uses the mean over the heads of the last layer or, for a model of the built-in
    corpus, the value with the lowest alignment error rate.

    Example: nmt align --source test.en --target test.de > test.align
    """
    from nmt.decoding.directions import Directions
    from nmt.devices import resolve_device
    from nmt.inspection.alignment import choose, word_attention
    from nmt.loading import load_model
    from nmt.text import clean_line, clean_source, counted

    wanted_head = common.parse_head(head)
    run = common.open_run(model)
    data, tokenizer = run.config.data, run.tokenizer
    tags, _ = Directions.of(data).choose(to, tag)
    network = load_model(run, resolve_device("auto"))
    choice = choose(network, tokenizer, data, layer, wanted_head, state)
    print(f"aligning by {choice}", file=sys.stderr)
    numbers = itertools.count(1)
    with (
        common.line_bar("aligning", source) as advance,
        common.Warnings() as warnings,
        common.open_output(None) as sink,
    ):
        for group in common.groups_of_pairs(source, target, warnings):
            pairs = [(clean_source(s), clean_line(t)) for s, t in group]
            found = word_attention(network, tokenizer, pairs, data.max_tokens, tags, advance)
            for attention, pair, number in zip(found, pairs, numbers, strict=False):
                links = attention.links(choice) if attention else []
                sink.write(" ".join(f"{s}-{t}" for s, t in links).encode() + b"\n")
                if attention is None and all(pair):
                    limit = f"more than {counted(data.max_tokens, 'token')}"
                    warnings(f"line {number}", f"no links: a side has no words or {limit}")
            sink.flush()
