"""Search for pairs that are no translations: swapped, shifted, or in a wrong language.

The texts of a source are only compared with each other, so that no model is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import compress, islice
from typing import TYPE_CHECKING

from nmt.bars import track
from nmt.config import HubDataset, PairFile, TextFiles
from nmt.data.mismatches.finding import Finding, finding
from nmt.data.mismatches.foreign import Languages, find_foreign
from nmt.data.mismatches.shifts import find_shifts
from nmt.data.mismatches.swaps import SideJudge
from nmt.data.report import EXAMPLES
from nmt.data.sources import read_pairs
from nmt.data.spread import Spread
from nmt.languages import named_language
from nmt.text import counted

if TYPE_CHECKING:
    from nmt.config import DataConfig
    from nmt.config.data import Part
    from nmt.data.sources import Pair, Split

__all__ = ["Finding", "find_mismatches", "languages_of"]

_BLOCK = 1 << 15  # pairs in memory
_SAMPLE = 1000  # pairs at least of which languages are identified, if there are as many
_GAP = 100  # lines between two blocks with one shift
_SWAPPED = 3  # pairs at least that are reported
_UNTRANSLATED = 0.001  # share at least that is reported, because names are equal in all languages


def find_mismatches(
    data: DataConfig, split: Split, check_stop: Callable[[], None], most: int | None = None
) -> Iterator[Finding]:
    """Yield the problems of the first `most` pairs (None: all pairs) of each source of a split.

    Raises DataError as `read_pairs` does.
    """
    for part in data.parts(split):
        if not part.reverse:
            pairs = islice(read_pairs([part], split), most)
            yield from _examine(pairs, languages_of(part), check_stop)


def languages_of(part: Part) -> Languages:
    """Return the languages in the config or, without them, in the names of files or columns."""
    match part.source:
        case TextFiles(source=source, target=target):
            names = (source, target)
        case PairFile() | HubDataset():
            names = (str(part.source.source_column), str(part.source.target_column))
        case _:
            names = ("", "")
    named = [named_language(name) for name in names]
    if named[0] == named[1]:
        named = [None, None]
    return part.source_language or named[0], part.target_language or named[1]


def _examine(
    pairs: Iterator[Pair], expected: Languages, check_stop: Callable[[], None]
) -> Iterator[Finding]:
    judge, sample = SideJudge(), Spread["Pair"](_SAMPLE)
    swapped, untranslated, shifts = _Counted(), _Counted(), list[_Shifted]()
    with track("data: comparing both sides", None) as advance:
        for block in iter(lambda: list(islice(pairs, _BLOCK)), []):
            check_stop()
            for pair in block:
                sample.add(pair)
            texts = [pair.source for pair in block], [pair.target for pair in block]
            judged = judge.judge(*texts)
            swapped.add(compress(block, judged.swapped))
            same = compress(block, judged.untranslated)
            untranslated.add(pair for pair in same if pair.source != pair.target)
            for shift in find_shifts(*texts):
                _add_shift(shifts, shift.offset, block[shift.first : shift.last + 1])
            advance(len(block))
    if not sample.items:
        return
    where = " and ".join(dict.fromkeys(sample.items[0].paths))
    if swapped.count >= _SWAPPED:
        message = f"{counted(swapped.count, 'pair')} of {where} have swapped sides"
        yield finding("swapped sides", message, swapped.first)
    if untranslated.count > _UNTRANSLATED * sample.seen and untranslated.first:
        message = (
            f"{counted(untranslated.count, 'pair')} of {where} have both sides in one language"
        )
        yield finding("untranslated", message, untranslated.first)
    for shifted in shifts:
        yield finding("shifted lines", shifted.message(where), shifted.examples)
    yield from find_foreign(sample.items, expected)


class _Counted:
    """A number of pairs, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Pair] = []

    def add(self, pairs: Iterator[Pair]) -> None:
        for pair in pairs:
            self.count += 1
            if len(self.first) < EXAMPLES:
                self.first.append(pair)


@dataclass
class _Shifted:
    offset: int
    first: int
    """Line of the first and of the last source."""
    last: int
    examples: list[Pair]

    def message(self, where: str) -> str:
        lines = counted(abs(self.offset), "line")
        direction = "later" if self.offset > 0 else "earlier"
        return (
            f"lines {self.first:,} to {self.last:,} of {where} are shifted: the translation of a "
            f"line is {lines} {direction} (the numbers may be off by a few lines)"
        )


def _add_shift(shifts: list[_Shifted], offset: int, pairs: list[Pair]) -> None:
    first, last = pairs[0].line, pairs[-1].line
    if shifts and shifts[-1].offset == offset and first - shifts[-1].last < _GAP:
        shifts[-1].last = last
    else:
        # The lines in the middle are certainly shifted.
        middle = pairs[len(pairs) // 2 :][:EXAMPLES]
        shifts.append(_Shifted(offset, first, last, middle))
