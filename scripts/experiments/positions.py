"""Word order: no positional encoding, sinusoids, rotated queries and keys, a bias by distance.

python scripts/experiments/positions.py --data multi30k-en-de
"""

from __future__ import annotations

import common


def main() -> None:
    arguments = common.arguments_for(__doc__).parse_args()
    variants = [
        common.Variant("positions-none", ("model.positions=none",), "none"),
        common.Variant(common.TRANSFORMER.name, label="sinusoidal"),
        common.Variant("positions-rotary", ("model.positions=rotary",), "rotary"),
        common.Variant("positions-relative", ("model.positions=relative",), "relative"),
    ]
    outcomes = [common.measure(variant, arguments) for variant in variants]
    made, (scores, curves) = common.figure(2)
    common.draw_scores(scores, outcomes)
    common.draw_curves(curves, outcomes, "loss")
    common.save_figure(made, "positions", arguments)
    common.save("positions", arguments, [common.score_table(outcomes)], outcomes)


if __name__ == "__main__":
    main()
