"""The config schema: every key, its type, its default and its meaning.

The schema is the documentation: `configs/reference.yaml` is generated from the fields below.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

# Every number has bounds, within which each part of nmt and its libraries can compute. Whether a
# model fits the memory depends on several keys and the machine: see nmt/training/memory.py.
Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
PositiveInt = Annotated[int, Field(ge=1, le=1_000_000_000)]
NonNegativeInt = Annotated[int, Field(ge=0, le=1_000_000_000)]
Layers = Annotated[int, Field(ge=1, le=256)]
Width = Annotated[int, Field(ge=1, le=1_000_000)]
Length = Annotated[int, Field(ge=1, le=100_000)]
PositiveFloat = Annotated[float, Field(gt=0.0, le=1_000_000.0)]
NonNegativeFloat = Annotated[float, Field(ge=0.0, le=1_000_000.0)]


class Section(BaseModel):
    """A part of the config. Unknown keys and wrong types are errors, and values never change."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class TextFiles(Section):
    """Two plain or .gz text files, one sentence per line; line N translates line N."""

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
    """Column of the target, given in the same way as source_column."""


class HubDataset(Section):
    """A dataset of the Hugging Face hub, read with the `datasets` library."""

    hub: str
    """Name of the dataset, or a local folder in the hub's layout."""
    config: str | None = None
    """Name of the configuration (subset), if the dataset has several."""
    split: str = "train"
    """Name of the split."""
    source_column: str
    """Column of the source; dots reach into nested fields (`translation.en`)."""
    target_column: str
    """Column of the target, given in the same way as source_column."""


class BuiltinCorpus(Section):
    """A corpus that nmt generates itself, without a network or a license."""

    builtin: Literal["phrasebook"]
    """Name of the corpus: `phrasebook` (English-German)."""
    split: Literal["train", "valid", "test"] | None = None
    """Split to generate. Default: the section that contains this source (train, valid or test)."""


SPLITS = ("train", "valid", "test")
SOURCE_KINDS: dict[str, type[Section]] = {
    "text": TextFiles,
    "file": PairFile,
    "hub": HubDataset,
    "builtin": BuiltinCorpus,
}
"""The kinds of a source of pairs. All but text files are named by the key that selects them."""


def kind_of_source(value: Any) -> str | None:
    """Return the key in SOURCE_KINDS for a source (a dict or a section), or None if it is none."""
    if not isinstance(value, dict | Section):
        return None
    keys = value if isinstance(value, dict) else type(value).model_fields
    return next((key for key in ("builtin", "hub", "file") if key in keys), "text")


DataSource = Annotated[
    Annotated[TextFiles, Tag("text")]
    | Annotated[PairFile, Tag("file")]
    | Annotated[HubDataset, Tag("hub")]
    | Annotated[BuiltinCorpus, Tag("builtin")],
    Discriminator(kind_of_source),
]
"""A source of pairs. The keys that it has select its kind."""

DataSources = Annotated[list[DataSource], Field(min_length=1)]


