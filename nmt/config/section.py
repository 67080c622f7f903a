"""The base of all sections of the config, and types of values that several sections use."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Within the bounds, each part of nmt and its libraries can compute. Whether a model fits the memory
# depends on several keys and the machine: see nmt/training/memory.py.
Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
PositiveInt = Annotated[int, Field(ge=1, le=1_000_000_000)]
NonNegativeInt = Annotated[int, Field(ge=0, le=1_000_000_000)]
Layers = Annotated[int, Field(ge=1, le=256)]
Width = Annotated[int, Field(ge=1, le=1_000_000)]
Length = Annotated[int, Field(ge=1, le=100_000)]
PositiveFloat = Annotated[float, Field(gt=0.0, le=1_000_000.0)]
NonNegativeFloat = Annotated[float, Field(ge=0.0, le=1_000_000.0)]


class Section(BaseModel):
    """A part of the config. Unknown keys and wrong types are errors."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )
