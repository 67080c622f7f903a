"""The training objective, from a batch to its loss.

`cross_entropy` and `r_drop` are the formulas; training uses their equals in
`nmt.kernels.linear_cross_entropy`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from nmt.kernels.linear_cross_entropy import linear_cross_entropy, linear_r_drop
from nmt.tokenizer.ids import PAD

if TYPE_CHECKING:
    from nmt.data.batching import Batch
    from nmt.model import EncoderDecoder, Tokens


class LossSums(NamedTuple):
    """Sums over the target tokens of a batch, including eos: float32 scalars in nats."""

    objective: Tensor
    """Label-smoothed cross-entropy, or R-Drop's loss."""
    nll: Tensor
    """Negative log-likelihood of the reference, without gradient."""


def cross_entropy(
    hidden: Tensor, weight: Tensor, target: Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Return sums of label-smoothed cross-entropy and of negative log-likelihood, in nats.

    The target distribution is 1 - e on the reference plus e/V on every word (Szegedy et al., 2016).
    hidden: (tokens, d_model); weight: (vocab, d_model); target: (tokens,),
    PAD where there is nothing to predict.
    """
    log_p = torch.log_softmax((hidden @ weight.T).float(), dim=-1)
    padding = (target == PAD)[:, None]
    nll = -log_p.gather(1, target[:, None]).masked_fill(padding, 0.0).sum()
    uniform = -log_p.mean(dim=1, keepdim=True).masked_fill(padding, 0.0).sum()
    return (1 - label_smoothing) * nll + label_smoothing * uniform, nll.detach()


def r_drop(
    first: Tensor,
    second: Tensor,
    weight: Tensor,
    target: Tensor,
    label_smoothing: float,
    alpha: float,
) -> tuple[Tensor, Tensor]:
    """Return sums of half of R-Drop's loss and of the mean negative log-likelihood of two passes.

    R-Drop's loss (Wu et al., 2021, equation 4) is the cross-entropies of both passes plus alpha
    times the mean of the two Kullback-Leibler divergences. See `cross_entropy` for
    shapes and units.
    """
    log_p, log_q = (torch.log_softmax((h @ weight.T).float(), dim=-1) for h in (first, second))
    divergences = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=1) / 2
    divergence = divergences.masked_fill(target == PAD, 0.0).sum()
    loss_p, nll_p = cross_entropy(first, weight, target, label_smoothing)
    loss_q, nll_q = cross_entropy(second, weight, target, label_smoothing)
    return (loss_p + loss_q + alpha * divergence) / 2, (nll_p + nll_q) / 2


class TrainingObjective(nn.Module):
    """A model and its loss."""

    def __init__(
        self,
        model: EncoderDecoder,
        label_smoothing: float = 0.0,
        cross_entropy: Callable[..., tuple[Tensor, Tensor]] = linear_cross_entropy,
        r_drop: Callable[..., tuple[Tensor, Tensor]] = linear_r_drop,
    ) -> None:
        super().__init__()
        self.model = model
        self.label_smoothing = label_smoothing
        self.alpha = 0.0
        """Weight of R-Drop's divergence; 0: one pass through the model."""
        self.cross_entropy = cross_entropy
        self.r_drop = r_drop

    def forward(self, batch: Batch) -> LossSums:
        weight, references = self.model.output_weight, batch.references
        if self.alpha == 0.0 or not self.training:
            hidden = _predicting(self._hidden(batch.source, batch.target), batch)
            return LossSums(*self.cross_entropy(hidden, weight, references, self.label_smoothing))
        # One batch of twice the size makes two passes with different dropout.
        both = self._hidden(_twice(batch.source), _twice(batch.target))
        first, second = (_predicting(half, batch) for half in both.chunk(2))
        return LossSums(
            *self.r_drop(first, second, weight, references, self.label_smoothing, self.alpha)
        )

    def _hidden(self, source: Tokens, target: Tokens) -> Tensor:
        return self.model.decode(target, self.model.encode(source))


def _predicting(hidden: Tensor, batch: Batch) -> Tensor:
    """Return the states that predict the references, (predictions, d_model)."""
    return hidden.flatten(0, 1).index_select(0, batch.predictions)


def _twice(tokens: Tokens) -> Tokens:
    """Repeat all rows, except positions that all rows share."""
    count = len(tokens.ids)
    return tokens.apply(lambda x: torch.cat([x, x]) if len(x) == count else x)
