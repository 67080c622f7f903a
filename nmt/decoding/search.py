"""Beam search and sampling for any `Decoder`, with bookkeeping in numpy.

Except for rounding in the network, the result of a sentence does not depend on its batch.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from nmt.errors import DivergedError
from nmt.tokenizer.ids import BOS, EOS, PAD

if TYPE_CHECKING:
    from nmt.config import DecodingConfig

IntArray = np.ndarray[Any, np.dtype[np.int64]]
Numbers = TypeVar("Numbers", float, np.ndarray[Any, Any])


class DecoderState(Protocol):
    """State of the hypotheses, equally many per sentence."""

    def select(self, sentences: IntArray, parents: IntArray) -> None:
        """Reorder in place: new hypothesis (i, j) continues old (sentences[i], parents[i, j]).

        sentences: (new_batch,), all different; parents: (new_batch, new_width). Sentences move only
        to rows of those that leave the batch.
        """


class Decoder(Protocol):
    """Model interface that search requires."""

    @abstractmethod
    def start(self, source: Tensor, max_length: int, width: int) -> Any:
        """Return the `DecoderState` before the first step, with one hypothesis per sentence.

        source: (batch, source_len) int64, ending with eos, padded with PAD; max_length: maximum
        number of steps; width: hypotheses per sentence after the first step.
        """

    @abstractmethod
    def step(self, tokens: Tensor, state: Any) -> Tensor:
        """Read tokens (batch, width) int64, and update the state in place.

        Returns the logits of the next tokens, (batch, width, vocab) float32.
        """


@dataclass(frozen=True)
class Hypothesis:
    """A finished output of one sentence."""

    tokens: list[int]
    """Ids without bos and eos."""
    score: float
    """Result of `normalized_score`."""
    log_probability: float
    """log P(tokens, eos | source) in nats."""
    at_limit: bool
    """Whether the output reached the length limit."""


def normalized_score(log_probability: Numbers, length: Numbers, options: DecodingConfig) -> Numbers:
    """Return the score that compares outputs of different lengths, in tokens including eos.

    It is the log-probability in nats, divided as `decoding.length_normalization` says.
    """
    gnmt = options.length_normalization == "gnmt"
    divisor = ((5 + length) / 6 if gnmt else length) ** options.length_penalty
    score: Numbers = log_probability / divisor
    return score


@torch.inference_mode()
def beam_search(
    decoder: Decoder, source: Tensor, options: DecodingConfig, nbest: int = 1
) -> list[list[Hypothesis]]:
    """Return the nbest best hypotheses of each sentence, best first; fewer if fewer outputs exist.

    source: (batch, source_len) int64, each sentence ending with eos, padded with PAD.

    Each step selects the 2 * beam_size best continuations of a sentence. An eos among the first
    beam_size finishes a hypothesis; the first beam_size others stay open. A sentence ends when
    beam_size * patience hypotheses have finished, or no open one can enter the nbest. At the length
    limit, eos is the only continuation.

    Raises ValueError unless 1 <= nbest <= beam_size, and DivergedError if the logits are NaN.
    """
    beam_size = options.beam_size
    if not 1 <= nbest <= beam_size:
        raise ValueError(f"nbest is {nbest}, beam_size {beam_size}")
    quota = np.inf if options.patience is None else max(nbest, round(beam_size * options.patience))
    batch = source.shape[0]
    limits = _length_limits(source, options)
    longest = int(limits.max())
    state: DecoderState = decoder.start(source, longest + 1, beam_size)

    finished: list[list[Hypothesis]] = [[] for _ in range(batch)]
    open_slots = np.full(batch, quota)  # number of hypotheses that may still finish
    to_beat = np.full(batch, -np.inf)  # score of the nbest-th finished hypothesis
    sentences = np.arange(batch)  # sentence of each row; sentences that end leave the batch
    history = np.empty((batch, 1, 0), dtype=np.int64)
    tokens = torch.full((batch, 1), BOS, device=source.device)
    scores = torch.zeros(batch, 1, device=source.device)
    for length in range(longest + 1):
        logits = decoder.step(tokens, state)
        log_probs = _log_probabilities(logits, history, limits[sentences], length, options)
        top, flat = _top(log_probs, scores, 2 * beam_size)
        if np.isnan(top).any():
            raise DivergedError("the model's output is NaN", "restore the weights, or train again")
        parents, words = np.divmod(flat, logits.shape[2])

        is_eos = words == EOS
        if is_eos.any():
            ended = is_eos[:, :beam_size] & (top[:, :beam_size] > -np.inf)
            for row, rank in zip(*np.nonzero(ended), strict=True):
                output, sentence = history[row, parents[row, rank]], sentences[row]
                found = _hypothesis(output, top[row, rank], limits[sentence], options)
                finished[sentence].append(found)
            for sentence in sentences[ended.any(axis=1)]:
                outputs = _best_first(finished[sentence])
                open_slots[sentence] = quota - len(outputs)
                if len(outputs) >= nbest:
                    to_beat[sentence] = outputs[nbest - 1].score
            # Each open hypothesis has at most one eos, so at least beam_size others remain.
            others = np.argsort(is_eos, axis=1, kind="stable")
            top, parents, words = (_take(x, others) for x in (top, parents, words))
        top, parents, words = top[:, :beam_size], parents[:, :beam_size], words[:, :beam_size]

        # A log-probability only decreases; the largest divisor gives the highest possible score.
        attainable = normalized_score(top[:, 0], limits[sentences] + 1.0, options)
        rows = _fill_holes((attainable > to_beat[sentences]) & (open_slots[sentences] > 0))
        if rows.size == 0:
            break

        if rows.size < len(sentences):
            top, parents, words = top[rows], parents[rows], words[rows]
            sentences, history = sentences[rows], history[rows]
        history = np.concatenate([_take(history, parents), words[:, :, None]], axis=2)
        if beam_size > 1 or rows.size < logits.shape[0]:
            state.select(rows, parents)
        tokens, scores = _tensor(words, source), _tensor(top, source)

    return [_best_first(outputs)[:nbest] for outputs in finished]


def _hypothesis(
    tokens: IntArray, log_probability: float, limit: int, options: DecodingConfig
) -> Hypothesis:
    total, length = float(log_probability), len(tokens)
    score = normalized_score(total, length + 1, options)
    return Hypothesis(tokens.tolist(), score, total, bool(length == limit))


def _best_first(hypotheses: list[Hypothesis]) -> list[Hypothesis]:
    return sorted(hypotheses, key=lambda h: -h.score)


def _fill_holes(is_open: Any) -> IntArray:
    """Return the open rows of a mask; the last replace closed rows, so few move."""
    rows = np.flatnonzero(is_open)
    filled = np.arange(rows.size)
    holes = ~is_open[: rows.size]
    filled[holes] = rows[rows.size - np.count_nonzero(holes) :]
    return filled


@torch.inference_mode()
def sample(
    decoder: Decoder,
    source: Tensor,
    options: DecodingConfig,
    seeds: Sequence[Sequence[int]],
    *,
    count: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> list[list[Hypothesis]]:
    """Return `count` random outputs of each sentence, best first.

    source: (batch, source_len) int64, each sentence ending with eos, padded with PAD; seeds: what
    determines the draws of each sentence. A token is drawn from softmax(log P / temperature),
    among the top_k most likely tokens (0: all) whose probabilities reach top_p (Holtzman et al.,
    2020). Scores ignore these options.
    """
    batch = source.shape[0]
    limits = _length_limits(source, options)
    longest = int(limits.max())
    state: DecoderState = decoder.start(source, longest + 1, count)
    draws = np.zeros((batch, count, longest + 1), dtype=np.float32)
    for i, seed in enumerate(seeds):
        steps = int(limits[i]) + 1
        draws[i, :, :steps] = np.random.default_rng(seed).random((count, steps), dtype=np.float32)

    outputs: list[list[Hypothesis]] = [[] for _ in range(batch)]
    sentences = np.arange(batch)
    history = np.empty((batch, count, 0), dtype=np.int64)
    totals = np.zeros((batch, count))
    is_open = np.ones((batch, count), dtype=bool)
    tokens = torch.full((batch, 1), BOS, device=source.device)
    for length in range(longest + 1):
        logits = decoder.step(tokens, state)
        width = logits.shape[1]
        log_probs = _log_probabilities(
            logits, history[:, :width], limits[sentences], length, options
        )
        drawn = _draw(log_probs, _tensor(draws[:, :, length], source), temperature, top_k, top_p)
        drawn_log_probs = log_probs.expand(*drawn.shape, -1).gather(2, drawn[:, :, None])[:, :, 0]
        totals += np.where(is_open, drawn_log_probs.cpu().numpy(), 0.0)
        words = drawn.cpu().numpy()
        for row, column in zip(*np.nonzero(is_open & (words == EOS)), strict=True):
            sentence = sentences[row]
            found = _hypothesis(
                history[row, column], totals[row, column], limits[sentence], options
            )
            outputs[sentence].append(found)
        is_open &= words != EOS
        rows = _fill_holes(is_open.any(axis=1))
        if rows.size == 0:
            break
        columns = _open_columns(is_open[rows])
        history = np.concatenate([history, words[:, :, None]], axis=2)
        sentences = sentences[rows]
        history, totals, is_open, draws, words = (
            _take(array[rows], columns) for array in (history, totals, is_open, draws, words)
        )
        if columns.shape != logits.shape[:2]:
            state.select(rows, columns % width)
        tokens = _tensor(words, source)
    return [_best_first(found) for found in outputs]


def _open_columns(is_open: Any) -> IntArray:
    """Return the columns to keep, (batch, new_width): all, or those open if half suffice.

    Smaller reductions do not pay, because each new width costs time.
    """
    width, most = is_open.shape[1], int(is_open.sum(axis=1).max())
    if 2 * most > width:
        return np.broadcast_to(np.arange(width), is_open.shape)
    columns: IntArray = np.argsort(~is_open, axis=1, kind="stable")[:, :most]
    return columns


def _length_limits(source: Tensor, options: DecodingConfig) -> IntArray:
    """Return the maximum lengths in tokens without eos, (batch,)."""
    source_lengths = (source != PAD).sum(dim=1).cpu().numpy() - 1
    by_ratio = (options.max_length_ratio * source_lengths + 10).astype(np.int64)
    limits: IntArray = np.minimum(options.max_length, np.maximum(by_ratio, options.min_length))
    return limits


def _log_probabilities(
    logits: Tensor, history: IntArray, limits: IntArray, length: int, options: DecodingConfig
) -> Tensor:
    """Return log-probabilities (batch, width, vocab) float32, -inf for tokens not allowed."""
    log_probs = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
    log_probs[:, :, :EOS] = -torch.inf
    if length < options.min_length:
        log_probs[:, :, EOS] = -torch.inf
    n = options.no_repeat_ngram
    if 0 < n <= length:
        windows = np.lib.stride_tricks.sliding_window_view(history, n, axis=2)
        last = history[:, :, None, length - n + 1 :]
        rows, columns, positions = np.nonzero((windows[..., :-1] == last).all(axis=3))
        log_probs[rows, columns, windows[rows, columns, positions, -1]] = -torch.inf
    at_limit = np.flatnonzero(limits == length)
    if at_limit.size:
        log_probs[at_limit, :, EOS + 1 :] = -torch.inf
    return log_probs


def _top(
    log_probs: Tensor, scores: Tensor, count: int
) -> tuple[np.ndarray[Any, np.dtype[np.float32]], IntArray]:
    """Return the `count` best continuations of each sentence, best first.

    log_probs: (batch, width, vocab), contiguous; scores: (batch, width). Returns scores, -inf where
    there are too few, and indices hypothesis * vocab + token, both (batch, count).
    """
    batch, width, vocabulary = log_probs.shape
    block = _block_size(vocabulary)
    if count * block >= width * vocabulary:
        values, indices = (
            (log_probs + scores[:, :, None]).flatten(1).topk(min(count, width * vocabulary))
        )
        missing = ((0, 0), (0, max(0, count - width * vocabulary)))
        return (
            np.pad(values.cpu().numpy(), missing, constant_values=-np.inf),
            np.pad(indices.cpu().numpy(), missing),
        )
    # The `count` blocks with the largest maxima contain the best `count` continuations. Maxima are
    # much cheaper than a sort of the whole vocabulary.
    blocks = log_probs.view(batch, width, -1, block)
    maxima = blocks.amax(dim=3).add_(scores[:, :, None]).flatten(1)
    chosen = maxima.topk(count, sorted=False).indices
    inside = blocks.flatten(1, 2).gather(1, chosen[:, :, None].expand(-1, -1, block))
    inside += scores.gather(1, chosen // (vocabulary // block))[:, :, None]
    best, positions = inside.flatten(1).topk(count)
    ranks, offsets = np.divmod(positions.cpu().numpy(), block)
    return best.cpu().numpy(), _take(chosen.cpu().numpy(), ranks) * block + offsets


def _take(rows: np.ndarray[Any, Any], columns: IntArray) -> np.ndarray[Any, Any]:
    """Equal np.take_along_axis, which is slower."""
    return rows[np.arange(len(rows))[:, None], columns]


@functools.cache
def _block_size(vocabulary: int) -> int:
    """Return a useful divisor of the vocabulary size, or the size itself."""
    sizes = (64, 32, *range(128, 8, -8), *range(127, 16, -1))
    return next((size for size in sizes if vocabulary % size == 0), vocabulary)


def _draw(log_probs: Tensor, draws: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Draw a token for each uniform number in `draws`: (batch, count) int64."""
    words: Tensor | None = None
    if 0 < top_k < log_probs.shape[2]:
        log_probs, words = log_probs.topk(top_k)
    probabilities = torch.softmax(log_probs / temperature, dim=-1)
    if top_p < 1.0:
        least = _least_in_nucleus(probabilities.flatten(0, 1), top_p).view(*log_probs.shape[:2], 1)
        probabilities = probabilities.masked_fill(probabilities < least, 0.0)
    cumulative = probabilities.cumsum(dim=-1)
    total = cumulative[:, :, -1:]
    # A rounded product must not reach the total, because no token exceeds it.
    wanted = torch.minimum(draws[:, :, None] * total, total.nextafter(torch.zeros_like(total)))
    if cumulative.shape[1] == 1:
        wanted = wanted.mT
    ranks = torch.searchsorted(cumulative, wanted, right=True).view(draws.shape)
    if words is None:
        return ranks
    return words.expand(*draws.shape, -1).gather(2, ranks[:, :, None])[:, :, 0]


def _least_in_nucleus(probabilities: Tensor, top_p: float, head: int = 64) -> Tensor:
    """Return the least probability among the most likely tokens that together reach top_p, (rows,).

    probabilities: (rows, vocab), not normalized. A sort of the whole vocabulary is slow, so the
    `head` most likely tokens are tried first.
    """
    head = min(head, probabilities.shape[1])
    wanted = top_p * probabilities.sum(dim=-1, keepdim=True)
    ranked = probabilities.topk(head).values
    before = ranked.cumsum(dim=-1) - ranked
    least = ranked.masked_fill((before >= wanted) & (before > 0), torch.inf).amin(dim=-1)
    if head < probabilities.shape[1]:
        incomplete = (ranked.sum(dim=-1, keepdim=True) < wanted)[:, 0]
        if incomplete.any():
            least[incomplete] = _least_in_nucleus(probabilities[incomplete], top_p, 16 * head)
    return least


def _tensor(array: np.ndarray[Any, Any], like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device)
