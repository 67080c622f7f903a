"""Whether a run can continue with a config and data, and from which checkpoint.

The run is unchanged until `settle`, `find_start` and `Start.check_data` have passed.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from pydantic import ValidationError

from nmt import __version__, machine, storage
from nmt.config import Config, ModelConfig
from nmt.config.loading import with_current_keys
from nmt.config.writing import dump_config, write_config_file
from nmt.data.mixing import mixture_of
from nmt.devices import Precision, resolve_precision
from nmt.errors import ConfigError, DataError, StorageError
from nmt.runs import step_of, tokenizer_digest
from nmt.training.checkpoint import newest_valid
from nmt.training.initialization import KEPT
from nmt.version import CONFIG_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nmt.data.preparation import PreparedData
    from nmt.runs import Run
    from nmt.tokenizer import Tokenizer
    from nmt.training.initialization import StartingModel
    from nmt.training.progress import Progress

_MAY_CHANGE = (
    *("data.train", "data.valid", "data.test", "data.source_language", "data.target_language"),
    *("decoding", "evaluation"),
    *("training.threads", "training.device", "training.valid_every", "training.log_every"),
    *("training.keep_checkpoints", "training.patience", "training.max_steps"),
    "training.max_epochs",
)
"""Keys and sections that may change while a run is trained, within further checks below."""

_CHOICES = {
    "training": ("precision", "threads", "packing"),
    "tokenizer": ("vocab_size", "source_normalization", "target_normalization"),
}
"""Keys that nmt chooses if the config does not. A run that has trained keeps these choices."""

_CHOICES_OF_START = {**_CHOICES, "model": tuple(ModelConfig.model_fields), "tokenizer": KEPT}
"""Keys that nmt chooses in a run with training.init_from."""

_CHECKED = {
    "tokenizer": "the tokenizer",
    "mixture": "how data.train is mixed",
    "start": "the model in training.init_from",
}
"""Checksums of a run other than data checksums."""

Changes = Mapping[str, tuple[Any, Any]]
"""(old, new) value of each key that differs from the config of the run, by dotted key."""


class Settled(NamedTuple):
    """A config without open choices."""

    config: Config
    precision: Precision
    """The value of training.precision."""
    changes: Changes


def settle(
    run: Run, config: Config, device: torch.device, initial: StartingModel | None = None
) -> Settled:
    """Make the choices that the config leaves open, and compare it with that of the run.

    Raises ConfigError for a difference that is not allowed, also from the starting model.
    """
    old, trained = _config_of(run), _has_trained(run)
    if old and trained:
        config = _with_choices_of(old, config)
    elif initial:
        config = initial.complete(config)
    training = config.training
    precision = resolve_precision(training.precision, device)
    packing = training.packing
    if packing == "auto":
        pays = device.type == "cuda" and config.model.architecture == "transformer"
        packing = "on" if pays else "off"
    threads = training.threads or torch.get_num_threads()
    chosen = {"precision": precision, "threads": threads, "packing": packing}
    config = config.model_copy(update={"training": training.model_copy(update=chosen)})
    changes = differences(old, config) if old else {}
    if trained:
        _check_changes(run, changes, config)
    return Settled(config, precision, changes)


def with_vocabulary_size(config: Config, tokenizer: Tokenizer) -> Config:
    """Return the config with the size to which a default vocabulary was reduced."""
    if "vocab_size" in config.tokenizer.model_fields_set:
        return config
    size = {"vocab_size": len(tokenizer.source)}
    return config.model_copy(update={"tokenizer": config.tokenizer.model_copy(update=size)})


def is_complete(run: Run, config: Config) -> bool:
    """Return whether the run has the final model of this config and its test scores."""
    if not run.finished:
        return False
    try:
        made_by = _config_in(run.model_folder) or run.config
    except StorageError:  # Training can write the model again from the checkpoints.
        return False
    return made_by == config and (config.data.test is None or bool(run.records("test")))


def open_new_run(run: Run, settled: Settled) -> None:
    """Write config.yaml before training; delete the tokenizer of another config."""
    if settled.changes:
        storage.remove(run.tokenizer_folder)
    write_config(run, settled.config)


def write_config(run: Run, config: Config) -> None:
    """Write config.yaml if it would change."""
    if not run.config_file.exists() or run.config != config:
        write_config_file(run.config_file, dump_config(config))
        run.config = config


@dataclass(frozen=True)
class Start:
    """The start of a training run: a checkpoint, or the beginning."""

    run: Run
    changes: Changes
    checkpoint: Path | None
    manifest: Mapping[str, Any]
    """Manifest of the checkpoint; empty at the beginning."""
    fingerprints: Mapping[str, Mapping[str, Any]] | None
    """Checksums of the data and the tokenizer; None if the run has not trained."""

    def check_data(self, current: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise DataError if the tokenizer or data changed, except a test set with a new key."""
        recorded = current if self.fingerprints is None else self.fingerprints
        test_may_change = any(_is_within(key, "data.test") for key in self.changes)
        for name in sorted(recorded.keys() | current.keys()):
            before, now = recorded.get(name, {}), current.get(name, {})
            if before == now or (name == "test" and test_may_change):
                continue
            what = _CHECKED.get(name, f"the {name} data")
            pairs = ""
            if before.get("pairs") != now.get("pairs"):
                pairs = f" (pairs: {before.get('pairs', 0)} -> {now.get('pairs', 0)})"
            raise DataError(
                f"{what} changed since {self.run.path} was started{pairs}",
                "restore the old one, start over with --restart, or choose another --run-dir",
            )

    def report(self, facts: Mapping[str, Any], progress: Progress) -> None:
        """Report changes of config, device and versions, and the step to resume from."""
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

    Raises StorageError if a needed file is missing or damaged, and ConfigError if the config had
    another meaning when the checkpoint was written.
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
    # Fingerprints in a manifest are protected by a checksum; fingerprints.json has no checksum.
    if checkpoint is None:
        where, fingerprints = run.fingerprints_file, _read_fingerprints(run)
        if fingerprints is None:
            return Start(run, settled.changes, None, {}, None)
    else:
        newest = _newest_record(run) or checkpoint
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
    if checkpoint and rdrop and manifest.get("config_version", 1) < 2:
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
    run: Run,
    config: Config,
    data: PreparedData,
    device: torch.device,
    start: Start,
    initial: StartingModel | None,
) -> dict[str, Any]:
    """Return what a checkpoint's manifest records besides checksums."""
    digest = tokenizer_digest(run.tokenizer_folder)
    splits = {"train": data.train, "valid": data.valid, "test": data.test}
    checked: dict[str, dict[str, Any]] = {
        name: {"sha256": corpus.fingerprint, "pairs": len(corpus)}
        for name, corpus in splits.items()
        if corpus is not None
    }
    if mixture := mixture_of(config.data, data.train.parts):
        checked["mixture"] = {key: list(value) for key, value in vars(mixture).items()}
    checked["tokenizer"] = {"sha256": digest}
    if initial and start.checkpoint is None:
        checked["start"] = {"sha256": initial.sha256}
    elif start.fingerprints and "start" in start.fingerprints:
        checked["start"] = dict(start.fingerprints["start"])
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "nmt": __version__,
        "config": config.model_dump(),
        "config_version": CONFIG_VERSION,
        "torch": torch.__version__,
        "sentencepiece": machine.installed("sentencepiece"),
        "python": platform.python_version(),
        "machine": machine.described(gpu),
        "device": device.type,
        "precision": config.training.precision,
        "threads": config.training.threads,
        "tokenizer": digest,
        "fingerprints": checked,
    }


