"""The config schema: every key, its type, its default and its meaning.

The schema is the documentation: `configs/reference.yaml` lists every key, and a test holds
it equal to the fields below. Reading YAML files, `--set` and pointing at wrong lines live in
`nmt.config_file`. Config objects stop at constructors: a layer takes `d_model`, not a config.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class Section(BaseModel):
    """A part of the config: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class TextFiles(Section):
    """Two plain or .gz text files, one sentence a line, line N of one translating line N."""

    source: str
    """Path of the source side."""
    target: str
    """Path of the target side."""


class PairFile(Section):
    """One file of pairs: .tsv, .csv, .jsonl or .parquet (.tsv, .csv and .jsonl also as .gz)."""

    file: str
    """Path of the file."""
    source_column: str | PositiveInt = 1
    """Column of the source: a name (TSV and CSV: from the header line), or a number from 1 for
    a TSV or CSV without header. Dots reach into nested fields (`translation.en`)."""
    target_column: str | PositiveInt = 2
    """Column of the target, likewise."""


class HubDataset(Section):
    """A data set of the Hugging Face hub, read through `datasets`."""

    hub: str
    """Name of the data set, or a local folder in the hub's layout."""
    config: str | None = None
    """Name of the configuration (subset), if the data set has several."""
    split: str = "train"
    """Name of the split."""
    source_column: str
    """Column of the source; dots reach into nested fields (`translation.en`)."""
    target_column: str
    """Column of the target, likewise."""


class BuiltinCorpus(Section):
    """A corpus that nmt generates itself; no network, no licence."""

    builtin: Literal["phrasebook"]
    """Name of the corpus: `phrasebook` (English-German)."""
    split: Literal["train", "valid", "test"] | None = None
    """Which split; by default that of the section it stands in."""


