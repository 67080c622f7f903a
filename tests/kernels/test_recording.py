"""The recorder of CUDA graphs, with a substitute for torch.cuda."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor

from nmt.kernels.recording import CudaRecorder


def test_failed_recording_ends_and_raises_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error, torch's capture_end usually raises another error."""
    cuda = MagicMock()
    cuda.stream.return_value.__exit__.return_value = False
    capture_end = cuda.CUDAGraph.return_value.capture_end
    capture_end.side_effect = RuntimeError("previous error during capture")
    monkeypatch.setattr(torch, "cuda", cuda)

    def compute() -> Tensor:
        raise RuntimeError("operation not permitted")

    with pytest.raises(RuntimeError, match="operation not permitted"):
        CudaRecorder()(compute)
    capture_end.assert_called_once()
