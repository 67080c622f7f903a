"""Compare BLEU by source length: RNN with a fixed vector, RNN with attention, Transformer.

python scripts/experiments/length.py --data multi30k-en-de
python scripts/experiments/length.py --data runs/long-lines --name length-long \\
    --set tokenizer.vocab_size=2000
"""

from __future__ import annotations

from collections.abc import Sequence

import common


def main(given: Sequence[str] | None = None) -> None:
    parser = common.arguments_for(__file__, __doc__)
    parser.add_argument("--name", default="length", help="name of the result files [length]")
    arguments = common.parse(parser, given)
    variants = (common.FIXED_VECTOR, common.RNN_ATTENTION, common.TRANSFORMER)
    outcomes = [common.measure(variant, arguments) for variant in variants]

    spans = [(row.first, row.last) for row in outcomes[0].lengths]
    names = [f"{first}+" if last is None else f"{first}-{last}" for first, last in spans]
    heads = ("", *names, "all", "parameters")
    rows = [
        (
            o.title,
            *(f"{row.bleu[0]:.1f}" for row in o.lengths),
            f"{o.bleu:.1f} ± {o.bleu_interval:.1f}",
            f"{o.parameters / 1e6:.2f}M",
        )
        for o in outcomes
    ]
    sizes = ("sentences", *(str(row.sentences) for row in outcomes[0].lengths), "", "")
    table = common.table(heads, [*rows, sizes])
    common.save(arguments.name, arguments, [table], outcomes)


if __name__ == "__main__":
    common.run(main)
