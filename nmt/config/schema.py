"""The config schema, from which `configs/reference.yaml` is generated."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from nmt.config.data import DataConfig
from nmt.config.section import (
    Layers,
    Length,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Section,
    Width,
)
from nmt.languages import BleuTokenizer

Normalization = Literal["none", "nfc", "nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf"]


def _symbol(text: str) -> str:
    if not text or text != "".join(text.split()):
        raise ValueError(f"{text!r} is not a symbol without spaces")
    return text


Symbol = Annotated[str, AfterValidator(_symbol)]


def _part(name: str) -> str:
    if not re.fullmatch(r"embeddings|(encoder|decoder)(\.[1-9]\d{0,2})?", name):
        raise ValueError(f"{name!r} is not encoder, decoder, embeddings or a layer like encoder.1")
    return name


ModelPart = Literal["encoder", "decoder", "embeddings"]
PartOrLayer = Annotated[str, AfterValidator(_part)]


ModelFiles = Annotated[list[str], Field(min_length=1, max_length=2)]


class TokenizerConfig(Section):
    """The SentencePiece model, trained on the training pairs unless it is given or kept."""

    type: Literal["bpe", "unigram"] = "unigram"
    """Algorithm: byte-pair encoding or a unigram language model."""
    vocab_size: Annotated[int, Field(ge=16, le=256_000)] = 8000
    """Number of pieces, including four control ids (per side if not shared), before `extend`. The
    default is reduced if the text is too small."""
    shared: bool = True
    """Use one vocabulary for both languages, or one per language."""
    character_coverage: Annotated[float, Field(ge=0.98, le=1.0)] = 1.0
    """Share of all characters that get a piece; 0.9995 for scripts with many characters."""
    byte_fallback: bool = True
    """Encode unknown characters as bytes."""
    source_normalization: Normalization = "nfkc"
    """Unicode normalization of the source: nfc keeps all visible differences, nfkc makes variants
    equal (m² and m2), `_cf` also folds case; `nmt_` (SentencePiece) also makes ZWNJ a space."""
    target_normalization: Normalization = "nfc"
    """Unicode normalization of the target. The model cannot write what it removes."""
    max_training_lines: PositiveInt = 2_000_000
    """Train on at most this many lines, spread evenly over the corpus."""
    sampling: Probability = 0.0
    """Subword regularization in training: BPE-dropout probability (Provilkov et al., 2020), or
    smoothing alpha of unigram segmentations (Kudo, 2018); 0 is off."""
    model: Annotated[list[str], Field(min_length=1, max_length=2)] | None = None
    """SentencePiece model file to use instead of training one; with `shared: false`, a list of the
    files for source and target. Its control pieces are moved to the ids that nmt uses."""
    keep: bool = True
    """With training.init_from: keep the vocabulary of that run. If false, a new vocabulary is
    trained, and its pieces take over the embeddings of pieces with the same text."""
    extend: Annotated[int, Field(ge=0, le=256_000)] = 0
    """Add up to this many pieces (per side if not shared), which the training pairs need, to a kept
    or given vocabulary."""
    user_defined_symbols: list[Symbol] | None = None
    """Strings that are always one piece each, such as placeholders."""

    @field_validator("model", mode="before", json_schema_input_type=str | ModelFiles | None)
    @classmethod
    def _one_file_is_a_list_of_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.model and len(self.model) != (1 if self.shared else 2):
            raise ValueError(
                f"model names {len(self.model)} files, but a vocabulary with shared: "
                f"{str(self.shared).lower()} needs {1 if self.shared else 2}"
            )
        if self.byte_fallback and self.vocab_size <= 260:
            raise ValueError(
                "byte_fallback needs a vocab_size above 260 (256 bytes and the control ids), "
                f"but vocab_size is {self.vocab_size}"
            )
        return self


class ModelConfig(Section):
    """The encoder-decoder."""

    architecture: Literal["transformer", "rnn"] = "transformer"
    """`transformer` (Vaswani et al., 2017), or `rnn`, the encoder-decoder before it."""
    d_model: Width = 256
    """Width of embeddings and hidden states."""
    heads: Width = 4
    """Attention heads; must divide d_model."""
    encoder_layers: Layers = 3
    """Layers of the encoder."""
    decoder_layers: Layers = 3
    """Layers of the decoder."""
    feedforward: Width = 1024
    """Inner width of the feed-forward layers."""
    dropout: Probability = 0.1
    """Dropout on embeddings and sublayer outputs."""
    attention_dropout: Probability = 0.0
    """Dropout on the attention weights."""
    activation_dropout: Probability = 0.0
    """Dropout inside the feed-forward layers."""
    word_dropout: Probability = 0.0
    """Probability that an input token of either side is hidden in training."""
    activation: Literal["relu", "gelu", "swish"] = "relu"
    """Activation of the feed-forward layers."""
    norm: Literal["post", "pre"] = "post"
    """Layer normalization after the residual sum (as in the paper) or before the sublayer."""
    positions: Literal["sinusoidal", "learned", "rotary", "relative", "none"] = "sinusoidal"
    """Positional encoding: `sinusoidal` or `learned` vectors added to the embeddings, `rotary`
    (Su et al., 2021), or `relative` (a learned bias per distance; Raffel et al., 2020)."""
    attention_window: PositiveInt | None = None
    """Reach of self-attention in positions to each side; null: everywhere."""
    max_positions: Width = 1024
    """Longest sequence that `learned` positions hold."""
    attention_kernel: Literal["auto", "fused", "formula"] = "auto"
    """`formula` computes softmax(QK^T/sqrt(d_k))V as written, `fused` calls torch's kernel; auto
    takes the faster one."""
    attention: Literal["none", "additive"] = "none"
    """For `rnn`: a fixed context vector (Cho et al., 2014), or additive attention (Bahdanau et al.,
    2015)."""
    tie_embeddings: bool = True
    """Share the target embedding with the output projection and, with a shared vocabulary, the
    source embedding."""

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
    """Maximum tokens per batch, including padding: sentences times longest side."""
    packing: Literal["auto", "on", "off"] = "auto"
    """Put several sentence pairs into each row, so that batches have one shape and little padding;
    auto: for a Transformer on a GPU. A run keeps its choice."""
    accumulate: PositiveInt = 1
    """Batches per step."""
    max_steps: PositiveInt | None = None
    """Stop after this many steps."""
    max_epochs: PositiveInt | None = None
    """Stop after this many passes over the data."""
    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    """Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019), or Muon (Jordan et al.,
    2024), which needs far fewer, somewhat slower steps."""
    beta1: Probability = 0.9
    """Decay of Adam's first moment."""
    beta2: Probability = 0.98
    """Decay of Adam's second moment."""
    learning_rate: PositiveFloat = 0.001
    """Peak, reached after the warm-up."""
    schedule: Literal["inverse_sqrt", "cosine", "constant"] = "inverse_sqrt"
    """After the warm-up: falls with 1/sqrt(step), with a cosine to zero at max_steps, or not."""
    warmup_steps: NonNegativeInt = 1000
    """Steps over which the learning rate rises linearly."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay (matrices only)."""
    label_smoothing: Probability = 0.1
    """Probability mass spread evenly over the vocabulary (Szegedy et al., 2016)."""
    clip_norm: NonNegativeFloat = 1.0
    """Largest norm of the gradient; 0 is off."""
    rdrop: NonNegativeFloat = 0.0
    """Weight alpha of R-Drop (Wu et al., 2021, equation 4; the loss here is half the paper's); 0 is
    off. Each batch runs twice with different dropout, which doubles the cost. Do not combine it
    with word_dropout, which would hide different words. In earlier versions of nmt, 1.0 meant what
    2.0 means now."""
    rdrop_after: NonNegativeInt = 0
    """R-Drop starts after this many steps, which are faster without it."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number format of matrix products; weights stay fp32. auto: on a GPU bf16, or fp16 where bf16
    is not native (T4, V100); on a CPU bf16 if a probe finds it faster. With fp16, the loss is
    scaled; a step that overflows is skipped and lowers the scale."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto: a GPU if there is one."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """CPU threads, at most one per core; null: all cores. They affect rounding."""
    compile: bool = False
    """Use torch.compile, which needs a C++ compiler and minutes in the first run. If it fails,
    training continues without it."""
    valid_every: PositiveInt = 500
    """Steps between validations, which also save checkpoints."""
    valid_metric: Literal["bleu", "chrf", "loss"] = "bleu"
    """Score that selects the best checkpoint (`chrf` is chrF++)."""
    log_every: PositiveInt = 50
    """Steps between records of loss and speed in metrics.jsonl."""
    patience: PositiveInt | None = None
    """Stop after this many validations in a row without a better score (if equal: lower loss)."""
    keep_checkpoints: PositiveInt = 3
    """Keep this many newest checkpoints, the best one, and those to average."""
    average_checkpoints: PositiveInt = 1
    """The final model is the mean of this many checkpoints, or the best one if the mean validates
    worse."""
    average: Literal["best", "last"] = "best"
    """Average the checkpoints with the best scores, or the last ones (Vaswani et al., 2017, section
    6.1)."""
    ema: Probability = 0.0
    """Decay (such as 0.999) of an exponential moving average of the weights, which becomes the
    model; 0 is off."""
    max_skipped: PositiveInt = 10
    """Stop with an error after this many non-finite losses or gradients in a row."""
    seed: Annotated[int, Field(ge=0, le=2**64 - 1)] = 1
    """Random seed."""
    init_from: str | None = None
    """Start from the trained weights of a run (RUN), or of one of its checkpoints
    (RUN/checkpoints/step-N), with a fresh optimizer and schedule. Keys of `model` that the config
    does not set are copied from that run."""
    init_parts: Annotated[list[ModelPart], Field(min_length=1)] | None = None
    """Parts to take from init_from; null: all. `embeddings` includes the output projection."""
    freeze: list[PartOrLayer] | None = None
    """Parts or layers that training does not change: `encoder`, `decoder`, `embeddings` (with the
    output projection), or one layer, such as `encoder.1`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_steps is None and self.max_epochs is None and self.patience is None:
            raise ValueError("one of max_steps, max_epochs and patience must end the training")
        if self.schedule == "cosine" and self.max_steps is None:
            raise ValueError("schedule: cosine needs max_steps")
        if self.init_parts and self.init_from is None:
            raise ValueError("init_parts needs init_from")
        return self


