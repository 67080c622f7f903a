"""Encoding of collected pairs to a corpus file.

A corpus is one Arrow file with the columns source_ids, target_ids (without bos and eos), source
and target (the texts).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import compress, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from nmt import storage
from nmt.bars import track
from nmt.data.cleaning import EMPTY, LONG, UNREPRODUCED, longest_text, too_long
from nmt.data.report import EXAMPLES, side_report
from nmt.languages import words
from nmt.text import shorten
from nmt.tokenizer import UNK, Tokenizer, Vocabulary

if TYPE_CHECKING:
    from nmt.config.data import Cleaning, Part
    from nmt.data.cleaning import Collected
    from nmt.data.report import SplitReport
    from nmt.data.sources import Pair


def write_corpus(
    path: Path,
    collected: Collected,
    tokenizer: Tokenizer,
    parts: Sequence[Part],
    *,
    drops: bool,
    check_stop: Callable[[], None],
) -> str:
    """Write the file, complete the report of the pairs, and return the SHA-256 of the content.

    `drops`: whether to drop pairs beyond the limits, or only to count too long ones. Of a text
    longer than `longest_text`, only the beginning is encoded. The tags of a part are the first ids
    of its sources.
    """
    report = collected.report
    report.parts = [0] * len(parts)
    tags = [tokenizer.source.tag_ids(part.tags) for part in parts]
    vocabularies = (tokenizer.source, tokenizer.target)
    lengths: list[Counter[int]] = [Counter(), Counter()]
    counts = [np.zeros(len(vocabulary), dtype=np.int64) for vocabulary in vocabularies]
    # Separate digests of lengths, ids and texts do not depend on the size of the chunks.
    digests = [hashlib.sha256() for _ in range(6)]
    id_types = [pa.uint16() if len(v) <= 1 << 16 else pa.uint32() for v in vocabularies]
    types = [*map(pa.list_, id_types), pa.string(), pa.string()]
    names = ("source_ids", "target_ids", "source", "target")
    schema = pa.schema(list(zip(names, types, strict=True)))
    encoded = 0
    with (
        storage.new_file(path) as file,
        pa.ipc.new_file(file, schema) as writer,
        track("data: encoding", len(collected)) as advance,
    ):
        for pairs in collected.chunks():
            check_stop()
            encoded += len(pairs)
            advance(len(pairs))
            part = pairs[0].part
            rule = parts[part].rules
            longest = longest_text(rule)
            texts = [[pair.source for pair in pairs], [pair.target for pair in pairs]]
            cut = [[text[:longest] for text in side] for side in texts]
            ids = [v.encode_flat(side) for v, side in zip(vocabularies, cut, strict=True)]
            keep = _within(rule, drops, ids[0][0], ids[1][0], len(tags[part]), pairs, report)
            if drops and not keep.all():
                pairs = list(compress(pairs, keep))
                texts = [list(compress(side, keep)) for side in texts]
                ids = [(sizes[keep], values[np.repeat(keep, sizes)]) for sizes, values in ids]
            ids[0] = _after_tags(tags[part], *ids[0])
            columns = []
            for side, (sizes, values) in enumerate(ids):
                ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
                columns.append(pa.ListArray.from_arrays(ends, pa.array(values, id_types[side])))
                digests[side].update(sizes.astype("<i4").tobytes())
                digests[2 + side].update(values.astype("<i4").tobytes())
                digests[4 + side].update("\n".join([*texts[side], ""]).encode())
                lengths[side].update(sizes.tolist())
                counts[side] += np.bincount(values, minlength=len(counts[side]))
            columns += [pa.array(side, pa.string()) for side in texts]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            report.kept += len(pairs)
            report.parts[part] += len(pairs)
            _notice_unreproduced(vocabularies[1], pairs, *ids[1], report)
    report.case_copies = encoded - len(collected)
    report.source, report.target = (
        side_report(lengths[side], counts[side], vocabulary.is_byte(), UNK)
        for side, vocabulary in enumerate(vocabularies)
    )
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def _after_tags(
    tags: Sequence[int], sizes: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Put ids before each of the sequences of these sizes, which `values` concatenates."""
    if not tags:
        return sizes, values
    begins = np.repeat(np.cumsum(sizes) - sizes, len(tags))
    return sizes + len(tags), np.insert(values, begins, np.tile(tags, len(sizes)))


def _within(
    rule: Cleaning,
    drops: bool,
    source_sizes: np.ndarray,
    target_sizes: np.ndarray,
    tags: int,
    pairs: list[Pair],
    report: SplitReport,
) -> np.ndarray:
    """Return which pairs are within the limits, (n,) bool; count the others."""
    keep = np.ones(len(pairs), dtype=bool)
    for reason, found in too_long(source_sizes, target_sizes, rule, tags):
        if drops or reason == LONG:
            for i in np.flatnonzero(found):
                first, second = target_sizes[i], source_sizes[i]
                at_target = first < second if reason == EMPTY else first > second
                report.notice(reason, pairs[i].location(int(at_target)), drops, pairs[i][:2])
            keep &= ~found
    return keep


def _notice_unreproduced(
    vocabulary: Vocabulary,
    pairs: list[Pair],
    sizes: np.ndarray,
    ids: np.ndarray,
    report: SplitReport,
) -> None:
    """Count the targets that no ids can represent, and remember words as examples."""
    unknown = np.repeat(np.arange(len(sizes)), sizes)[ids == UNK]
    changed = (i for i, pair in enumerate(pairs) if not vocabulary.keeps(pair.target))
    for i in sorted({*unknown.tolist(), *changed}):
        example = ""
        if report.noticed[UNREPRODUCED] < EXAMPLES:
            text = pairs[i].target
            written = words(vocabulary.decode(vocabulary.encode(text)))
            both = zip_longest(words(text), written, fillvalue="")
            before, after = next((pair for pair in both if pair[0] != pair[1]), ("", ""))
            example = f" ({shorten(before, 20)} -> {shorten(after, 20)})"
        location = f"{pairs[i].location(1)}{example}"
        report.notice(UNREPRODUCED, location, texts=pairs[i][:2])
