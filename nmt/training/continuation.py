"""Whether a run may continue with this config and this data, and from which checkpoint.

The question is answered in the order of the training run: `settle` compares the configs,
`find_start` finds the checkpoint, and `Start.check_data` compares the data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from nmt import storage
from nmt.config.writing import dump_config
from nmt.devices import Precision, resolve_precision
from nmt.errors import ConfigError, DataError, StorageError
from nmt.runs import tokenizer_digest
from nmt.training.checkpoint import newest_valid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nmt.config import Config
    from nmt.data.corpus import Corpus, PreparedData
    from nmt.runs import Run
    from nmt.training.progress import Progress

CONFIG_VERSION = 2
"""Version of the meaning of config.yaml, written into every manifest; missing in version 1.

In version 1, training.rdrop was half the alpha of Wu et al. (2021) for the same loss.
"""

_MAY_GROW = {"training.max_steps", "training.max_epochs", "training.patience"}


@dataclass(frozen=True)
class Settled:
    """A config in which nothing is left to decide: no value is `auto` or null for `all cores`."""

    config: Config
    precision: Precision
    threads: int
    changes: Mapping[str, tuple[Any, Any]]
    """(old, new) value of each key that differs from the config of the run, by dotted key."""


def settle(run: Run, config: Config, device: torch.device) -> Settled:
    """Choose the number format and threads, and compare the config with that of the run.

    What was chosen for a run stays, because another number format or another number of threads
    changes the rounding. Raises ConfigError if the run was started with a different config.
    """
    old = run.config if run.config_file.exists() else None
    training, before = config.training, old.training if old else None
    precision, threads = training.precision, training.threads
    if precision == "auto" and before:
        precision = before.precision
    if threads is None and before:
        threads = before.threads
    chosen: Precision = resolve_precision(precision, device)
    threads = threads or torch.get_num_threads()
    training = training.model_copy(update={"precision": chosen, "threads": threads})
    config = config.model_copy(update={"training": training})
    changes = _differences(old.model_dump(), config.model_dump()) if old else {}
    if _has_trained(run):
        _check_changes(run, changes, cosine=training.schedule == "cosine")
    return Settled(config, chosen, threads, changes)


def is_complete(run: Run, settled: Settled) -> bool:
    """Return whether the run has its final model and the scores of the test set already."""
    if not run.finished or settled.changes:
        return False
    return settled.config.data.test is None or _has_test_record(run)


def write_config(run: Run, settled: Settled) -> None:
    """Write config.yaml, and delete the parts of the run that belong to another config."""
    if settled.changes:
        if _has_trained(run):
            # The final model of the shorter training run is not the requested one.
            storage.remove(run.model_folder)
        else:
            storage.remove(run.tokenizer_folder)
    elif run.config_file.exists():
        return
    storage.replace_file(run.config_file, dump_config(settled.config).encode())


@dataclass(frozen=True)
class Start:
    """Where a training run starts: at a checkpoint, or at the beginning."""

    run: Run
    checkpoint: Path | None
    manifest: Mapping[str, Any]
    """Manifest of the checkpoint; empty at the beginning."""
    fingerprints: Mapping[str, Mapping[str, Any]] | None
    """Checksums of the data and the vocabulary so far; None if the run has none yet."""

    def check_data(self, current: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise DataError if the data or the tokenizer changed since the run was started."""
        recorded = current if self.fingerprints is None else self.fingerprints
        for name in sorted(recorded.keys() | current.keys()):
            before, now = recorded.get(name, {}), current.get(name, {})
            if before == now:
                continue
            what = "the tokenizer" if name == "tokenizer" else f"the {name} data"
            pairs = ""
            if before.get("pairs") != now.get("pairs"):
                pairs = f" (pairs: {before.get('pairs', 0)} -> {now.get('pairs', 0)})"
            raise DataError(
                f"{what} changed since {self.run.path} was started{pairs}",
                "restore the old data, start over with --restart, or choose another --run-dir",
            )

    def report(self, facts: Mapping[str, Any], progress: Progress) -> None:
        """Report from which step the run resumes, and warn if another machine started it."""
        if self.checkpoint is None:
            return
        for key in ("torch", "nmt", "device"):
            if self.manifest.get(key) != facts[key]:
                progress.warn(
                    f"the run was started with {key} {self.manifest.get(key)}, "
                    f"this is {facts[key]}: results may differ by rounding"
                )
        progress.say(
            f"resuming from step {self.manifest.get('step')} "
            f"(checkpoint {self.checkpoint.name}, checksums verified)"
        )


