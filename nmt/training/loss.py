"""The training loss: label-smoothed cross-entropy over real tokens, and R-Drop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from nmt.data.batching import Batch
    from nmt.model import Model

CHUNK = 512
"""Tokens whose logits exist at one time; 512 x 8000 logits stay in a processor's cache."""


@dataclass(frozen=True)
class LossSums:
    """Sums over the real target tokens of a batch (eos counted, padding not), in nats."""

    objective: Tensor
    """Scalar to differentiate: label-smoothed cross-entropy, plus R-Drop's divergence."""
    nll: Tensor
    """Scalar, detached: negative log-likelihood of the reference, the base of perplexity."""
    tokens: int


def batch_loss(
    model: Model, batch: Batch, label_smoothing: float = 0.0, rdrop: float = 0.0
) -> LossSums:
    """Loss of a batch, summed.

    With smoothing e the target distribution is 1 - e on the reference plus e/V on every word
    (Szegedy et al., 2016). With rdrop > 0 the batch passes twice through the dropout; both
    passes' losses are averaged and rdrop times the mean of the two Kullback-Leibler divergences
    between them is added (Wu et al., 2021, equation 4).
    """
    if rdrop == 0.0:
        hidden = _hidden(model, batch)
        objective, nll = linear_cross_entropy(
            hidden, model.output_weight, batch.target_out[batch.target_mask], label_smoothing
        )
        return LossSums(objective, nll, batch.target_tokens)
    return _rdrop_loss(model, batch, label_smoothing, rdrop)


def _hidden(model: Model, batch: Batch) -> Tensor:
    """Decoder states of the real tokens, (tokens, d_model)."""
    memory = model.encode(batch.source, batch.source_mask)
    return model.decode(batch.target_in, memory)[batch.target_mask]


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, target: Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Sums of label-smoothed cross-entropy and of negative log-likelihood of softmax(hidden W^T).

    hidden: (tokens, d_model); weight: (vocab, d_model); target: (tokens,). The projection and
    the loss run together over chunks of tokens, so the logits of a batch never exist at once, and
    gradients are made on the way. Only the first of the two results can be differentiated.
    """
    hidden, weight = _in_autocast_dtype(hidden, weight)
    objective, nll = _LinearCrossEntropy.apply(hidden, weight, target, label_smoothing)  # type: ignore[no-untyped-call]
    return objective, nll


def _add_at(rows: Tensor, columns: Tensor, value: float) -> None:
    """Add to one entry of each row, in place (scatter_add_ is slow in bfloat16 on a CPU)."""
    places = torch.arange(len(rows), device=rows.device), columns
    rows.index_put_(places, rows.new_tensor(value), accumulate=True)


def _nll(probabilities: Tensor, target: Tensor) -> Tensor:
    """-log of each row's probability (tokens, vocab) of its target (tokens,): (tokens, 1)."""
    tiny = torch.finfo(torch.float32).tiny
    return -probabilities.gather(1, target[:, None]).float().clamp(min=tiny).log()


