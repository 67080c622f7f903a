"""Set validation and test pairs aside."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from nmt import storage
from nmt.config import TextFiles
from nmt.data.cleaning import Collected, text_hashes
from nmt.errors import DataError
from nmt.text import counted

_BLOCK = 1 << 20  # pairs read at a time


class HeldOutPart(NamedTuple):
    files: TextFiles
    pairs: int


def hold_out(
    pairs: Collected,
    sizes: Mapping[str, int],
    folder: Path,
    languages: tuple[str | None, str | None],
    seed: int = 1,
) -> dict[str, HeldOutPart]:
    """Write random pairs to FOLDER/PART.LANGUAGE and return each part.

    sizes: maximum number of pairs of each part. languages: of source and target; the files are
    PART.source and PART.target if one is unknown or both are equal. Pairs with an equal source or
    an equal target form a group, which is never divided: data.drop_leaked then removes all held-out
    sentences from the training set. Raises DataError if a part would be empty, and StorageError.
    """
    source, target = languages
    sides = (source, target) if source and target and source != target else ("source", "target")
    with tempfile.TemporaryFile(dir=pairs.path.parent) as hashes:
        for chunk in pairs.chunks():
            sources = text_hashes([pair.source for pair in chunk])
            targets = text_hashes([pair.target for pair in chunk])
            hashes.write(np.stack((sources, targets), axis=1).tobytes())
        groups = _groups(hashes, len(pairs), sum(sizes.values()), seed)
    part_of = _assigned(groups, sizes)
    for part, size in sizes.items():
        if size and part not in part_of.values():
            raise DataError(
                f"cannot set aside pairs for the {part} set: nearly all of the "
                f"{counted(len(pairs), 'pair')} share a sentence with other pairs",
                f"add other pairs, or give nmt init the files of a {part} set with --{part}",
            )
    lines: dict[str, list[str]] = {f"{part}.{side}": [] for part in sizes for side in sides}
    first = 0
    for chunk in pairs.chunks():
        for number, pair in enumerate(chunk, first):
            if number in part_of:
                for side, text in zip(sides, pair[:2], strict=True):
                    lines[f"{part_of[number]}.{side}"].append(f"{text}\n")
        first += len(chunk)
    contents = {name: "".join(texts).encode() for name, texts in lines.items()}
    storage.write_folder(folder, contents, {"seed": seed, "pairs": len(pairs)})
    files = {
        part: TextFiles(
            source=str(folder / f"{part}.{sides[0]}"), target=str(folder / f"{part}.{sides[1]}")
        )
        for part in sizes
    }
    numbers = Counter(part_of.values())
    return {part: HeldOutPart(files[part], numbers[part]) for part in sizes}


def _groups(hashes: BinaryIO, count: int, wanted: int, seed: int) -> list[list[int]]:
    """Return random groups of pairs, by number, which contain more than `wanted` pairs if possible.

    hashes: (count, 2) uint64, the source and target of each pair. A group is a connected component
    of the graph whose nodes are texts and whose edges are pairs. Larger groups are left out.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.choice(count, min(count, 2 * wanted + 100), replace=False)
    largest = max(10, wanted // 20)
    numbers, texts = _pairs_with(hashes, np.zeros(0, dtype=np.uint64), np.sort(drawn))
    while True:
        labels = _components(texts)
        sizes = Counter(labels)
        small = np.array([sizes[label] <= largest for label in labels], dtype=bool)
        before = numbers[small]
        numbers, texts = _pairs_with(hashes, np.unique(texts[small]), np.zeros(0, dtype=np.int64))
        if len(numbers) == len(before):
            break
    members: dict[int, list[int]] = {}
    label_of = dict(zip(numbers.tolist(), _components(texts), strict=True))
    for number, label in label_of.items():
        members.setdefault(label, []).append(number)
    order = dict.fromkeys(label_of[number] for number in drawn.tolist() if number in label_of)
    return [members[label] for label in order]


def _pairs_with(
    hashes: BinaryIO, texts: np.ndarray, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers, (n,), and hashes, (n, 2), of pairs with one of `texts` or `numbers`."""
    found = [(np.zeros(0, dtype=np.int64), np.zeros((0, 2), dtype=np.uint64))]
    for first, block in _blocks(hashes):
        is_in = np.array(np.isin(block, texts).any(axis=1))
        begin, end = np.searchsorted(numbers, (first, first + len(block)))
        is_in[numbers[begin:end] - first] = True
        here = np.flatnonzero(is_in)
        found.append((here + first, block[here]))
    return np.concatenate([n for n, _ in found]), np.concatenate([h for _, h in found])


def _blocks(hashes: BinaryIO) -> Iterator[tuple[int, np.ndarray]]:
    first = 0
    hashes.seek(0)
    while raw := hashes.read(16 * _BLOCK):
        block = np.frombuffer(raw, dtype=np.uint64).reshape(-1, 2)
        yield first, block
        first += len(block)


def _components(texts: np.ndarray) -> list[int]:
    """Return for each pair, (n, 2) hashes, a text that stands for its group."""
    parent: dict[int, int] = {}

    def root(text: int) -> int:
        parent.setdefault(text, text)
        while parent[text] != text:
            parent[text] = parent[parent[text]]
            text = parent[text]
        return text

    rows = texts.tolist()
    for source, target in rows:
        parent[root(source)] = root(target)
    return [root(source) for source, _ in rows]


def _assigned(groups: list[list[int]], sizes: Mapping[str, int]) -> dict[int, str]:
    """Return the part of each held-out pair. A group belongs to the first part it fits into."""
    free = dict(sorted(sizes.items()))  # The order of `sizes` does not matter.
    part_of: dict[int, str] = {}
    for group in groups:
        if part := next((part for part, size in free.items() if len(group) <= size), None):
            free[part] -= len(group)
            part_of |= dict.fromkeys(group, part)
    return part_of
