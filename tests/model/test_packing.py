"""Packed and quantized linear layers give nearly the same; packed models decode as before."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from nmt.config import DecodingConfig, ModelConfig
from nmt.decoding.search import Hypothesis, beam_search
from nmt.model import build_model
from nmt.model.packing import (
    Bf16Linear,
    Fp16Linear,
    Int8Linear,
    PackedLinear,
    Packing,
    can_pack,
    pack_linears,
)
from nmt.model.transformer import Transformer

CPU = torch.device("cpu")
needs_fp32 = pytest.mark.skipif(not can_pack(CPU, "fp32"), reason="torch without oneDNN")
needs_bf16 = pytest.mark.skipif(not can_pack(CPU, "bf16"), reason="no bf16 products here")
needs_fp16 = pytest.mark.skipif(not can_pack(CPU, "fp16"), reason="torch without FBGEMM")
needs_int8 = pytest.mark.skipif(not can_pack(CPU, "int8"), reason="torch without FBGEMM")


def random_linear(bias: bool, shape: tuple[int, ...]) -> tuple[Tensor, Tensor | None, Tensor]:
    """Weight (24, 16), bias or None, and input of the shape."""
    torch.manual_seed(0)
    linear = nn.Linear(16, 24, bias=bias)
    offset = linear.bias.detach() if bias else None
    return linear.weight.detach(), offset, torch.randn(shape)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 16), (3, 5, 16), (0, 16)])
@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        pytest.param(PackedLinear, 1e-5, marks=needs_fp32),
        pytest.param(Fp16Linear, 0.005, marks=needs_fp16),
        pytest.param(Bf16Linear, 0.05, marks=needs_bf16),
        pytest.param(Int8Linear, 0.05, marks=needs_int8),
    ],
)
def test_product_is_the_same(
    kind: type[PackedLinear | Fp16Linear | Bf16Linear | Int8Linear],
    tolerance: float,
    bias: bool,
    shape: tuple[int, ...],
) -> None:
    weight, offset, x = random_linear(bias, shape)
    with torch.inference_mode():
        expected = nn.functional.linear(x, weight, offset)
        result = kind(weight, offset)(x)
    torch.testing.assert_close(result, expected, rtol=0, atol=tolerance)


@needs_fp32
@pytest.mark.parametrize("rows", [1, PackedLinear.FEW_ROWS, PackedLinear.FEW_ROWS + 1])
def test_a_large_weight_gives_the_same_for_few_rows_and_many(rows: int) -> None:
    weight, x = torch.randn(PackedLinear.LARGE_WEIGHT // 64, 64), torch.randn(rows, 64)
    with torch.inference_mode():
        packed = PackedLinear(weight, None)
        assert packed.blocked is not None
        torch.testing.assert_close(packed(x), x @ weight.t(), rtol=1e-4, atol=1e-4)


@needs_fp16
@pytest.mark.parametrize("rows", [1, 5, 16, 17, 320])
def test_fp16_rounds_the_weights_and_nothing_else(rows: int) -> None:
    """So a sentence translates the same whatever the size of its batch."""
    torch.manual_seed(0)
    weight, bias, x = torch.randn(300, 64), torch.randn(300), torch.randn(rows, 64)
    with torch.inference_mode():
        expected = nn.functional.linear(x, weight.half().float(), bias)
        torch.testing.assert_close(Fp16Linear(weight, bias)(x), expected, rtol=0, atol=3e-5)


@needs_fp16
@pytest.mark.parametrize("value", [1e5, -1e5, torch.nan, torch.inf])
def test_fp16_leaves_weights_that_it_cannot_hold(value: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 24), nn.Linear(24, 8))
    with torch.no_grad():
        model[0].weight[3, 5] = value
        x = torch.randn(4, 16)
        expected = model(x)
        pack_linears(model, "fp16")
        assert [type(layer) for layer in model] == [PackedLinear, Fp16Linear]
        torch.testing.assert_close(model(x), expected, rtol=1e-3, atol=1e-2, equal_nan=True)


@needs_int8
def test_int8_rows_do_not_change_each_other() -> None:
    weight, bias, x = random_linear(True, (8, 16))
    linear = Int8Linear(weight, bias)
    scaled = x * torch.tensor([1e-3, 1.0, 1e3, 0.0, 1.0, 1.0, 1.0, 1.0])[:, None]
    together = linear(scaled)
    for row, alone in zip(scaled, together, strict=True):
        assert torch.equal(linear(row[None])[0], alone)
    assert torch.equal(together[3], bias)  # a row of zeros
    error = (together - nn.functional.linear(scaled, weight, bias)).abs().amax(1)
    assert bool((error <= 0.02 * scaled.abs().amax(1)).all())


@needs_int8
def test_int8_keeps_what_is_no_number() -> None:
    weight, bias, x = random_linear(True, (2, 16))
    linear = Int8Linear(weight, bias)
    x[0, 3] = torch.nan
    assert bool(linear(x)[0].isnan().all())
    assert bool(linear(x)[1].isfinite().all())
    weight[5] = torch.nan
    assert bool(Int8Linear(weight, bias)(x)[1, 5].isnan())


@pytest.mark.parametrize(
    ("packing", "tolerance"),
    [
        pytest.param("fp32", 1e-4, marks=needs_fp32),
        pytest.param("fp16", 1e-2, marks=needs_fp16),
        pytest.param("int8", 0.2, marks=needs_int8),
    ],
)
@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_a_packed_model_searches_as_before(
    architecture: str, packing: Packing, tolerance: float
) -> None:
    torch.manual_seed(0)
    config = ModelConfig.model_validate(
        {"architecture": architecture, "d_model": 32, "heads": 4, "feedforward": 64}
    )
    model = build_model(config, 40, 40, True).eval()
    source = torch.randint(4, 40, (3, 7))
    mask = torch.ones(3, 7, dtype=torch.bool)
    options = DecodingConfig(beam_size=3, max_length=10)
    before = beam_search(model, source, mask, options)  # type: ignore[arg-type]
    pack_linears(model, packing)
    after = beam_search(model, source, mask, options)  # type: ignore[arg-type]
    assert [h[0].tokens for h in before] == [h[0].tokens for h in after]
    assert [h[0].score for h in before] == pytest.approx([h[0].score for h in after], abs=tolerance)


@pytest.fixture(scope="module")
def reverser() -> Transformer:
    """A Transformer that has learnt to write digits backwards, nearly."""
    torch.manual_seed(1)
    model = Transformer(
        14, 14, d_model=32, heads=4, encoder_layers=1, decoder_layers=1, feedforward=64, dropout=0.0
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(400):
        source, target = digits(64)
        hidden = model.decode(target[:, :-1], model.encode(source, source > 0))
        loss = nn.functional.cross_entropy(
            model.logits(hidden).flatten(0, 1), target[:, 1:].flatten(), ignore_index=0
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5
    return model.eval()


def digits(count: int) -> tuple[Tensor, Tensor]:
    """Random digits with eos, and the same backwards between bos and eos; padding is 0."""
    length = 7
    lengths = torch.randint(1, length, (count, 1))
    source = torch.randint(4, 14, (count, length))
    positions = torch.arange(length)
    target = source.gather(1, (lengths - 1 - positions).clamp(min=0))
    for ids in (source, target):
        ids.masked_fill_(positions >= lengths, 0).scatter_(1, lengths, 3)
    return source, torch.cat([torch.full((count, 1), 2), target], dim=1)


@pytest.mark.parametrize(
    "packing",
    [
        pytest.param("fp32", marks=needs_fp32),
        pytest.param("fp16", marks=needs_fp16),
        pytest.param("int8", marks=needs_int8),
    ],
)
def test_packed_model_translates_like_the_plain_one_and_alone_as_in_a_batch(
    reverser: Transformer, packing: Packing
) -> None:
    source, target = digits(300)
    options = DecodingConfig(max_length=10)

    def best(model: Transformer, rows: Tensor) -> list[Hypothesis]:
        return [found[0] for found in beam_search(model, rows, rows > 0, options)]

    exact = best(reverser, source)
    right = [row[1 : row.index(3)] for row in target.tolist()]
    assert sum(a.tokens == b for a, b in zip(exact, right, strict=True)) > 200
    packed = copy.deepcopy(reverser)
    pack_linears(packed, packing)
    together = best(packed, source)
    same = sum(a.tokens == b.tokens for a, b in zip(exact, together, strict=True))
    assert same >= 0.95 * len(exact)
    alone = [best(packed, row[None])[0] for row in source[:100]]
    # Rounding of matrix products may decide between two outputs of equal score; int8 rounds the
    # activations to 64 levels, so there the last bit may move a score by one level.
    tolerance = 0.05 if packing == "int8" else 1e-4
    for one, other in zip(alone, together, strict=False):
        assert one.score == pytest.approx(other.score, abs=tolerance)
    differing = sum(a.tokens != b.tokens for a, b in zip(alone, together, strict=False))
    assert differing <= (2 if packing == "int8" else 0)
