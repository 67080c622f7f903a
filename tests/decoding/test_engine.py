"""The decoder program gives the results of the plain model."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmt.config import DecodingConfig, ModelConfig
from nmt.decoding.engine import DecoderProgram, build_program
from nmt.decoding.engine.memory import MemoryAttention
from nmt.decoding.engine.state import TransformerState
from nmt.decoding.search import Hypothesis, beam_search
from nmt.kernels.linear import NumberFormat, can_pack
from nmt.loading import build_model
from nmt.model.base import Tokens
from nmt.model.rnn import RNNEncoderDecoder
from nmt.model.transformer import Transformer

CPU = torch.device("cpu")
FORMATS: tuple[NumberFormat, ...] = ("fp32", "fp16", "bf16", "int8")


def needs(number_format: NumberFormat) -> None:
    if number_format in ("fp16", "int8") and not can_pack(CPU, number_format):
        pytest.skip("torch without FBGEMM")


def plain_logits(model: Any, source: Tensor, target_in: Tensor) -> Tensor:
    """Return the next-token logits (batch, target_len, vocab) of the plain model."""
    everything = torch.ones_like(target_in, dtype=torch.bool)
    logits: Tensor = model(Tokens.padded(source, source != 0), Tokens.padded(target_in, everything))
    return logits


@pytest.fixture(params=[True, False], ids=["folded", "plain"])
def any_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test with folded and with plain encoder-decoder attention."""
    if not request.param:
        monkeypatch.setattr(MemoryAttention, "LARGEST_FOLDED", 0)


@pytest.mark.usefixtures("any_memory")
@pytest.mark.parametrize("capacity", [4, 32])
def test_transformer_steps_equal_decode(
    any_transformer: Transformer,
    many_sources: Tensor,
    capacity: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TransformerState, "CAPACITY", capacity)
    check_random_walk(any_transformer, many_sources[:3])


def test_rnn_steps_equal_decode(any_rnn: RNNEncoderDecoder, many_sources: Tensor) -> None:
    check_random_walk(any_rnn, many_sources[:3])


def check_random_walk(model: Any, source: Tensor) -> None:
    """Select hypotheses as a beam search may do and compare each step with the plain model."""
    generator = torch.Generator().manual_seed(7)
    walk: list[tuple[list[int] | None, int]] = [
        (None, 3),  # all sentences remain, with 3 hypotheses instead of 1
        (None, 3),
        ([2, 1], 3),  # sentence 0 is finished, the last one takes its row
        (None, 4),
        (None, 2),
        ([1], 2),  # the first sentence is finished
        (None, 3),
    ]
    program = build_program(model, "fp32", CPU)
    with torch.inference_mode():
        state = program.start(source, len(walk), 3)
        alive = torch.arange(len(source))
        history = torch.zeros(len(source), 1, 0, dtype=torch.int64)
        for keep, width in walk:
            batch, old_width, _ = history.shape
            tokens = torch.randint(4, 13, (batch, old_width), generator=generator)
            logits = program.step(tokens, state)
            history = torch.cat([history, tokens[..., None]], dim=2)
            rows = alive.repeat_interleave(old_width)
            expected = plain_logits(model, source[rows], history.flatten(0, 1))[:, -1]
            torch.testing.assert_close(logits, expected.view_as(logits), atol=1e-5, rtol=1e-5)
            sentences = np.array(keep if keep else range(batch))
            parents = torch.randint(old_width, (len(sentences), width), generator=generator)
            state.select(sentences, parents.numpy())
            alive = alive[sentences]
            history = history[torch.from_numpy(sentences)[:, None], parents]