def find_start(run: Run, settled: Settled, warn: Callable[[str], None]) -> Start:
    """Return the newest intact checkpoint, or the beginning if there is none.

    Raises StorageError if the tokenizer is damaged or a file does not say what data the run has,
    ConfigError if the checkpoint was made by a version of nmt that gave the config another meaning.
    """
    found = newest_valid(run, warn)
    checkpoint, manifest = found or (None, {})
    where = run.fingerprints_file if checkpoint is None else checkpoint / storage.MANIFEST
    # The fingerprints in a manifest have a checksum, those in their own file have none.
    fingerprints = _read_fingerprints(run) if found is None else manifest.get("fingerprints")
    if fingerprints is None and found is None:
        return Start(run, None, {}, None)
    if not (
        isinstance(fingerprints, dict)
        and all(isinstance(value, dict) for value in fingerprints.values())
        and "sha256" in fingerprints.get("tokenizer", {})
    ):
        raise StorageError(
            f"{where} does not say what data the run uses", "start over with --restart"
        )
    rdrop = settled.config.training.rdrop
    if found and rdrop and manifest.get("config_version") != CONFIG_VERSION:
        raise ConfigError(
            f"cannot resume {run.path}: it was started by an earlier version of nmt, in which "
            f"training.rdrop: {rdrop:g} meant what {2 * rdrop:g} means now",
            f"start over with --restart and training.rdrop: {2 * rdrop:g}, or resume it with the "
            "earlier version (both versions translate with it)",
        )
    tokenizer = fingerprints["tokenizer"]["sha256"]
    if run.tokenizer_folder.exists() and tokenizer != tokenizer_digest(run.tokenizer_folder):
        raise StorageError(
            f"{run.tokenizer_folder} is damaged: it is not the tokenizer that the run started with",
            "restore the folder, or start over with --restart",
        )
    return Start(run, checkpoint, manifest, fingerprints)


def facts_of(
    run: Run, settled: Settled, data: PreparedData, device: torch.device
) -> dict[str, Any]:
    """Return what the manifest of a checkpoint says in addition to the checksums."""
    digest = tokenizer_digest(run.tokenizer_folder)
    splits = {"train": data.train, "valid": data.valid, "test": data.test}
    corpora = {name: _fingerprint(corpus) for name, corpus in splits.items() if corpus is not None}
    return {
        "nmt": version("nmt"),
        "config_version": CONFIG_VERSION,
        "torch": torch.__version__,
        "device": device.type,
        "precision": settled.precision,
        "threads": settled.threads,
        "tokenizer": digest,
        "fingerprints": {**corpora, "tokenizer": {"sha256": digest}},
    }


def _fingerprint(corpus: Corpus) -> dict[str, Any]:
    return {"sha256": corpus.fingerprint, "pairs": len(corpus)}


def _has_trained(run: Run) -> bool:
    """Return whether the run got as far as training, after which most of its config is fixed.

    Before that, it may have failed because of a wrong path, which the user must be able to fix.
    """
    return run.fingerprints_file.exists() or run.finished or bool(run.checkpoints())


def _check_changes(run: Run, changes: Mapping[str, tuple[Any, Any]], cosine: bool) -> None:
    """Raise ConfigError unless the changes only make the training run longer."""
    forbidden = {
        key: (before, now)
        for key, (before, now) in changes.items()
        if key not in _MAY_GROW
        or (key == "training.max_steps" and cosine)
        or (before is not None and now is not None and now < before)
    }
    if forbidden:
        shown = "\n".join(f"  {k}: {b!r} -> {n!r}" for k, (b, n) in sorted(forbidden.items()))
        raise ConfigError(
            f"{run.path} was started with a different config:\n{shown}",
            "restore the old values, start over with --restart, or choose another --run-dir "
            "(max_steps, max_epochs and patience may be raised, except under schedule: cosine)",
        )


def _differences(old: Any, new: Any, key: str = "") -> dict[str, tuple[Any, Any]]:
    """Return the values that differ, as (old, new) by dotted key."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = {}
        for name in old.keys() | new.keys():
            inner = f"{key}.{name}" if key else name
            found.update(_differences(old.get(name), new.get(name), inner))
        return found
    return {} if old == new else {key: (old, new)}


def _read_fingerprints(run: Run) -> object:
    """Return the content of fingerprints.json, or None if the run has not got that far."""
    try:
        return json.loads(run.fingerprints_file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{run.fingerprints_file} is damaged", "delete it") from error


def _has_test_record(run: Run) -> bool:
    try:
        lines = run.metrics_file.read_text(encoding="utf-8").split("\n")
        return any(json.loads(line) for line in lines if '"test"' in line)
    except (OSError, ValueError):
        return False
