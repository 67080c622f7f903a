"""Batches of token ids with and without padding."""

from __future__ import annotations

import pytest
import torch
from batches import unpadded

from nmt.model.base import Tokens

VOCAB = 13


@pytest.fixture(autouse=True)
def _seeded(seeded: None) -> None:
    """Seed torch and use one thread in every test."""


@pytest.fixture
def sources() -> Tokens:
    """Return sentences of 7, 4 and 5 tokens, padded with 0: (3, 7)."""
    ids = torch.randint(4, VOCAB, (3, 7))
    mask = torch.arange(7) < torch.tensor([7, 4, 5])[:, None]
    return Tokens.padded(ids.masked_fill(~mask, 0), mask)


@pytest.fixture
def targets() -> Tokens:
    """Return sentences of 6 tokens each: (3, 6)."""
    return unpadded(torch.randint(4, VOCAB, (3, 6)))
