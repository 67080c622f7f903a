"""One attention head against many, at the same width and number of parameters.

python scripts/experiments/heads.py --data multi30k-en-de
"""

from __future__ import annotations

import common


def main() -> None:
    arguments = common.arguments_for(__doc__).parse_args()
    variants = [
        common.Variant("heads-1", ("model.heads=1",), "1 head, d_k = 128"),
        common.Variant("heads-2", ("model.heads=2",), "2 heads, d_k = 64"),
        common.Variant(common.TRANSFORMER.name, label="4 heads, d_k = 32"),
        common.Variant("heads-8", ("model.heads=8",), "8 heads, d_k = 16"),
        common.Variant("heads-16", ("model.heads=16",), "16 heads, d_k = 8"),
    ]
    outcomes = [common.measure(variant, arguments) for variant in variants]
    made, (scores, curves) = common.figure(2)
    common.draw_scores(scores, outcomes)
    common.draw_curves(curves, outcomes, "loss")
    common.save_figure(made, "heads", arguments)
    common.save("heads", arguments, [common.score_table(outcomes)], outcomes)


if __name__ == "__main__":
    main()