class DecodingConfig(Section):
    """Beam search."""

    beam_size: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Hypotheses per sentence; 1 is greedy search."""
    length_penalty: Annotated[float, Field(ge=0.0, le=10.0)] = 1.0
    """Exponent in length_normalization; 0 is off."""
    length_normalization: Literal["power", "gnmt"] = "power"
    """Log-probabilities are divided by length ** length_penalty (`power`) or ((5 + length) / 6) **
    length_penalty (`gnmt`; Wu et al., 2016, equation 14)."""
    max_length: Length = 256
    """Longest output in tokens."""
    max_length_ratio: PositiveFloat = 3.0
    """Longest output as a multiple of the source length, plus 10 tokens."""
    min_length: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Shortest output in tokens."""
    no_repeat_ngram: NonNegativeInt = 0
    """Never repeat an n-gram of this size; 0 is off."""
    split_sentences: Literal["auto", "always", "never"] = "auto"
    """Translate the sentences of a line one by one; `auto`: if the line has more characters than
    95 % of the training sources. Lines of more than data.max_tokens are always translated in
    pieces. Validation during training never splits sentences."""
    patience: PositiveFloat | None = 1.0
    """A search ends when beam_size * patience hypotheses have finished (Kasai et al., 2022) or no
    open one can win; null: only the latter, which is exact."""
    batch_tokens: PositiveInt | None = None
    """Maximum source tokens per batch, including padding; null: 4,096 on a CPU, and 65,536 on a
    GPU, or fewer if its memory runs out."""
    precision: Literal["auto", "fp32", "fp16", "bf16", "int8"] = "auto"
    """Number format of matrix products; auto: bf16 on a GPU with native bf16, fp16 on an x86 CPU,
    fp32 elsewhere. fp16 runs on GPUs and x86 CPUs (with 32-bit products) and rarely changes a
    translation. int8 runs on x86 CPUs; it may be faster for many sentences, and changes some
    translations."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_length > self.max_length:
            raise ValueError(
                f"min_length ({self.min_length}) is greater than max_length ({self.max_length})"
            )
        return self


class EvaluationConfig(Section):
    """Scores of translations."""

    tokenize: Literal["auto", BleuTokenizer] = "auto"
    """sacrebleu's tokenizer for BLEU; auto: that of data.target_language, such as `zh`, or without
    a language `13a`, or `char` for references without spaces. `ja-mecab` and `ko-mecab` need the
    extra `ja` or `ko` of nmt."""


class Config(Section):
    """A whole experiment."""

    data: DataConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig
    decoding: DecodingConfig = DecodingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def max_source_tokens(self) -> int:
        """Maximum length of a source in tokens, without eos."""
        return self._within_positions(self.data.max_tokens)

    @property
    def max_target_tokens(self) -> int:
        """Maximum length of a translation in tokens, without eos."""
        return self._within_positions(self.decoding.max_length)

    def _within_positions(self, tokens: int) -> int:
        # Learned positions must also hold bos or eos.
        if self.model.positions != "learned":
            return tokens
        return min(tokens, self.model.max_positions - 1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.training.packing == "on" and self.model.architecture == "rnn":
            raise ValueError("training.packing: on needs architecture: transformer")
        if self.max_source_tokens < self.data.max_tokens:
            raise ValueError(
                f"learned positions hold {self.max_source_tokens} tokens "
                f"(model.max_positions - 1), but data.max_tokens is {self.data.max_tokens}"
            )
        if self.max_target_tokens < self.decoding.min_length:
            raise ValueError(
                f"learned positions hold {self.max_target_tokens} tokens "
                f"(model.max_positions - 1), but decoding.min_length is {self.decoding.min_length}"
            )
        if both := {*self.data.tags}.intersection(self.tokenizer.user_defined_symbols or ()):
            raise ValueError(
                f"{min(both)} is both a tag of data.train and in tokenizer.user_defined_symbols"
            )
        return self
