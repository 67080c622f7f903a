"""Run all experiments that train; run the same command again to resume.

    python scripts/experiments/all.py --data multi30k-en-de

A model that several experiments need is trained once. speed.py and cost.py are not included,
because they measure time and need a machine without other load.
"""

from __future__ import annotations

from collections.abc import Sequence

import causality
import common
import heads
import length
import locality
import long_lines
import overfitting
import positions
import scaling


def main(given: Sequence[str] | None = None) -> None:
    parser = common.arguments_for(__file__, __doc__)
    arguments = parser.parse_args(given)
    options = ["--runs", arguments.runs, "--docs", arguments.docs, "--threads", arguments.threads]
    for setting in arguments.set:
        options += ["--set", setting]
    shared = [*map(str, options), "--data"]
    long = arguments.runs / "long-lines"
    long_lines.write(long)
    length.main([*shared, str(arguments.data)])
    # The phrasebook has too few words for the vocabulary size of base.yaml.
    few = ["--set", "tokenizer.vocab_size=2000"]
    length.main([*shared, str(long), "--name", "length-long", *few])
    for experiment in (heads, positions, scaling, causality, locality, overfitting):
        experiment.main([*shared, str(arguments.data)])


if __name__ == "__main__":
    common.run(main)
