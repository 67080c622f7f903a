"""Untrained models: random biases, and a run folder with a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from nmt import storage
from nmt.config import Config
from nmt.config.writing import dump_config
from nmt.loading import build_model
from nmt.runs import Run, tokenizer_digest
from nmt.tokenizer.training import train_tokenizer

LINES = ["the dog runs .", "", "the cat sees the old house .", "   ", "a tree"]


def with_random_biases(model: nn.Module) -> nn.Module:
    """Make the parameters random that a new model sets to constants; use evaluation mode."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 or "rule" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def write_run(path: Path, **model_options: Any) -> dict[str, torch.Tensor]:
    """Write a run folder with an untrained model; return the model's parameters and buffers."""
    run = Run(path)
    model_config = {
        "d_model": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "feedforward": 32,
        **model_options,
    }  # fmt: skip
    config = Config.model_validate(
        {
            "data": {"train": {"builtin": "phrasebook"}, "valid": {"builtin": "phrasebook"}},
            "tokenizer": {"type": "bpe", "vocab_size": 300},
            "model": model_config,
            "training": {"max_steps": 1},
            "decoding": {"max_length": 20},
        }
    )
    run.path.mkdir()
    run.config_file.write_text(dump_config(config), encoding="utf-8")
    tokenizer = train_tokenizer(
        lambda: iter([(line, line) for line in LINES if line.strip()] * 20),
        config.tokenizer,
        run.tokenizer_folder,
    )
    torch.manual_seed(1)
    size = len(tokenizer.source)
    model: Any = build_model(config.model, size, size, True)
    storage.write_folder(
        run.model_folder,
        {"model.safetensors": {name: p.detach() for name, p in model.named_parameters()}},
        {"tokenizer": tokenizer_digest(run.tokenizer_folder)},
    )
    return dict(model.named_parameters()) | dict(model.named_buffers())
