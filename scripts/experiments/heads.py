"""Compare 1, 4 and 16 attention heads at the same width and number of parameters.

python scripts/experiments/heads.py --data multi30k-en-de
"""

from __future__ import annotations

from collections.abc import Sequence

import common


def main(given: Sequence[str] | None = None) -> None:
    arguments = common.parse(common.arguments_for(__file__, __doc__), given)
    variants = [
        common.Variant("heads-1", ("model.heads=1",), "1 head, d_k = 128"),
        common.Variant(common.TRANSFORMER.name, label="4 heads, d_k = 32"),
        common.Variant("heads-16", ("model.heads=16",), "16 heads, d_k = 8"),
    ]
    outcomes = [common.measure(variant, arguments) for variant in variants]
    common.save("heads", arguments, [common.score_table(outcomes)], outcomes)


if __name__ == "__main__":
    common.run(main)
