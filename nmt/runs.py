"""The run folder: what lies where, finding a run, loading its model.

    config.yaml                  every key, resolved
    fingerprints.json            what the data and the vocabulary were
    tokenizer/                   SentencePiece models
    data/                        token ids (a cache) and report.json
    checkpoints/step-00001000/   all that resuming needs, with a manifest of checksums
    model/                       the final weights and their manifest: what translates
    metrics.jsonl  train.log  tensorboard/  lock

All paths inside are relative: a run can be moved, and config.yaml, tokenizer/ and model/ suffice
to translate elsewhere.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nmt import storage
from nmt.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    import torch
    from torch import nn

    from nmt.config import Config
    from nmt.model import Model
    from nmt.tokenizer import Tokenizer

_CHECKPOINT = re.compile(r"step-(\d{8,})(-stopped)?")


class Run:
    """A run folder. Nothing is read before it is asked for, and nothing need exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.yaml"
        self.fingerprints_file = path / "fingerprints.json"
        self.tokenizer_folder = path / "tokenizer"
        self.data_folder = path / "data"
        self.checkpoints_folder = path / "checkpoints"
        self.model_folder = path / "model"
        self.metrics_file = path / "metrics.jsonl"
        self.log_file = path / "train.log"
        self.tensorboard_folder = path / "tensorboard"
        self.lock_file = path / "lock"

    @functools.cached_property
    def config(self) -> Config:
        """The resolved config. Raises StorageError if it is missing or damaged."""
        from nmt.config_file import read_dumped_config

        return read_dumped_config(self.config_file)

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer. Raises StorageError if it is damaged or not the model's own."""
        from nmt.tokenizer import Tokenizer

        weights = self.model_folder if self.finished else self.weights().parent
        expected = storage.read_manifest(weights).get("tokenizer")
        if expected != tokenizer_digest(self.tokenizer_folder):
            raise StorageError(
                f"{self.tokenizer_folder} is damaged or belongs to another run: its checksum "
                f"is not the one in {weights / storage.MANIFEST}"
            )
        return Tokenizer.load(self.tokenizer_folder)

    @property
    def finished(self) -> bool:
        """Whether the final model is there (checkpoints alone are an unfinished run)."""
        return (self.model_folder / storage.MANIFEST).is_file()

    def checkpoints(self) -> list[Path]:
        """Checkpoint folders, newest first, whether damaged or not."""
        found = []
        for path in self.checkpoints_folder.glob("step-*"):
            if match := _CHECKPOINT.fullmatch(path.name):
                found.append((int(match[1]), match[2] is None, path))
        return [path for _, _, path in sorted(found, reverse=True)]

    def weights(self) -> Path:
        """The weights to translate with, checked: the final model, else the best checkpoint's.

        Raises StorageError if there are none or all are damaged.
        """
        if self.finished:
            storage.verify(self.model_folder)
            return validated_weights(self.model_folder)
        damaged: StorageError | None = None
        for newest in self.checkpoints():
            try:
                storage.verify(newest)
                state = json.loads(storage.read_file(newest / "state.json"))
                best = self.checkpoints_folder / f"step-{state['best_step']:08d}"
                chosen = best if best.exists() else newest
                storage.verify(chosen)
                return validated_weights(chosen)
            except StorageError as error:
                damaged = damaged or error
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged = damaged or StorageError(f"{newest / 'state.json'} is damaged")
        raise damaged or StorageError(
            f"{self.path} holds no model yet",
            "it appears with the first validation of `nmt train`",
        )


def validated_weights(folder: Path) -> Path:
    """The weights in a verified folder that validation measured: the moving average if there is
    one. Raises StorageError if its manifest names none: other files are not read."""
    files = storage.read_manifest(folder)["files"]
    for name in ("ema.safetensors", "model.safetensors"):
        if name in files:
            return folder / name
    raise StorageError(f"{folder / storage.MANIFEST} names no weights")


def find_run(name: str | Path | None) -> Run:
    """The run of that path or, in $NMT_RUNS (default ./runs), of that name.

    None is the newest finished run there. Raises UsageError if there is no such run,
    StorageError for a file (only run folders are loaded, never pickled checkpoints).
    """
    runs = runs_folder()
    if name is None:
        finished = [
            run for path in runs.glob("*") if not path.is_symlink() and (run := Run(path)).finished
        ]
        if not finished:
            raise UsageError(
                f"no finished run in {runs}", "train one with `nmt train --config FILE`"
            )
        return max(finished, key=_finish_time)
    path = Path(name)
    if not path.exists() and not path.is_absolute() and (runs / path).exists():
        path = runs / path
    if path.is_file():
        raise StorageError(
            f"{path} is a file; nmt loads run folders, and weights as safetensors only",
            "give the folder that `nmt train` made",
        )
    if not path.is_dir():
        known = sorted(p.parent.name for p in runs.glob("*/config.yaml"))
        raise UsageError(f"no run {path}", f"runs in {runs}: {', '.join(known) or 'none'}")
    if not (path / "config.yaml").is_file():
        raise StorageError(
            f"{path} is not a run folder: it has no config.yaml",
            "give the folder that `nmt train` made",
        )
    return Run(path)