def test_short_source_does_not_enlarge_its_caches_early(
    make_transformer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarged = 0
    enlarge = TransformerState._enlarge

    def counted(state: TransformerState) -> None:
        nonlocal enlarged
        enlarged += 1
        enlarge(state)

    monkeypatch.setattr(TransformerState, "_enlarge", counted)
    program = build_program(make_transformer(), "fp32", CPU)
    options = DecodingConfig(beam_size=5, max_length=5, min_length=5)
    beam_search(program, torch.tensor([[5, 3]]), options)
    assert enlarged == 0
    longer = options.model_copy(update={"max_length": 12, "min_length": 12})
    beam_search(program, torch.tensor([[5, 3]]), longer)
    assert enlarged > 0  # 61 entries do not fit


def any_model(architecture: str) -> Any:
    torch.manual_seed(0)
    config = ModelConfig.model_validate(
        {
            "architecture": architecture,
            "attention": "additive" if architecture == "rnn" else "none",
            "d_model": 32,
            "heads": 4,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "feedforward": 64,
        }
    )
    model: Any = build_model(config, 40, 40, True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.5
    return model


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_program_does_not_change_the_model(architecture: str, number_format: NumberFormat) -> None:
    needs(number_format)
    model = any_model(architecture)  # in training mode
    before = copy.deepcopy(model)
    program = build_program(model, number_format, CPU)
    beam_search(program, torch.tensor([[5, 6, 3]]), DecodingConfig(max_length=400, min_length=300))
    assert [type(module) for module in model.modules()] == [
        type(module) for module in before.modules()
    ]
    assert all(module.training for module in model.modules())
    for old, new in zip(before.parameters(), model.parameters(), strict=True):
        assert new.requires_grad
        assert torch.equal(old, new)
    for old, new in zip(before.buffers(), model.buffers(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_program_has_no_dropout_and_uses_the_current_weights(architecture: str) -> None:
    model = any_model(architecture)
    source, target = torch.tensor([[5, 6, 3]]), torch.tensor([[2, 7, 8, 3]])
    program = build_program(model, "fp32", CPU)
    model.eval()
    with torch.inference_mode():
        logits = plain_logits(model, source, target[:, :-1]).log_softmax(-1)
    expected = sum(float(logits[0, i, token]) for i, token in enumerate((7, 8, 3)))
    assert program.target_log_probabilities(source, target) == pytest.approx([expected], abs=1e-4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    again = build_program(model, "fp32", CPU).target_log_probabilities(source, target)
    assert again != pytest.approx([expected], abs=1e-2)


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_logits_are_unrounded_float32(architecture: str, number_format: NumberFormat) -> None:
    needs(number_format)
    program = build_program(any_model(architecture), number_format, CPU)
    with torch.inference_mode():
        state = program.start(torch.tensor([[5, 6, 3]]), 4, 2)
        logits = program.step(torch.tensor([[2]]), state)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
    assert not torch.equal(logits, logits.half().float())


TOLERANCES: dict[NumberFormat, float] = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 0.1, "int8": 0.2}


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_every_format_stays_near_the_plain_model(
    architecture: str, number_format: NumberFormat
) -> None:
    """Compare the log-probabilities of search and of scoring with the plain model."""
    needs(number_format)
    model = any_model(architecture).eval()
    program = build_program(model, number_format, CPU)
    source = torch.randint(4, 40, (6, 7))
    source[:, -1] = 3
    for sentence, hypothesis in zip(source, best(program, source), strict=True):
        target = torch.tensor([[2, *hypothesis.tokens, 3]])
        with torch.inference_mode():
            log_probs = plain_logits(model, sentence[None], target[:, :-1]).log_softmax(-1)
        expected = log_probs[0].gather(1, target[0, 1:, None]).sum().item()
        tolerance = TOLERANCES[number_format] * target.shape[1]
        assert hypothesis.log_probability == pytest.approx(expected, abs=tolerance)
        scored = program.target_log_probabilities(sentence[None], target)
        assert scored == pytest.approx([expected], abs=tolerance)


def random_sources(count: int) -> Tensor:
    """Return sources (count, 12) of 2 to 12 tokens including eos, padded with 0."""
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(2, 13, (count, 1), generator=generator)
    ids = torch.randint(4, 40, (count, 12), generator=generator)
    return ids.masked_fill(torch.arange(12) >= lengths, 0).scatter_(1, lengths - 1, 3)


def best(program: DecoderProgram, source: Tensor) -> list[Hypothesis]:
    options = DecodingConfig(max_length=12, no_repeat_ngram=3)  # makes the outputs differ
    return [found[0] for found in beam_search(program, source, options)]


@pytest.fixture(scope="module")
def reverser() -> Transformer:
    """Return a Transformer that was trained to reverse digits and usually does so."""
    torch.manual_seed(1)
    model = Transformer(
        14, 14, d_model=32, heads=4, encoder_layers=1, decoder_layers=1, feedforward=64, dropout=0.0
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(400):
        source, target = digits(64)
        logits = plain_logits(model, source, target[:, :-1])
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5
    return model.eval()


def digits(count: int) -> tuple[Tensor, Tensor]:
    """Return random digits with eos, and the digits backwards between bos and eos; padding is 0."""
    length = 7
    lengths = torch.randint(1, length, (count, 1))
    source = torch.randint(4, 14, (count, length))
    positions = torch.arange(length)
    target = source.gather(1, (lengths - 1 - positions).clamp(min=0))
    for ids in (source, target):
        ids.masked_fill_(positions >= lengths, 0).scatter_(1, lengths, 3)
    return source, torch.cat([torch.full((count, 1), 2), target], dim=1)


@pytest.mark.parametrize("number_format", FORMATS)
def test_trained_model_gives_nearly_equal_translations_in_every_format(
    reverser: Transformer, number_format: NumberFormat
) -> None:
    needs(number_format)
    source, target = digits(300)
    exact = best(build_program(reverser, "fp32", CPU), source)
    right = [row[1 : row.index(3)] for row in target.tolist()]
    assert sum(a.tokens == b for a, b in zip(exact, right, strict=True)) > 200
    program = build_program(reverser, number_format, CPU)
    together = best(program, source)
    same = sum(a.tokens == b.tokens for a, b in zip(exact, together, strict=True))
    assert same >= 0.95 * len(exact)


@pytest.mark.parametrize("number_format", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("model", ["reverser", "transformer", "rnn"])
def test_sentence_alone_equals_sentence_in_a_batch(
    model: str, reverser: Transformer, number_format: NumberFormat
) -> None:
    """Batch, padding and order only change the rounding of matrix products.

    int8 rounds the activations to 64 levels, so the last bit of a sum may change a score by one
    level.
    """
    needs(number_format)
    chosen = reverser if model == "reverser" else any_model(model)
    source = digits(50)[0] if model == "reverser" else random_sources(40)
    program = build_program(chosen, number_format, CPU)
    together = best(program, source)
    reversed_order = best(program, source.flip(0))[::-1]
    alone = [best(program, row[row > 0][None])[0] for row in source]
    assert len({tuple(h.tokens) for h in together}) > 10
    tolerance = 0.05 if number_format == "int8" else 1e-4
    for other in (reversed_order, alone):
        for one, two in zip(together, other, strict=True):
            assert one.score == pytest.approx(two.score, abs=tolerance)
        differing = sum(a.tokens != b.tokens for a, b in zip(together, other, strict=True))
        assert differing <= (2 if number_format == "int8" else 0)


def test_int8_on_cuda_raises_value_error() -> None:
    with pytest.raises(ValueError, match="cuda does not support int8"):
        build_program(any_model("transformer"), "int8", torch.device("cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("number_format", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
# cuDNN would compute the fp32 GRU in TF32.
@torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
def test_cuda_formats_stay_near_the_plain_model(
    architecture: str, number_format: NumberFormat
) -> None:
    model = any_model(architecture).eval()
    program = build_program(model, number_format, torch.device("cuda"))
    source = random_sources(20)
    reference = build_program(model, "fp32", CPU)
    for row, hypothesis in zip(source, best(program, source.cuda()), strict=True):
        target = torch.tensor([[2, *hypothesis.tokens, 3]])
        [expected] = reference.target_log_probabilities(row[row > 0][None], target)
        # A GPU rounds sums differently.
        tolerance = max(TOLERANCES[number_format], 1e-3) * target.shape[1]
        assert hypothesis.log_probability == pytest.approx(expected, abs=tolerance)
        scored = program.target_log_probabilities(row[row > 0][None].cuda(), target.cuda())
        assert scored == pytest.approx([expected], abs=tolerance)
