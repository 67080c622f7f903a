"""Check whether a run can continue with a config and data, and from which checkpoint.

The checks follow the order of the training run: `settle` compares the configs, `find_start` finds
the checkpoint, and `Start.check_data` compares the data. The config, the tokenizer and the model of
a run are unchanged until all three checks have passed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError

from nmt import __version__, storage
from nmt.config import Config
from nmt.config.writing import dump_config
from nmt.devices import Precision, resolve_precision
from nmt.errors import ConfigError, DataError, StorageError
from nmt.runs import tokenizer_digest
from nmt.training.checkpoint import newest_valid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nmt.data.corpus import Corpus
    from nmt.data.preparation import PreparedData
    from nmt.runs import Run
    from nmt.training.progress import Progress

CONFIG_VERSION = 2
"""Version of the meaning of config.yaml, in every manifest except those of version 1.

In version 1, training.rdrop was half the alpha of Wu et al. (2021) for the same loss.
"""

_MAY_CHANGE = (
    *("data.train", "data.valid", "data.test", "decoding"),
    *("training.threads", "training.device", "training.valid_every", "training.log_every"),
    *("training.keep_checkpoints", "training.patience", "training.max_steps"),
    "training.max_epochs",
)
"""Keys and sections that may change while a run is trained.

`Start.check_data` checks that data at another path is the same data. `_check_changes` checks that
the run is not already past the new end of training.
"""


@dataclass(frozen=True)
class Settled:
    """A config without open choices: number format and number of threads are chosen."""

    config: Config
    precision: Precision
    threads: int
    changes: Mapping[str, tuple[Any, Any]]
    """(old, new) value of each key that differs from the config of the run, by dotted key."""


def settle(run: Run, config: Config, device: torch.device) -> Settled:
    """Choose the number format and threads, and compare the config with that of the run.

    The choices of an existing run stay unless the config sets other values, because the number
    format and the number of threads affect rounding. Raises ConfigError if the run was started with
    a different config and the difference is not allowed.
    """
    in_folder = run.config if run.config_file.exists() else None
    old = _recorded_config(run) or in_folder
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
    changes = _differences(old, config) if old else {}
    if _has_trained(run):
        _check_changes(run, changes, config)
    return Settled(config, chosen, threads, changes)


def is_complete(run: Run, settled: Settled) -> bool:
    """Return whether the run already has the final model of this config and its test scores.

    While a run is continued, it has the final model of an earlier config.
    """
    if not run.finished:
        return False
    try:
        made_by = _config_in(run.model_folder) or run.config
    except StorageError:  # Training can write the model again from the checkpoints.
        return False
    if _differences(made_by, settled.config):
        return False
    return settled.config.data.test is None or _has_test_record(run)


def open_new_run(run: Run, settled: Settled) -> None:
    """Write config.yaml of a run that has not trained, and delete the tokenizer of another config.

    Such a run may have failed because of a wrong path or vocabulary size.
    """
    if settled.changes:
        storage.remove(run.tokenizer_folder)
    write_config(run, settled)


def write_config(run: Run, settled: Settled) -> None:
    """Write config.yaml, unless it already has the values of this config."""
    if not run.config_file.exists() or _differences(run.config, settled.config):
        storage.replace_file(run.config_file, dump_config(settled.config).encode())


@dataclass(frozen=True)
class Start:
    """The start of a training run: a checkpoint, or the beginning."""

    run: Run
    changes: Mapping[str, tuple[Any, Any]]
    """(old, new) value of each key that differs from the config of the run, by dotted key."""
    checkpoint: Path | None
    manifest: Mapping[str, Any]
    """Manifest of the checkpoint; empty at the beginning."""
    fingerprints: Mapping[str, Mapping[str, Any]] | None
    """Checksums of the data and the vocabulary so far; None if the run has not trained yet."""

    def check_data(self, current: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise DataError if the data or the tokenizer changed since the run was started.

        Only the test set may change, together with its key in the config.
        """
        recorded = current if self.fingerprints is None else self.fingerprints
        for name in sorted(recorded.keys() | current.keys()):
            if name == "test" and any(_is_within(key, "data.test") for key in self.changes):
                continue
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
        """Report the changes of the config and the step from which the run resumes.

        Warns if the run was started with another device or another version of torch or nmt.
        """
        if self.changes and self.fingerprints is not None:
            step = self.manifest.get("step", 0)
            progress.say(f"changes in the config from step {step} on:\n{_listed(self.changes)}")
        if self.checkpoint is None:
            return
        for key in ("torch", "nmt", "device"):
            if self.manifest.get(key) != facts[key]:
                progress.warn(
                    f"the run was started with {key} {self.manifest.get(key)} and resumes with "
                    f"{facts[key]}: results may differ by rounding"
                )
        progress.say(
            f"resuming from step {self.manifest.get('step')} "
            f"(checkpoint {self.checkpoint.name}, checksums verified)"
        )


