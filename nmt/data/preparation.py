"""From the data of a config to corpora of token ids: read, clean, train a tokenizer, encode.

A corpus is built once, and reused as long as sources, cleaning and tokenizer are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt import storage
from nmt.data.cache import Cached, cache_key, corpus_file, read_cache, splits_of, write_cache
from nmt.data.cleaning import IN_TRAIN, LEAKED, Collected, HeldOut, collect_training
from nmt.data.corpus import Corpus
from nmt.data.encoding import write_corpus
from nmt.data.mixing import mixture_of
from nmt.data.report import DataReport, SplitReport, listed
from nmt.data.sets import check_sets
from nmt.data.sources import BAD_ROW, BAD_UTF8, Counts, Split, read_split
from nmt.errors import DataError
from nmt.tokenizer import Tokenizer
from nmt.tokenizer.making import make_tokenizer

if TYPE_CHECKING:
    from nmt.config import Config, DataConfig

_LEAKED_SHARE = 0.9  # A held-out split with this share in the training set causes a warning.


@dataclass(frozen=True)
class PreparedData:
    """The corpora of all splits, the tokenizer and the report."""

    corpora: Mapping[Split, Corpus]
    tokenizer: Tokenizer
    report: DataReport

    @property
    def train(self) -> Corpus:
        return self.corpora["train"]

    @property
    def valid(self) -> Corpus:
        return self.corpora["valid"]

    @property
    def test(self) -> Corpus | None:
        return self.corpora.get("test")


def prepare_data(
    config: Config,
    folder: Path,
    tokenizer_folder: Path,
    say: Callable[[str], None],
    check_stop: Callable[[], None],
    old: Tokenizer | None = None,
) -> PreparedData:
    """Read, clean and encode the data, after making a tokenizer if there is none.

    A split without sources is left out. The corpora are kept in `folder`. `say` receives lines for
    the user; `check_stop` is called often and may raise; `old` is the tokenizer of the starting
    model. Needs less than 1 GB of memory for data of any size. Raises DataError, ConfigError
    (vocabulary), StorageError.
    """
    with storage.storage_errors(f"cannot write {folder}", folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
        storage.remove_leftovers(folder)
        _warn_of_repeated_sources(config.data, say)
        key = cache_key(config)
        tokenizer = Tokenizer.load(tokenizer_folder) if tokenizer_folder.exists() else None
        cached = tokenizer and read_cache(folder, tokenizer)
        if not cached or cached.key != key:
            tokenizer, cached = _build(config, folder, tokenizer_folder, key, say, check_stop, old)
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
            cached.report.splits[split].parts,
        )
        for split, fingerprint in cached.fingerprints.items()
    }
    for split in corpora.keys() - {"train"}:
        check_sets(config.data, split, corpora[split])
    return PreparedData(corpora, tokenizer, cached.report)


def read_corpus(
    folder: Path, split: Split, tokenizer: Tokenizer, fingerprint: Mapping[str, Any]
) -> Corpus:
    """Return a split that prepare_data kept in `folder`.

    Raises DataError if it is missing, damaged, of another tokenizer, or of another fingerprint.
    """
    cached = read_cache(folder, tokenizer, (split,))
    if not cached or split not in cached.fingerprints:
        raise DataError(f"{folder} does not contain the {split} data of the run")
    parts = cached.report.splits[split].parts
    corpus = Corpus(corpus_file(folder, split), cached.fingerprints[split], tokenizer, parts=parts)
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
    old: Tokenizer | None,
) -> tuple[Tokenizer, Cached]:
    collected = _collect(config.data, folder, say, check_stop)
    reports: dict[str, SplitReport] = {split: texts.report for split, texts in collected.items()}
    if tokenizer_folder.exists():
        tokenizer = Tokenizer.load(tokenizer_folder)
    else:
        tokenizer = make_tokenizer(
            _drawn_texts(collected["train"], config.data),
            config.tokenizer,
            tokenizer_folder,
            old,
            config.data.tags,
            say,
            check_stop,
        )
    say("data: encoding")
    fingerprints: dict[Split, str] = {}
    for split, texts in collected.items():
        fingerprints[split] = write_corpus(
            corpus_file(folder, split),
            texts,
            tokenizer,
            config.data.parts(split),
            drops=split == "train",
            check_stop=check_stop,
        )
        texts.path.unlink()
        if not reports[split].kept:
            raise _nothing_left(split, reports[split])
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
            parts = data.parts("train")
            collected[split] = collect_training(pairs, path, parts, held_out, report, check_stop)
        else:
            collected[split] = held_out.collect(split, pairs, path, report, check_stop)
        report.lines += report.dropped[BAD_UTF8] + report.dropped[BAD_ROW]
    collected = {split: collected[split] for split in splits_of(data)}
    for split, found in collected.items():
        if not data.drop_leaked and split != "train" and (leaks := held_out.leaks(split)):
            found.report.noticed[IN_TRAIN] = leaks
        if not len(found):
            raise _nothing_left(split, found.report)
    return collected


def _drawn_texts(collected: Collected, data: DataConfig) -> Callable[[], Iterator[tuple[str, str]]]:
    """Return a function that yields the training texts, as often as training draws them."""
    sizes = [collected.sizes[number] for number in range(len(data.parts("train")))]
    mixture = mixture_of(data, sizes, whole=True)
    if mixture is None:
        return collected.texts
    return lambda: mixture.repeated(
        (pair.part, pair.source, pair.target) for chunk in collected.chunks() for pair in chunk
    )


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
