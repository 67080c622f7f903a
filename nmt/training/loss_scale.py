"""Dynamic loss scaling: small gradients do not become zero in fp16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from nmt.devices import Precision
    from nmt.training.state import TrainState

_LOWEST = 1.0


class LossScale:
    """The factor of the loss in fp16 (Micikevicius et al., 2018, section 3.2); 1 otherwise.

    It is halved when gradients overflow, and doubled after 2,000 steps without overflow.
    """

    def __init__(self, device: torch.device, precision: Precision, state: TrainState) -> None:
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        if self._scaler.is_enabled():
            kept = {"scale": state.loss_scale, "_growth_tracker": state.steps_at_scale}
            self._scaler.load_state_dict({**self._scaler.state_dict(), **kept})

    @property
    def value(self) -> float:
        return self._scaler.get_scale()

    def scaled(self, loss: Tensor) -> Tensor:
        return self._scaler.scale(loss)

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients by the factor."""
        self._scaler.unscale_(optimizer)

    def update(self, finite: bool) -> bool:
        """Adapt the factor after a step; return whether an overflow lowered it, to at least 1.

        finite: whether the norm of the unscaled gradients is finite.
        """
        before = self.value
        self._scaler.update(None if finite or before > _LOWEST else _LOWEST)
        return self.value < before

    def store(self, state: TrainState) -> None:
        if self._scaler.is_enabled():
            values = self._scaler.state_dict()
            state.loss_scale = values["scale"]
            state.steps_at_scale = values["_growth_tracker"]
