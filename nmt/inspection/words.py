"""Words of a text, and the subwords that belong to them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import regex
import torch
from torch import Tensor

from nmt import languages

if TYPE_CHECKING:
    from nmt.tokenizer import Vocabulary

# Unlike re, regex takes vowel signs and joiners for parts of a word.
_WORD = regex.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """Split a text into runs of letters and digits, and other characters except spaces.

    A run may have inner apostrophes and hyphens. In scripts without spaces, each character is a
    word.
    """
    return [part for word in languages.words(text) for part in _WORD.findall(word)]


def membership(vocabulary: Vocabulary, text: str, ids: Sequence[int]) -> Tensor:
    """Return which pieces belong to which words, (words, pieces) float, 1 or 0.

    A piece across two words belongs to both.
    """
    found = words(text)
    # The tokenizer may normalize characters, so letters are counted after tokenization.
    sizes = [_letters(vocabulary, vocabulary.encode(word)) for word in found]
    word_ends = torch.tensor([0, *itertools.accumulate(sizes)])
    ends = [_letters(vocabulary, ids[: i + 1]) for i in range(len(ids))]
    # Incomplete byte pieces may decode to several U+FFFD, but count as one character.
    ends = list(itertools.accumulate(reversed(ends), min))[::-1]
    piece_ends = torch.tensor([0, *ends])
    begins_before_end = piece_ends[None, :-1] < word_ends[1:, None]
    ends_after_begin = piece_ends[None, 1:] > word_ends[:-1, None]
    is_something = piece_ends[1:] > piece_ends[:-1]
    return (begins_before_end & ends_after_begin & is_something).float()


def _letters(vocabulary: Vocabulary, ids: Sequence[int]) -> int:
    return sum(not c.isspace() for c in vocabulary.decode(ids))


class Groups(NamedTuple):
    """A division of subwords into words, and into subwords that are not in a word, such as tags."""

    names: list[str]
    members: Tensor
    """(groups, pieces) float, 1 or 0; each piece belongs to one group."""


def word_groups(vocabulary: Vocabulary, ids: Sequence[int]) -> Groups:
    """Divide ids, without bos and eos, into words. A piece across two words belongs to the first.

    A word that begins in such a piece, and ends in it, has no group.
    """
    text = vocabulary.decode(ids)
    member = membership(vocabulary, text, ids)
    owners = [-i for i in range(1, len(ids) + 1)]  # numbers that no word and no other piece has
    for word in reversed(range(len(member))):
        for piece in member[word].nonzero()[:, 0].tolist():
            owners[piece] = word
    pieces = vocabulary.pieces(ids)
    for i in reversed(range(len(ids) - 1)):
        if pieces[i] == "▁":  # The space before a word belongs to the word.
            owners[i] = owners[i + 1]
    runs = itertools.groupby(enumerate(owners), itemgetter(1))
    groups = [[i for i, _ in run] for _, run in runs]
    members = torch.zeros(len(groups), len(ids))
    names = []
    for row, group in zip(members, groups, strict=True):
        row[group] = 1
        shown = vocabulary.decode([ids[i] for i in group]).strip()
        names.append(shown or "".join(pieces[i] for i in group))
    return Groups(names, members)
