"""The config that trains a run further on other data, with a reason for each value."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from nmt import storage
from nmt.config import Config, DataSource
from nmt.data.cleaning import Collected
from nmt.languages import words
from nmt.planning.document import write_document
from nmt.planning.facts import Source, check_size, collect
from nmt.planning.holdout import hold_out
from nmt.planning.rules import rounded
from nmt.text import counted, shell
from nmt.tokenizer import Tokenizer

MINIMUM = 50
"""Fewest usable pairs."""
_SAMPLE = 10_000  # pairs
_MOST_HELD_OUT = {"valid": 500, "test": 1000}
_LONG = 1.8  # pieces per word above which a vocabulary does not fit the text


class Scale(NamedTuple):
    """Settings for at least this many pairs."""

    pairs: int
    epochs: int
    dropout: float


SCALES = (
    Scale(0, 30, 0.3),
    Scale(5_000, 15, 0.2),
    Scale(50_000, 6, 0.1),
    Scale(500_000, 3, 0.0),
)
"""The sizes, in ascending order. Dropout is never below that of the starting run."""
_MOST_STEPS = 50_000


class Facts(NamedTuple):
    """The input of the rules: the new pairs, and the run to start from."""

    pairs: int
    words: float
    """Per sentence, of the longer side."""
    pieces: float
    """Pieces of the old vocabulary per word, of the side with more."""
    base: Config

    @property
    def scale(self) -> Scale:
        return [scale for scale in SCALES if scale.pairs <= self.pairs][-1]


def measure(pairs: Collected, base: Config, tokenizer: Tokenizer) -> Facts:
    """Return the facts of the first pairs."""
    sample = list(itertools.islice(pairs.texts(), _SAMPLE))
    lengths, ratios = [], []
    for side, texts in zip(
        (tokenizer.source, tokenizer.target), zip(*sample, strict=True), strict=True
    ):
        count = sum(len(words(text)) for text in texts)
        lengths.append(count / len(texts))
        ratios.append(len(side.encode_flat(texts)[1]) / max(count, 1))
    return Facts(len(pairs), max(lengths), max(ratios), base)


def write_plan(
    start: str,
    base: Config,
    tokenizer: Tokenizer,
    train: Source,
    path: Path,
    say: Callable[[str], None],
) -> None:
    """Set validation and test pairs aside in the folder of `path`, and write the config.

    start: value of training.init_from; base, tokenizer: of that run. The folder is replaced. Raises
    DataError and StorageError.
    """
    parent = path.parent.parent
    with (
        storage.storage_errors(f"cannot write {path}", parent),
        _new_folder(parent),
        tempfile.TemporaryDirectory(prefix=storage.TEMPORARY, dir=parent) as temporary,
    ):
        pairs = collect(train, {}, Path(temporary))
        check_size(pairs, train, MINIMUM)
        facts = measure(pairs, base, tokenizer)
        sizes = {part: min(most, len(pairs) // 10) for part, most in _MOST_HELD_OUT.items()}
        languages = base.data.source_language, base.data.target_language
        held_out = hold_out(pairs, sizes, path.parent, languages)
    old = old_test(base, Path(start).name)
    if base.data.test and not old:
        say(f"the files of the test set of {start} are missing, so it is not scored")
    sources: dict[str, list[DataSource]] = {"train": [train], "valid": [held_out["valid"].files]}
    sources["test"] = [held_out["test"].files.model_copy(update={"name": "new"}), *old]
    values, reasons = plan(facts, start, sources)
    for part, held in held_out.items():
        reasons[f"data.{part}"] = counted(held.pairs, "random pair")
    command = shell("nmt", "train", "--config", str(path), "--run-dir", str(parent))
    heading = f"Written by nmt finetune: {start} is trained further.\n  {command}"
    write_document(path, values, reasons, heading)
    say(
        f"{counted(facts.pairs, 'usable pair')}, {facts.words:.1f} words per sentence, "
        f"{facts.pieces:.1f} pieces per word; {held_out['valid'].pairs:,} set aside for validation "
        f"and {held_out['test'].pairs:,} for the test"
    )
    say(f"wrote {path}, with a reason for each value")


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and delete it after an error if it is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def old_test(base: Config, name: str) -> list[DataSource]:
    """Return the test sources of the starting run, named after the run; [] if a file is missing."""
    if not all(path.exists() for path in base.data.files("test")):
        return []
    sources = base.data.test or []
    return [source.model_copy(update={"name": source.name or name}) for source in sources]


def plan(
    facts: Facts, start: str, sources: Mapping[str, Sequence[DataSource]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return nested values of a config, and the reasons for some of them by key."""
    base, scale = facts.base, facts.scale
    values = base.model_dump(
        exclude_defaults=True,
        exclude={"model": True, "data": {"train", "valid", "test"}, "training": True},
    )
    reasons: dict[str, str] = {}

    def put(key: str, value: Any, reason: str = "") -> None:
        section, _, name = key.partition(".")
        values.setdefault(section, {})[name] = value
        reasons[key] = reason

    values["data"] = {
        **{
            part: [source.model_dump(exclude_defaults=True) for source in several]
            for part, several in sources.items()
        },
        **values.get("data", {}),
    }
    put("data.drop_leaked", True, "the sentences of valid and test must not be trained on")
    values["tokenizer"] = {}
    if sampling := base.tokenizer.sampling:
        put("tokenizer.sampling", sampling, "as in the starting run")
    pieces = facts.pieces
    if pieces > _LONG:
        wanted = min(8000, rounded(facts.pairs / 4))
        put("tokenizer.extend", wanted, f"{pieces:.1f} pieces per word; 1 per 4 pairs is added")
        pieces = _LONG
    if base.model.dropout < scale.dropout:
        put("model.dropout", scale.dropout, f"only {counted(facts.pairs, 'pair')}")
    tokens = facts.pairs * (facts.words * pieces + 1)
    old = base.training
    batch = min(old.batch_tokens, max(500, rounded(tokens / 20)))
    steps = min(_MOST_STEPS, max(100, rounded(scale.epochs * tokens / batch)))
    put("training.init_from", start, "weights and vocabulary, but not the optimizer")
    put("training.optimizer", old.optimizer, "as in the starting run")
    put("training.batch_tokens", batch, "at least 20 steps per epoch, at most the batches before")
    put(
        "training.learning_rate",
        old.learning_rate / 2,
        "half of that of the starting run; a tenth learns slowly and forgets less",
    )
    put("training.schedule", "cosine", "ends at 0, without noise in the final weights")
    put("training.max_steps", steps, f"{scale.epochs} epochs of {tokens:,.0f} tokens")
    put("training.warmup_steps", steps // 15, "1/15 of max_steps")
    put("training.valid_every", max(1, steps // 12), "12 validations")
    put("training.patience", 4, "validations without a better score end the training")
    put("training.label_smoothing", old.label_smoothing, "as in the starting run")
    if old.ema:
        put("training.ema", old.ema, "as in the starting run")
    return {key: values[key] for key in Config.model_fields if values.get(key)}, reasons
