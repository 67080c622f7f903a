"""Packed linear layers give the same results; a packed model decodes as before."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from nmt.config import DecodingConfig, ModelConfig
from nmt.decoding.search import beam_search
from nmt.model import build_model
from nmt.model.packing import PackedLinear, can_pack, pack_linears

pytestmark = pytest.mark.skipif(
    not can_pack(torch.device("cpu"), "fp32"), reason="torch without oneDNN's packed products"
)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 16), (3, 5, 16), (0, 16)])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.05)])
def test_product_is_the_same(
    bias: bool, shape: tuple[int, ...], precision: Literal["fp32", "bf16"], tolerance: float
) -> None:
    if not can_pack(torch.device("cpu"), precision):
        pytest.skip(f"no packed products in {precision} on this processor")
    torch.manual_seed(0)
    linear = nn.Linear(16, 24, bias=bias)
    x = torch.randn(shape)
    with torch.inference_mode():
        packed = PackedLinear(linear, precision)
        torch.testing.assert_close(packed(x), linear(x), rtol=0, atol=tolerance)


@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_a_packed_model_searches_as_before(architecture: str) -> None:
    torch.manual_seed(0)
    config = ModelConfig.model_validate(
        {"architecture": architecture, "d_model": 32, "heads": 4, "feedforward": 64}
    )
    model = build_model(config, 40, 40, True).eval()
    source = torch.randint(4, 40, (3, 7))
    mask = torch.ones(3, 7, dtype=torch.bool)
    options = DecodingConfig(beam_size=3, max_length=10)
    before = beam_search(model, source, mask, options)  # type: ignore[arg-type]
    pack_linears(model, "fp32")
    after = beam_search(model, source, mask, options)  # type: ignore[arg-type]
    assert [h[0].tokens for h in before] == [h[0].tokens for h in after]
    assert [h[0].score for h in before] == pytest.approx([h[0].score for h in after], abs=1e-4)
