"""Convert a trained Transformer to a CTranslate2 model with the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.errors import ConfigError
from nmt.loading import load_model
from nmt.model.positions import SinusoidalPositions
from nmt.model.transformer import Transformer

if TYPE_CHECKING:
    from pathlib import Path

    from nmt.runs import Run
    from nmt.tokenizer import Vocabulary

Array = np.ndarray[Any, np.dtype[np.float32]]


def convert(run: Run, folder: Path) -> None:
    """Write the run's final model to `folder` in CTranslate2's format, float32.

    Raises ConfigError for options that CTranslate2 does not support.
    """
    import torch
    from ctranslate2.specs import TransformerSpec, common_spec

    config = run.config.model
    model = load_model(run, torch.device("cpu"))
    if not isinstance(model, Transformer) or config.positions != "sinusoidal":
        raise ConfigError(
            "only a Transformer with sinusoidal positions can be converted to CTranslate2"
        )
    if config.attention_window is not None:
        raise ConfigError("CTranslate2 does not support model.attention_window")
    activation = {
        "relu": common_spec.Activation.RELU,
        "gelu": common_spec.Activation.GELU,
        "swish": common_spec.Activation.SWISH,
    }[config.activation]
    spec = TransformerSpec.from_config(
        (config.encoder_layers, config.decoder_layers),
        config.heads,
        pre_norm=config.norm == "pre",
        activation=activation,
    )
    positions = SinusoidalPositions(config.d_model)(torch.arange(1024)).numpy()
    spec.encoder.embeddings[0].weight = array(model.source_embedding)
    spec.decoder.embeddings.weight = array(model.target_embedding)
    spec.decoder.projection.weight = array(model.output_projection)
    for part in (spec.encoder, spec.decoder):
        part.position_encodings.encodings = positions
        part.scale_embeddings = True
    if config.norm == "pre":
        set_affine(spec.encoder.layer_norm, model.encoder_norm, "gamma", "beta")
        set_affine(spec.decoder.layer_norm, model.decoder_norm, "gamma", "beta")
    layer: Any
    for layer_spec, layer in zip(spec.encoder.layer, model.encoder_layers, strict=True):
        set_self_attention(layer_spec.self_attention, layer.self_attention)
        set_feed_forward(layer_spec.ffn, layer.feed_forward)
        set_norm(layer_spec.self_attention, layer.add_norm_1)
        set_norm(layer_spec.ffn, layer.add_norm_2)
    for layer_spec, layer in zip(spec.decoder.layer, model.decoder_layers, strict=True):
        set_self_attention(layer_spec.self_attention, layer.self_attention)
        set_cross_attention(layer_spec.attention, layer.cross_attention)
        set_feed_forward(layer_spec.ffn, layer.feed_forward)
        set_norm(layer_spec.self_attention, layer.add_norm_1)
        set_norm(layer_spec.attention, layer.add_norm_2)
        set_norm(layer_spec.ffn, layer.add_norm_3)

    tokenizer = run.tokenizer
    spec.register_source_vocabulary(pieces(tokenizer.source))
    spec.register_target_vocabulary(pieces(tokenizer.target))
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = "<s>", "</s>", "<unk>"
    spec.config.decoder_start_token = "<s>"
    spec.validate()
    spec.optimize(quantization="float32")
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def pieces(vocabulary: Vocabulary) -> list[str]:
    """Return all pieces of a vocabulary in the order of their ids."""
    return vocabulary.pieces(range(len(vocabulary)))


def array(module: Any) -> Array:
    weight: Array = module.weight.detach().float().numpy().copy()
    return weight


def set_affine(spec: Any, module: Any, weight: str = "weight", bias: str = "bias") -> None:
    setattr(spec, weight, array(module))
    setattr(spec, bias, module.bias.detach().float().numpy().copy())


def set_norm(spec: Any, add_norm: Any) -> None:
    set_affine(spec.layer_norm, add_norm.layer_norm, "gamma", "beta")


def set_joined(spec: Any, *linears: Any) -> None:
    """Stack the weights and biases of several projections of one input along the output axis."""
    spec.weight = np.concatenate([array(linear) for linear in linears])
    spec.bias = np.concatenate([linear.bias.detach().numpy() for linear in linears])


def set_self_attention(spec: Any, attention: Any) -> None:
    set_joined(spec.linear[0], attention.w_q, attention.w_k, attention.w_v)
    set_affine(spec.linear[1], attention.w_o)


def set_cross_attention(spec: Any, attention: Any) -> None:
    set_affine(spec.linear[0], attention.w_q)
    set_joined(spec.linear[1], attention.w_k, attention.w_v)
    set_affine(spec.linear[2], attention.w_o)


def set_feed_forward(spec: Any, feed_forward: Any) -> None:
    set_affine(spec.linear_0, feed_forward.w_1)
    set_affine(spec.linear_1, feed_forward.w_2)
