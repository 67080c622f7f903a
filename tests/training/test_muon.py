"""Muon's update, compared with singular values, torch's Muon and torch's AdamW."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nmt.config import ModelConfig, TrainingConfig
from nmt.loading import build_model
from nmt.training.muon import Muon, orthogonalize
from nmt.training.optimizer import build_optimizer


def test_orthogonalize_keeps_singular_vectors_and_evens_out_singular_values() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 24, 40) * torch.tensor([1e-6, 1.0, 1e6])[:, None, None]
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    in_their_basis = left.mT @ orthogonalize(matrices) @ right.mT
    values = in_their_basis.diagonal(dim1=1, dim2=2)
    assert values.min() > 0.5 and values.max() < 1.3
    torch.testing.assert_close(in_their_basis, torch.diag_embed(values), atol=1e-4, rtol=0)


def test_orthogonalize_commutes_with_transpose_and_treats_matrices_separately() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(4, 16, 8)
    together = orthogonalize(matrices)
    torch.testing.assert_close(orthogonalize(matrices.mT), together.mT)
    torch.testing.assert_close(orthogonalize(matrices[2:3]), together[2:3])
    assert torch.equal(orthogonalize(torch.zeros(1, 3, 5)), torch.zeros(1, 3, 5))


def trained(optimizer: torch.optim.Optimizer, parameter: Tensor, steps: int = 4) -> Tensor:
    torch.manual_seed(1)
    for _ in range(steps):
        parameter.grad = torch.randn(parameter.shape)
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("shape", [(32, 32), (48, 16), (16, 48)])
def test_update_of_matrices_is_close_to_torch_muon(shape: tuple[int, int]) -> None:
    begin = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    ours, theirs = nn.Parameter(begin.clone()), nn.Parameter(begin.clone())
    mine = trained(Muon([ours], [], 0.01, (0.9, 0.98), weight_decay=0.1), ours)
    reference = torch.optim.Muon(
        [theirs], 0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    other = trained(reference, theirs)
    # torch orthogonalizes in bfloat16, so only two digits of its update are exact.
    assert (mine - other).norm() < 0.03 * (other - begin).norm()


@pytest.mark.parametrize("shape", [(20, 8), (8,)])
def test_update_of_other_parameters_equals_torch_adamw(shape: tuple[int, ...]) -> None:
    begin = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    ours, theirs = nn.Parameter(begin.clone()), nn.Parameter(begin.clone())
    mine = trained(Muon([], [ours], 0.01, (0.9, 0.98), weight_decay=0.1), ours)
    decay = 0.1 if len(shape) > 1 else 0.0
    reference = torch.optim.AdamW(
        [theirs], 0.01, betas=(0.9, 0.98), eps=1e-9, weight_decay=decay, fused=True
    )
    assert torch.equal(mine, trained(reference, theirs))


@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
@pytest.mark.parametrize("tied", [True, False])
def test_embeddings_are_not_orthogonalized(architecture: str, tied: bool) -> None:
    model = build_model(
        ModelConfig.model_validate(
            {
                "architecture": architecture,
                "d_model": 16,
                "heads": 2,
                "feedforward": 32,
                "tie_embeddings": tied,
            }
        ),
        20,
        20,
        tied,
    )
    config = TrainingConfig.model_validate({"optimizer": "muon", "max_steps": 1})
    matrices, *others = build_optimizer(model, config).param_groups
    assert matrices["orthogonal"] and all(p.ndim == 2 for p in matrices["params"])
    assert not any(20 in p.shape for p in matrices["params"])
    count = sum(len(group["params"]) for group in (matrices, *others))
    assert count == len(list(model.parameters()))
