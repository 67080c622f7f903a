"""Attention masks made from segments, compared cell by cell."""

from __future__ import annotations

import pytest
import torch

from nmt.model.masks import memory_mask, self_attention_mask

ROW = [1, 1, 1, 2, 2, 0]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 1])
def test_self_attention_mask_equals_its_definition(causal: bool, window: int | None) -> None:
    mask = self_attention_mask(torch.tensor([ROW, [1] * 6]), causal=causal, window=window)
    assert mask.shape == (2, 1, 6, 6)
    for row, segments in enumerate((ROW, [1] * 6)):
        for q, query in enumerate(segments):
            for k, key in enumerate(segments):
                near = window is None or abs(q - k) <= window
                allowed = query == 0 or (query == key and near and not (causal and k > q))
                assert mask[row, 0, q, k].item() == allowed


def test_memory_mask_allows_only_the_same_segment() -> None:
    mask = memory_mask(torch.tensor([ROW]), torch.tensor([[1, 2, 2, 0]]))[0, 0].tolist()
    assert mask[0] == mask[1] == mask[2] == [True, False, False, False]
    assert mask[3] == mask[4] == [False, True, True, False]
    assert mask[5] == [True] * 4  # results at padding positions are never used
