"""Facts of parallel data, from which the rules choose the settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from nmt.config import DataConfig, PairFile, TextFiles
from nmt.data.cleaning import Collected, HeldOut, collect_training
from nmt.data.report import SplitReport, listed
from nmt.data.sources import Counts, read_pairs
from nmt.data.statistics import count
from nmt.errors import DataError
from nmt.languages import identify, is_unspaced, named_language
from nmt.text import counted

SAMPLE = 200_000
"""Everything except the number of pairs is measured on at most this many pairs."""
_SENTENCES = 200  # to identify a language

Source = TextFiles | PairFile


@dataclass(frozen=True)
class Side:
    """One side of the sampled pairs."""

    language: str | None
    evidence: str
    """How the language was found."""
    words: float
    """Mean number of words; a character counts as a word in scripts without spaces."""
    longest: int
    """Length in characters that 99 % of the sentences do not exceed."""
    vocabulary: int
    """Number of different words."""
    letters: Counter[str]
    """Occurrences of each character."""
    unspaced: bool
    """Whether the script has no spaces between words."""

    def characters(self, coverage: float = 1.0) -> int:
        """Return how many different characters make up this share of the text."""
        return needed(self.letters, coverage)


@dataclass(frozen=True)
class Facts:
    """The input of the rules: the data and the machine."""

    read: int
    """Number of pairs in the files."""
    pairs: int
    """Number of different, usable pairs."""
    report: SplitReport
    source: Side
    target: Side
    uneven: float
    """Share of the pairs in which one side is more than three times as long as is usual."""
    device: Literal["cpu", "cuda"]

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.source, self.target

    @property
    def alphabet(self) -> float:
        """Share of the letters that both sides have in common, from 0 to 1."""
        source, target = (
            {char: number for char, number in side.letters.items() if char.isalpha()}
            for side in self.sides
        )
        totals = max(1, sum(source.values())), max(1, sum(target.values()))
        return sum(
            min(source[char] / totals[0], target[char] / totals[1])
            for char in source.keys() & target.keys()
        )


def needed(letters: Counter[str], coverage: float) -> int:
    """Return how many of the most frequent characters make up this share of a text."""
    rest = coverage * letters.total()
    for number, (_, occurrences) in enumerate(letters.most_common()):
        if rest <= 0:
            return number
        rest -= occurrences
    return len(letters)


def collect(
    train: Source,
    held_out: Mapping[str, Source],
    folder: Path,
    check_stop: Callable[[], None] = lambda: None,
) -> Collected:
    """Read the different usable pairs that are not held out into a file in `folder`.

    Bad lines are counted in the report of the result. Raises DataError.
    """
    data = DataConfig(
        train=[train],
        valid=[*held_out.values()] or [train],
        drop_duplicates=True,
        drop_copies=True,
        drop_leaked=True,
        bad_utf8="skip",
        bad_rows="skip",
    )
    known = HeldOut()
    for name, part in zip(held_out, data.parts("valid"), strict=False):
        known.collect(name, read_pairs([part], "valid"), folder / name, SplitReport(), check_stop)
    report = SplitReport()
    parts = data.parts("train")
    pairs = read_pairs(parts, "train", Counts(report.repaired, report.drop))
    return collect_training(pairs, folder / "train", parts, known, report, check_stop)


def files_of(source: Source) -> str:
    """Return the names of the files of a source for a message."""
    if isinstance(source, PairFile):
        return source.file
    return f"{source.source} and {source.target}"


def check_size(pairs: Collected, train: Source, minimum: int) -> None:
    """Raise DataError, with the reasons for dropped pairs, for fewer pairs than the minimum."""
    if len(pairs) < minimum:
        dropped = pairs.report.dropped
        why = f" (dropped: {listed(dropped)})" if dropped else ""
        raise DataError(
            f"{files_of(train)}: {counted(len(pairs), 'usable pair')}{why}, but at least {minimum} "
            "are needed",
            "add pairs; a useful translator needs thousands",
        )


def measure(
    pairs: Collected,
    names: tuple[str, str],
    languages: tuple[str | None, str | None],
    device: Literal["cpu", "cuda"],
) -> Facts:
    """Return the facts of the pairs.

    names: of the files or columns, which may contain the languages.
    """
    step = -(-len(pairs) // SAMPLE)
    sample = [pair for number, pair in enumerate(pairs.texts()) if number % step == 0]
    texts: list[list[str]] = [list(side) for side in zip(*sample, strict=True)]
    sides = [_side(*about) for about in zip(texts, names, languages, strict=True)]
    ratios = sorted(len(source) / len(target) for source, target in sample)
    usual = ratios[len(ratios) // 2]
    uneven = sum(not usual / 3 <= ratio <= usual * 3 for ratio in ratios)
    read = pairs.report.lines
    return Facts(read, len(pairs), pairs.report, sides[0], sides[1], uneven / len(ratios), device)


def _side(texts: Sequence[str], name: str, given: str | None) -> Side:
    counted = count([pa.array(texts)], lambda: None)
    lengths = sorted(counted.lengths.elements())
    letters: Counter[str] = Counter()
    for text in texts:
        letters.update(text)
    del letters[" "]
    language, evidence = _language(texts, name, given)
    return Side(
        language=language,
        evidence=evidence,
        words=counted.words.total() / len(texts),
        longest=lengths[len(lengths) * 99 // 100],
        vocabulary=len(counted.words),
        letters=letters,
        unspaced=is_unspaced(texts[:1000]),
    )


def _language(texts: Sequence[str], name: str, given: str | None) -> tuple[str | None, str]:
    if given:
        return given, "as given"
    if named := named_language(name):
        return named, "from the file or column name"
    some = texts[:: -(-len(texts) // _SENTENCES)]
    found = _most_common(filter(None, map(identify, some)))
    if found:
        return found, f"identified in {len(some)} sentences"
    return None, "unknown"


def _most_common(languages: Iterable[str]) -> str | None:
    found = Counter(languages).most_common(1)
    return found[0][0] if found else None