def _kind_of_source(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", {})
    for key, tag in (("builtin", "builtin"), ("hub", "hub"), ("file", "file")):
        if key in keys:
            return tag
    return "text" if isinstance(value, dict | TextFiles) else None


DataSource = Annotated[
    Annotated[TextFiles, Tag("text")]
    | Annotated[PairFile, Tag("file")]
    | Annotated[HubDataset, Tag("hub")]
    | Annotated[BuiltinCorpus, Tag("builtin")],
    Discriminator(_kind_of_source),
]
"""Where pairs come from; the keys given decide the kind."""

DataSources = Annotated[list[DataSource], Field(min_length=1)]


class DataConfig(Section):
    """Parallel text and what is dropped from it."""

    train: DataSources
    """Training pairs: one source or a list of sources."""
    valid: DataSources
    """Validation pairs: choose the best checkpoint by them."""
    test: DataSources | None = None
    """Test pairs, scored once after training."""
    max_tokens: PositiveInt = 256
    """Training pairs with more subword tokens than this on either side are dropped."""
    max_length_ratio: PositiveFloat = 9.0
    """Training pairs whose sides differ in subword length by more than this factor are dropped."""
    drop_duplicates: bool = False
    """Drop training pairs that are exact repetitions of an earlier pair."""
    drop_copies: bool = False
    """Drop training pairs whose target equals the source."""
    drop_leaked: bool = False
    """Drop training pairs whose source also stands in the valid or test data."""
    bad_utf8: Literal["error", "skip"] = "error"
    """What to do with a line that is not valid UTF-8: stop and name it, or drop the pair."""

    @model_validator(mode="before")
    @classmethod
    def _one_source_is_a_list_of_one(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        splits = {
            k: [values[k]] for k in ("train", "valid", "test") if isinstance(values.get(k), dict)
        }
        return {**values, **splits}


class TokenizerConfig(Section):
    """The SentencePiece subword model, trained on the training pairs."""

    type: Literal["bpe", "unigram"] = "unigram"
    """Algorithm: byte-pair encoding or a unigram language model."""
    vocab_size: Annotated[int, Field(ge=16, le=256_000)] = 8000
    """Number of pieces, the four control ids included (of each side if not shared)."""
    shared: bool = True
    """One vocabulary for both languages; otherwise one each."""
    character_coverage: Annotated[float, Field(gt=0.9, le=1.0)] = 1.0
    """Share of all characters that get a piece; 0.9995 for scripts with many characters."""
    byte_fallback: bool = True
    """Spell unknown characters as bytes instead of an unknown token."""
    normalization: Literal["nmt_nfkc", "nmt_nfkc_cf", "nfkc", "nfkc_cf", "identity"] = "nmt_nfkc"
    """SentencePiece's text normalization (`_cf` also folds case)."""
    max_training_lines: PositiveInt = 2_000_000
    """The model is trained on at most this many lines, drawn evenly over the corpus."""
    sampling: Probability = 0.0
    """Subword regularization in training: BPE-dropout probability (Provilkov et al., 2020), or
    for unigram the smoothing alpha of sampled segmentations (Kudo, 2018); 0 is off."""


class ModelConfig(Section):
    """The encoder-decoder."""

    architecture: Literal["transformer", "rnn"] = "transformer"
    """`transformer` (Vaswani et al., 2017), or `rnn`, the encoder-decoder before it."""
    d_model: PositiveInt = 256
    """Width of every representation; for `rnn` the width of embeddings and states."""
    heads: PositiveInt = 4
    """Attention heads; must divide d_model."""
    encoder_layers: PositiveInt = 3
    """Layers of the encoder."""
    decoder_layers: PositiveInt = 3
    """Layers of the decoder."""
    feedforward: PositiveInt = 1024
    """Inner width of the feed-forward layers."""
    dropout: Probability = 0.1
    """Dropout on embeddings and on the output of every sublayer."""
    attention_dropout: Probability = 0.0
    """Dropout on the attention weights."""
    activation_dropout: Probability = 0.0
    """Dropout after the activation inside the feed-forward layers."""
    word_dropout: Probability = 0.0
    """Probability that a token of the input (source, or target so far) is hidden in training."""
    activation: Literal["relu", "gelu", "swish"] = "relu"
    """Activation of the feed-forward layers."""
    norm: Literal["post", "pre"] = "post"
    """Layer normalization after the residual sum (as in the paper) or before the sublayer."""
    positions: Literal["sinusoidal", "learned", "rotary", "relative", "none"] = "sinusoidal"
    """How order reaches the model: added encodings, rotated queries and keys (Su et al., 2021),
    a learned bias by distance (Raffel et al., 2020), or not at all."""
    attention_window: PositiveInt | None = None
    """Self-attention reaches at most this many positions to each side; null: everywhere."""
    max_positions: PositiveInt = 1024
    """Longest sequence that `learned` positions hold."""
    attention_kernel: Literal["auto", "fused", "formula"] = "auto"
    """`formula` computes softmax(QK^T/sqrt(d_k))V step by step as written, `fused` calls torch's
    kernel, which gives the same result; auto takes the faster of the two."""
    attention: Literal["none", "additive"] = "none"
    """For `rnn` only: one fixed context vector (Cho et al., 2014), or additive attention
    (Bahdanau et al., 2015)."""
    tie_embeddings: bool = True
    """Share the target embedding with the output projection, and with the source embedding
    when the vocabulary is shared."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.architecture == "transformer":
            if self.d_model % self.heads:
                raise ValueError(
                    f"d_model ({self.d_model}) must be a multiple of heads ({self.heads})"
                )
            if self.positions == "rotary" and (self.d_model // self.heads) % 2:
                raise ValueError("rotary positions need an even d_model / heads")
            if self.attention != "none":
                raise ValueError("attention: additive needs architecture: rnn")
        if self.d_model % 2:
            raise ValueError(f"d_model ({self.d_model}) must be even")
        return self


class TrainingConfig(Section):
    """The training loop."""

    batch_tokens: PositiveInt = 4096
    """Tokens a batch: its sentences times its longest side (source or target), padding counted."""
    accumulate: PositiveInt = 1
    """Batches summed into one update."""
    max_steps: PositiveInt | None = None
    """Stop after this many updates."""
    max_epochs: PositiveInt | None = None
    """Stop after this many passes over the data."""
    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    """Adam (Kingma and Ba, 2015); with decoupled weight decay (Loshchilov and Hutter, 2019); or
    Muon (Jordan et al., 2024), which learns in far fewer updates of some more cost each."""
    beta1: Probability = 0.9
    """Decay of Adam's first moment."""
    beta2: Probability = 0.98
    """Decay of Adam's second moment."""
    learning_rate: PositiveFloat = 0.001
    """Peak learning rate, reached at the end of the warm-up."""
    schedule: Literal["inverse_sqrt", "cosine", "constant"] = "inverse_sqrt"
    """After the warm-up: falling with 1/sqrt(step), with a cosine to zero at max_steps, or flat."""
    warmup_steps: NonNegativeInt = 1000
    """Updates over which the learning rate rises linearly."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay (matrices only)."""
    label_smoothing: Probability = 0.1
    """Probability mass spread evenly over the vocabulary (Szegedy et al., 2016)."""
    clip_norm: NonNegativeFloat = 1.0
    """Largest norm of the gradient; 0 is off."""
    rdrop: NonNegativeFloat = 0.0
    """Weight of R-Drop (Wu et al., 2021): each batch runs twice with different dropout and the
    two output distributions are drawn together; doubles the cost of a step; 0 is off. Best without
    word_dropout, which would hide other words in each pass."""
    rdrop_after: NonNegativeInt = 0
    """R-Drop begins after this many updates: the first ones learn faster without it."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format of matrix products; auto: bf16 where a short probe finds it faster."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto: a GPU if there is one."""
    threads: PositiveInt | None = None
    """CPU threads; null: all cores. Another number gives other last digits."""
    compile: bool = False
    """Compile the model with torch.compile."""
    valid_every: PositiveInt = 500
    """Validate and save a checkpoint after every so many updates."""
    valid_metric: Literal["bleu", "chrf", "loss"] = "bleu"
    """Which validation figure chooses the best checkpoint."""
    log_every: PositiveInt = 50
    """Write loss and speed to metrics.jsonl after every so many updates."""
    patience: PositiveInt | None = None
    """Stop after this many validations in a row without a better one."""
    keep_checkpoints: PositiveInt = 3
    """Keep this many newest checkpoints for resuming (the best and those to be averaged stay)."""
    average_checkpoints: PositiveInt = 1
    """The final model is the mean of this many best-scoring checkpoints; 1: the best one."""
    ema: Probability = 0.0
    """Decay of an exponential moving average of the weights, which is then validated and kept
    as the model (for example 0.999); 0 is off."""
    max_skipped: PositiveInt = 10
    """Give up after this many updates in a row with a non-finite loss or gradient."""
    seed: NonNegativeInt = 1
    """Seed of everything random."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_steps is None and self.max_epochs is None and self.patience is None:
            raise ValueError("one of max_steps, max_epochs and patience must end the training")
        if self.schedule == "cosine" and self.max_steps is None:
            raise ValueError("schedule: cosine needs max_steps")
        return self


class DecodingConfig(Section):
    """Beam search."""

    beam_size: PositiveInt = 5
    """Hypotheses kept a sentence; 1 is greedy."""
    length_penalty: NonNegativeFloat = 1.0
    """A finished hypothesis scores log-probability / length ** length_penalty."""
    max_length: PositiveInt = 256
    """Longest output in tokens."""
    max_length_ratio: PositiveFloat = 3.0
    """Longest output as a multiple of the source length (plus 10 tokens)."""
    min_length: NonNegativeInt = 0
    """Shortest output in tokens."""
    no_repeat_ngram: NonNegativeInt = 0
    """Never produce the same n-gram of this size twice in one output; 0 is off."""
    patience: PositiveFloat | None = 1.0
    """A sentence ends when beam_size * patience hypotheses have finished (Kasai et al., 2022), or
    when no open hypothesis can still win; null: only the latter, which is exact."""
    batch_tokens: PositiveInt = 4096
    """Source tokens a batch, padding counted."""
    precision: Literal["auto", "fp32", "fp16", "bf16", "int8"] = "auto"
    """Number format of matrix products; auto: bf16 on a GPU, fp16 on an x86 CPU, fp32 elsewhere. On
    x86 CPUs only: fp16 stores the weights in 16 bits and multiplies in 32, which reads half the
    memory and changes hardly a translation; int8 may be faster still for many sentences, and
    changes some."""


class Config(Section):
    """A whole experiment."""

    data: DataConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig
    decoding: DecodingConfig = DecodingConfig()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        room = self.model.max_positions - 1  # one position is taken by bos or eos
        if self.model.positions == "learned" and self.data.max_tokens > room:
            raise ValueError(
                f"learned positions hold {room} tokens (model.max_positions - 1), "
                f"but data.max_tokens is {self.data.max_tokens}"
            )
        return self
