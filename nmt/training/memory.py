"""Memory that a training run needs, and memory of the machine."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nmt.decoding.translator import SMALL_BATCH
from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.config import Config, ModelConfig
    from nmt.data.batching import Batch, Batches
    from nmt.data.corpus import Corpus
    from nmt.data.preparation import PreparedData
    from nmt.devices import Precision

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def check_memory(
    config: Config, data: PreparedData, device: torch.device, precision: Precision
) -> None:
    """Raise ConfigError if training or test-set translation cannot fit into memory."""
    source, target = len(data.tokenizer.source), len(data.tokenizer.target)
    shared = data.tokenizer.shared and config.model.tie_embeddings
    longest = np.maximum(data.train.source_lengths, data.train.target_lengths) + 1
    tokens = min(config.training.batch_tokens, int(longest.sum()))
    available = total_memory(device)

    def check(work: str, needed: int, keys: str) -> None:
        if needed > available:
            raise ConfigError(
                f"{work} needs at least {needed / 1e9:,.1f} GB of memory, "
                f"but device {device.type} has {available / 1e9:,.1f} GB",
                f"reduce {keys}",
            )

    check(
        "training",
        training_bytes(config, target if shared else source + target, tokens, precision),
        "the sizes in `model`, tokenizer.vocab_size or training.batch_tokens",
    )
    if data.test is not None:
        needed = search_bytes(config, target, data.test)
        keys = "decoding.beam_size or decoding.batch_tokens"
        check("translating the test set", needed, keys)


def training_bytes(config: Config, embeddings: int, tokens: int, precision: Precision) -> int:
    """Return the minimum bytes of weights and activations in a training step.

    embeddings: number of vectors in all embeddings; tokens: number per side of a batch. A weight,
    its gradient, each moment and its average take 4 bytes; matrix products keep their inputs.
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
    d, f = model.d_model, model.feedforward
    if model.architecture == "rnn":
        return d * embeddings + 6 * d * d * (model.encoder_layers + model.decoder_layers)
    positions = model.max_positions if model.positions == "learned" else 0
    encoder = (4 * d * d + 2 * d * f) * model.encoder_layers
    decoder = (8 * d * d + 2 * d * f) * model.decoder_layers
    return d * (embeddings + positions) + encoder + decoder


def search_bytes(config: Config, vocabulary: int, corpus: Corpus) -> int:
    """Return the minimum bytes of beam search for a batch of a corpus.

    Logits and log-probabilities take 4 bytes, and a Transformer's keys and values 2 bytes. Outputs
    are assumed to be as long as sources.
    """
    model, decoding = config.model, config.decoding
    lengths = corpus.source_lengths + 1
    tokens = min(decoding.batch_tokens or SMALL_BATCH, int(lengths.sum()))
    sentences = tokens // int(lengths.max(initial=1))
    cached = 0 if model.architecture == "rnn" else 2 * model.decoder_layers * model.d_model
    return decoding.beam_size * (2 * tokens * cached + 2 * 4 * sentences * vocabulary)


def largest_batch(batches: Batches, seed: int, device: torch.device) -> Batch:
    """Return the first epoch's batch with the most tokens, including padding."""
    source, target = batches.corpus.source_lengths, batches.corpus.target_lengths

    def size(pairs: np.ndarray) -> int:
        return len(pairs) * (1 + int(max(source[pairs].max(), target[pairs].max())))

    return next(batches.read([max(batches.plan(seed, epoch=1), key=size)], device))


def peak_memory(device: torch.device) -> str:
    """Return the peak memory of torch's tensors on a CUDA device, as text."""
    peak = torch.cuda.max_memory_allocated(device) / 1e9
    return f"peak memory: {peak:,.1f} of {total_memory(device) / 1e9:,.1f} GB"


def total_memory(device: torch.device) -> int:
    """Return the bytes of GPU memory, or of RAM that the process may use."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        total = min(total, limit)
    try:
        return min(total, int(_CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # There is no such file, or no limit ("max").
        return total
