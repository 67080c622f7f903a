"""Sentences in another language or script than the rest of their side."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING

from nmt.data.mismatches.finding import Finding, finding
from nmt.languages import identify

if TYPE_CHECKING:
    from nmt.data.sources import Pair

Languages = tuple[str | None, str | None]

_ENOUGH = 20  # sentences of which the language is known
_MAJORITY = 0.5
_FOREIGN_SHARE, _FOREIGN_COUNT = 0.01, 5  # Less than this may be errors of `identify`.
_SAME = {"nb": "no", "nn": "no", "cmn": "zh", "iw": "he", "in": "id", "tl": "fil"}
_SIDES = ("source", "target")


def find_foreign(pairs: Sequence[Pair], expected: Languages) -> list[Finding]:
    """Return findings about a sample of pairs of one source, whose languages may be known.

    Without the extra `langid`, only the scripts are compared.
    """
    texts = [pair.source for pair in pairs], [pair.target for pair in pairs]
    sides = [_Side(side) for side in texts]
    wanted = [_code(language) for language in expected]
    mains = [side.main for side in sides]
    if None not in mains and mains[0] != mains[1] and wanted == mains[::-1]:
        message = (
            f"the sides of {' and '.join(dict.fromkeys(pairs[0].paths))} are swapped: the source "
            f"is {mains[0]} instead of {wanted[0]}, and the target is {mains[1]}"
        )
        return [finding("swapped sides", message, pairs)]
    found = []
    for number, side in enumerate(sides):
        path, want = pairs[0].paths[number] if pairs else "", wanted[number]
        if side.main and want and side.main != want and not side.has(want):
            message = f"the {_SIDES[number]} in {path} is mostly {side.main} instead of {want}"
            found.append(finding("wrong language", message, pairs))
        labels = side.foreign({*mains, *wanted})
        counts = Counter(filter(None, labels))
        if counts.total() >= max(_FOREIGN_COUNT, _FOREIGN_SHARE * len(pairs)):
            shares = (f"{label} ({n / len(pairs):.1%})" for label, n in counts.most_common(3))
            message = (
                f"about {counts.total() / len(pairs):.1%} of the {_SIDES[number]} sentences in "
                f"{path} are in another language or script: {', '.join(shares)}"
            )
            found.append(finding("wrong language", message, compress(pairs, labels)))
    return found


class _Side:
    """Languages and scripts of the sentences of one side."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._languages = [_code(identify(text)) for text in texts]
        self._scripts = [script(text) for text in texts]
        self._known = Counter(filter(None, self._languages))
        main, count = next(iter(self._known.most_common(1)), (None, 0))
        enough = self._known.total() >= _ENOUGH and count >= _MAJORITY * self._known.total()
        self.main = main if enough else None
        """The language of most sentences, if it is known."""

    def has(self, language: str) -> bool:
        """Return whether a fifth of the sentences are in a language."""
        return self._known[language] >= 0.2 * self._known.total()

    def foreign(self, usual: set[str | None]) -> list[str | None]:
        """Return the language or script of each sentence in an unusual one, otherwise None."""
        scripts = Counter(filter(None, self._scripts))
        main_script = next(iter(scripts.most_common(1)), ("", 0))[0]
        return [
            (language if self.main and language not in usual else None)
            if language
            else (script if script != main_script else None)
            for language, script in zip(self._languages, self._scripts, strict=True)
        ]


def script(text: str) -> str | None:
    """Return the script of most letters of the beginning, such as LATIN, or None."""
    names = (unicodedata.name(char, "") for char in text[:100] if char.isalpha())
    counts = Counter(_SCRIPTS.get(first, first) for name in names if (first := name.split(" ")[0]))
    return next(iter(counts.most_common(1)), (None, 0))[0]


_SCRIPTS = dict.fromkeys(("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"), "CJK")


def _code(language: str | None) -> str | None:
    """Return the language without script and region, and one code for codes of one language."""
    if language is None:
        return None
    code = language.partition("-")[0].lower()
    return _SAME.get(code, code)
