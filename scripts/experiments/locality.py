"""Limit self-attention to a window, or learn a bias per distance.

python scripts/experiments/locality.py --data multi30k-en-de
"""

from __future__ import annotations

from collections.abc import Sequence

import common
import torch

from nmt.loading import load_model
from nmt.model.positions import RelativePositions
from nmt.model.transformer import Transformer
from nmt.runs import Run

RELATIVE = common.Variant(
    "positions-relative", ("model.positions=relative",), "everywhere, bias by distance"
)


def learned_bias(run: Run, reach: int = 12) -> dict[str, list[list[float]]]:
    """Return the biases (heads, 2 * reach + 1) of encoder and decoder by key - query distance."""
    model = load_model(run, torch.device("cpu"))
    assert isinstance(model, Transformer)
    found = {}
    for part, rule in (("encoder", model.encoder_rule), ("decoder", model.decoder_rule)):
        assert isinstance(rule, RelativePositions)
        bias = rule(torch.tensor([[reach]]), torch.arange(2 * reach + 1)[None])
        found[part] = bias.detach()[0, :, 0].tolist()
    return found


def main(given: Sequence[str] | None = None) -> None:
    arguments = common.parse(common.arguments_for(__file__, __doc__), given)
    variants = [
        common.Variant(common.TRANSFORMER.name, label="everywhere"),
        *(
            common.Variant(f"window-{w}", (f"model.attention_window={w}",), f"window {w}")
            for w in (1, 3)
        ),
        RELATIVE,
    ]
    outcomes = [common.measure(variant, arguments) for variant in variants]
    bias = learned_bias(common.train(RELATIVE, arguments))
    tables = [common.score_table(outcomes)]
    common.save("locality", arguments, tables, outcomes, learned_bias=bias)


if __name__ == "__main__":
    common.run(main)
