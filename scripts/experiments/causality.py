"""Train without the causal mask: the loss falls to nearly zero and translation fails.

python scripts/experiments/causality.py --data multi30k-en-de
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from unittest import mock

import common
from torch import Tensor

from nmt.model import transformer
from nmt.model.masks import self_attention_mask


def mask_with_the_future(
    segments: Tensor, *, causal: bool = False, window: int | None = None
) -> Tensor:
    """Return a self-attention mask that lets the decoder attend to later positions too."""
    return self_attention_mask(segments, window=window)


def no_causal_mask() -> AbstractContextManager[object]:
    """Return a context without the causal mask; beam search is not affected."""
    return mock.patch.object(transformer, "self_attention_mask", mask_with_the_future)


def main(given: Sequence[str] | None = None) -> None:
    arguments = common.parse(common.arguments_for(__file__, __doc__), given)
    variants = [
        common.Variant(common.TRANSFORMER.name, label="with causal mask"),
        common.Variant("no-causal-mask", label="without", altered=no_causal_mask),
    ]
    outcomes = [common.measure(variant, arguments) for variant in variants]
    common.save("causality", arguments, [common.score_table(outcomes)], outcomes)


if __name__ == "__main__":
    common.run(main)
