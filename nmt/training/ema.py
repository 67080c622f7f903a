"""Exponential moving average of the weights."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


class MovingAverage:
    """Average of a model's weights: after each step, d * average + (1 - d) * weights.

    d = min(decay, (1 + step) / (10 + step)), because the first weights are random.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.tensors: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in model.named_parameters()
        }
        self._model = model
        self._decay = decay

    def update(self, step: int) -> None:
        """Include the weights after `step`, which counts from 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        weights = [parameter.detach() for parameter in self._model.parameters()]
        torch._foreach_lerp_(list(self.tensors.values()), weights, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Use the averages as weights in this context."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, parameter in self._model.named_parameters():
            parameter.data, self.tensors[name] = self.tensors[name], parameter.data
