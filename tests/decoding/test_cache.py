"""Caches of keys and values, the tree of hypotheses, and selections of rows."""

from __future__ import annotations

import numpy as np
import torch

from nmt.decoding.engine.cache import HypothesisTree, KeyValueCache
from nmt.decoding.engine.selection import Selection

CPU = torch.device("cpu")


def test_cache_keeps_selected_entries_and_sentences() -> None:
    cache = KeyValueCache(3, 2, 4, 6, torch.zeros(()))
    pieces = [torch.randn(2, 3, 2, 2, 4) for _ in range(3)]
    for piece in pieces:
        keys, values = cache.append(piece)
    expected = torch.cat(pieces, dim=3)
    assert torch.equal(keys.view(3, 2, 6, 4), expected[0])
    assert torch.equal(values.view(3, 2, 6, 4), expected[1])
    kept = torch.tensor([[0, 2, 5], [1, 2, 3], [0, 4, 5]])
    cache.keep(kept, capacity=10)
    expected = torch.stack([expected[:, i][:, :, kept[i]] for i in range(3)], dim=1)
    cache.select(Selection(np.array([2, 1]), 2, CPU))
    more = torch.randn(2, 2, 2, 1, 4)
    keys, values = cache.append(more)
    expected = torch.cat([expected[:, [2, 1]], more], dim=3)
    assert torch.equal(keys.view(2, 2, 4, 4), expected[0])
    assert torch.equal(values.view(2, 2, 4, 4), expected[1])


def test_hypothesis_tree_allows_ancestors_only_and_removes_dead_entries() -> None:
    tree = HypothesisTree(2, torch.zeros(()), with_positions=True)
    both = np.array([0, 1])
    tree.grow()  # entry 0
    tree.select(both, np.array([[0, 0], [0, 0]]))
    tree.grow()  # entries 1, 2
    tree.select(both, np.array([[1, 1], [0, 1]]))
    tree.grow()  # entries 3, 4
    assert tree.bias.exp().tolist() == [
        [[1, 0, 1, 1, 0], [1, 0, 1, 0, 1]],
        [[1, 1, 0, 1, 0], [1, 0, 1, 0, 1]],
    ]
    assert tree.positions is not None
    assert tree.positions.tolist() == [[0, 1, 1, 2, 2]] * 2
    tree.select(both, np.array([[1, 1], [0, 1]]))
    assert tree.forget_dead().tolist() == [[0, 2, 4, 1, 3], [0, 1, 2, 3, 4]]
    tree.select(np.array([0]), np.array([[0, 1]]))
    assert tree.forget_dead().tolist() == [[0, 1, 2]]
    assert tree.bias.exp().tolist() == [[[1, 1, 1], [1, 1, 1]]]
    assert tree.positions.tolist() == [[0, 1, 2]]


def test_selection_moves_only_the_changed_rows() -> None:
    x = torch.arange(5.0)[:, None].repeat(1, 2)
    assert Selection(np.array([0, 4, 2]), 3, CPU)(x.clone())[:, 0].tolist() == [0, 4, 2]
    assert Selection(np.array([0, 4, 2]), 5, CPU)(x.clone())[:, 0].tolist() == [0, 4, 2, 3, 4]
    assert Selection(np.array([0, 1]), 2, CPU).moved is None
