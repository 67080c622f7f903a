"""Cut a line into pieces, and join their translations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from nmt.languages import joiner, split_sentences

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？।؟])\s*")
_CLAUSE_END = re.compile(r"(?<=[,;:–—،؛])\s+|(?<=[，、；：])\s*")
_SPACE = re.compile(r"\s+")


class Piece(NamedTuple):
    text: str
    space: str
    """Spaces before the next piece."""


class Splitter(NamedTuple):
    source_language: str | None = None
    target_language: str | None = None

    def sentences(self, line: str) -> list[Piece]:
        return [_piece(text) for text in split_sentences(line, self.source_language)]

    def join(self, pieces: Sequence[Piece], translations: Sequence[str]) -> str:
        """Return the translations of pieces as one line, with the spaces of the source.

        Between pieces without a space, the target language decides. In a target written without
        spaces, spaces are kept if the source is written so too, because they are rare.
        """
        if len(pieces) == 1:
            return translations[0]
        target = joiner(self.target_language, "".join(translations))
        keep = target or not joiner(self.source_language, "".join(piece.text for piece in pieces))
        joined = space = ""
        for piece, translation in zip(pieces, translations, strict=True):
            if translation:
                joined += (space if joined else "") + translation
                space = (keep and piece.space) or target
        return joined


def halve(text: str, fits: Callable[[str], bool]) -> list[Piece]:
    """Halve a text until every piece fits.

    In the middle half, the cut is at the sentence end nearest to the middle, or else the nearest
    end of a clause, or space, or in the middle.
    """
    piece = _piece(text)
    if len(piece.text) < 2 or fits(piece.text):
        return [piece]
    quarter, middle = len(text) // 4, len(text) // 2
    cut = middle
    for pattern in (_SENTENCE_END, _CLAUSE_END, _SPACE):
        matches = pattern.finditer(text, quarter, len(text) - quarter)
        ends = [match.end() for match in matches if 0 < match.end() < len(text)]
        if ends:
            cut = min(ends, key=lambda end: abs(end - middle))
            break
    return [*halve(text[:cut], fits), *halve(text[cut:], fits)]


def _piece(text: str) -> Piece:
    stripped = text.rstrip()
    return Piece(stripped, text[len(stripped) :])
