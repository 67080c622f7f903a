"""All of `nmt train`: data, tokenizer, model, training, the final model, its test."""

from __future__ import annotations

import json
import os
import shutil
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from nmt import storage
from nmt.config import Config
from nmt.config_file import dump_config
from nmt.devices import (
    keep_compiled_kernels,
    keep_freed_memory,
    resolve_device,
    resolve_precision,
)
from nmt.errors import ConfigError, DataError, NmtError, Stopped, StorageError
from nmt.runs import Run, locked, read_fingerprints, runs_folder, tokenizer_digest
from nmt.training.averaging import average
from nmt.training.checkpoint import TrainState, newest_valid
from nmt.training.progress import Progress, duration
from nmt.training.stop import StopSignal, interruptible
from nmt.training.trainer import Setting, train
from nmt.training.validation import Validation

if TYPE_CHECKING:
    from torch import nn

    from nmt.data.corpus import Corpus, PreparedData
    from nmt.decoding.translator import Translator
    from nmt.model import Model


def run_training(config: Config, run_dir: Path, restart: bool = False) -> Run:
    """Train a run to its end, or go on where it stopped; returns the finished run.

    Raises ConfigError if the folder was begun with another config, DataError if the data or the
    vocabulary changed since, StorageError if it is in use, damaged or the disk refuses,
    DivergedError if the numbers explode, Stopped after a signal (the state saved).
    """
    run = Run(run_dir)
    _check_folder(run)
    if restart:
        _move_aside(run)
    with locked(run), StopSignal() as stop:
        progress = Progress(run)
        try:
            _train_run(run, config, progress, stop)
        except Stopped as stopped:
            progress.log(stopped.message)
            raise
        except NmtError as error:
            progress.log(f"error: {error.message}")
            raise
        finally:
            progress.close()
    return Run(run_dir)


def _train_run(run: Run, config: Config, progress: Progress, stop: StopSignal) -> None:
    for folder in (run.path, run.checkpoints_folder):
        storage.remove_leftovers(folder)
    keep_freed_memory()
    keep_compiled_kernels()
    device = resolve_device(config.training.device)
    config = _settle_config(run, config, device)
    _point_latest(run)
    if run.finished and (config.data.test is None or _test_record(run)):
        progress.say(f"{run.path} is finished already (--restart trains it anew)")
        progress.say(_closing_words(run))
        return
    training = config.training
    assert training.threads is not None
    assert training.precision != "auto"
    torch.set_num_threads(training.threads)

    from nmt.data.corpus import prepare_data

    found = newest_valid(run, progress.warn)
    begun_with = _begun_with(run, found)
    digest = tokenizer_digest(run.tokenizer_folder)
    if begun_with and run.tokenizer_folder.exists() and begun_with["tokenizer"]["sha256"] != digest:
        raise StorageError(
            f"{run.tokenizer_folder} is damaged: it is not the one the run was begun with",
            "bring it back, or --restart to begin anew",
        )
    try:
        data = prepare_data(config, run.data_folder, run.tokenizer_folder, progress.say, stop.check)
    except NmtError:
        stop.check()  # Ctrl-C also reaches the child process that trains the tokenizer
        raise
    facts = _facts(run, config, data, device)
    if begun_with is not None:
        _check_unchanged(run, begun_with, facts["fingerprints"])
    storage.replace_file(run.fingerprints_file, json.dumps(facts["fingerprints"]).encode())

    torch.manual_seed(training.seed)
    model = build(config, data, device)
    count = sum(p.numel() for p in model.parameters())
    progress.say(
        f"model: {count:,} parameters | {device.type}, {training.threads} threads, "
        f"{training.precision} | run folder {run.path}"
    )
    _check_room(run, count, progress)
    resume_from = None
    if found:
        resume_from, manifest = found
        _warn_of_other_machine(manifest, facts, progress)
        progress.say(
            f"going on from step {manifest.get('step')} (checkpoint {resume_from.name}, verified)"
        )

    validation = Validation(
        model,
        data.valid,
        _greedy_translator(interruptible(model, stop.check), config, data, device),
        training.batch_tokens,
        device,
        training.precision,
    )
    setting = Setting(
        run=run,
        config=training,
        corpus=data.train,
        sampling=config.tokenizer.sampling > 0,
        validate=validation,
        progress=progress,
        stop=stop,
        device=device,
        precision=training.precision,
        facts=facts,
    )
    if training.compile:
        model.encode = torch.compile(model.encode, dynamic=True)  # type: ignore[method-assign]
        model.decode = torch.compile(model.decode, dynamic=True)  # type: ignore[method-assign]
    state = train(model, setting, resume_from)
    write_final_model(run, state, config.training.average_checkpoints, facts, progress)
    if data.test is not None:
        _test(run, config, data, device, progress, stop)
    progress.say(_closing_words(run))


