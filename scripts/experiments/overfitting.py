"""Compare regularization with 1,000, 5,000 and all training pairs.

python scripts/experiments/overfitting.py --data multi30k-en-de
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import common

# Pairs: vocabulary size. Pieces that never occur in training cannot be learned.
SIZES = {1_000: 1_000, 5_000: 2_000, 29_000: 4_000}
# Enough steps to overfit 1,000 pairs; fewer than in base.yaml because there are 12 variants.
STEPS = ("training.max_steps=300", "training.warmup_steps=45", "training.valid_every=50")
REGULARIZATION: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("none", ("model.dropout=0.0", "training.label_smoothing=0.0")),
    ("dropout", ("model.dropout=0.3", "training.label_smoothing=0.0")),
    ("+ label smoothing", ("model.dropout=0.3", "training.label_smoothing=0.1")),
    (
        "+ subword sampling",
        ("model.dropout=0.3", "training.label_smoothing=0.1", "tokenizer.sampling=0.2"),
    ),
)


def variant(arguments: argparse.Namespace, pairs: int, number: int) -> common.Variant:
    """Return the variant of a row: number of pairs and index in REGULARIZATION."""
    title, overrides = REGULARIZATION[number]
    source, target = common.first_lines(arguments, "train", pairs)
    settings = (
        f"data.train.source={source}",
        f"data.train.target={target}",
        f"tokenizer.vocab_size={SIZES[pairs]}",
        *STEPS,
        *overrides,
    )
    return common.Variant(f"pairs-{pairs}-{number}", settings, f"{pairs:,} pairs, {title}")


def main(given: Sequence[str] | None = None) -> None:
    arguments = common.parse(common.arguments_for(__file__, __doc__), given)
    groups = [
        [
            common.measure(variant(arguments, pairs, n), arguments)
            for n in range(len(REGULARIZATION))
        ]
        for pairs in SIZES
    ]
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
    common.save("overfitting", arguments, [table], [o for outcomes in groups for o in outcomes])


if __name__ == "__main__":
    common.run(main)
