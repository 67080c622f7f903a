"""A training run of the recurrent model resumes with the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import test_resume
from test_resume import outcome, start_or_resume
from tiny import tiny_config

from nmt.config import Config, ModelConfig


@pytest.mark.parametrize("attention", ["none", "additive"])
def test_resume_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attention: Any) -> None:
    model = ModelConfig(
        architecture="rnn",
        attention=attention,
        d_model=16,
        encoder_layers=1,
        decoder_layers=2,
        dropout=0.1,
    )

    def rnn_config(**training: Any) -> Config:
        return tiny_config(**training).model_copy(update={"model": model})

    monkeypatch.setattr(test_resume, "tiny_config", rnn_config)
    start_or_resume(tmp_path / "reference")
    for step in (1, 7):
        path = tmp_path / f"stopped-{step}"
        start_or_resume(path, stop_after=step)
        start_or_resume(path)
        assert outcome(path) == outcome(tmp_path / "reference")