def runs_folder() -> Path:
    """Where runs are kept: $NMT_RUNS, or ./runs."""
    return Path(os.environ.get("NMT_RUNS") or "runs")


def _finish_time(run: Run) -> float:
    return (run.model_folder / storage.MANIFEST).stat().st_mtime


def load_model(run: Run, device: torch.device) -> Model:
    """The model of a run, for inference, its weights checked against checksums and config.

    Nothing is allocated before the shapes in the file agree with the config. Raises StorageError.
    """
    weights = run.weights()
    model = build_checked(run.config, run.tokenizer, storage.tensor_shapes(weights), weights)
    load_weights(model, weights)
    cast("nn.Module", model).to(device)
    model.eval()
    return model


def build_checked(
    config: Config, tokenizer: Tokenizer, shapes: dict[str, tuple[int, ...]], weights: Path
) -> Model:
    """A model of the config, if it has exactly the parameters of the file `weights`.

    Their values are not set. Nothing is allocated for them before their shapes are known to agree.
    """
    from nmt.model import build_model

    model = config.model
    sizes = {size for shape in shapes.values() for size in shape}
    needed = {model.d_model}
    if model.architecture == "transformer":
        needed.add(model.feedforward)
    if model.positions == "learned":
        needed.add(model.max_positions)
    # Without storage the model is small, unless numbers of the config that are not the file's
    # make it large.
    plausible = needed <= sizes and model.encoder_layers + model.decoder_layers <= len(shapes)
    expected = {}
    if plausible:
        with _without_storage():
            source, target = len(tokenizer.source), len(tokenizer.target)
            built = build_model(model, source, target, tokenizer.shared)
        expected = {name: tuple(p.shape) for name, p in built.named_parameters()}
    if not plausible or expected != shapes:
        wrong = sorted(set(expected.items()) ^ set(shapes.items()))
        name = f" (first difference: {wrong[0][0]})" if plausible else ""
        raise StorageError(f"{weights} does not hold the model that config.yaml describes{name}")
    _give_storage(cast("nn.Module", built))
    return built


def _without_storage() -> AbstractContextManager[object]:
    """Context in which modules make their parameters on the device `meta` and do not fill them.

    All else is made as usual. `torch.device("meta")` would put tables and what fills the
    parameters there too, for which torch imports its compiler: longer than a short translation.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class _WithoutStorage(TorchFunctionMode):
        def __torch_function__(
            self,
            func: Callable[..., Any],
            types: Iterable[type],
            args: tuple[Any, ...] = (),
            kwargs: dict[str, Any] | None = None,
        ) -> Any:
            kwargs = kwargs or {}
            if func is torch.empty:
                return func(*args, **{**kwargs, "device": "meta"})
            filled = args[0] if args else kwargs.get("tensor")
            if (
                isinstance(filled, torch.Tensor)
                and filled.is_meta
                and func.__name__.endswith("_")
                and not func.__name__.endswith("__")
            ):
                return filled
            return func(*args, **kwargs)

    return _WithoutStorage()


def _give_storage(model: nn.Module) -> None:
    """Replace the parameters on the device `meta` by ones in memory; shared ones stay shared."""
    import torch

    filled = {p: torch.nn.Parameter(torch.empty(p.shape)) for p in model.parameters()}
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, filled[parameter])


def load_weights(model: Model, path: Path) -> None:
    """Copy the tensors of a file into the parameters of the same names, in place.

    Raises StorageError if one is of another number format, which copying would convert.
    """
    import torch

    tensors = storage.read_tensors(path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if tensors[name].dtype != parameter.dtype:
                raise StorageError(f"{path}: {name} is {tensors[name].dtype}, not float32")
            parameter.copy_(tensors[name])


def tokenizer_digest(folder: Path) -> str:
    """SHA-256 over the SentencePiece models of a tokenizer folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.model")):
        digest.update(f"{path.name} {storage.file_sha256(path)}\n".encode())
    return digest.hexdigest()


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Hold the run folder, so that one process at a time trains in it.

    The kernel frees the lock when the process ends, however it ends. Raises StorageError naming
    the holder.
    """
    with storage.storage_errors(f"cannot use {run.path} as a run folder", run.path.parent):
        run.path.mkdir(parents=True, exist_ok=True)
        file = run.lock_file.open("a+", encoding="ascii", errors="replace")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read(32).strip() or "unknown"
        file.close()
        raise StorageError(
            f"{run.path} is in use by another nmt (process {holder})",
            "wait for it, stop it, or choose another --run-dir",
        ) from error
    except OSError as error:
        file.close()
        raise StorageError(
            f"cannot lock {run.path}: {error.strerror}", "put the run on a local disk"
        ) from error
    # A child process made by fork shares the lock; it must not keep it after its parent died.
    os.register_at_fork(after_in_child=file.close)
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
    finally:
        file.close()


def read_fingerprints(run: Run) -> dict[str, Any] | None:
    """What data and vocabulary the run was begun with; None if it has not got that far."""
    try:
        found: dict[str, Any] = json.loads(run.fingerprints_file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{run.fingerprints_file} is damaged", "delete it") from error
    return found
