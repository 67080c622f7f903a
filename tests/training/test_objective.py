"""The training objective computes the loss of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nmt.data.batching import collate
from nmt.kernels.attention import FastAttention
from nmt.kernels.dropout import FastDropout
from nmt.model.transformer import Positions, Transformer
from nmt.training.objective import TrainingObjective, cross_entropy, r_drop

PAIRS = [([5, 6, 7], [8, 9]), ([4], [9, 10, 11, 12])]
BATCH = collate(PAIRS, np.arange(2))
POSITIONS: list[Positions] = ["sinusoidal", "learned", "rotary", "relative", "none"]


def tiny(dropout: float = 0.0, positions: Positions = "sinusoidal") -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        30,
        30,
        d_model=16,
        heads=2,
        encoder_layers=1,
        decoder_layers=1,
        feedforward=32,
        dropout=dropout,
        attention_dropout=dropout,
        word_dropout=dropout,
        positions=positions,
        share_embeddings=True,
        attention=FastAttention,
        dropout_layer=FastDropout,
    )


def test_loss_equals_the_cross_entropy_of_the_logits() -> None:
    model = tiny()
    sums = TrainingObjective(model, 0.1)(BATCH)
    logits = model(BATCH.source, BATCH.target).flatten(0, 1)[BATCH.predictions]
    for value, smoothing in ((sums.objective, 0.1), (sums.nll, 0.0)):
        expected = torch.nn.functional.cross_entropy(
            logits, BATCH.references, label_smoothing=smoothing, reduction="sum"
        )
        torch.testing.assert_close(value, expected)
    assert BATCH.references.tolist() == [8, 9, 3, 9, 10, 11, 12, 3]


def test_padding_does_not_change_the_loss() -> None:
    objective = TrainingObjective(tiny(), 0.1)
    together = objective(BATCH)
    apart = [objective(part) for part in BATCH.split()]
    torch.testing.assert_close(together.objective, sum(part.objective for part in apart))
    torch.testing.assert_close(together.nll, sum(part.nll for part in apart))


def test_r_drop_without_dropout_equals_the_plain_loss() -> None:
    objective = TrainingObjective(tiny(), 0.1)
    plain = objective(BATCH).objective
    objective.alpha = 5.0
    torch.testing.assert_close(objective(BATCH).objective, plain)


def test_r_drop_equals_the_paper_formula() -> None:
    model = tiny(dropout=0.3)
    objective = TrainingObjective(model, 0.1)
    objective.alpha = 2.0
    torch.manual_seed(1)
    found = objective(BATCH).objective

    torch.manual_seed(1)
    twice = collate(PAIRS * 2, np.arange(4))
    logits = model(twice.source, twice.target).flatten(0, 1)[twice.predictions]
    log_p, log_q = torch.log_softmax(logits, -1).chunk(2)
    rows = torch.arange(len(BATCH.references))

    def smoothed(log_probs: torch.Tensor) -> torch.Tensor:
        return -(0.9 * log_probs[rows, BATCH.references] + 0.1 * log_probs.mean(1)).sum()

    p, q = log_p.exp(), log_q.exp()
    divergence = ((p * (log_p - log_q)).sum() + (q * (log_q - log_p)).sum()) / 2
    paper = smoothed(log_p) + smoothed(log_q) + 2.0 * divergence
    torch.testing.assert_close(found, paper / 2, rtol=1e-4, atol=1e-4)
    parameters = list(model.parameters())
    grads = torch.autograd.grad(found, parameters)
    for grad, expected in zip(grads, torch.autograd.grad(paper / 2, parameters), strict=True):
        torch.testing.assert_close(grad, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_chunked_losses_equal_the_formulas_in_value_and_gradient(alpha: float) -> None:
    results = []
    for losses in ((), (cross_entropy, r_drop)):
        model = tiny(dropout=0.3)
        objective = TrainingObjective(model, 0.1, *losses)
        objective.alpha = alpha
        torch.manual_seed(1)
        sums = objective(BATCH)
        sums.objective.backward()  # type: ignore[no-untyped-call]
        results.append([*sums, *(p.grad for p in model.parameters())])
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("positions", "alpha"), [*((positions, 0.0) for positions in POSITIONS), ("rotary", 2.0)]
)
def test_objective_compiles_into_one_graph(positions: Positions, alpha: float) -> None:
    torch.compiler.reset()
    model = tiny(positions=positions)
    objective = TrainingObjective(model, 0.1)
    objective.alpha = alpha
    expected = objective(BATCH)
    expected.objective.backward()  # type: ignore[no-untyped-call]
    wanted = [p.grad for p in model.parameters()]
    model.zero_grad()
    found = torch.compile(objective, fullgraph=True, backend="aot_eager")(BATCH)
    found.objective.backward()
    torch.testing.assert_close(list(found), list(expected))
    torch.testing.assert_close([p.grad for p in model.parameters()], wanted)


def test_dropout_does_not_break_the_graph() -> None:
    torch.compiler.reset()
    objective = torch.compile(
        TrainingObjective(tiny(dropout=0.3), 0.1), fullgraph=True, backend="aot_eager"
    )
    objective(BATCH).objective.backward()


def test_r_drop_is_off_in_evaluation() -> None:
    objective = TrainingObjective(tiny(dropout=0.3), 0.1).eval()
    plain = objective(BATCH)
    objective.alpha = 2.0
    assert torch.equal(objective(BATCH).objective, plain.objective)
