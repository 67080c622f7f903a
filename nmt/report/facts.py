"""The records of a run folder: state, config, history, data and environment."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt import storage
from nmt.data.cache import check_cache
from nmt.data.report import DataReport
from nmt.errors import StorageError
from nmt.manage.details import made_with, parameters_by_part
from nmt.manage.overview import overview
from nmt.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nmt.config import Config
    from nmt.manage.overview import Overview
    from nmt.runs import Run

Record = dict[str, Any]


class Fingerprint(NamedTuple):
    sha256: str
    pairs: int | None
    """Number of sentence pairs of a split."""


@dataclass(frozen=True)
class RunFacts:
    """The records of a run. A part that is missing or damaged is empty or None."""

    run: Run
    name: str
    about: Overview
    config: Config
    train: list[Record]
    """Records of metrics.jsonl: one per step, in order of steps."""
    valid: list[Record]
    test: list[Record]
    parameters: dict[str, int]
    """Number of weights by part, and their total."""
    environment: dict[str, str]
    data: DataReport | None
    fingerprints: dict[str, Fingerprint]
    """Checksums of the data and the tokenizer, by name."""
    weights: dict[str, str]
    """SHA-256 of each file of the final model."""

    @classmethod
    def of(cls, run: Run, name: str) -> RunFacts:
        """Read a run, which the report calls `name`; see `facts_of`."""
        config = run.config
        train, valid, test = (_by_step(run.records(event)) for event in ("train", "valid", "test"))
        fingerprints = _fingerprints(run)
        return cls(
            run=run,
            name=name,
            about=overview(run),
            config=config,
            train=train,
            valid=valid,
            test=test,
            parameters=parameters_by_part(run)[0],
            environment=made_with(run, [*train, *valid]),
            data=_data_report(run, fingerprints),
            fingerprints=fingerprints,
            weights=_weights(run),
        )

    @property
    def step(self) -> int:
        """The last step that the run records."""
        steps = (int(record["step"]) for record in (*self.train[-1:], *self.valid[-1:]))
        return max([self.about.step, *steps])

    def model_text(self) -> str:
        """Return the model, such as `Transformer (2 + 2 layers, width 128, 1,021 parameters)`."""
        model = self.config.model
        name = "Transformer" if model.architecture == "transformer" else "RNN"
        size = self.parameters.get("total")
        facts = [
            f"{model.encoder_layers} + {model.decoder_layers} layers",
            f"width {model.d_model}",
        ]
        return f"{name} ({', '.join([*facts, *([f'{size:,} parameters'] if size else [])])})"

    def data_text(self) -> str:
        """Return the number of training pairs and their languages or sources."""
        parts = self.config.data.parts("train")
        named = list(dict.fromkeys(part.languages or Path(part.label).name for part in parts))
        shown = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
        train = self.fingerprints.get("train")
        pairs = counted(train.pairs, "sentence pair") if train and train.pairs else "sentence pairs"
        return f"{pairs} ({shown})"

    def state_text(self) -> str:
        """Return a sentence about the end of training."""
        about, step = self.about, f"{self.step:,}"
        total = self.config.training.max_steps
        of_total = f" of {total:,}" if total and total != self.step else ""
        seconds = self.environment.get("training time")
        after = f" after {seconds} of training" if seconds else ""
        match about.state:
            case "done":
                return f"Training finished at step {step}{after}."
            case "running":
                return f"Training is running; this report was written at step {step}{of_total}."
            case "interrupted":
                return f"Training stopped at step {step}{of_total}{after} and is not finished."
            case state:
                return f"The run is {state} at step {step}{of_total}: {about.detail}."


def facts_of(runs: Sequence[Run]) -> list[RunFacts]:
    """Read one or two runs. They are called by their folders, or by their paths to tell them apart.

    Raises StorageError if a config.yaml is missing or damaged.
    """
    names = [Path(os.path.realpath(run.path)).name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.path) for run in runs]
    return [RunFacts.of(run, name) for run, name in zip(runs, names, strict=True)]


def _by_step(records: list[Record]) -> list[Record]:
    """Return the last record of each step, in order of steps."""
    return [record for _, record in sorted({r["step"]: r for r in records}.items())]


def _data_report(run: Run, fingerprints: dict[str, Fingerprint]) -> DataReport | None:
    """Return the report on the data that the run was trained on, if its folder still has it."""
    try:
        cache = check_cache(run.data_folder, ())
        used = fingerprints.get("train")
        if used and cache["fingerprints"]["train"] != used.sha256:
            return None
        return DataReport.from_dict(cache["report"])
    except (StorageError, KeyError, TypeError, AttributeError):
        return None


def _fingerprints(run: Run) -> dict[str, Fingerprint]:
    try:
        found = json.loads(storage.read_file(run.fingerprints_file))
    except (StorageError, ValueError, RecursionError):
        return {}
    fingerprints = {}
    for name, value in found.items() if isinstance(found, dict) else ():
        match value:
            case {"sha256": str(sha256), "pairs": int(pairs)}:
                fingerprints[name] = Fingerprint(sha256, pairs)
            case {"sha256": str(sha256)}:
                fingerprints[name] = Fingerprint(sha256, None)
    return fingerprints


def _weights(run: Run) -> dict[str, str]:
    try:
        files = storage.read_manifest(run.model_folder)["files"]
    except StorageError:
        return {}
    return {name: str(file["sha256"]) for name, file in files.items()}
