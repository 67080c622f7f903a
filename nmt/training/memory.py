"""The memory that a training run needs, compared with what the machine has before it starts."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.config import Config, ModelConfig
    from nmt.data.corpus import Corpus
    from nmt.data.preparation import PreparedData
    from nmt.devices import Precision

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def check_memory(
    config: Config, data: PreparedData, device: torch.device, precision: Precision
) -> None:
    """Raise ConfigError if training or translating the test set needs more memory than there is."""
    source, target = len(data.tokenizer.source), len(data.tokenizer.target)
    embeddings = (
        target if data.tokenizer.shared and config.model.tie_embeddings else source + target
    )
    longest = np.maximum(data.train.source_lengths, data.train.target_lengths) + 1
    tokens = min(config.training.batch_tokens, int(longest.sum()))
    available = total_memory(device)
    for work, needed, keys in (
        (
            "training",
            training_bytes(config, embeddings, tokens, precision),
            "the sizes in `model`, tokenizer.vocab_size or training.batch_tokens",
        ),
        (
            "translating the test set",
            0 if data.test is None else search_bytes(config, target, data.test),
            "decoding.beam_size or decoding.batch_tokens",
        ),
    ):
        if needed > available:
            raise ConfigError(
                f"{work} needs at least {needed / 1e9:,.1f} GB of memory, "
                f"but {device.type} has {available / 1e9:,.1f} GB",
                f"reduce {keys}",
            )


def training_bytes(config: Config, embeddings: int, tokens: int, precision: Precision) -> int:
    """Return the bytes that weights and activations take at least in an update.

    embeddings: number of vectors in all embeddings; tokens: of a batch, on each side. Each weight
    takes 4 bytes, and as many for its gradient, each moment of the optimizer and its moving
    average. Each product of matrices keeps its operands for the backward pass, in 4 or 2 bytes.
    """
    model, training = config.model, config.training
    copies = 3 if training.optimizer == "muon" else 4
    weights = 4 * (copies + (training.ema > 0)) * _weights(model, embeddings)
    d, f = model.d_model, model.feedforward
    if model.architecture == "rnn":
        activations = 4 * d * (model.encoder_layers + model.decoder_layers)
    else:
        activations = (5 * d + f) * model.encoder_layers + (9 * d + f) * model.decoder_layers
    return weights + (4 if precision == "fp32" else 2) * tokens * activations


def _weights(model: ModelConfig, embeddings: int) -> int:
    """Return the number of weights, without biases, of a model with this many embeddings."""
    d, f = model.d_model, model.feedforward
    if model.architecture == "rnn":
        return d * embeddings + 6 * d * d * (model.encoder_layers + model.decoder_layers)
    positions = model.max_positions if model.positions == "learned" else 0
    encoder = (4 * d * d + 2 * d * f) * model.encoder_layers
    decoder = (8 * d * d + 2 * d * f) * model.decoder_layers
    return d * (embeddings + positions) + encoder + decoder


def search_bytes(config: Config, vocabulary: int, corpus: Corpus) -> int:
    """Return the bytes that beam search takes at least for a batch of a corpus.

    These are logits and log-probabilities of every hypothesis, in 4 bytes, and for a Transformer
    the cached keys and values of outputs as long as the sources, in 2 bytes.
    """
    model, decoding = config.model, config.decoding
    lengths = corpus.source_lengths + 1
    tokens = min(decoding.batch_tokens, int(lengths.sum()))
    sentences = tokens // int(lengths.max(initial=1))
    cached = 0 if model.architecture == "rnn" else 2 * model.decoder_layers * model.d_model
    return decoding.beam_size * (2 * tokens * cached + 2 * 4 * sentences * vocabulary)


def total_memory(device: torch.device) -> int:
    """Return the bytes of memory of a device; for a CPU at most what the process may use."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        total = min(total, limit)
    try:
        return min(total, int(_CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # Not Linux, no container, or "max".
        return total
