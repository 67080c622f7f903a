"""The names that other tools give to the config keys and command options of nmt."""

from __future__ import annotations

from typing import NamedTuple

TOOLS = ("JoeyNMT", "OpenNMT-py", "fairseq", "Marian", "Sockeye", "Hugging Face")


class Row(NamedTuple):
    """One setting. Names are separated by spaces; a setting that a tool lacks is empty."""

    keys: str
    """Config keys or sections of nmt."""
    options: str
    """Options of the commands of nmt."""
    joeynmt: str = ""
    opennmt: str = ""
    fairseq: str = ""
    marian: str = ""
    sockeye: str = ""
    hugging_face: str = ""

    def known_as(self, name: str) -> list[str]:
        """Return the tools that use a name in plain form for this setting."""
        names = zip(TOOLS, self[2:], strict=True)
        return [tool for tool, theirs in names if name in map(plain, theirs.split())]


# fmt: off
TABLE = (
    Row("data.train", "", "", "data path_src path_tgt", "trainpref",
        "train-sets", "source target prepared-data", "train_file"),
    Row("data.valid", "", "dev", "", "validpref",
        "valid-sets", "validation-source validation-target", "validation_file"),
    Row("data.test", "", "", "", "testpref", "", "", "test_file"),
    Row("data.source_language", "", "src", "", "source-lang", "", "", "source_lang"),
    Row("data.target_language", "", "trg", "", "target-lang", "", "", "target_lang"),
    Row("data.max_tokens", "", "", "src_seq_length tgt_seq_length",
        "max-source-positions max-target-positions", "", "max-seq-len",
        "max_source_length max_target_length"),
    Row("data.max_length_ratio", "", "", "", "", "max-length-factor", "", ""),
    Row("tokenizer.type", "", "tokenizer_type", "", "bpe", "", "", ""),
    Row("tokenizer.vocab_size", "", "voc_limit", "src_vocab_size tgt_vocab_size",
        "nwordssrc nwordstgt", "dim-vocabs", "num-words", ""),
    Row("tokenizer.shared", "", "", "share_vocab", "joined-dictionary", "", "shared-vocab", ""),
    Row("tokenizer.sampling", "", "", "", "", "sentencepiece-alphas", "", ""),
    Row("model.architecture", "", "model_type", "encoder_type decoder_type", "arch task",
        "type", "", ""),
    Row("model.d_model", "", "hidden_size embedding_dim", "hidden_size rnn_size word_vec_size",
        "encoder-embed-dim decoder-embed-dim", "dim-emb dim-rnn",
        "transformer-model-size num-embed", "hidden_size"),
    Row("model.heads", "", "num_heads", "", "encoder-attention-heads decoder-attention-heads",
        "transformer-heads", "transformer-attention-heads",
        "encoder_attention_heads decoder_attention_heads"),
    Row("model.encoder_layers model.decoder_layers", "", "num_layers",
        "layers", "", "", "num-layers", "num_hidden_layers"),
    Row("model.encoder_layers", "", "", "enc_layers", "", "enc-depth", "", ""),
    Row("model.decoder_layers", "", "", "dec_layers", "", "dec-depth", "", ""),
    Row("model.feedforward", "", "ff_size", "transformer_ff",
        "encoder-ffn-embed-dim decoder-ffn-embed-dim", "transformer-dim-ffn",
        "transformer-feed-forward-num-hidden", "encoder_ffn_dim decoder_ffn_dim"),
    Row("model.dropout", "", "", "", "", "transformer-dropout", "transformer-dropout-prepost", ""),
    Row("model.attention_dropout", "", "", "", "", "transformer-dropout-attention",
        "transformer-dropout-attention", ""),
    Row("model.activation_dropout", "", "", "", "relu-dropout", "transformer-dropout-ffn",
        "transformer-dropout-act", ""),
    Row("model.word_dropout", "", "", "", "", "dropout-src dropout-trg", "embed-dropout", ""),
    Row("model.activation", "", "", "pos_ffn_activation_fn", "activation-fn",
        "transformer-ffn-activation", "transformer-activation-type", "activation_function"),
    Row("model.norm", "", "layer_norm", "", "encoder-normalize-before decoder-normalize-before",
        "transformer-preprocess transformer-postprocess",
        "transformer-preprocess transformer-postprocess", ""),
    Row("model.positions", "", "", "position_encoding position_encoding_type",
        "encoder-learned-pos decoder-learned-pos no-token-positional-embeddings",
        "transformer-train-position-embeddings", "transformer-positional-embedding-type", ""),
    Row("model.max_positions", "", "", "", "", "", "", "max_position_embeddings"),
    Row("model.attention_window", "", "", "sliding_window", "", "", "", ""),
    Row("model.tie_embeddings", "", "tied_embeddings tied_softmax",
        "share_embeddings share_decoder_embeddings",
        "share-all-embeddings share-decoder-input-output-embed",
        "tied-embeddings tied-embeddings-all", "weight-tying-type", "tie_word_embeddings"),
    Row("training.batch_tokens", "", "batch_size batch_type", "batch_size batch_type",
        "max-tokens batch-size", "mini-batch mini-batch-words mini-batch-fit",
        "batch-size batch-type", "per_device_train_batch_size"),
    Row("training.accumulate", "", "batch_multiplier", "accum_count", "update-freq",
        "optimizer-delay", "update-interval", "gradient_accumulation_steps"),
    Row("training.max_steps", "", "updates", "train_steps", "max-update",
        "after after-batches", "max-updates", ""),
    Row("training.max_epochs", "", "epochs", "", "max-epoch", "after-epochs", "max-num-epochs",
        "num_train_epochs"),
    Row("training.optimizer", "", "", "optim", "", "", "", "optim"),
    Row("training.beta1 training.beta2", "", "adam_betas", "adam_beta1 adam_beta2", "adam-betas",
        "optimizer-params", "optimizer-betas", "adam_beta1 adam_beta2"),
    Row("training.learning_rate", "", "", "", "lr", "learn-rate", "initial-learning-rate", ""),
    Row("training.schedule", "", "scheduling", "decay_method", "lr-scheduler",
        "lr-decay-inv-sqrt", "learning-rate-scheduler-type", "lr_scheduler_type"),
    Row("training.warmup_steps", "", "learning_rate_warmup", "", "warmup-updates", "lr-warmup",
        "learning-rate-warmup", "warmup_ratio"),
    Row("training.label_smoothing", "", "", "", "", "", "", "label_smoothing_factor"),
    Row("training.clip_norm", "", "clip_grad_norm", "max_grad_norm", "", "",
        "gradient-clipping-threshold", "max_grad_norm"),
    Row("training.rdrop", "", "", "", "rdrop-alpha", "", "", ""),
    Row("training.precision", "--precision", "", "model_dtype", "fp16 bf16 amp", "fp16",
        "dtype amp", "fp16 bf16"),
    Row("training.device", "--device", "use_cuda", "gpu gpu_ranks world_size", "cpu", "devices",
        "use-cpu device-id", "use_cpu no_cuda"),
    Row("training.threads", "--threads", "", "", "", "cpu-threads", "", ""),
    Row("training.compile", "", "", "", "", "", "", "torch_compile"),
    Row("training.valid_every", "", "validation_freq", "valid_steps save_checkpoint_steps",
        "validate-interval-updates save-interval-updates", "valid-freq save-freq",
        "checkpoint-interval", "eval_steps save_steps"),
    Row("training.valid_metric", "", "early_stopping_metric", "early_stopping_criteria",
        "best-checkpoint-metric", "valid-metrics early-stopping-on", "optimized-metric",
        "metric_for_best_model"),
    Row("training.log_every", "", "logging_freq", "report_every", "log-interval", "disp-freq", "",
        "logging_steps"),
    Row("training.patience", "", "", "early_stopping", "", "early-stopping",
        "max-num-checkpoint-not-improved", "early_stopping_patience"),
    Row("training.keep_checkpoints", "", "keep_best_ckpts", "keep_checkpoint",
        "keep-interval-updates keep-last-epochs", "", "keep-last-params", "save_total_limit"),
    Row("training.ema", "", "", "average_decay", "ema-decay", "exponential-smoothing", "", ""),
    Row("training.seed", "", "random_seed", "", "", "", "", ""),
    Row("", "--run-dir", "model_dir", "save_model", "save-dir", "model", "output", "output_dir"),
    Row("", "--restart", "overwrite", "", "", "overwrite no-reload", "overwrite-output",
        "overwrite_output_dir"),
    Row("decoding", "", "testing", "", "generation", "", "", "generation_config"),
    Row("", "--model", "", "", "path", "models", "models", "model_name_or_path"),
    Row("", "--input", "", "src", "", "", "", ""),
    Row("", "--source", "", "src", "", "", "", ""),
    Row("", "--target", "", "tgt", "", "", "", ""),
    Row("decoding.beam_size", "--beam-size", "", "", "beam", "", "", "num_beams"),
    Row("decoding.length_penalty", "--length-penalty", "beam_alpha", "alpha", "lenpen",
        "normalize", "length-penalty-alpha", ""),
    Row("decoding.max_length", "--max-length", "max_output_length", "", "max-len-b", "",
        "max-output-length", "max_new_tokens"),
    Row("decoding.max_length_ratio", "", "", "", "max-len-a", "", "", ""),
    Row("decoding.min_length", "--min-length", "min_output_length", "", "min-len", "", "",
        "min_new_tokens"),
    Row("decoding.no_repeat_ngram", "--no-repeat-ngram", "no_repeat_ngram_size",
        "block_ngram_repeat", "no-repeat-ngram-size", "", "", "no_repeat_ngram_size"),
    Row("", "--nbest", "n_best", "n_best", "", "n-best", "nbest-size", "num_return_sequences"),
    Row("", "--sample", "", "", "sampling", "output-sampling", "", "do_sample"),
    Row("", "--top-k", "", "random_sampling_topk", "sampling-topk", "", "", ""),
    Row("", "--top-p", "", "random_sampling_topp", "sampling-topp", "", "", ""),
    Row("", "--temperature", "", "random_sampling_temp", "", "", "softmax-temperature", ""),
    Row("", "--scores", "return_prob", "with_score", "", "", "return-score", ""),
    Row("evaluation", "", "eval_metrics sacrebleu_cfg", "", "scoring", "", "metrics", ""),
)
"""The table leaves out names that nmt shares, such as `dropout`."""
# fmt: on


def plain(name: str) -> str:
    """Return `max_tokens` for `--max-tokens`, and `src` for `-src`."""
    return name.strip("-").replace("-", "_").lower()


def meant_keys(name: str) -> list[str]:
    """Return the keys of nmt for a name of another tool; empty if it is unknown."""
    return [key for row in TABLE if row.known_as(plain(name)) for key in row.keys.split()]


def meant_options(name: str) -> list[str]:
    """Return the options of nmt for a name of another tool; empty if it is unknown."""
    return [option for row in TABLE if row.known_as(plain(name)) for option in row.options.split()]


def names_hint(name: str) -> str | None:
    """Return a hint for a key that is a name of other tools, or None."""
    if not (keys := meant_keys(name)):
        return None
    found = {tool for row in TABLE if row.keys for tool in row.known_as(plain(name))}
    *first, last = (tool for tool in TOOLS if tool in found)
    tools = f"{', '.join(first)} and {last} call" if first else f"{last} calls"
    return f"set {' and '.join(keys)}, which {tools} {name}"
