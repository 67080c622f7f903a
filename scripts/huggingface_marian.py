"""MarianMT of Hugging Face transformers in the sizes of an nmt Transformer, for the benchmarks.

It requires torch and transformers but not nmt, because `peer_training.py` runs where nmt is not
installed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

PAD, UNK, BOS, EOS = range(4)


def marian_model(
    vocabulary: int,
    *,
    d_model: int,
    heads: int,
    encoder_layers: int,
    decoder_layers: int,
    feedforward: int,
    dropout: float = 0.1,
) -> Any:
    """Return a MarianMTModel with random float32 weights and one vocabulary for both languages.

    The model has the defaults of nmt: post-norm, sinusoidal positions, tied embeddings and no
    dropout of attention weights. It calls torch's scaled_dot_product_attention.
    """
    from transformers import MarianConfig, MarianMTModel

    config = MarianConfig(
        vocab_size=vocabulary,
        d_model=d_model,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=feedforward,
        decoder_ffn_dim=feedforward,
        activation_function="relu",
        dropout=dropout,
        attention_dropout=0.0,
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        forced_eos_token_id=None,
        attn_implementation="sdpa",
    )
    return MarianMTModel(config)


def marian_loss(model: Any, source: Tensor, target_in: Tensor, target_out: Tensor) -> Tensor:
    """Return the mean cross-entropy with label smoothing 0.1 per target token, in nats.

    source: (batch, source_len); target_in, target_out: (batch, target_len); int64, padded with 0.
    """
    logits = model(
        input_ids=source,
        attention_mask=(source != PAD).long(),
        decoder_input_ids=target_in,
        use_cache=False,
    ).logits
    return functional.cross_entropy(
        logits.flatten(0, 1), target_out.flatten(), ignore_index=PAD, label_smoothing=0.1
    )


def padded_to_multiple_of_8(ids: Tensor) -> Tensor:
    """Pad ids (batch, length) with columns of PAD to the next multiple of 8."""
    return functional.pad(ids, (0, -ids.shape[1] % 8), value=PAD)


@torch.no_grad()
def load_nmt_weights(marian: Any, weights: dict[str, Tensor], positions: Tensor) -> None:
    """Copy the weights of a post-norm nmt Transformer into a MarianMTModel of the same sizes.

    weights: the state dict of the nmt model; positions: its sinusoids (max_position_embeddings,
    d_model). Raises KeyError if the models do not have the same parameters.
    """
    names = {
        "w_q": "q_proj",
        "w_k": "k_proj",
        "w_v": "v_proj",
        "w_o": "out_proj",
        "self_attention": "self_attn",
        "cross_attention": "encoder_attn",
        "feed_forward.w_1": "fc1",
        "feed_forward.w_2": "fc2",
        "encoder_layers": "model.encoder.layers",
        "decoder_layers": "model.decoder.layers",
        "source_embedding": "model.shared",
    }
    norms = {
        "encoder": ("self_attn_layer_norm", "final_layer_norm"),
        "decoder": ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
    }
    parameters = dict(marian.named_parameters())
    for name, value in weights.items():
        if name.startswith(("target_embedding", "output_projection")):
            continue  # tied to the source embedding in both models
        renamed = name
        for number, norm in enumerate(norms.get(name.partition("_layers")[0], ()), 1):
            renamed = renamed.replace(f"add_norm_{number}.layer_norm", norm)
        for old, new in names.items():
            renamed = renamed.replace(old, new)
        parameters.pop(renamed).copy_(value)
    for side in norms:
        parameters.pop(f"model.{side}.embed_positions.weight").copy_(positions)
    if parameters:
        raise KeyError(f"MarianMT has more parameters: {', '.join(parameters)}")