def build(config: Config, data: PreparedData, device: torch.device) -> Model:
    """A fresh model for the data's vocabularies, its random weights from torch's generator."""
    from nmt.model import build_model

    tokenizer = data.tokenizer
    source, target = len(tokenizer.source), len(tokenizer.target)
    model = build_model(config.model, source, target, tokenizer.shared)
    cast("nn.Module", model).to(device)
    return model


def write_final_model(
    run: Run, state: TrainState, count: int, facts: dict[str, Any], progress: Progress
) -> None:
    """Make model/ of the mean of the `count` best-scoring checkpoints (1: the best)."""
    good = []
    for step in state.best_steps(count):
        folder = run.checkpoints_folder / f"step-{step:08d}"
        try:
            storage.verify(folder)
            good.append(folder)
        except StorageError as error:
            progress.warn(f"checkpoint {folder.name} is left out: {error.message}")
    if not good:
        raise StorageError(f"no whole checkpoint is left in {run.checkpoints_folder}")
    good.sort()
    steps = [int(folder.name.split("-")[1]) for folder in good]
    facts = {**facts, "step": state.step, "averaged_steps": steps}
    storage.write_folder(run.model_folder, {"model.safetensors": average(good)}, facts)
    of = f"mean of the checkpoints at steps {', '.join(map(str, steps))}"
    progress.say(f"final model: {of if len(steps) > 1 else f'checkpoint at step {steps[0]}'}")


def _check_folder(run: Run) -> None:
    """Refuse a folder that holds something else: nothing foreign is ever moved or written over.

    Nor is anything outside: a link among its parts would be written through.
    """
    parts = [path for path in vars(run).values() if isinstance(path, Path) and path != run.path]
    ours = {path.name for path in parts}
    try:
        linked = next((path for path in parts if path.is_symlink()), None)
        there = [path for path in parts if path.exists()]
        strange = next((p for p in there if not (p.is_file() or p.is_dir())), None)
        found = run.path.iterdir() if run.path.exists() else ()
        names = {path.name for path in found if not path.name.startswith(storage.TEMPORARY)}
    except OSError as error:
        raise StorageError(f"cannot use {run.path} as a run folder: {error.strerror}") from error
    if linked is not None:
        raise StorageError(
            f"{linked} is a link; training writes inside the run folder only",
            "put there what it points to (the run folder as a whole may be a link)",
        )
    if strange is not None:
        raise StorageError(f"{strange} is neither a file nor a folder", "remove it")
    if names and not run.config_file.exists() and names - ours:
        foreign = sorted(names - ours)[0]
        raise StorageError(
            f"{run.path} is not a run folder: it holds {foreign}", "choose another --run-dir"
        )


def _move_aside(run: Run) -> None:
    """Rename the old run to NAME.old-1 (or -2, ...): a restart loses nothing."""
    if not run.config_file.exists():
        return
    with locked(run), storage.storage_errors(f"cannot rename {run.path}", run.path.parent):
        path = run.path.resolve()
        number = 1
        while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
            number += 1
        path.rename(aside)


