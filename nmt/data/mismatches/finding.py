"""A problem of the pairs of a file, and the first pairs that have it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from nmt.data.report import EXAMPLES, SHOWN

if TYPE_CHECKING:
    from nmt.data.sources import Pair


class Finding(NamedTuple):
    kind: str
    message: str
    """A sentence that names the file and the number or share of the pairs."""
    examples: list[list[str]]
    """[location, source, target] of the first pairs."""


def finding(kind: str, message: str, pairs: Iterable[Pair]) -> Finding:
    first = islice(pairs, EXAMPLES)
    examples = [[p.location(), p.source[:SHOWN], p.target[:SHOWN]] for p in first]
    return Finding(kind, message, examples)