def find_start(run: Run, settled: Settled, warn: Callable[[str], None]) -> Start:
    """Return the newest intact checkpoint, or the beginning if there is none.

    Raises StorageError if the run has a model but no intact checkpoint, if the tokenizer is
    damaged, or if no file records the data of the run; ConfigError if the checkpoint was written by
    a version of nmt in which the config has another meaning.
    """
    found = newest_valid(run, warn)
    if found is None and run.model_folder.exists():
        raise StorageError(
            f"{run.path} has a model but no intact checkpoint from which training could continue; "
            "nothing was changed",
            "train from the start with --restart, which renames this run to NAME.old-N, or choose "
            "another --run-dir",
        )
    checkpoint, manifest = found or (None, {})
    where = run.fingerprints_file
    # Fingerprints in a manifest are protected by a checksum; fingerprints.json has no checksum.
    if found is None:
        fingerprints = _read_fingerprints(run)
        if fingerprints is None:
            return Start(run, settled.changes, None, {}, None)
    else:
        newest = _newest_record(run) or found[0]
        where = newest / storage.MANIFEST
        fingerprints = storage.read_manifest(newest).get("fingerprints")
    if not (
        isinstance(fingerprints, dict)
        and all(isinstance(value, dict) for value in fingerprints.values())
        and "sha256" in fingerprints.get("tokenizer", {})
    ):
        raise StorageError(
            f"{where} does not record the data of the run", "start over with --restart"
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
    return Start(run, settled.changes, checkpoint, manifest, fingerprints)


def facts_of(
    run: Run, settled: Settled, data: PreparedData, device: torch.device
) -> dict[str, Any]:
    """Return the content of a checkpoint's manifest, except for the checksums."""
    digest = tokenizer_digest(run.tokenizer_folder)
    splits = {"train": data.train, "valid": data.valid, "test": data.test}
    corpora = {name: _fingerprint(corpus) for name, corpus in splits.items() if corpus is not None}
    return {
        "nmt": __version__,
        "config": settled.config.model_dump(),
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
    """Return whether the run reached training, after which most of its config is fixed.

    Before training, a run may fail because of a wrong path, which the user must be able to fix.
    """
    trained = run.fingerprints_file.exists() or run.model_folder.exists()
    return trained or bool(run.checkpoints())


def _newest_record(run: Run) -> Path | None:
    """Return the newest folder whose manifest records the config of the run, or None.

    The folder is the final model or a checkpoint. Manifests of early versions of nmt do not record
    the config.
    """
    records = []
    for folder in (run.model_folder, *run.checkpoints()):
        try:
            manifest = storage.read_manifest(folder)
        except StorageError:
            continue
        if "config" in manifest and isinstance(manifest.get("step"), int):
            records.append((manifest["step"], folder))
    # If the model and a checkpoint have the same step, the model was written later.
    return max(records, key=lambda record: record[0], default=(0, None))[1]


def _recorded_config(run: Run) -> Config | None:
    """Return the config that the run was trained with so far, or None if no manifest records it.

    config.yaml may differ, because users may edit the file to continue with other values.
    """
    newest = _newest_record(run)
    return None if newest is None else _config_in(newest)


def _config_in(folder: Path) -> Config | None:
    """Return the config in a manifest, or None. Raises StorageError for an invalid config."""
    values = storage.read_manifest(folder).get("config")
    try:
        return None if values is None else Config.model_validate(values)
    except ValidationError as error:
        raise StorageError(
            f"{folder / storage.MANIFEST} does not record a config of this version of nmt",
            "start over with --restart",
        ) from error


def _check_changes(run: Run, changes: Mapping[str, tuple[Any, Any]], config: Config) -> None:
    """Raise ConfigError for changes with which the checkpoints would not fit the config."""
    cosine = config.training.schedule == "cosine"
    step = next((int(folder.name.split("-")[1]) for folder in run.checkpoints()), 0)
    forbidden = {}
    for key, (before, now) in changes.items():
        allowed = any(_is_within(key, section) for section in _MAY_CHANGE)
        if key == "training.max_steps":
            allowed = not cosine and (now is None or now >= step)
        elif key == "training.max_epochs":
            allowed = before is None or now is None or now >= before
        if not allowed:
            forbidden[key] = before, now
    if forbidden:
        raise ConfigError(
            f"{run.path} was started with a different config and has reached step {step}:\n"
            f"{_listed(forbidden)}",
            "restore the old values, start over with --restart, or choose another --run-dir "
            f"(only {', '.join(_MAY_CHANGE)} may change; max_steps only above the step reached and "
            "not under schedule: cosine)",
        )


def _is_within(key: str, section: str) -> bool:
    return f"{key}.".startswith(f"{section}.")


def _listed(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """Return one line per change: the dotted key, the old value and the new value."""
    return "\n".join(f"  {key}: {old!r} -> {new!r}" for key, (old, new) in sorted(changes.items()))


def _differences(old: Config, new: Config) -> dict[str, tuple[Any, Any]]:
    """Return the values that differ, as (old, new) by dotted key."""
    return _differing_values(old.model_dump(), new.model_dump())


def _differing_values(old: Any, new: Any, key: str = "") -> dict[str, tuple[Any, Any]]:
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        found = {}
        for name in old:
            found.update(_differing_values(old[name], new[name], f"{key}.{name}" if key else name))
        return found
    return {} if old == new else {key: (old, new)}


def _read_fingerprints(run: Run) -> object:
    """Return the content of fingerprints.json, or None if the file does not exist yet."""
    try:
        return json.loads(run.fingerprints_file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{run.fingerprints_file} is damaged", "delete the file") from error


def _has_test_record(run: Run) -> bool:
    try:
        lines = run.metrics_file.read_text(encoding="utf-8").split("\n")
        return any(json.loads(line) for line in lines if '"test"' in line)
    except (OSError, ValueError):
        return False
