"""`load_model`: the loaded model equals the saved one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from untrained import write_run

from nmt.loading import load_model
from nmt.runs import Run


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tie_embeddings": False, "positions": "learned", "max_positions": 300},
        {"norm": "pre", "positions": "rotary"},
        {"positions": "relative"},
        {"architecture": "rnn", "decoder_layers": 2},
        {"architecture": "rnn", "positions": "learned", "max_positions": 300},
        {"architecture": "rnn", "attention": "additive", "tie_embeddings": False},
    ],
    ids=str,
)
def test_loaded_model_equals_the_saved_one(tmp_path: Path, options: dict[str, Any]) -> None:
    saved = write_run(tmp_path / "run", **options)
    generator = torch.get_rng_state()
    model: Any = load_model(Run(tmp_path / "run"), torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), generator)  # No random weights were drawn.
    loaded = dict(model.named_parameters()) | dict(model.named_buffers())
    assert set(loaded) == set(saved)
    for name, tensor in loaded.items():
        assert torch.equal(tensor, saved[name]), name
    tied = options.get("tie_embeddings", True)
    assert (model.output_projection.weight is model.target_embedding.weight) == tied
