"""Subword regularization: random segmentations of texts that depend on a seed only."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import numpy as np

from nmt.tokenizer.ids import UNK


class Sampler:
    """Sampler of random segmentations, which are the same in each process, unlike SentencePiece's.

    A text gets one of DRAWS fixed segmentations for each word.
    """

    DRAWS = 32  # per word
    _LONGEST = 32  # characters per word; longer words are cut, such as texts without spaces
    _REMEMBERED = 1 << 18

    def __init__(self, processor: Any, strength: float) -> None:
        self.strength = strength
        ids = range(processor.vocab_size())
        special = (processor.is_control, processor.is_unknown, processor.is_byte)
        self._ids = {processor.id_to_piece(i): i for i in ids if not any(f(i) for f in special)}
        self._bytes = [processor.piece_to_id(f"<0x{byte:02X}>") for byte in range(256)]
        scores = {piece: processor.get_score(i) for piece, i in self._ids.items()}
        if all(score == int(score) for score in scores.values()):  # BPE scores are ranks of merges.
            self._draw, self._values = self._drop_merges, scores
        else:  # Unigram scores are log-probabilities.
            # A factor per character cancels out; exp(8) keeps sums of products in float range.
            weights = {p: math.exp(strength * (score + 8 * len(p))) for p, score in scores.items()}
            self._draw, self._values = self._walk_back, weights
        self._longest_piece = max(map(len, self._ids), default=1)
        self._known: dict[tuple[str, int], list[int]] = {}

    def sample(self, texts: list[str], seed: int) -> list[list[int]]:
        """Return the ids of normalized texts, which have U+2581 before each word."""
        words = [
            [
                word[begin : begin + self._LONGEST]
                for word in (f"\u2581{rest}" for rest in text.split("\u2581")[1:])
                for begin in range(0, len(word), self._LONGEST)
            ]
            for text in texts
        ]
        draws = iter(
            np.random.default_rng(seed).integers(0, self.DRAWS, sum(map(len, words))).tolist()
        )
        known, segment = self._known, self._segment
        if len(known) > self._REMEMBERED:
            known.clear()
        sampled = []
        for text in words:
            ids: list[int] = []
            for word, draw in zip(text, draws, strict=False):
                ids += known.get((word, draw)) or segment(word, draw)
            sampled.append(ids)
        return sampled

    def _segment(self, word: str, draw: int) -> list[int]:
        ids: list[int] = []
        for piece in self._draw(word, random.Random(f"{draw} {word}")):
            if piece in self._ids:
                ids.append(self._ids[piece])
            elif self._bytes[0] != UNK:
                ids += [self._bytes[byte] for byte in piece.encode()]
            elif ids[-1:] != [UNK]:
                ids.append(UNK)
        self._known[word, draw] = ids
        return ids

    def _drop_merges(self, word: str, rng: random.Random) -> list[str]:
        """Merge the best pair repeatedly (BPE-dropout).

        With probability `strength`, a pair is skipped until a neighbor has merged.
        """
        score, nothing = self._values.get, -math.inf
        symbols = list(word)
        pairs = [score(a + b, nothing) for a, b in itertools.pairwise(symbols)]
        while pairs and (best := max(pairs)) > nothing:
            i = pairs.index(best)
            if rng.random() < self.strength:
                pairs[i] = nothing
                continue
            symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
            del pairs[i]
            for j in (i - 1, i):
                if 0 <= j < len(pairs):
                    pairs[j] = score(symbols[j] + symbols[j + 1], nothing)
        return symbols

    def _walk_back(self, word: str, rng: random.Random) -> list[str]:
        """Draw exactly from P(segmentation) ~ product of p(piece) ** alpha.

        Sum over all segmentations of each prefix, then draw pieces from the end by these sums.
        """
        total = [1.0]
        arrivals: list[list[tuple[float, int]]] = [[]]
        for end in range(1, len(word) + 1):
            ways = [
                (total[begin] * weight, begin)
                for begin in range(max(0, end - self._longest_piece), end)
                if (weight := self._values.get(word[begin:end]))
            ]
            if word[end - 1] not in self._values:
                ways.append((total[end - 1], end - 1))
            arrivals.append(ways)
            total.append(sum(weight for weight, _ in ways))
        pieces = []
        end = len(word)
        while end:
            left = rng.random() * total[end]
            for weight, begin in arrivals[end]:  # noqa: B007
                left -= weight
                if left < 0:
                    break
            pieces.append(word[begin:end])
            end = begin
        return pieces[::-1]
