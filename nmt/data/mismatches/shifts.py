"""Blocks of lines whose translations are some lines further up or down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

OFFSETS = (-1, 1, -2, 2, -3, 3)
_EVIDENCE = 40.0  # Nats: in independent lines, e^-40 is the probability of a false alarm per line.
_CAP = 4.0  # Nats per line, so that no few odd lines are enough.
_WEAKEST = 0.3  # Correlation of lengths below which they are no evidence.


class Shift(NamedTuple):
    first: int
    """Index of the first and of the last source line of the block."""
    last: int
    offset: int
    """The translation of source line i is target line i + offset."""


def find_shifts(source: Sequence[str], target: Sequence[str]) -> list[Shift]:
    """Return the shifted blocks, whose ends are accurate to some lines.

    The evidence is that long sentences have long translations: at the right offset, the logarithms
    of the lengths are correlated. Data in which neighboring lines are equally long has no evidence.
    """
    x, y = _standardized(source), _standardized(target)
    if len(x) < 20 or not (x.any() and y.any()):
        return []
    pairs = {offset: (x, _moved(y, offset)) for offset in (0, *OFFSETS)}
    correlation = min(0.95, max(float(np.mean(a * b)) for a, b in pairs.values()))
    if correlation < _WEAKEST:
        return []
    fits = {offset: _fit(a, b, correlation) for offset, (a, b) in pairs.items()}
    best: list[tuple[float, Shift]] = []
    least = 0.3 * correlation**2 / (1 - correlation**2)
    for offset in OFFSETS:
        gains = np.clip(fits[offset] - fits[0], -_CAP, _CAP)
        for first, last in _rises(gains):
            gain = float(gains[first : last + 1].sum())
            if gain > least * (last + 1 - first):
                best.append((gain, Shift(first, last, offset)))
    found: list[Shift] = []
    for _, shift in sorted(best, reverse=True):
        if all(shift.last < other.first or shift.first > other.last for other in found):
            found.append(shift)
    return sorted(found)


def _standardized(texts: Sequence[str]) -> np.ndarray:
    """Return the logarithms of the lengths with mean 0 and variance 1, at most 3: (texts,)."""
    lengths = np.log1p(np.fromiter(map(len, texts), dtype=np.float64, count=len(texts)))
    centered = lengths - lengths.mean()
    clipped: np.ndarray = np.clip(centered / (centered.std() or 1.0), -3, 3)
    return clipped


def _moved(values: np.ndarray, offset: int) -> np.ndarray:
    """Return values[i + offset] at index i, and the mean, 0, beyond the ends."""
    moved = np.zeros_like(values)
    if offset >= 0:
        moved[: len(values) - offset] = values[offset:]
    else:
        moved[-offset:] = values[:offset]
    return moved


def _fit(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    """Return log p(x, y) - log p(x) p(y) of a Gaussian with correlation r, in nats: (lines,)."""
    fit: np.ndarray = -np.log(1 - r * r) / 2 - (r * r * (x * x + y * y) - 2 * r * x * y) / (
        2 * (1 - r * r)
    )
    return fit


def _rises(gains: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of the ranges whose sum exceeds _EVIDENCE (test of Page, 1954).

    A range ends where the sum is highest, before it has fallen by _EVIDENCE.
    """
    total = np.concatenate([[0.0], np.cumsum(gains)])
    begin = 0
    while begin < len(total):
        part = total[begin:]
        risen = part - np.minimum.accumulate(part) > _EVIDENCE
        if not risen.any():
            return
        alarm = begin + int(risen.argmax())
        first = begin + int(total[begin : alarm + 1].argmin())
        rest = total[alarm:]
        fallen = np.maximum.accumulate(rest) - rest > _EVIDENCE
        end = alarm + int(fallen.argmax()) if fallen.any() else len(total)
        last = alarm + int(total[alarm:end].argmax()) - 1
        yield first, last
        begin = max(end, last + 1)
