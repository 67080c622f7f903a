"""Draw docs/images/*.svg from docs/results/*.json, without measuring anything.

python scripts/draw_plots.py [NAME ...]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt import charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parents[1] / "docs"
STEPS = "steps"
VALIDATION_LOSS = "validation loss (nats per token)"
TEST_BLEU = "test BLEU, 95 % interval"
Drawing = tuple["Figure", str, str]
"""A figure, its title and its description."""


def draw(name: str, docs: Path = DOCS) -> str:
    """Return the SVG of a plot."""
    results = json.loads((docs / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return charts.svg(*PLOTS[name](results))


def growth(
    axis: Axes, titles: Sequence[str], xs: Sequence[float], curves: Sequence[Sequence[float]]
) -> None:
    """Plot one curve per title against a size that doubles."""
    for title, curve in zip(titles, curves, strict=True):
        axis.plot(xs, curve, marker="o", markersize=4, label=title)
    charts.log_scale(axis, "x", xs)


def losses(axis: Axes, variants: Sequence[dict[str, Any]], records: str, column: int = 1) -> None:
    """Plot a column of the training or validation records by step, without labels."""
    for variant in variants:
        steps, values = ([record[i] for record in variant[records]] for i in (0, column))
        axis.plot(steps, values, label=variant["title"])
    axis.set_xlabel(STEPS)


def scores(axis: Axes, variants: Sequence[dict[str, Any]]) -> None:
    """Plot the test BLEU of each variant with its interval."""
    for place, (variant, color) in enumerate(zip(variants, charts.COLORS, strict=False)):
        bleu, interval = variant["bleu"], variant["bleu_interval"]
        axis.errorbar(bleu, place, xerr=interval, color=color, marker="o", capsize=4)
        axis.text(bleu, place - 0.12, f"{bleu:.1f}", ha="center", va="bottom", fontsize="small")
    axis.set_yticks(range(len(variants)), [variant["title"] for variant in variants])
    axis.set_ylim(len(variants) - 0.4, -0.6)
    axis.set_xlabel("BLEU")


def scores_and_losses(what: str) -> Callable[[dict[str, Any]], Drawing]:
    """Return the function that plots BLEU and validation loss of variants of one thing."""

    def drawing(results: dict[str, Any]) -> Drawing:
        made, (left, right) = charts.figure([TEST_BLEU, VALIDATION_LOSS], height=250)
        scores(left, results["variants"])
        losses(right, results["variants"], "validation")
        charts.label_lines(right)
        return made, what, f"Test BLEU with intervals, and validation loss by step, for {what}."

    return drawing


def causality(results: dict[str, Any]) -> Drawing:
    titles = ["training loss (nats per token)", "validation BLEU (greedy)"]
    made, axes = charts.figure(titles)
    losses(axes[0], results["variants"], "training")
    losses(axes[1], results["variants"], "validation", 2)
    for axis in axes:
        axis.set_ylim(bottom=-0.2)
        charts.label_lines(axis)
    return made, "Causal mask", "Without the causal mask, training loss and BLEU fall to zero."


def cost(results: dict[str, Any]) -> Drawing:
    made, axes = charts.figure(["processor time (ms)", "peak memory (MB)"])
    kernels = results["results"]
    for axis, key, scale in zip(axes, ("seconds", "megabytes"), (1000, 1), strict=True):
        curves = [[row[key] * scale for row in rows] for rows in kernels.values()]
        growth(axis, list(kernels), results["lengths"], curves)
        charts.log_scale(axis, "y", [0.3, 1, 3, 10, 30, 100, 300, 1000])
        axis.set_xlabel("length (tokens)")
        charts.label_lines(axis)
    return made, "Cost of attention", "Time and memory by length, formula and fused kernel."


def length(results: dict[str, Any]) -> Drawing:
    made, (left, right) = charts.figure(["test BLEU", "validation BLEU (greedy)"])
    for variant in results["variants"]:
        rows = variant["lengths"]
        names = [f"{r['first']}-\n{r['last']}" if r["last"] else f"{r['first']}+" for r in rows]
        left.plot(names, [row["bleu"][0] for row in rows], marker="o", markersize=4)
    left.set_xlabel("source length (words)")
    left.set_ylim(bottom=0)
    losses(right, results["variants"], "validation", 2)
    charts.label_lines(right)
    return made, "Sentence length", "BLEU by source length, and by training step, of three models."


def locality(results: dict[str, Any]) -> Drawing:
    made, (left, right) = charts.figure([TEST_BLEU, "learned bias of the encoder"])
    scores(left, results["variants"])
    for head, bias in enumerate(results["learned_bias"]["encoder"], 1):
        reach = len(bias) // 2
        right.plot(range(-reach, reach + 1), bias, label=f"head {head}")
    right.set_xlabel("position of the key - query")
    charts.label_lines(right)
    return made, "Local attention", "Test BLEU by window, and learned bias by distance and head."


def overfitting(results: dict[str, Any]) -> Drawing:
    groups: dict[str, list[dict[str, Any]]] = {}
    for variant in results["variants"]:
        pairs, _, title = variant["title"].rpartition(", ")
        groups.setdefault(pairs, []).append(variant | {"title": title})
    titles = [f"{loss} loss, {pairs}" for loss in ("validation", "training") for pairs in groups]
    made, axes = charts.figure(titles, rows=2, height=450)
    for number, axis in enumerate(axes):
        records = "validation" if number < len(groups) else "training"
        losses(axis, list(groups.values())[number % len(groups)], records)
        axis.set_ylim(0, 8)
        if number % len(groups) == 0:
            axis.set_ylabel("nats per token")
    for axis in axes[len(groups) - 1 :: len(groups)]:
        charts.label_lines(axis)
    return made, "Overfitting", "Losses (nats per token) by step, number of pairs, regularization."


def scaling(results: dict[str, Any]) -> Drawing:
    made, (left, right) = charts.figure(["largest of 20 attention weights", VALIDATION_LOSS])
    curves = [[largest for largest, _ in row["figures"]] for row in results["at_start"]]
    titles = [row["title"] for row in results["at_start"]]
    growth(left, titles, results["d_k"], curves)
    left.set(xlabel="d_k (random queries and keys)", ylim=(0, 1))
    losses(right, results["variants"], "validation")
    charts.label_lines(left)
    charts.label_lines(right)
    return made, "Division by sqrt(d_k)", "Largest weight by d_k, and validation loss by step."


def speed(results: dict[str, Any]) -> Drawing:
    made, axes = charts.figure(["thousand target tokens per second", "GFLOP per second"])
    models = results["results"]
    for axis, key, scale in zip(
        axes, ("tokens_per_second", "gflop_per_second"), (1e-3, 1.0), strict=True
    ):
        curves = [[value * scale for value in model[key]] for model in models]
        growth(axis, [model["title"] for model in models], results["lengths"], curves)
        axis.set_xlabel("sentence length (tokens)")
        axis.set_ylim(bottom=0)
    charts.label_lines(axes[1])
    return made, "Training speed", "Tokens and FLOP per second by sentence length of three models."


def growth_decoding(results: list[dict[str, float]]) -> Drawing:
    usual = {"beam": 5, "batch": 16, "length": 24}
    names = {"beam": "beam size", "batch": "sentences per batch", "length": "length (tokens)"}
    made, axes = charts.figure(["ms per sentence"] * len(names), height=250)
    for axis, (size, name) in zip(axes, names.items(), strict=True):
        others = {key: value for key, value in usual.items() if key != size}
        rows = [row for row in results if all(row[key] == others[key] for key in others)]
        rows = sorted((row for row in rows if row[size] != 24), key=lambda row: row[size])
        times = [1000 * row["seconds"] / row["batch"] for row in rows]
        growth(axis, [""], [row[size] for row in rows], [times])
        charts.log_scale(axis, "y", [2, 5, 10, 20, 50, 100, 200])
        axis.set_ylim(2.5, 200)
        axis.set_xlabel(f"{name}\n(" + ", ".join(f"{k} {v}" for k, v in others.items()) + ")")
    return made, "Cost of decoding", "Milliseconds per sentence by beam size, batch and length."


def growth_data(results: list[dict[str, float]]) -> Drawing:
    millions = [row["pairs"] / 1e6 for row in results]
    made, axes = charts.figure(["thousand lines per second", "peak resident memory (MiB)"])
    columns = (
        {"lines/s": "with tokenizer training", "lines/s without tokenizer": "without"},
        {"peak MiB": "data preparation", "tokenizer's peak MiB": "tokenizer training"},
    )
    for axis, curves, scale in zip(axes, columns, (1e-3, 1.0), strict=True):
        for column, title in curves.items():
            values = [row[column] * scale for row in results]
            axis.plot(millions, values, marker="o", markersize=4, label=title)
        axis.set_xlim(0, 1.05 * max(millions))
        axis.set_ylim(0, 1.1 * axis.dataLim.ymax)
        axis.set_xlabel("million pairs")
        charts.label_lines(axis)
    return made, "Data preparation", "Lines per second and peak memory by number of pairs."


PLOTS: dict[str, Callable[[Any], Drawing]] = {
    "causality": causality,
    "cost": cost,
    "growth-data": growth_data,
    "growth-decoding": growth_decoding,
    "heads": scores_and_losses("numbers of attention heads"),
    "length": length,
    "length-long": length,
    "locality": locality,
    "overfitting": overfitting,
    "positions": scores_and_losses("positional encodings"),
    "scaling": scaling,
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"{', '.join(PLOTS)} [all]")
    names = parser.parse_args().names or list(PLOTS)
    if unknown := set(names) - PLOTS.keys():
        parser.error(f"unknown plot {', '.join(sorted(unknown))}")
    for name in names:
        path = DOCS / "images" / f"{name}.svg"
        path.write_text(draw(name), encoding="utf-8")
        print(f"wrote {path} ({path.stat().st_size / 1000:.0f} KB)", file=sys.stderr)


if __name__ == "__main__":
    main()
