"""Report on prepared data: dropped pairs by reason, lengths, coverage and leakage."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.tables import table_lines
from nmt.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PERCENTILES = (50, 90, 99, 100)
EXAMPLES = 3
SHOWN = 500
"""Maximum number of characters of a text in a report."""


@dataclass
class SideReport:
    """Statistics of the source or target side of the kept pairs, in subword tokens."""

    tokens: int = 0
    unknown: int = 0
    spelt: int = 0
    """Number of tokens that encode a single byte of a character."""
    lengths: list[int] = field(default_factory=list)
    """Sentence length at each of PERCENTILES."""
    pieces_used: int = 0

    @property
    def coverage(self) -> float:
        """Share of tokens that are neither unknown nor single bytes."""
        return 1.0 - (self.unknown + self.spelt) / self.tokens if self.tokens else 1.0

    @property
    def unknown_rate(self) -> float:
        return self.unknown / self.tokens if self.tokens else 0.0


@dataclass
class SplitReport:
    """Counts of the pairs of one split."""

    lines: int = 0
    kept: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    noticed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    """First locations (file:line) of dropped and suspicious pairs by reason or kind."""
    texts: dict[str, list[str]] = field(default_factory=dict)
    """The beginnings of the texts at these locations."""
    source: SideReport = field(default_factory=SideReport)
    target: SideReport = field(default_factory=SideReport)
    case_copies: int = 0
    """Number of added pairs."""
    parts: list[int] = field(default_factory=list)
    """Kept pairs by part (`DataConfig.parts`). Earlier versions did not count them."""

    def drop(self, reason: str, location: str, texts: Sequence[str] = ()) -> None:
        self.notice(reason, location, True, texts)

    def notice(
        self, kind: str, location: str, drop: bool = False, texts: Sequence[str] = ()
    ) -> None:
        """Count a suspicious pair, which is kept or dropped."""
        (self.dropped if drop else self.noticed)[kind] += 1
        locations = self.examples.setdefault(kind, [])
        if len(locations) < EXAMPLES:
            locations.append(location)
            self.texts[location] = [text[:SHOWN] for text in texts]


@dataclass
class DataReport:
    """Counts and statistics of the splits, shown by `nmt data check`."""

    splits: dict[str, SplitReport]
    source_vocabulary: int = 0
    target_vocabulary: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON values that `from_dict` reads, and shares for human readers."""

        def side(report: SideReport) -> dict[str, Any]:
            shares = {"coverage": report.coverage, "unknown_rate": report.unknown_rate}
            return {**vars(report), **shares}

        splits = {
            name: {**vars(split), "source": side(split.source), "target": side(split.target)}
            for name, split in self.splits.items()
        }
        return {**vars(self), "splits": splits}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataReport:
        """Return a report with values of `to_dict`, or raise KeyError or TypeError for others."""
        splits = {}
        for name, split in values["splits"].items():
            known: dict[str, Any] = {
                key: Counter(split[key]) for key in ("repaired", "dropped", "noticed")
            }
            for side in ("source", "target"):
                fields = (entry.name for entry in dataclasses.fields(SideReport))
                known[side] = SideReport(**{key: split[side][key] for key in fields})
            splits[name] = SplitReport(**{**split, **known})
        return cls(splits, values["source_vocabulary"], values["target_vocabulary"])

    def summary(self) -> str:
        lines = []
        for name, split in self.splits.items():
            line = f"{name}: {counted(split.lines, 'pair')}"
            if split.case_copies:
                line += f" and {split.case_copies:,} case copies"
            if split.dropped:
                line += f", {split.kept:,} kept; dropped: {listed(split.dropped)}"
            if split.repaired:
                line += f"; repaired: {listed(split.repaired)}"
            if split.noticed:
                line += f"; noticed: {listed(split.noticed)}"
            lines.append(line)
        return "\n".join(lines)

    def table(self) -> str:
        """Return a table with one column per split."""
        return "\n".join(table_lines(self.rows(), head=["", *self.splits]))

    def rows(self) -> list[list[str]]:
        """Return the rows of the table: a title, and a cell per split."""
        splits = list(self.splits.values())
        rows = [["pairs read", *(f"{split.lines:,}" for split in splits)]]
        if any(split.case_copies for split in splits):
            rows.append(["added: case copies", *(f"{split.case_copies:,}" for split in splits)])
        rows.append(["kept", *(f"{split.kept:,}" for split in splits)])
        for title, counts in (
            ("dropped: ", [split.dropped for split in splits]),
            ("repaired: ", [split.repaired for split in splits]),
            ("noticed: ", [split.noticed for split in splits]),
        ):
            for kind in dict.fromkeys(kind for count in counts for kind in count):
                cells = (f"{count[kind]:,}" if kind in count else "-" for count in counts)
                rows.append([title + kind, *cells])
        for side in ("source", "target"):
            sides: list[SideReport] = [getattr(split, side) for split in splits]
            rows.append([f"{side} tokens", *(f"{s.tokens:,}" for s in sides)])
            for i, percentile in enumerate(PERCENTILES):
                title = "longest" if percentile == 100 else f"length, {percentile}th percentile"
                cells = (f"{s.lengths[i]:,}" if s.lengths else "-" for s in sides)
                rows.append([f"{side} {title}", *cells])
            rows.append([f"{side} coverage", *(f"{s.coverage:.3%}" for s in sides)])
            rows.append([f"{side} unknown", *(f"{s.unknown_rate:.3%}" for s in sides)])
            size = getattr(self, f"{side}_vocabulary")
            rows.append([f"{side} pieces used of {size:,}", *(f"{s.pieces_used:,}" for s in sides)])
        return rows

    def affected(self) -> Iterator[tuple[str, list[list[str]]]]:
        """Yield (split and kind, the location and texts of the first pairs) of each problem."""
        for name, split in self.splits.items():
            for kind, locations in split.examples.items():
                yield f"{name}: {kind}", [[at, *split.texts.get(at, ())] for at in locations]


def side_report(
    lengths: Counter[int], counts: np.ndarray, is_byte: np.ndarray, unk: int
) -> SideReport:
    """Return the report of a side.

    lengths: number of sentences by length; counts: (vocab,), occurrences of each id; is_byte:
    (vocab,) bool, ids of single bytes; unk: id of <unk>.
    """
    ordered = sorted(lengths)
    ends = np.cumsum([lengths[length] for length in ordered])
    ranks = [math.ceil(share / 100 * (lengths.total() - 1)) for share in PERCENTILES]
    return SideReport(
        tokens=int(counts.sum()),
        unknown=int(counts[unk]),
        spelt=int(counts[is_byte].sum()),
        lengths=[ordered[np.searchsorted(ends, rank, side="right")] for rank in ranks if ordered],
        pieces_used=int(np.count_nonzero(counts)),
    )


def listed(counts: Counter[str]) -> str:
    """Return counts by kind as `tabs (3), empty (1)`."""
    return ", ".join(f"{kind} ({count:,})" for kind, count in counts.items())
