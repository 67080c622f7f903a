"""The parameters of a run's model, and the machine and versions that trained it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nmt import storage
from nmt.errors import StorageError
from nmt.runs import number_in
from nmt.text import duration, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nmt.runs import Run


def made_with(run: Run, records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the machine, the versions and the time of training, as far as the run records them."""
    facts: dict[str, Any] = {}
    for folder in (run.model_folder, *run.checkpoints()):
        try:
            facts = storage.read_manifest(folder)
            break
        except StorageError:
            continue
    keys = ("machine", "device", "precision", "threads", "nmt", "torch", "sentencepiece", "python")
    known = {key: shorten(str(facts[key])) for key in keys if facts.get(key) is not None}
    seconds = [s for record in records if math.isfinite(s := number_in(record, "seconds"))]
    return known | ({"training time": duration(max(seconds))} if seconds else {})


def parameters_by_part(run: Run) -> tuple[dict[str, int], str | None]:
    """Return the number of weights by part of the model, and the error if there is one."""
    if not (run.finished or run.checkpoints()):
        return {}, None
    try:
        shapes = storage.tensor_shapes(run.weights())
    except StorageError as error:
        return {}, error.message
    parts = dict.fromkeys(("embedding", "encoder", "decoder"), 0)
    for name, shape in shapes.items():
        part = name.split(".")[0]
        # A tied output projection is the embedding and has no separate tensor.
        if part.endswith(("embedding", "positions")):
            part = "embedding"
        elif part.startswith(("encoder", "decoder")):
            part = part[:7]
        elif part.startswith("output"):
            part = "output"
        parts[part] = parts.get(part, 0) + math.prod(shape)
    return parts | {"total": sum(parts.values())}, None
