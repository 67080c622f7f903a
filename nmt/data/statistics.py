"""Lengths and words of the training sources, which are kept with a run."""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt import storage
from nmt.errors import StorageError
from nmt.languages import words
from nmt.text import clean_source

if TYPE_CHECKING:
    import pyarrow as pa

    from nmt.data.corpus import Corpus

PERCENTILES = (1, 10, 25, 50, 75, 90, 95, 99, 100)
_USUAL = 95
_MAX_WORDS = 1_000_000
_GROUP_BYTES = 1 << 24
_WORDS = "source_words.tsv"


class Statistics:
    def __init__(self, folder: Path) -> None:
        """Raise StorageError if the folder is missing or damaged."""
        self._folder = folder
        manifest = storage.verify(folder)
        try:
            self.source_lengths = {int(p): int(n) for p, n in manifest["source_lengths"].items()}
            """Length in characters at each of PERCENTILES."""
            self.usual_length = self.source_lengths[_USUAL]
            """Length in characters that 95 % of the training sources do not exceed."""
            self.rarest = int(manifest["rarest"])
            """See `Counted.rarest`."""
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StorageError(f"{folder / storage.MANIFEST} is damaged") from error

    @functools.cached_property
    def words(self) -> set[str]:
        """The words of the training sources, in their `known_form`."""
        lines = storage.read_file(self._folder / _WORDS).decode(errors="replace").split("\n")
        return {line.partition("\t")[0] for line in lines}

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a text that are not in the training sources, each once."""
        found: dict[str, str] = {}
        for word in words(clean_source(text)):
            found.setdefault(known_form(word), strip_punctuation(word))
        return [word for form, word in found.items() if form and form not in self.words]


def load_statistics(folder: Path) -> Statistics | None:
    """Return the statistics, or None for a run of an older version of nmt.

    Raises StorageError if they are damaged.
    """
    if not folder.exists():
        return None
    try:
        return Statistics(folder)
    except StorageError as error:
        raise StorageError(
            error.message, f"restore the run, or delete {folder}, without which nmt can translate"
        ) from error


def keep_statistics(corpus: Corpus, folder: Path, check_stop: Callable[[], None]) -> None:
    """Write the statistics of a training set, unless the folder has them.

    check_stop is called often and may raise. Raises StorageError.
    """
    try:
        if storage.verify(folder).get("corpus") == corpus.fingerprint:
            return
    except StorageError:  # They are missing or damaged.
        pass
    import numpy as np

    counted = count(corpus.sources(), check_stop)
    lengths = np.percentile(
        list(counted.lengths),
        PERCENTILES,
        weights=list(counted.lengths.values()),
        method="inverted_cdf",
    )
    facts = {
        "corpus": corpus.fingerprint,
        "source_lengths": dict(zip(map(str, PERCENTILES), lengths.tolist(), strict=True)),
        "rarest": counted.rarest,
    }
    ordered = sorted(counted.words.items(), key=lambda item: (-item[1], item[0]))
    text = "".join(f"{word}\t{number}\n" for word, number in ordered)
    storage.write_folder(folder, {_WORDS: text.encode()}, facts)


class Counted(NamedTuple):
    """Texts by length in characters, and occurrences of words by `known_form`."""

    lengths: Counter[int]
    words: Counter[str]
    rarest: int
    """Words that occur less often may be missing; 1: no word is missing."""


def count(
    texts: Iterable[pa.Array], check_stop: Callable[[], None], max_words: int = _MAX_WORDS
) -> Counted:
    """Count lengths and words.

    Beyond max_words different words, the rarest are dropped until at most half of max_words remain
    (Manku and Motwani, 2002).
    """
    from pyarrow import compute

    lengths: Counter[int] = Counter()
    found: Counter[str] = Counter()
    rarest = 1
    for group in _groups(texts):
        check_stop()
        lengths.update(_counts(compute.utf8_length(group)))
        # Repeated text between two spaces, and then repeated words, are processed once.
        written: Counter[str] = Counter()
        for text, number in _counts(
            compute.list_flatten(compute.split_pattern(group, " "))
        ).items():
            for word in words(text):
                written[word] += number
        for word, number in written.items():
            if form := known_form(word):
                found[form] += number
        if len(found) > max_words:
            dropped = sorted(found.values(), reverse=True)[max_words // 2]
            found = Counter({word: number for word, number in found.items() if number > dropped})
            rarest += dropped
    return Counted(lengths, found, rarest)


def known_form(word: str) -> str:
    """Return a word without outer punctuation, case and compatibility characters."""
    return unicodedata.normalize("NFKC", strip_punctuation(word)).casefold()


def strip_punctuation(word: str) -> str:
    """Return a word without punctuation, symbols, spaces and controls at its ends."""
    first, last = 0, len(word)
    while first < last and unicodedata.category(word[first])[0] in "PSZC":
        first += 1
    while first < last and unicodedata.category(word[last - 1])[0] in "PSZC":
        last -= 1
    return word[first:last]


def _counts(values: pa.ChunkedArray) -> dict[Any, int]:
    counted = values.value_counts()
    return dict(zip(*(counted.field(i).to_pylist() for i in (0, 1)), strict=True))


def _groups(texts: Iterable[pa.Array]) -> Iterator[pa.ChunkedArray]:
    """Join arrays of texts to groups, which have more repeated words."""
    import pyarrow as pa

    group: list[pa.Array] = []
    for array in texts:
        group.append(array)
        if sum(part.nbytes for part in group) >= _GROUP_BYTES:
            yield pa.chunked_array(group)
            group = []
    if group:
        yield pa.chunked_array(group)
