"""The table of rules that choose the settings of a config from facts of the data.

docs/your-data.md shows this table; a test compares both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nmt.data.cleaning import COPY, DUPLICATE
from nmt.data.sources import BAD_ROW, BAD_UTF8
from nmt.planning.facts import Facts, needed
from nmt.text import counted

MINIMUM = 100
"""Fewest usable pairs for which there is a plan."""


class Scale(NamedTuple):
    """Settings for a training set of at least this many pairs."""

    pairs: int
    vocab_size: int
    d_model: int
    heads: int
    layers: int
    feedforward: int
    dropout: float
    batch_tokens: int
    epochs: int
    most_steps: int


SCALES: Mapping[str, tuple[Scale, ...]] = {
    "cpu": (
        Scale(0, 1000, 128, 4, 2, 256, 0.3, 600, 40, 20_000),
        Scale(5_000, 4000, 256, 4, 3, 512, 0.3, 2000, 40, 20_000),
        Scale(20_000, 10_000, 256, 4, 3, 512, 0.3, 3000, 25, 20_000),
        Scale(100_000, 16_000, 256, 4, 3, 1024, 0.2, 4000, 12, 20_000),
        Scale(1_000_000, 32_000, 256, 4, 3, 1024, 0.1, 4000, 3, 20_000),
    ),
    "cuda": (
        Scale(0, 1000, 128, 4, 2, 256, 0.3, 600, 40, 20_000),
        Scale(5_000, 4000, 256, 4, 3, 512, 0.3, 2000, 40, 20_000),
        Scale(20_000, 10_000, 256, 4, 3, 1024, 0.3, 3000, 30, 20_000),
        Scale(100_000, 16_000, 512, 4, 6, 1024, 0.3, 8000, 40, 50_000),
        Scale(1_000_000, 32_000, 512, 8, 6, 2048, 0.1, 25_000, 20, 100_000),
        Scale(20_000_000, 32_000, 1024, 16, 6, 4096, 0.1, 25_000, 10, 300_000),
    ),
}
"""The sizes by device: pairs from which they apply, in ascending order."""

Settings = Mapping[str, Any]
"""Values by key, such as model.d_model, that earlier rules chose."""


class Choice(NamedTuple):
    """A value, and the reason with the measured fact."""

    value: Any
    reason: str


class Rule(NamedTuple):
    """How a key follows from the facts. Without a choice, the key keeps its default."""

    key: str
    choose: Callable[[Facts, Settings], Choice | None]
    how: str
    source: str


def scale_of(facts: Facts) -> Scale:
    """Return the last scale for at most as many pairs."""
    return [scale for scale in SCALES[facts.device] if scale.pairs <= facts.pairs][-1]


def choose(facts: Facts) -> dict[str, Choice]:
    """Return the choices of all rules by key."""
    choices: dict[str, Choice] = {}
    values: dict[str, Any] = {}
    for rule in RULES:
        if choice := rule.choose(facts, values):
            choices[rule.key] = choice
            values[rule.key] = choice.value
    return choices


def held_out_size(part: str, pairs: int) -> int:
    """Return the number of pairs for the validation or test set."""
    return max(1, min({"valid": 1000, "test": 2000}[part], pairs // 20))


def _scaled(field: str, fact: str = "") -> Callable[[Facts, Settings], Choice]:
    def choose(facts: Facts, _: Settings) -> Choice:
        reason = fact or f"{counted(facts.pairs, 'pair')}, {facts.device}"
        return Choice(getattr(scale_of(facts), field), reason.format(pairs=facts.pairs))

    return choose


def _always(value: Any, reason: str) -> Callable[[Facts, Settings], Choice]:
    return lambda facts, settings: Choice(value, reason)


def _language(side: str) -> Callable[[Facts, Settings], Choice | None]:
    def choose(facts: Facts, _: Settings) -> Choice | None:
        found = getattr(facts, side)
        return Choice(found.language, found.evidence) if found.language else None

    return choose


def _if_found(kind: str, value: Any, reason: str) -> Callable[[Facts, Settings], Choice | None]:
    def choose(facts: Facts, _: Settings) -> Choice | None:
        found = facts.report.dropped[kind]
        return Choice(value, f"{counted(found, 'pair')} {reason}") if found else None

    return choose


def _tokens(facts: Facts, characters: int) -> int:
    """Return the estimated number of subwords in a text of this many characters."""
    return characters if any(side.unspaced for side in facts.sides) else -(-characters // 3)


def _longest_text(facts: Facts, _: Settings) -> Choice | None:
    characters = max(side.longest for side in facts.sides)
    tokens = _tokens(facts, characters)
    if tokens <= 256:
        return None
    value = min(1024, 1 << (tokens - 1).bit_length())
    return Choice(value, f"1 % of the sentences have more than {characters:,} characters")


def _longest_output(facts: Facts, settings: Settings) -> Choice | None:
    limit = settings.get("data.max_tokens")
    return Choice(limit, "as data.max_tokens") if limit else None


def _length_ratio(facts: Facts, _: Settings) -> Choice | None:
    if not facts.uneven:
        return None
    return Choice(4.0, f"in {facts.uneven:.2%} of the pairs one side is 3 times as long as usual")


def _type(facts: Facts, _: Settings) -> Choice:
    if any(side.unspaced for side in facts.sides):
        return Choice("unigram", "a side has no spaces between words")
    return Choice("bpe", "both sides have spaces between words")


def _shared(facts: Facts, _: Settings) -> Choice | None:
    if facts.alphabet >= 0.5:
        return Choice(True, f"{facts.alphabet:.0%} of the letters are common to both sides")
    return Choice(False, f"only {facts.alphabet:.0%} of the letters are common to both sides")


def _coverage(facts: Facts, _: Settings) -> Choice | None:
    characters = max(side.characters() for side in facts.sides)
    return Choice(0.9995, f"{characters:,} different characters") if characters > 1000 else None


def _vocabulary(facts: Facts, settings: Settings) -> Choice:
    size = scale_of(facts).vocab_size
    coverage = settings.get("tokenizer.character_coverage", 1.0)
    if settings["tokenizer.shared"]:
        characters = needed(facts.source.letters + facts.target.letters, coverage)
        words = sum(side.vocabulary for side in facts.sides)
    else:
        size = size // 2
        characters = max(side.characters(coverage) for side in facts.sides)
        words = min((side.vocabulary for side in facts.sides if not side.unspaced), default=size)
    smallest = 300 + characters * 5 // 4
    fact = counted(facts.pairs, "pair")
    if words < size:
        size, fact = words, f"only {words:,} different words"
    if size < smallest:
        size, fact = smallest, f"{fact}, but {characters:,} characters and 256 bytes"
    # More pieces may not exist: 4 control pieces, bytes, characters, and a piece per word.
    largest = 260 + characters + words
    return Choice(min(rounded(size), largest), fact)


def _steps(facts: Facts, settings: Settings) -> Choice:
    scale = scale_of(facts)
    tokens = tokens_per_pair(facts, settings["tokenizer.vocab_size"])
    steps = facts.pairs * tokens * scale.epochs / scale.batch_tokens
    if steps > scale.most_steps:
        return Choice(scale.most_steps, f"at most, as {scale.epochs} epochs have {steps:,.0f}")
    return Choice(
        max(300, rounded(steps)),
        f"about {scale.epochs} epochs of {facts.pairs:,} pairs with {tokens:.0f} tokens",
    )


def tokens_per_pair(facts: Facts, vocabulary: int) -> float:
    """Return the estimated number of tokens of the longer side, with eos and padding.

    English and German captions have 2.1 tokens per word with 1,000 pieces and 1.3 with 10,000.
    """
    per_word = 1.3 + 0.8 * max(0.0, 4 - math.log10(vocabulary))
    per_character = min(1.0, 0.6 * per_word)
    return 1 + max(
        side.words * (per_character if side.unspaced else per_word) for side in facts.sides
    )


def _warmup(facts: Facts, settings: Settings) -> Choice:
    steps = settings["training.max_steps"]
    return Choice(min(4000, steps // 15), f"1/15 of {steps:,} steps, at most 4,000")


def _valid_every(facts: Facts, settings: Settings) -> Choice:
    return Choice(max(1, settings["training.max_steps"] // 12), "12 validations")


def _small(value: Any, other: Any) -> Callable[[Facts, Settings], Choice]:
    """Choose by the width of the model: muon was tried for narrow models only."""

    def choose(facts: Facts, settings: Settings) -> Choice:
        width = settings["model.d_model"]
        return Choice(value if width <= 256 else other, f"d_model {width}")

    return choose


def _rdrop(facts: Facts, settings: Settings) -> Choice | None:
    if scale_of(facts).dropout < 0.3:
        return None
    return Choice(2.0, f"{counted(facts.pairs, 'pair')}, which are soon memorized")


def _rdrop_after(facts: Facts, settings: Settings) -> Choice | None:
    if "training.rdrop" not in settings:
        return None
    steps = settings["training.max_steps"]
    return Choice(rounded(steps * 0.7), "later steps take twice as long")


def rounded(number: float) -> int:
    """Return a number rounded to two digits, and to a multiple of ten."""
    unit = 10 ** max(1, int(math.log10(max(number, 1))) - 1)
    return int(round(number / unit) * unit)


RULES = (
    Rule(
        "data.source_language",
        _language("source"),
        "the option, the file or column name, or the language of most of 200 sentences",
        "",
    ),
    Rule("data.target_language", _language("target"), "like source_language", ""),
    Rule(
        "data.max_tokens",
        _longest_text,
        "if 1 % of the sentences are longer than 256 tokens: the next power of 2, at most 1,024",
        "",
    ),
    Rule(
        "data.max_length_ratio",
        _length_ratio,
        "4 if there are pairs with an unusual length ratio, which are often misaligned",
        "",
    ),
    Rule(
        "data.drop_duplicates",
        _if_found(DUPLICATE, True, "repeat an earlier one"),
        "true if there are any",
        "",
    ),
    Rule(
        "data.drop_copies",
        _if_found(COPY, True, "have a target that equals the source"),
        "true if there are any",
        "Khayrallah and Koehn (2018)",
    ),
    Rule(
        "data.drop_leaked",
        _always(True, "the sentences of valid and test must not be trained on"),
        "always true",
        "",
    ),
    Rule(
        "data.bad_utf8",
        _if_found(BAD_UTF8, "skip", "are not valid UTF-8"),
        "skip if there are such pairs",
        "",
    ),
    Rule(
        "data.bad_rows",
        _if_found(BAD_ROW, "skip", "are malformed"),
        "skip if there are such rows",
        "",
    ),
    Rule(
        "tokenizer.type",
        _type,
        "unigram if a side has no spaces between words, otherwise bpe",
        "",
    ),
    Rule(
        "tokenizer.shared",
        _shared,
        "true if half of the letters are common to both sides",
        "Sennrich et al. (2016)",
    ),
    Rule(
        "tokenizer.character_coverage",
        _coverage,
        "0.9995 if a side has more than 1,000 different characters",
        "SentencePiece",
    ),
    Rule(
        "tokenizer.vocab_size",
        _vocabulary,
        "see sizes; half if not shared; at most the number of different words, at least 5/4 of "
        "the characters plus 300; never more than the words plus the characters plus 260",
        "Sennrich and Zhang (2019), Gowda and May (2020), results.md",
    ),
    Rule("model.d_model", _scaled("d_model"), "see sizes", "Araabi and Monz (2020)"),
    Rule("model.heads", _scaled("heads"), "see sizes", "Araabi and Monz (2020)"),
    Rule("model.encoder_layers", _scaled("layers"), "see sizes", "Biljon et al. (2020)"),
    Rule("model.decoder_layers", _scaled("layers"), "see sizes", "Biljon et al. (2020)"),
    Rule("model.feedforward", _scaled("feedforward"), "see sizes", "Araabi and Monz (2020)"),
    Rule(
        "model.dropout",
        _scaled("dropout", "{pairs:,} pairs; less data needs more dropout"),
        "see sizes",
        "Sennrich and Zhang (2019), Araabi and Monz (2020)",
    ),
    Rule("model.norm", _always("pre", "trains more stably"), "always pre", "results.md"),
    Rule(
        "model.positions",
        _always("rotary", "learns faster than sinusoidal"),
        "always rotary",
        "results.md",
    ),
    Rule("training.batch_tokens", _scaled("batch_tokens"), "see sizes", ""),
    Rule(
        "training.optimizer",
        _small("muon", "adamw"),
        "muon up to d_model 256, otherwise adamw",
        "results.md",
    ),
    Rule(
        "training.learning_rate",
        _small(0.005, 0.0007),
        "0.005 for muon, 0.0007 for adamw",
        "results.md, Vaswani et al. (2017)",
    ),
    Rule(
        "training.schedule",
        _small("cosine", "inverse_sqrt"),
        "cosine up to d_model 256, otherwise inverse_sqrt",
        "results.md, Vaswani et al. (2017)",
    ),
    Rule(
        "training.max_steps",
        _steps,
        "the epochs and the maximum in sizes, at least 300",
        "",
    ),
    Rule(
        "training.warmup_steps",
        _warmup,
        "1/15 of max_steps, at most 4,000",
        "Vaswani et al. (2017)",
    ),
    Rule(
        "training.rdrop",
        _rdrop,
        "2 if dropout is 0.3, otherwise off",
        "Wu et al. (2021), results.md",
    ),
    Rule("training.rdrop_after", _rdrop_after, "7/10 of max_steps", "results.md"),
    Rule(
        "training.average_checkpoints",
        _always(4, "the mean of good checkpoints is often better than the best one"),
        "always 4",
        "Vaswani et al. (2017)",
    ),
    Rule(
        "training.ema",
        _small(0.99, 0.999),
        "0.99 up to d_model 256, otherwise 0.999",
        "results.md",
    ),
    Rule("training.valid_every", _valid_every, "1/12 of max_steps", ""),
    Rule("decoding.max_length", _longest_output, "data.max_tokens, if that has another value", ""),
)
