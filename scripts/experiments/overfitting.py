"""Overfitting: 1,000, 5,000 and all training pairs, with more and more regularization.

python scripts/experiments/overfitting.py --data multi30k-en-de
"""

from __future__ import annotations

import argparse
from pathlib import Path

import common

# The vocabulary shrinks with the data: a piece that is never seen cannot be learned.
SIZES = ((1_000, 1_000), (5_000, 2_000), (29_000, 4_000))
REGULARIZATION: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("none", ("model.dropout=0.0", "training.label_smoothing=0.0")),
    ("dropout", ("model.dropout=0.3", "training.label_smoothing=0.0")),
    ("+ label smoothing", ("model.dropout=0.3", "training.label_smoothing=0.1")),
    (
        "+ subword sampling",
        ("model.dropout=0.3", "training.label_smoothing=0.1", "tokenizer.sampling=0.2"),
    ),
)


def subset(arguments: argparse.Namespace, pairs: int) -> tuple[Path, Path]:
    """Files with the first pairs of the training data, below the runs folder."""
    folder = arguments.runs / f"{arguments.data.name}-first-{pairs}"
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for path, language in zip(common.files(arguments.data, "train"), ("en", "de"), strict=True):
        part = folder / f"train.{language}"
        lines = common.read_lines(path)[:pairs]
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        made.append(part)
    return made[0], made[1]


def main() -> None:
    arguments = common.arguments_for(__doc__).parse_args()
    groups = []
    for pairs, vocab in SIZES:
        source, target = subset(arguments, pairs)
        files = (f"data.train.source={source}", f"data.train.target={target}")
        outcomes = [
            common.measure(
                common.Variant(
                    f"pairs-{pairs}-{number}",
                    (*files, f"tokenizer.vocab_size={vocab}", *overrides),
                    f"{pairs:,} pairs, {title}",
                ),
                arguments,
            )
            for number, (title, overrides) in enumerate(REGULARIZATION)
        ]
        groups.append(outcomes)
    table = common.table(
        ("", "training loss", "lowest validation loss", "last validation loss", "BLEU"),
        [
            (
                o.title,
                f"{o.last_training_loss:.2f}",
                f"{o.lowest_validation_loss:.2f}",
                f"{o.last_validation_loss:.2f}",
                f"{o.bleu:.1f} ± {o.bleu_interval:.1f}",
            )
            for outcomes in groups
            for o in outcomes
        ],
    )
    made, axes = common.figure(len(groups))
    for axis, outcomes, (pairs, _) in zip(axes, groups, SIZES, strict=True):
        for outcome, (title, _), colour in zip(
            outcomes, REGULARIZATION, common.COLOURS, strict=False
        ):
            training, validation = outcome.training, outcome.validation
            axis.plot(
                [r["step"] for r in validation],
                [r["loss"] for r in validation],
                color=colour,
                label=title,
            )
            axis.plot(
                [r["step"] for r in training],
                [r["nll"] for r in training],
                color=colour,
                linestyle=":",
                linewidth=1,
            )
        axis.set(title=f"{pairs:,} pairs", xlabel="updates", ylim=(0, 8))
    axes[0].set(ylabel="loss (nats): validation, training dotted")
    axes[-1].legend(frameon=False)
    common.save_figure(made, "overfitting", arguments)
    common.save("overfitting", arguments, [table], [o for outcomes in groups for o in outcomes])


if __name__ == "__main__":
    main()
