"""Compare positional encodings: none, sinusoidal, rotary, and a learned bias per distance.

python scripts/experiments/positions.py --data multi30k-en-de
"""

from __future__ import annotations

from collections.abc import Sequence

import common


def main(given: Sequence[str] | None = None) -> None:
    arguments = common.parse(common.arguments_for(__file__, __doc__), given)
    variants = [
        common.Variant("positions-none", ("model.positions=none",), "none"),
        common.Variant(common.TRANSFORMER.name, label="sinusoidal"),
        common.Variant("positions-rotary", ("model.positions=rotary",), "rotary"),
        common.Variant("positions-relative", ("model.positions=relative",), "relative"),
    ]
    outcomes = [common.measure(variant, arguments) for variant in variants]
    common.save("positions", arguments, [common.score_table(outcomes)], outcomes)


if __name__ == "__main__":
    common.run(main)