class DataConfig(Section):
    """Parallel text, and which pairs are dropped from it."""

    train: DataSources
    """Training set: one source or a list of sources."""
    valid: DataSources
    """Validation set. It is used to select the best checkpoint."""
    test: DataSources | None = None
    """Test set. It is scored once after training."""
    max_tokens: Length = 256
    """Training pairs with more subword tokens than this on either side are dropped."""
    max_length_ratio: PositiveFloat = 9.0
    """Training pairs whose sides differ in subword length by more than this factor are dropped."""
    drop_duplicates: bool = False
    """Drop training pairs that are exact repetitions of an earlier pair."""
    drop_copies: bool = False
    """Drop training pairs whose target equals the source."""
    drop_leaked: bool = False
    """Drop training pairs whose source sentence also occurs in the validation or test set."""
    bad_utf8: Literal["error", "skip"] = "error"
    """A line that is not valid UTF-8 is an error, or its pair is dropped (`skip`)."""

    @model_validator(mode="before")
    @classmethod
    def _one_source_is_a_list_of_one(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        splits = {k: [values[k]] for k in SPLITS if isinstance(values.get(k), dict)}
        return {**values, **splits}


class TokenizerConfig(Section):
    """The SentencePiece subword model, trained on the training pairs."""

    type: Literal["bpe", "unigram"] = "unigram"
    """Algorithm: byte-pair encoding or a unigram language model."""
    vocab_size: Annotated[int, Field(ge=16, le=256_000)] = 8000
    """Number of pieces, including the four control ids (per side if not shared)."""
    shared: bool = True
    """Use one vocabulary for both languages; false: one vocabulary per language."""
    character_coverage: Annotated[float, Field(ge=0.98, le=1.0)] = 1.0
    """Share of all characters that get a piece; 0.9995 for scripts with many characters."""
    byte_fallback: bool = True
    """Encode unknown characters as bytes instead of an unknown token."""
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
    d_model: Width = 256
    """Width of every representation; for `rnn` the width of embeddings and states."""
    heads: Width = 4
    """Attention heads; must divide d_model."""
    encoder_layers: Layers = 3
    """Layers of the encoder."""
    decoder_layers: Layers = 3
    """Layers of the decoder."""
    feedforward: Width = 1024
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
    """Positional encoding: `sinusoidal` or `learned` vectors added to the embeddings, `rotary`
    (Su et al., 2021), `relative` (a learned bias per distance; Raffel et al., 2020), or `none`."""
    attention_window: PositiveInt | None = None
    """Self-attention reaches at most this many positions to each side; null: everywhere."""
    max_positions: Width = 1024
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
    """Maximum number of tokens per batch, including padding: sentences times longest side (source
    or target)."""
    accumulate: PositiveInt = 1
    """Batches summed into one update."""
    max_steps: PositiveInt | None = None
    """Stop after this many updates."""
    max_epochs: PositiveInt | None = None
    """Stop after this many passes over the data."""
    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    """Adam (Kingma and Ba, 2015); with decoupled weight decay (Loshchilov and Hutter, 2019); or
    Muon (Jordan et al., 2024), which needs far fewer updates, each at a somewhat higher cost."""
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
    """Weight alpha of R-Drop (Wu et al., 2021, equation 4); 0 is off. Each batch runs twice with
    different dropout. The loss is the sum of the cross-entropies of both passes plus alpha times
    the mean of the two Kullback-Leibler divergences; nmt divides this loss by 2, so that it stays
    comparable to a loss without R-Drop. In earlier versions of nmt, 1.0 meant the same as 2.0 now.
    A step costs twice as much. Use it without word_dropout, which would hide different words in
    the two passes."""
    rdrop_after: NonNegativeInt = 0
    """R-Drop starts after this many updates, because the first updates learn faster without it."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format of matrix products; auto: bf16 where a short probe finds it faster."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto: a GPU if there is one."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Number of CPU threads, of which at most one per core is used; null uses all cores. Results
    with a different number of threads differ by rounding."""
    compile: bool = False
    """Compile the model with torch.compile."""
    valid_every: PositiveInt = 500
    """Number of updates between two validations. Each validation saves a checkpoint."""
    valid_metric: Literal["bleu", "chrf", "loss"] = "bleu"
    """Validation score that selects the best checkpoint (`chrf` is chrF++)."""
    log_every: PositiveInt = 50
    """Number of updates between two records of loss and speed in metrics.jsonl."""
    patience: PositiveInt | None = None
    """Stop after this many validations in a row without a better score. Of equal scores, the one
    with the lower loss is better."""
    keep_checkpoints: PositiveInt = 3
    """Keep this many newest checkpoints for resuming. The best checkpoint and the checkpoints that
    will be averaged are kept as well."""
    average_checkpoints: PositiveInt = 1
    """The final model is the mean of the weights of this many checkpoints, or the best checkpoint
    if it validates better than the mean; 1: one checkpoint."""
    average: Literal["best", "last"] = "best"
    """Which checkpoints average_checkpoints selects: those with the best validation score, or the
    last ones (Vaswani et al., 2017, section 6.1)."""
    ema: Probability = 0.0
    """Decay of an exponential moving average of the weights, which is then validated and kept
    as the model (for example 0.999); 0 is off."""
    max_skipped: PositiveInt = 10
    """Stop with an error after this many updates in a row with a non-finite loss or gradient."""
    seed: Annotated[int, Field(ge=0, le=2**64 - 1)] = 1
    """Random seed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_steps is None and self.max_epochs is None and self.patience is None:
            raise ValueError("one of max_steps, max_epochs and patience must end the training")
        if self.schedule == "cosine" and self.max_steps is None:
            raise ValueError("schedule: cosine needs max_steps")
        return self


class DecodingConfig(Section):
    """Beam search."""

    beam_size: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Hypotheses kept per sentence; 1 is greedy search."""
    length_penalty: Annotated[float, Field(ge=0.0, le=10.0)] = 1.0
    """Exponent of the length by which the log-probability of a finished hypothesis is divided (see
    length_normalization); 0 is off."""
    length_normalization: Literal["power", "gnmt"] = "power"
    """Score of a finished hypothesis: `power` is log-probability / length ** length_penalty; `gnmt`
    is log-probability / ((5 + length) / 6) ** length_penalty (Wu et al., 2016, equation 14)."""
    max_length: Length = 256
    """Longest output in tokens."""
    max_length_ratio: PositiveFloat = 3.0
    """Longest output as a multiple of the source length (plus 10 tokens)."""
    min_length: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Shortest output in tokens."""
    no_repeat_ngram: NonNegativeInt = 0
    """Never produce the same n-gram of this size twice in one output; 0 is off."""
    patience: PositiveFloat | None = 1.0
    """A sentence ends when beam_size * patience hypotheses have finished (Kasai et al., 2022), or
    when no open hypothesis can still win; null: only the latter, which is exact."""
    batch_tokens: PositiveInt = 4096
    """Maximum number of source tokens per batch, including padding."""
    precision: Literal["auto", "fp32", "fp16", "bf16", "int8"] = "auto"
    """Number format of matrix products; auto: bf16 on a GPU, fp16 on an x86 CPU, fp32 elsewhere.
    fp16 runs on CUDA and on x86 CPUs; on a CPU it stores the weights in 16 bits and multiplies in
    32, which reads half the memory and rarely changes a translation. int8 runs on x86 CPUs only; it
    may be even faster for many sentences, and changes some translations."""


class Config(Section):
    """A whole experiment."""

    data: DataConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig
    decoding: DecodingConfig = DecodingConfig()

    @property
    def max_source_tokens(self) -> int:
        """Maximum length of a source sentence in tokens, without eos."""
        return self._within_positions(self.data.max_tokens)

    @property
    def max_target_tokens(self) -> int:
        """Maximum length of a translation in tokens, without bos and eos."""
        return self._within_positions(self.decoding.max_length)

    def _within_positions(self, tokens: int) -> int:
        """Return the length, limited to what learned positions hold; bos or eos takes one."""
        if self.model.positions != "learned":
            return tokens
        return min(tokens, self.model.max_positions - 1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_source_tokens < self.data.max_tokens:
            raise ValueError(
                f"learned positions hold {self.max_source_tokens} tokens "
                f"(model.max_positions - 1), but data.max_tokens is {self.data.max_tokens}"
            )
        return self
