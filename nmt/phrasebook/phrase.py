"""Phrases of aligned English and German words.

A word is a token ``(text, links)``; two words are aligned if they share a link. Concatenating token
lists composes phrases, and also composes the word alignment of a sentence.
"""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import NamedTuple

Token = tuple[str, tuple[int, ...]]
Tokens = list[Token]

# Links only have to be different, because their values are not in the output.
_BLOCK = 64
_blocks = itertools.count(1)

_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_PART = re.compile(r"\{([^}]*)\}|([\w'-]+)(?::(\w+))?|([.,!?])")
_ENDS = frozenset(".?!")
_MARKS = frozenset(".,?!")


class Example(NamedTuple):
    """A sentence pair; ``alignment`` has sorted pairs of indices into `words` of both sides."""

    source: str
    target: str
    alignment: tuple[tuple[int, int], ...]


class Phrase(NamedTuple):
    """An English and a German token list that share links."""

    en: Tokens
    de: Tokens

    def __add__(self, other: object) -> Phrase:
        if not isinstance(other, Phrase):
            return NotImplemented
        return Phrase(self.en + other.en, self.de + other.de)


class Part(NamedTuple):
    """A word of a template with local links, or a slot (``slot`` has its name and request)."""

    text: str
    links: tuple[int, ...]
    slot: tuple[str, str] | None


class Template(NamedTuple):
    """A compiled pair of template sides; see `template`."""

    en: tuple[Part, ...]
    de: tuple[Part, ...]


def words(text: str) -> list[str]:
    """Split a text into words (``don't``, ``twenty-one``) and single punctuation marks."""
    return _WORD.findall(text)


def new_block() -> int:
    return next(_blocks) * _BLOCK


def new_link() -> tuple[int, ...]:
    """Return a new link, which no other word has."""
    return (new_block(),)


def _side(text: str) -> list[tuple[str, str, str]]:
    """Return (word or mark, label, slot) for each part of one side of a template."""
    return [(m[2] or m[4] or "", m[3] or "", m[1] or "") for m in _PART.finditer(text)]


@cache
def template(en: str, de: str) -> Template:
    """Compile the two sides of a template.

    ``word:ab`` has the labels a and b and is aligned with all words of the other side that have a
    or b. Words without label are aligned in order if both sides have equally many, and otherwise
    all with all. A punctuation mark is aligned in order if it is equally frequent on both sides.
    ``{name request}`` is a slot that the caller fills.
    """
    sides = (_side(en), _side(de))
    numbers: dict[str, int] = {}
    plain = [sum(word not in _MARKS and not label + slot for word, label, slot in s) for s in sides]
    in_order = plain[0] == plain[1]
    result: list[tuple[Part, ...]] = []
    for side, other in (sides, sides[::-1]):
        parts: list[Part] = []
        seen: dict[str, int] = {}
        for word, label, slot in side:
            if slot:
                name, _, request = slot.partition(" ")
                parts.append(Part("", (), (name, request)))
                continue
            if word in _MARKS:
                if sum(p[0] == word for p in side) != sum(p[0] == word for p in other):
                    parts.append(Part(word, (), None))
                    continue
                keys = [f"{word}{seen.get(word, 0)}"]
                seen[word] = seen.get(word, 0) + 1
            elif label:
                keys = list(label)
            else:
                keys = [f"plain{seen.get('', 0) if in_order else ''}"]
                seen[""] = seen.get("", 0) + 1
            links = tuple(numbers.setdefault(key, len(numbers)) for key in keys)
            parts.append(Part(word, links, None))
        result.append(tuple(parts))
    return Template(result[0], result[1])


def phrase(en: str, de: str) -> Phrase:
    """Return a fixed phrase in template notation, with new links."""
    compiled = template(en, de)
    base = new_block()
    return Phrase(
        [(part.text, tuple(base + n for n in part.links)) for part in compiled.en],
        [(part.text, tuple(base + n for n in part.links)) for part in compiled.de],
    )


def link_tokens(words_: tuple[str, ...], links: tuple[int, ...]) -> Tokens:
    return [(word, links) for word in words_]


def _finish(tokens: Tokens) -> tuple[str, Tokens]:
    """Remove commas before another mark, capitalize sentence starts and join the words."""
    kept: Tokens = []
    for token in tokens:
        if kept and kept[-1][0] == "," and token[0] in _MARKS:
            kept.pop()
        kept.append(token)
    text: list[str] = []
    start = True
    for index, (word, links) in enumerate(kept):
        if word in _MARKS:
            start = word in _ENDS
        else:
            if start:
                word = word[0].upper() + word[1:]
                kept[index] = (word, links)
                start = False
            if text:
                text.append(" ")
        text.append(word)
    return "".join(text), kept


def example(whole: Phrase) -> Example:
    """Convert a sentence to text and alignment."""
    source, en = _finish(whole.en)
    target, de = _finish(whole.de)
    places: dict[int, list[int]] = {}
    for index, (_, links) in enumerate(en):
        for link in links:
            places.setdefault(link, []).append(index)
    pairs = {
        (place, index)
        for index, (_, links) in enumerate(de)
        for link in links
        for place in places.get(link, ())
    }
    return Example(source, target, tuple(sorted(pairs)))
