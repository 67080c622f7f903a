"""Training losses and gradients, computed in chunks of tokens so that logits need little memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nmt.tokenizer.ids import PAD


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, target: Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Return sums of label-smoothed cross-entropy and of negative log-likelihood, in nats.

    hidden: (tokens, d_model); weight: (vocab, d_model); target: (tokens,) int64, PAD for a token
    without loss. Both results are float32 scalars; only the first has a gradient.
    """
    hidden, weight = _in_autocast_dtype(hidden, weight)
    trained = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
    parts = trained, trained and weight.requires_grad
    loss, nll, *_ = _cross_entropy(hidden, weight, target, label_smoothing, *parts)
    return loss, nll.detach()


def linear_r_drop(
    first: Tensor,
    second: Tensor,
    weight: Tensor,
    target: Tensor,
    label_smoothing: float,
    alpha: float,
) -> tuple[Tensor, Tensor]:
    """Return half of R-Drop's loss and two passes' mean negative log-likelihood, as token sums.

    R-Drop's loss is equation 4 of Wu et al. (2021): alpha weights the mean of the two
    Kullback-Leibler divergences. first, second: (tokens, d_model), one per pass; see
    `linear_cross_entropy` for the other arguments.
    """
    first, second, weight = _in_autocast_dtype(first, second, weight)
    trained = weight.requires_grad
    loss, nll, *_ = _r_drop(first, second, weight, target, label_smoothing, alpha, trained)
    return loss, nll.detach()


def _in_autocast_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    return tuple(tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors)


def _chunks(hidden: Tensor) -> list[slice]:
    # 512 x 8,000 logits stay in the cache of a CPU; a GPU is faster with larger chunks.
    size = 4096 if hidden.is_cuda else 512
    return [slice(begin, begin + size) for begin in range(0, len(hidden), size)]


def _negative_log(probabilities: Tensor, target: Tensor) -> Tensor:
    """Return -log of the targets' probabilities, (tokens, 1)."""
    tiny = torch.finfo(torch.float32).tiny
    return -probabilities.gather(1, target[:, None]).clamp(min=tiny).log()


# Probabilities and logits' gradients are float32, and only operands of matrix products have 16
# bits, because in 16 bits 1 - p rounds to 0 for every target that the model has learned.


@torch.library.custom_op("nmt::linear_cross_entropy", mutates_args=())
def _cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    target: Tensor,
    label_smoothing: float,
    with_gradients: bool,
    with_weight_grad: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    vocab = weight.shape[0]
    off = label_smoothing / vocab
    padding = (target == PAD)[:, None]
    hidden = hidden.masked_fill(padding, 0.0)  # no effect on sums or weight_grad
    nll, smooth = hidden.new_zeros(2, dtype=torch.float32).unbind()
    hidden_grad = torch.empty_like(hidden) if with_gradients else hidden.new_empty(0)
    weight_grad = torch.zeros_like(weight if with_weight_grad else weight[:0], dtype=torch.float32)
    with torch.autocast(hidden.device.type, enabled=False):
        for rows in _chunks(hidden):
            h, t = hidden[rows], target[rows]
            logits = h @ weight.T
            if with_gradients:
                error = torch.softmax(logits, dim=1, dtype=torch.float32)
                nll_of_each = _negative_log(error, t)
                # d loss / d logits = softmax - target distribution. The part that is equal for
                # all tokens, -off, is added below as a constant.
                error.scatter_add_(1, t[:, None], torch.full_like(nll_of_each, label_smoothing - 1))
                error = error.to(weight.dtype)
                torch.mm(error, weight, out=hidden_grad[rows])
                if with_weight_grad:
                    weight_grad += error.T @ h
            else:
                logits = logits.float()
                chosen = logits.gather(1, t[:, None])
                nll_of_each = torch.logsumexp(logits, dim=1, keepdim=True) - chosen
            nll_of_each = nll_of_each.masked_fill(padding[rows], 0.0)
            nll += nll_of_each.sum()
            if label_smoothing:
                smooth += (nll_of_each + logits.gather(1, t[:, None])).sum()
        if label_smoothing:
            # The sum of all logits is (sum of hidden states) . (sum of rows of the weight).
            hidden_sum = hidden.sum(dim=0, dtype=torch.float32)
            weight_sum = weight.sum(dim=0, dtype=torch.float32)
            smooth -= hidden_sum @ weight_sum / vocab
            if with_gradients:
                hidden_grad -= off * weight_sum
                weight_grad -= off * hidden_sum  # no rows without a gradient of the weight
        if with_gradients:
            hidden_grad.masked_fill_(padding, 0.0)
    loss = (1 - label_smoothing) * nll + label_smoothing * smooth
    return loss, nll, hidden_grad, weight_grad


