"""The command `nmt attention`, which shows attention weights."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli import common

if TYPE_CHECKING:
    from nmt.inspection.attention import AttentionMaps, Head, Kind, Unit

_SUFFIXES = (".png", ".svg", ".html", ".json")


def attention(
    sentence: Annotated[str, typer.Argument(help="Source sentence.")],
    model: common.Model = None,
    target: Annotated[
        str | None,
        typer.Option("--target", "-t", help="Translation. Default: the output of the model."),
    ] = None,
    to: common.To = None,
    tag: common.Tag = None,
    kind: Annotated[
        Literal["encoder", "decoder", "cross"],
        typer.Option(help="encoder, decoder: self-attention; cross: encoder-decoder attention."),
    ] = "cross",
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="Merge the subwords of a word: the mean of their rows, the sum of their columns.",
        ),
    ] = False,
    layer: common.Layer = None,
    head: common.HeadText = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Output file (.png, .svg, .html or .json). Default: the terminal.",
        ),
    ] = None,
    ascii: Annotated[bool, typer.Option("--ascii", help="Use only ASCII characters.")] = False,
) -> None:
    """Show the attention weights of a translation, on the terminal or in a file.

    Without --layer and --head, images and .json files contain all heads of all layers. The terminal
    shows the mean over the heads of the layer with the most concentrated attention. An .html page
    always contains all layers and heads, of subwords and of words.

    Example: nmt attention "A man is riding a bicycle." --output map.html
    """
    from nmt.errors import UsageError

    chosen = common.parse_head(head)
    common.check_output(output)
    if output is not None:
        if output.suffix not in _SUFFIXES:
            raise UsageError(
                f"--output: unknown file type of {output.name}",
                f"use one of {', '.join(_SUFFIXES)}",
            )
        if output.suffix in (".png", ".svg"):
            from nmt.charts import require_matplotlib

            require_matplotlib(", or write an .html or .json file")

    from nmt.inspection.attention import translation_maps

    translator = common.load_translator(model, "auto", None, {}, to, tag)
    given = None if target is None else common.argument_text(target)
    maps = translation_maps(translator, common.argument_text(sentence), given)
    unit: Unit = "word" if words else "subword"
    if output is None:
        from nmt.inspection.terminal import Style, maps_text

        print(maps_text(maps[unit], kind, layer, chosen, Style.of(sys.stdout, ascii)))
    else:
        _write(maps, unit, kind, layer, chosen, output)


def _write(
    of_units: dict[Unit, AttentionMaps],
    unit: Unit,
    kind: Kind,
    layer: int | None,
    head: Head | None,
    output: Path,
) -> None:
    from nmt.inspection.attention import TITLES

    maps = of_units[unit]
    panels = maps.panels(kind, layer, head)
    if output.suffix == ".html":
        from nmt.inspection.page import attention_page

        first = layer or maps.sharpest(kind)
        content = attention_page(of_units, unit, kind, first, head or "mean").encode()
    elif output.suffix == ".json":
        import json

        content = (json.dumps(maps.to_dict(kind, panels), ensure_ascii=False) + "\n").encode()
    else:
        from nmt.inspection.drawing import heat_maps

        file_type: Literal["svg", "png"] = "svg" if output.suffix == ".svg" else "png"
        warn = functools.partial(print, "warning:", file=sys.stderr)
        content = heat_maps(panels, *maps.labels(kind), TITLES[kind], file_type, warn)
    with common.open_output(output) as file:
        file.write(content)
    print(f"wrote {output}", maps.explanation(kind), sep="\n", file=sys.stderr)