def _settle_config(run: Run, config: Config, device: torch.device) -> Config:
    """Fill in what `auto` stands for, and hold the config against the one the run was begun with.

    What was chosen once stays: another precision or number of threads gives other last digits.
    """
    old = run.config if run.config_file.exists() else None
    training = config.training
    chosen = {
        "precision": training.precision,
        "threads": training.threads,
    }
    if training.precision == "auto":
        chosen["precision"] = (
            old.training.precision if old else resolve_precision(training.precision, device)
        )
    if training.threads is None:
        chosen["threads"] = old.training.threads if old else torch.get_num_threads()
    config = config.model_copy(update={"training": training.model_copy(update=chosen)})
    if old is None:
        storage.replace_file(run.config_file, dump_config(config).encode())
        return config
    changes = _differences(old.model_dump(), config.model_dump())
    if not changes:
        return config
    if not (run.fingerprints_file.exists() or run.checkpoints()):
        # It never came to training, perhaps because of a wrong path. A vocabulary that is there
        # already is one of the old config.
        storage.remove(run.tokenizer_folder)
        storage.replace_file(run.config_file, dump_config(config).encode())
        return config
    longer = {"training.max_steps", "training.max_epochs", "training.patience"}
    forbidden = {key: change for key, change in changes.items() if key not in longer}
    if "training.max_steps" in changes and config.training.schedule == "cosine":
        forbidden["training.max_steps"] = changes["training.max_steps"]
    for key in longer & changes.keys():
        before, now = changes[key]
        if before is not None and now is not None and now < before:
            forbidden[key] = changes[key]
    if forbidden:
        shown = "\n".join(f"  {k}: {b!r} -> {n!r}" for k, (b, n) in sorted(forbidden.items()))
        raise ConfigError(
            f"{run.path} was begun with another config:\n{shown}",
            "use the old values, --restart to begin anew, or another --run-dir "
            "(max_steps, max_epochs and patience may be raised, except under schedule: cosine)",
        )
    # The final model of the shorter training is not the one that is asked for now.
    storage.remove(run.model_folder)
    storage.replace_file(run.config_file, dump_config(config).encode())
    return config


def _differences(old: Any, new: Any, key: str = "") -> dict[str, tuple[Any, Any]]:
    """Values that differ, by dotted key."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = {}
        for name in old.keys() | new.keys():
            inner = f"{key}.{name}" if key else name
            found.update(_differences(old.get(name), new.get(name), inner))
        return found
    return {} if old == new else {key: (old, new)}


def _point_latest(run: Run) -> None:
    """Let runs/latest point here: a convenience, so a failure is none."""
    link = runs_folder() / "latest"
    try:
        if run.path.resolve().parent != link.parent.resolve():
            return
        if link.is_symlink():
            link.unlink()
        link.symlink_to(run.path.name)
    except OSError:
        pass


def _begun_with(
    run: Run, found: tuple[Path, dict[str, Any]] | None
) -> dict[str, dict[str, Any]] | None:
    """Fingerprints of the data and vocabulary of the run; None if it has not got that far.

    Those in the manifest of a checkpoint, which has a checksum, or else those in their own file.
    """
    where = found[0] / storage.MANIFEST if found else run.fingerprints_file
    fingerprints = found[1].get("fingerprints") if found else read_fingerprints(run)
    if fingerprints is None and not found:
        return None
    if not (
        isinstance(fingerprints, dict)
        and all(isinstance(value, dict) for value in fingerprints.values())
        and "sha256" in fingerprints.get("tokenizer", {})
    ):
        raise StorageError(f"{where} does not say of what data the run is", "--restart begins anew")
    return fingerprints


def _facts(run: Run, config: Config, data: PreparedData, device: torch.device) -> dict[str, Any]:
    """What a checkpoint's manifest says beside checksums."""
    digest = tokenizer_digest(run.tokenizer_folder)
    splits = {"train": data.train, "valid": data.valid, "test": data.test}
    corpora = {name: _fingerprint(corpus) for name, corpus in splits.items() if corpus is not None}
    return {
        "nmt": version("nmt"),
        "torch": torch.__version__,
        "device": device.type,
        "precision": config.training.precision,
        "threads": config.training.threads,
        "tokenizer": digest,
        "fingerprints": {**corpora, "tokenizer": {"sha256": digest}},
    }


def _fingerprint(corpus: Corpus) -> dict[str, Any]:
    return {"sha256": corpus.fingerprint, "pairs": len(corpus)}