@torch.library.custom_op("nmt::linear_r_drop", mutates_args=())
def _r_drop(
    first: Tensor,
    second: Tensor,
    weight: Tensor,
    target: Tensor,
    label_smoothing: float,
    alpha: float,
    with_weight_grad: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    strength = alpha / 2  # weight of the mean divergence, added to the mean of the cross-entropies
    off = label_smoothing / weight.shape[0]
    padding = (target == PAD)[:, None]
    first, second = first.masked_fill(padding, 0.0), second.masked_fill(padding, 0.0)
    nll, smooth, divergence = first.new_zeros(3, dtype=torch.float32).unbind()
    first_grad, second_grad = torch.empty_like(first), torch.empty_like(second)
    weight_grad = torch.zeros_like(weight if with_weight_grad else weight[:0], dtype=torch.float32)
    with torch.autocast(first.device.type, enabled=False):
        for rows in _chunks(first):
            t = target[rows]
            first_logits = (first[rows] @ weight.T).float()
            second_logits = (second[rows] @ weight.T).float()
            p, q = torch.softmax(first_logits, dim=1), torch.softmax(second_logits, dim=1)
            for probabilities, logits in ((p, first_logits), (q, second_logits)):
                nll_of_each = _negative_log(probabilities, t).masked_fill(padding[rows], 0.0)
                nll += nll_of_each.sum() / 2
                smooth += (nll_of_each + logits.gather(1, t[:, None])).sum() / 2

            # With r = log(p / q) + c for any c per row, KL(p||q) + KL(q||p) = E_p[r] - E_q[r].
            # Twice the gradient by the logits of p is p - target for the cross-entropy and
            # p (r - E_p[r]) + p - q for the two divergences; for q, exchange p and q.
            ratio = first_logits.sub_(second_logits)
            for own, other, sign, hidden, hidden_grad in (
                (p, q, 1.0, first, first_grad),
                (q, p, -1.0, second, second_grad),
            ):
                error = own * ratio
                expected = sign * error.sum(dim=1, keepdim=True)
                divergence += expected.sum() / 2
                error.sub_(other, alpha=sign)
                error.addcmul_(own, (1 + strength - strength * expected) / (sign * strength))
                error.mul_(sign * strength / 2)
                on_target = torch.full_like(expected, (label_smoothing - 1) / 2)
                error.scatter_add_(1, t[:, None], on_target)
                short = error.to(weight.dtype)
                torch.mm(short, weight, out=hidden_grad[rows])
                if with_weight_grad:
                    weight_grad += short.T @ hidden[rows]
        # The part of the gradients that is equal for all tokens, see `_cross_entropy`.
        weight_sum = weight.sum(dim=0, dtype=torch.float32)
        for hidden, hidden_grad in ((first, first_grad), (second, second_grad)):
            hidden_sum = hidden.sum(dim=0, dtype=torch.float32)
            smooth -= hidden_sum @ weight_sum / (2 * weight.shape[0])
            hidden_grad -= off / 2 * weight_sum
            hidden_grad.masked_fill_(padding, 0.0)
            weight_grad -= off / 2 * hidden_sum
    loss = (1 - label_smoothing) * nll + label_smoothing * smooth + strength * divergence
    return loss, nll, first_grad, second_grad, weight_grad


@_cross_entropy.register_fake
def _(
    hidden: Tensor,
    weight: Tensor,
    target: Tensor,
    label_smoothing: float,
    with_gradients: bool,
    with_weight_grad: bool,
) -> tuple[Tensor, ...]:
    hidden = hidden if with_gradients else hidden.new_empty(0)
    return _fake_results(hidden, weight=weight if with_weight_grad else weight[:0])


@_r_drop.register_fake
def _(first: Tensor, second: Tensor, weight: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    return _fake_results(first, second, weight=weight if rest[-1] else weight[:0])


def _fake_results(*hidden: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    sums = [weight.new_empty((), dtype=torch.float32) for _ in range(2)]
    gradients = map(torch.empty_like, hidden)
    return (*sums, *gradients, torch.empty_like(weight, dtype=torch.float32))


def _keep_gradients(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*output[2:])
    ctx.dtypes = [x.dtype for x in inputs[: len(output) - 2]]
    ctx.rest = len(inputs) - len(ctx.dtypes)


def _scale_gradients(
    ctx: Any, loss_grad: Tensor | None, *_: Tensor | None
) -> tuple[Tensor | None, ...]:
    nothing: tuple[None, ...] = (None,) * ctx.rest
    if loss_grad is None:
        return (None,) * len(ctx.dtypes) + nothing
    scaled = (
        (grad * loss_grad).to(dtype) if len(grad) else None
        for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
    )
    return (*scaled, *nothing)


_cross_entropy.register_autograd(_scale_gradients, setup_context=_keep_gradients)
_r_drop.register_autograd(_scale_gradients, setup_context=_keep_gradients)