def _in_autocast_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """What autocast would do to the operands of a matrix product."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    return tuple(tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, target: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        vocab = weight.shape[0]
        off = label_smoothing / vocab
        nll = hidden.new_zeros((), dtype=torch.float32)
        smooth = hidden.new_zeros((), dtype=torch.float32)
        wants_grad = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        hidden_grad = torch.empty_like(hidden) if wants_grad else None
        weight_grad = torch.zeros_like(weight, dtype=torch.float32) if wants_grad else None
        with torch.autocast(hidden.device.type, enabled=False):
            for begin in range(0, len(hidden), CHUNK):
                rows = slice(begin, begin + CHUNK)
                h, t = hidden[rows], target[rows, None]
                logits = h @ weight.T
                if hidden_grad is None or weight_grad is None:
                    logits = logits.float()
                    nll_of_each = torch.logsumexp(logits, dim=1, keepdim=True) - logits.gather(1, t)
                else:
                    error = torch.softmax(logits, dim=1)
                    nll_of_each = _nll(error, target[rows])
                    # d loss / d logits = softmax - target distribution. Its part that is equal for
                    # all words, -off, goes through the products as a constant (below).
                    _add_at(error, target[rows], label_smoothing - 1)
                    torch.mm(error, weight, out=hidden_grad[rows])
                    weight_grad += error.T @ h
                nll += nll_of_each.sum()
                if label_smoothing:
                    smooth += (nll_of_each + logits.gather(1, t)).sum()
            if label_smoothing:
                # All logits add up to (sum of hidden states) . (sum of the words' weights).
                hidden_sum = hidden.sum(dim=0, dtype=torch.float32)
                weight_sum = weight.sum(dim=0, dtype=torch.float32)
                smooth -= hidden_sum @ weight_sum / vocab
                if hidden_grad is not None and weight_grad is not None:
                    hidden_grad -= off * weight_sum
                    weight_grad -= off * hidden_sum
        if hidden_grad is not None and weight_grad is not None:
            ctx.save_for_backward(hidden_grad, weight_grad)
            ctx.weight_dtype = weight.dtype
        objective = (1 - label_smoothing) * nll + label_smoothing * smooth
        ctx.mark_non_differentiable(nll)
        return objective, nll

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden_grad, weight_grad = ctx.saved_tensors
        scale = grads[0]
        return hidden_grad * scale, (weight_grad * scale).to(ctx.weight_dtype), None, None


def _rdrop_loss(model: Model, batch: Batch, label_smoothing: float, rdrop: float) -> LossSums:
    twice = torch.cat([batch.source, batch.source])
    memory = model.encode(twice, torch.cat([batch.source_mask, batch.source_mask]))
    hidden = model.decode(torch.cat([batch.target_in, batch.target_in]), memory)
    first, second = (passed[batch.target_mask] for passed in hidden.chunk(2))
    first, second, weight = _in_autocast_dtype(first, second, model.output_weight)
    target = batch.target_out[batch.target_mask]
    objective, nll = _LinearRDrop.apply(first, second, weight, target, label_smoothing, rdrop)  # type: ignore[no-untyped-call]
    return LossSums(objective, nll, batch.target_tokens)


class _LinearRDrop(torch.autograd.Function):
    """The loss of R-Drop on two passes' hidden states, in chunks like the plain loss."""

    @staticmethod
    def forward(
        ctx: Any,
        first: Tensor,
        second: Tensor,
        weight: Tensor,
        target: Tensor,
        label_smoothing: float,
        rdrop: float,
    ) -> tuple[Tensor, Tensor]:
        off = label_smoothing / weight.shape[0]
        nll, smooth, divergence = first.new_zeros(3, dtype=torch.float32).unbind()
        first_grad, second_grad = torch.empty_like(first), torch.empty_like(second)
        weight_grad = torch.zeros_like(weight, dtype=torch.float32)
        with torch.autocast(first.device.type, enabled=False):
            for begin in range(0, len(target), CHUNK):
                rows = slice(begin, begin + CHUNK)
                first_logits, second_logits = first[rows] @ weight.T, second[rows] @ weight.T
                p, q = torch.softmax(first_logits, dim=1), torch.softmax(second_logits, dim=1)
                for probabilities, logits in ((p, first_logits), (q, second_logits)):
                    nll_of_each = _nll(probabilities, target[rows])
                    nll += nll_of_each.sum() / 2
                    smooth += (nll_of_each + logits.gather(1, target[rows, None])).sum() / 2

                # With r = log(p / q) + c, KL(p||q) + KL(q||p) = E_p[r] - E_q[r], whatever the c of
                # a row. Twice the gradient by the logits of p: of the cross-entropy p - target, of
                # the two divergences p (r - E_p[r]) + p - q; and the mirror image for q.
                ratio = first_logits.sub_(second_logits)
                for own, other, sign, hidden, hidden_grad in (
                    (p, q, 1.0, first, first_grad),
                    (q, p, -1.0, second, second_grad),
                ):
                    error = own * ratio
                    expected = sign * error.sum(dim=1, keepdim=True).float()
                    divergence += expected.sum() / 2
                    error.sub_(other, alpha=sign)
                    share = (1 + rdrop - rdrop * expected) / (sign * rdrop)
                    error.addcmul_(own, share.to(own.dtype)).mul_(sign * rdrop / 2)
                    _add_at(error, target[rows], (label_smoothing - 1) / 2)
                    torch.mm(error, weight, out=hidden_grad[rows])
                    weight_grad += error.T @ hidden[rows]
            # The part of the gradients that is equal for all words, as in the plain loss.
            weight_sum = weight.sum(dim=0, dtype=torch.float32)
            for hidden, hidden_grad in ((first, first_grad), (second, second_grad)):
                hidden_sum = hidden.sum(dim=0, dtype=torch.float32)
                smooth -= hidden_sum @ weight_sum / (2 * weight.shape[0])
                hidden_grad -= off / 2 * weight_sum
                weight_grad -= off / 2 * hidden_sum
        objective = (1 - label_smoothing) * nll + label_smoothing * smooth + rdrop * divergence
        ctx.save_for_backward(first_grad, second_grad, weight_grad)
        ctx.weight_dtype = weight.dtype
        ctx.mark_non_differentiable(nll)
        return objective, nll

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        first_grad, second_grad, weight_grad = ctx.saved_tensors
        scale = grads[0]
        weight_grad = (weight_grad * scale).to(ctx.weight_dtype)
        return first_grad * scale, second_grad * scale, weight_grad, None, None, None
