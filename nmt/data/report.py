"""What was found in the data: counts by reason, lengths, coverage, leakage."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.tables import table_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

PERCENTILES = (50, 90, 99, 100)
_EXAMPLES = 3


@dataclass
class SideReport:
    """One side of the kept pairs, in subword tokens."""

    tokens: int = 0
    unknown: int = 0
    """Tokens that are <unk>."""
    spelt: int = 0
    """Tokens that are single bytes of a character outside the vocabulary."""
    lengths: list[int] = field(default_factory=list)
    """Length of a sentence at PERCENTILES."""
    pieces_used: int = 0
    """Distinct pieces that occur."""

    @property
    def coverage(self) -> float:
        """Share of tokens that are pieces of the vocabulary, neither unknown nor spelt."""
        return 1.0 - (self.unknown + self.spelt) / self.tokens if self.tokens else 1.0

    @property
    def unknown_rate(self) -> float:
        """Share of tokens that are unknown."""
        return self.unknown / self.tokens if self.tokens else 0.0


@dataclass
class SplitReport:
    """The fate of the pairs of one split."""

    lines: int = 0
    kept: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    """Sentences by kind of repair; they are kept."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Pairs by reason; each counts once."""
    noticed: Counter[str] = field(default_factory=Counter)
    """Pairs that are worth a look, whether kept or dropped."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """First places (file:line) by reason."""
    source: SideReport = field(default_factory=SideReport)
    target: SideReport = field(default_factory=SideReport)

    def drop(self, reason: str, place: str) -> None:
        """Count a dropped pair."""
        self.dropped[reason] += 1
        self.remember(reason, place)

    def notice(self, what: str, place: str) -> None:
        """Count a pair worth a look."""
        self.noticed[what] += 1
        self.remember(what, place)

    def remember(self, reason: str, place: str) -> None:
        """Keep the first few places of each kind."""
        places = self.examples.setdefault(reason, [])
        if len(places) < _EXAMPLES:
            places.append(place)


@dataclass
class DataReport:
    """What `nmt data check` shows: the splits (train, valid, test if there is one)."""

    splits: dict[str, SplitReport]
    source_vocabulary: int = 0
    target_vocabulary: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, which from_dict reads again; shares are added for the reader."""
        return {**vars(self), "splits": {n: _split_values(s) for n, s in self.splits.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataReport:
        """The report that to_dict wrote. Raises KeyError or TypeError if it is not one."""
        return cls(
            {name: _split(split) for name, split in values["splits"].items()},
            values["source_vocabulary"],
            values["target_vocabulary"],
        )

    def summary(self) -> str:
        """A line a split, and a line for each thing that needs a look."""
        lines = []
        for name, split in self.splits.items():
            line = f"{name}: {split.lines:,} pairs"
            if split.dropped:
                line += f", {split.kept:,} kept; dropped: {_listed(split.dropped)}"
            if split.repaired:
                line += f"; repaired: {_listed(split.repaired)}"
            if split.noticed:
                line += f"; noticed: {_listed(split.noticed)}"
            lines.append(line)
        return "\n".join(lines)

    def table(self) -> str:
        """Everything, in columns: a column a split."""
        names, splits = list(self.splits), list(self.splits.values())
        rows = [["", *names]]
        rows.append(["pairs read", *(f"{split.lines:,}" for split in splits)])
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
                title = "longest" if percentile == 100 else f"length, {percentile} % up to"
                cells = (f"{s.lengths[i]:,}" if s.lengths else "-" for s in sides)
                rows.append([f"{side} {title}", *cells])
            rows.append([f"{side} coverage", *(f"{s.coverage:.3%}" for s in sides)])
            rows.append([f"{side} unknown", *(f"{s.unknown_rate:.3%}" for s in sides)])
            size = getattr(self, f"{side}_vocabulary")
            rows.append([f"{side} pieces used of {size:,}", *(f"{s.pieces_used:,}" for s in sides)])
        places = [
            f"{name}, {reason}: {', '.join(found)}"
            for name, split in self.splits.items()
            for reason, found in split.examples.items()
        ]
        return "\n".join([*table_lines(rows), *(["", "First places:"] if places else []), *places])


def side_report(
    lengths: Counter[int], counts: np.ndarray, spelt: np.ndarray, unk: int
) -> SideReport:
    """From the number of sentences of each length, the occurrences of each id, and which ids are
    bytes."""
    ordered = sorted(lengths)
    ends = np.cumsum([lengths[length] for length in ordered])
    ranks = [math.ceil(share / 100 * (lengths.total() - 1)) for share in PERCENTILES]
    return SideReport(
        tokens=int(counts.sum()),
        unknown=int(counts[unk]),
        spelt=int(counts[spelt].sum()),
        lengths=[ordered[np.searchsorted(ends, rank, side="right")] for rank in ranks if ordered],
        pieces_used=int(np.count_nonzero(counts)),
    )


def _split_values(split: SplitReport) -> dict[str, Any]:
    def side(report: SideReport) -> dict[str, Any]:
        shares = {"coverage": report.coverage, "unknown_rate": report.unknown_rate}
        return {**vars(report), **shares}

    return {**vars(split), "source": side(split.source), "target": side(split.target)}


def _split(values: Mapping[str, Any]) -> SplitReport:
    def side(name: str) -> SideReport:
        known = [entry.name for entry in dataclasses.fields(SideReport)]
        return SideReport(**{key: values[name][key] for key in known})

    return SplitReport(
        values["lines"],
        values["kept"],
        Counter(values["repaired"]),
        Counter(values["dropped"]),
        Counter(values["noticed"]),
        values["examples"],
        side("source"),
        side("target"),
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
