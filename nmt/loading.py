"""Construction of a model from its config, and loading of the trained model of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nmt import storage
from nmt.errors import StorageError
from nmt.kernels.attention import FastAttention, FusedAttention
from nmt.kernels.dropout import FastDropout
from nmt.model.attention import MultiHeadAttention
from nmt.model.rnn import RNNEncoderDecoder
from nmt.model.transformer import Transformer

if TYPE_CHECKING:
    from pathlib import Path

    from nmt.config import ModelConfig
    from nmt.model import EncoderDecoder
    from nmt.runs import Run

_ATTENTION = {"formula": MultiHeadAttention, "fused": FusedAttention, "auto": FastAttention}


def build_model(
    config: ModelConfig, source_vocab: int, target_vocab: int, shared_vocab: bool
) -> EncoderDecoder:
    """Return a model with random weights from torch's global generator.

    source_vocab and target_vocab are numbers of tokens; shared_vocab: both are one vocabulary.
    """
    if config.architecture == "rnn":
        return RNNEncoderDecoder(
            source_vocab,
            target_vocab,
            d_model=config.d_model,
            encoder_layers=config.encoder_layers,
            decoder_layers=config.decoder_layers,
            attention=config.attention,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            word_dropout=config.word_dropout,
            share_embeddings=shared_vocab and config.tie_embeddings,
            tie_output=config.tie_embeddings,
            dropout_layer=FastDropout,
        )
    return Transformer(
        source_vocab,
        target_vocab,
        d_model=config.d_model,
        heads=config.heads,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers,
        feedforward=config.feedforward,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        activation_dropout=config.activation_dropout,
        word_dropout=config.word_dropout,
        activation=config.activation,
        norm=config.norm,
        positions=config.positions,
        max_positions=config.max_positions,
        attention_window=config.attention_window,
        share_embeddings=shared_vocab and config.tie_embeddings,
        tie_output=config.tie_embeddings,
        attention=_ATTENTION[config.attention_kernel],
        dropout_layer=FastDropout,
    )


def load_model(run: Run, device: torch.device, weights: Path | None = None) -> EncoderDecoder:
    """Return the trained model of a run, in evaluation mode.

    weights: verified file of the run; default: `run.weights()`. Raises StorageError if a file is
    missing, is damaged or does not fit config.yaml.
    """
    config, weights, tokenizer = run.config.model, weights or run.weights(), run.tokenizer
    source, target = len(tokenizer.source), len(tokenizer.target)
    found = storage.tensor_shapes(weights)
    expected = {}
    if _plausible(config, target, found):  # Otherwise the config could demand all memory.
        with _WithoutStorage():
            model = build_model(config, source, target, tokenizer.shared)
        expected = {name: tuple(p.shape) for name, p in model.named_parameters()}
    if not expected or expected != found:
        wrong = sorted(set(expected.items()) ^ set(found.items()))
        name = f" (first difference: {wrong[0][0]})" if expected else ""
        raise StorageError(f"{weights} does not contain the model of config.yaml{name}")
    _give_storage(model)
    load_weights(model, weights)
    model.to(device)
    return model.eval()


def _plausible(config: ModelConfig, target_vocab: int, found: dict[str, tuple[int, ...]]) -> bool:
    """Return whether the sizes that make a model large are in the file."""
    sizes = {size for shape in found.values() for size in shape}
    fits = (target_vocab, config.d_model) in found.values()
    fits &= config.encoder_layers + config.decoder_layers <= len(found)
    if config.architecture == "transformer":
        fits &= config.feedforward in sizes
        fits &= config.positions != "learned" or config.max_positions in sizes
    return fits


class _WithoutStorage(TorchFunctionMode):
    """Context in which parameters are created on the device `meta`, and buffers as usual.

    torch.nn fills the result of `torch.empty`. Fills and buffers on `torch.device("meta")` would
    import torch's compiler, which takes longer than a short translation.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty:
            return func(*args, **{**kwargs, "device": "meta"})
        if func.__name__ in ("normal_", "uniform_", "kaiming_uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _give_storage(model: nn.Module) -> None:
    """Replace parameters on `meta` with uninitialized ones; shared ones stay shared."""
    filled = {p: nn.Parameter(torch.empty(p.shape)) for p in model.parameters()}
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, filled[parameter])


def load_weights(model: nn.Module, path: Path) -> None:
    """Copy the tensors of a safetensors file into the parameters of the same names.

    Raises KeyError if a tensor is missing, RuntimeError for another shape, and StorageError unless
    it is float32.
    """
    tensors = storage.read_tensors(path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if tensors[name].dtype != parameter.dtype:
                raise StorageError(f"{path}: {name} is {tensors[name].dtype}, not float32")
            parameter.copy_(tensors[name])