def _check_unchanged(run: Run, recorded: dict[str, Any], current: dict[str, Any]) -> None:
    for name in sorted(recorded.keys() | current.keys()):
        before, now = recorded.get(name, {}), current.get(name, {})
        if before == now:
            continue
        what = "the tokenizer" if name == "tokenizer" else f"the {name} data"
        pairs = ""
        if before.get("pairs") != now.get("pairs"):
            pairs = f" (pairs: {before.get('pairs', 0)} -> {now.get('pairs', 0)})"
        raise DataError(
            f"{what} changed since {run.path} was begun{pairs}",
            "bring the old data back, --restart to begin anew, or use another --run-dir",
        )


def _check_room(run: Run, parameters: int, progress: Progress) -> None:
    """Say before the first step, not hours later, that the disk is too small."""
    needed = 2.2 * parameters * 4 * 4  # weights, two moments, perhaps EMA; while one is replaced
    free = shutil.disk_usage(run.path).free
    if free < needed:
        progress.warn(
            f"{run.path} may run out of room: checkpoints need some {needed / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free"
        )


def _warn_of_other_machine(
    manifest: dict[str, Any], facts: dict[str, Any], progress: Progress
) -> None:
    for key in ("torch", "nmt", "device"):
        if manifest.get(key) != facts[key]:
            progress.warn(
                f"the run was begun with {key} {manifest.get(key)}, this is {facts[key]}: "
                "results may differ in the last digits"
            )


def _greedy_translator(
    model: Model, config: Config, data: PreparedData, device: torch.device
) -> Translator:
    """Greedy search with the model as it is, for validation."""
    from nmt.decoding.translator import Translator

    longest_source, longest_target = config.data.max_tokens, config.decoding.max_length
    if config.model.positions == "learned":
        longest_source = min(longest_source, config.model.max_positions - 1)
        longest_target = min(longest_target, config.model.max_positions - 1)
    greedy = config.decoding.model_copy(update={"beam_size": 1, "max_length": longest_target})
    precision = config.training.precision
    assert precision != "auto"
    return Translator(model, data.tokenizer, greedy, device, precision, longest_source)


def _test(
    run: Run,
    config: Config,
    data: PreparedData,
    device: torch.device,
    progress: Progress,
    stop: StopSignal,
) -> None:
    """Translate and score the test set once, with the final model."""
    from nmt.decoding.translator import Translator
    from nmt.evaluation.metrics import corpus_scores

    assert data.test is not None
    begun = time.monotonic()
    translator = Translator.load(run, "cuda" if device.type == "cuda" else "cpu")
    translator.model = interruptible(translator.model, stop.check)
    texts = data.test.texts(range(len(data.test)))
    translations: list[str] = []
    for begin in range(0, len(texts), 500):
        translations += translator.translate([source for source, _ in texts[begin : begin + 500]])
    scores = corpus_scores(translations, [[reference for _, reference in texts]])
    seconds = time.monotonic() - begun
    progress.record(
        {
            "event": "test",
            "step": storage.read_manifest(run.model_folder)["step"],
            "bleu": scores.bleu.value,
            "bleu_lowercase": scores.bleu_lowercase.value,
            "chrf": scores.chrf.value,
            "ter": scores.ter.value,
            "signature": scores.bleu.signature,
            "seconds": round(seconds, 2),
        }
    )
    progress.say(
        f"test | {len(texts)} sentences | beam {config.decoding.beam_size} | "
        f"BLEU {scores.bleu.value:.2f} (lower-case {scores.bleu_lowercase.value:.2f}) | "
        f"chrF++ {scores.chrf.value:.2f} | TER {scores.ter.value:.2f} | {duration(seconds)}"
    )


def _test_record(run: Run) -> dict[str, Any] | None:
    try:
        lines = run.metrics_file.read_text(encoding="utf-8").split("\n")
        records = [json.loads(line) for line in lines if '"test"' in line]
    except (OSError, ValueError):
        return None
    return records[-1] if records else None


def _closing_words(run: Run) -> str:
    path = os.path.relpath(run.path)
    shown = str(run.path) if path.startswith("..") else path
    return (
        f'next: nmt translate --model {shown} "..."\n'
        f"      nmt evaluate --model {shown}\n"
        f"      nmt info {shown}"
    )
