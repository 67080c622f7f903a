"""From the data of a config to corpora of token ids: read, clean, train a tokenizer, encode.

A corpus is built once, and reused as long as sources, cleaning and tokenizer are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt import storage
from nmt.data.cache import Cached, cache_key, corpus_file, read_cache, splits_of, write_cache
from nmt.data.cleaning import IN_TRAIN, LEAKED, LONG, Collected, HeldOut, collect_training
from nmt.data.corpus import Corpus
from nmt.data.encoding import write_corpus
from nmt.data.report import DataReport, SplitReport, listed
from nmt.data.sources import BAD_ROW, BAD_UTF8, Counts, Split, read_split
from nmt.errors import DataError
from nmt.tokenizer import Tokenizer
from nmt.tokenizer.training import train_tokenizer

if TYPE_CHECKING:
    from nmt.config import Config, DataConfig

_LEAKED_SHARE = 0.9  # A held-out split with this share in the training set causes a warning.


@dataclass(frozen=True)
class PreparedData:
    """The corpora, the tokenizer and the report that training needs."""

    train: Corpus
    valid: Corpus
    test: Corpus | None
    tokenizer: Tokenizer
    report: DataReport


def prepare_data(
    config: Config,
    folder: Path,
    tokenizer_folder: Path,
    say: Callable[[str], None],
    check_stop: Callable[[], None],
) -> PreparedData:
    """Read, clean and encode the data, after training a tokenizer if there is none.

    The corpora are kept in `folder`. `say` receives lines for the user; `check_stop` is called
    often and may raise. Needs less than 1 GB of memory for data of any size. Raises DataError,
    ConfigError (vocabulary), StorageError.
    """
    with storage.storage_errors(f"cannot write {folder}", folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
        storage.remove_leftovers(folder)
        _warn_of_repeated_sources(config.data, say)
        key = cache_key(config)
        tokenizer = Tokenizer.load(tokenizer_folder) if tokenizer_folder.exists() else None
        cached = tokenizer and read_cache(folder, tokenizer)
        if not cached or cached.key != key:
            tokenizer, cached = _build(config, folder, tokenizer_folder, key, say, check_stop)
    assert tokenizer is not None
    say(cached.report.summary())
    _warn_of_leaks(cached.report, say)
    corpora = {
        split: Corpus(
            corpus_file(folder, split),
            fingerprint,
            tokenizer,
            config.tokenizer.sampling,
            config.data.max_tokens,
        )
        for split, fingerprint in cached.fingerprints.items()
    }
    return PreparedData(
        corpora["train"], corpora["valid"], corpora.get("test"), tokenizer, cached.report
    )


def read_corpus(
    folder: Path, split: Split, tokenizer: Tokenizer, fingerprint: Mapping[str, Any]
) -> Corpus:
    """Return a split that prepare_data kept in `folder`.

    Raises DataError if it is missing, damaged, of another tokenizer, or of another fingerprint.
    """
    cached = read_cache(folder, tokenizer, (split,))
    if not cached or split not in cached.fingerprints:
        raise DataError(f"{folder} does not contain the {split} data of the run")
    corpus = Corpus(corpus_file(folder, split), cached.fingerprints[split], tokenizer)
    if corpus.fingerprint != fingerprint.get("sha256"):
        raise DataError(f"{folder} contains another {split} set than the run used")
    return corpus


def _build(
    config: Config,
    folder: Path,
    tokenizer_folder: Path,
    key: str,
    say: Callable[[str], None],
    check_stop: Callable[[], None],
) -> tuple[Tokenizer, Cached]:
    collected = _collect(config.data, folder, say, check_stop)
    reports: dict[str, SplitReport] = {split: texts.report for split, texts in collected.items()}
    if tokenizer_folder.exists():
        tokenizer = Tokenizer.load(tokenizer_folder)
    else:
        kind, size = config.tokenizer.type, config.tokenizer.vocab_size
        say(f"tokenizer: training SentencePiece ({kind}, {size:,} pieces)")
        tokenizer = train_tokenizer(
            collected["train"].texts, config.tokenizer, tokenizer_folder, check_stop
        )
        if (reduced := len(tokenizer.source)) < size:
            say(f"tokenizer: reduced vocab_size to {reduced:,}, the largest size for this text")
    say("data: encoding")
    fingerprints: dict[str, str] = {}
    for split, texts in collected.items():
        fingerprints[split] = write_corpus(
            corpus_file(folder, split),
            texts,
            tokenizer,
            config.data,
            drops=split == "train",
            check_stop=check_stop,
        )
        texts.path.unlink()
        if not reports[split].kept:
            raise _nothing_left(split, reports[split])
    if reports["valid"].noticed[LONG] == reports["valid"].kept:
        raise DataError(
            f"all pairs of data.valid have more than {config.data.max_tokens:,} tokens on a side, "
            "so there is no validation loss",
            "give data.valid shorter sentences, or raise data.max_tokens",
        )
    report = DataReport(reports, len(tokenizer.source), len(tokenizer.target))
    cached = Cached(key, fingerprints, report)
    write_cache(folder, tokenizer, cached)
    return tokenizer, cached


def _collect(
    data: DataConfig,
    folder: Path,
    say: Callable[[str], None],
    check_stop: Callable[[], None],
) -> dict[Split, Collected]:
    """Read all splits: held-out splits first, to find their sentences in the training set."""
    say("data: reading")
    collected: dict[Split, Collected] = {}
    held_out = HeldOut()
    for split in sorted(splits_of(data), key="train".__eq__):
        report = SplitReport()
        pairs = read_split(data, split, Counts(report.repaired, report.drop))
        path = folder / f"{storage.TEMPORARY}{split}.texts"
        if split == "train":
            collected[split] = collect_training(pairs, path, data, held_out, report, check_stop)
        else:
            collected[split] = held_out.collect(split, pairs, path, report, check_stop)
        report.lines += report.dropped[BAD_UTF8] + report.dropped[BAD_ROW]
    collected = {split: collected[split] for split in splits_of(data)}
    for split, found in collected.items():
        if split != "train" and (leaks := held_out.leaks(split)):
            found.report.noticed[IN_TRAIN] = leaks
        if not len(found):
            raise _nothing_left(split, found.report)
    return collected


def _warn_of_repeated_sources(data: DataConfig, say: Callable[[str], None]) -> None:
    repeated = [source for i, source in enumerate(data.train) if source in data.train[:i]]
    if data.drop_duplicates and repeated:
        values = repeated[0].model_dump(exclude_defaults=True).values()
        say(
            f"warning: data.train lists {', '.join(map(str, values))} several times, but "
            "data.drop_duplicates keeps one copy (hint: remove drop_duplicates to train on all)"
        )


def _warn_of_leaks(report: DataReport, say: Callable[[str], None]) -> None:
    if LEAKED not in report.splits["train"].noticed:
        return  # There are no such pairs, or they were dropped from the training set.
    for name, title in (("valid", "validation"), ("test", "test")):
        split = report.splits.get(name, SplitReport())
        if split.lines and split.noticed[IN_TRAIN] >= _LEAKED_SHARE * split.lines:
            say(
                f"warning: {split.noticed[IN_TRAIN]:,} of {split.lines:,} sentences of the {title} "
                "set are also in the training set, so its scores do not show how well new "
                f"sentences are translated (hint: give data.{name} other sentences, or set "
                "data.drop_leaked)"
            )


def _nothing_left(split: str, report: SplitReport) -> DataError:
    dropped = (
        f": {report.lines:,} read, all dropped: {listed(report.dropped)}" if report.lines else ""
    )
    return DataError(
        f"data.{split} has no pairs{dropped}",
        "check the files and the limits under `data`",
    )