def _has_trained(run: Run) -> bool:
    trained = run.fingerprints_file.exists() or run.model_folder.exists()
    return trained or bool(run.checkpoints())


def _newest_record(run: Run) -> Path | None:
    """Return the newest model or checkpoint folder whose manifest has a config, or None."""
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


def _config_of(run: Run) -> Config | None:
    in_folder = run.config if run.config_file.exists() else None
    # config.yaml may have been edited, so a config recorded by training comes first.
    newest = _newest_record(run)
    return (newest and _config_in(newest)) or in_folder


def _with_choices_of(old: Config, config: Config) -> Config:
    choices = _CHOICES_OF_START if config.training.init_from else _CHOICES
    for section, keys in choices.items():
        new = getattr(config, section)
        is_set = {k for k in new.model_fields_set if getattr(new, k) not in (None, "auto")}
        kept = getattr(old, section).model_dump(include={*keys} - is_set)
        config = config.model_copy(update={section: new.model_copy(update=kept)})
    return config


def _config_in(folder: Path) -> Config | None:
    values = storage.read_manifest(folder).get("config")
    try:
        if values is None:
            return None
        return Config.model_validate(with_current_keys(values))
    except ValidationError as error:
        raise StorageError(
            f"{folder / storage.MANIFEST} does not record a config of this version of nmt",
            "start over with --restart",
        ) from error


def _check_changes(run: Run, changes: Changes, config: Config) -> None:
    step = next(map(step_of, run.checkpoints()), 0)

    def allowed(key: str, before: Any, now: Any) -> bool:
        if key == "training.max_steps":
            return config.training.schedule != "cosine" and (now is None or now >= step)
        if key == "training.max_epochs":
            return before is None or now is None or now >= before
        return any(_is_within(key, section) for section in _MAY_CHANGE)

    forbidden = {key: values for key, values in changes.items() if not allowed(key, *values)}
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


def _listed(changes: Changes) -> str:
    return "\n".join(f"  {key}: {old!r} -> {new!r}" for key, (old, new) in sorted(changes.items()))


def differences(old: Config, new: Config) -> dict[str, tuple[Any, Any]]:
    """Return the (old, new) value of each key that differs, by dotted key."""
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
    try:
        return json.loads(run.fingerprints_file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{run.fingerprints_file} is damaged", "delete the file") from error
