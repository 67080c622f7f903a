"""Training without the causal mask: the loss falls, translation breaks.

python scripts/experiments/causality.py --data multi30k-en-de
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from unittest import mock

import common
import torch
from torch import Tensor

from nmt.model import Memory
from nmt.model.transformer import Transformer


def decode_seeing_the_future(model: Transformer, target_in: Tensor, memory: Memory) -> Tensor:
    """`Transformer.decode` in which every position attends to every other one."""
    everywhere = torch.ones(1, target_in.shape[1], dtype=torch.bool, device=target_in.device)
    memory_mask = memory.mask[:, None, None, :]
    x = model.embed_target(target_in)
    for layer in model.decoder_layers:
        x = layer(x, memory.states, everywhere, memory_mask, model.decoder_rule)
    result: Tensor = model.decoder_norm(x)
    return result


def no_causal_mask() -> AbstractContextManager[object]:
    """Context in which training and validation loss see the future; beam search cannot."""
    return mock.patch.object(Transformer, "decode", decode_seeing_the_future)


def main(given: Sequence[str] | None = None) -> None:
    arguments = common.parse(common.arguments_for(__file__, __doc__), given)
    variants = [
        common.Variant(common.TRANSFORMER.name, label="with causal mask"),
        common.Variant("no-causal-mask", label="without", altered=no_causal_mask),
    ]
    outcomes = [common.measure(variant, arguments) for variant in variants]
    made, (loss, bleu) = common.figure(2)
    common.draw_curves(loss, outcomes, "nll")
    common.draw_curves(bleu, outcomes, "bleu")
    loss.legend(frameon=False)
    common.save_figure(made, "causality", arguments)
    common.save("causality", arguments, [common.score_table(outcomes)], outcomes)


if __name__ == "__main__":
    common.run(main)
