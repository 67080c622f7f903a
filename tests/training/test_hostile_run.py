"""Untrusted run folders: no code runs, no other file is changed, and the error is clear."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import text_config

from nmt import storage
from nmt.cli.info import info
from nmt.config.writing import dump_config
from nmt.decoding.translator import Translator
from nmt.errors import DivergedError, NmtError, StorageError, VersionError
from nmt.loading import load_model
from nmt.runs import Run, find_run, tokenizer_digest
from nmt.training.averaging import average_run
from nmt.training.pipeline import run_training
from nmt.version import CONFIG_VERSION

FUZZ_CASES = int(os.environ.get("NMT_FUZZ", "500")) // 25


class Bomb:
    """Object that creates the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def hostile(trained: Run, tmp_path: Path) -> Run:
    """Return a copy of a run; the tests change it and write a matching manifest."""
    shutil.copytree(trained.path, tmp_path / "hostile")
    return Run(tmp_path / "hostile")


def replace_weights(run: Run, weights: bytes | dict[str, torch.Tensor]) -> None:
    facts = storage.read_manifest(run.model_folder)
    own = {key: value for key, value in facts.items() if key not in ("name", "files")}
    storage.write_folder(run.model_folder, {"model.safetensors": weights}, own)


def test_pickles_are_never_loaded(hostile: Run, digits: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    bomb = pickle.dumps(Bomb(canary))
    for suffix in ("pt", "pkl", "bin", "ckpt", "npy"):
        path = tmp_path / f"model.{suffix}"
        path.write_bytes(bomb)
        with pytest.raises(StorageError, match="safetensors only"):
            find_run(path)
    torch.save(Bomb(canary), tmp_path / "zip.pt")
    for content in (bomb, (tmp_path / "zip.pt").read_bytes()):
        replace_weights(hostile, content)
        with pytest.raises(StorageError, match=r"cannot read .*model\.safetensors"):
            load_model(hostile, torch.device("cpu"))

    newest = hostile.checkpoints()[0]
    facts = storage.read_manifest(newest)
    contents = {name: (newest / name).read_bytes() for name in facts["files"]}
    own = {key: value for key, value in facts.items() if key not in ("name", "files")}
    shutil.rmtree(hostile.model_folder)
    for name in contents:
        storage.write_folder(newest, {**contents, name: bomb}, own)
        with pytest.raises(StorageError, match=newest.name):
            run_training(text_config(digits), hostile.path)

    storage.write_folder(hostile.tokenizer_folder, {"shared.model": bomb}, {})
    facts = {"tokenizer": tokenizer_digest(hostile.tokenizer_folder)}
    storage.write_folder(hostile.model_folder, {"model.safetensors": b""}, facts)
    with pytest.raises(StorageError, match=r"shared\.model is not an nmt tokenizer"):
        _ = Run(hostile.path).tokenizer
    assert not canary.exists()
    pickle.loads(bomb)
    # Unpickling creates the canary file, so the assertion above is meaningful.
    assert canary.exists()


def header(text: str, values: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text.encode() + values


def changed_header(trained: Run, what: str) -> bytes:
    """Return the final weights with a changed header."""
    raw = (trained.model_folder / "model.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    tensors = json.loads(raw[8 : 8 + size])
    names = sorted(tensors, key=lambda name: tensors[name]["data_offsets"])
    matrix = next(name for name in names if len(set(tensors[name]["shape"])) == 2)
    if what == "shape":
        tensors[matrix]["shape"].reverse()
    elif what == "dtype":
        tensors[matrix]["dtype"] = "I32"
    elif what == "name":
        tensors["other"] = tensors.pop(matrix)
    elif what == "overlap":
        tensors[names[1]]["data_offsets"] = tensors[names[0]]["data_offsets"]
    elif what == "huge":
        tensors[matrix]["shape"] = [1 << 40, 1 << 40]
    return header(json.dumps(tensors), raw[8 + size :])


@pytest.mark.parametrize(
    "what", ["shape", "dtype", "name", "overlap", "huge", "none", "long", "deep", "empty"]
)
def test_invalid_header_raises_storage_error(hostile: Run, what: str) -> None:
    if what == "none":
        weights = b""
    elif what == "long":
        weights = (1 << 62).to_bytes(8, "little") + b"{}"
    elif what == "deep":
        weights = header("[" * 100_000)
    elif what == "empty":
        weights = header("{}")
    else:
        weights = changed_header(hostile, what)
    replace_weights(hostile, weights)
    start = time.process_time()
    with pytest.raises(StorageError, match=r"model\.safetensors"):
        load_model(hostile, torch.device("cpu"))
    assert time.process_time() - start < 2


def test_nan_weights_raise_diverged_error(hostile: Run) -> None:
    weights = storage.read_tensors(hostile.model_folder / "model.safetensors")
    for tensor in weights.values():
        tensor.fill_(torch.nan)
    replace_weights(hostile, weights)
    with pytest.raises(DivergedError, match="output is NaN"):
        Translator.load(hostile, "cpu").translate(["one two"])


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\nb: *a\n",
        "[" * 100_000,
        "model: !!python/object/apply:os.mkdir [canary]\n",
        "",
        "model: {d_model: 1e400}\n",
        "x" * 10_000_000,
    ],
    ids=["alias", "deep", "code", "empty", "number", "large"],
)
def test_invalid_config_raises_storage_error(hostile: Run, text: str) -> None:
    hostile.config_file.write_text(text)
    start = time.process_time()
    with pytest.raises(StorageError, match="damaged config of a run"):
        load_model(hostile, torch.device("cpu"))
    assert time.process_time() - start < 2
    assert not Path("canary").exists()


@pytest.mark.parametrize("finished", [True, False])
def test_run_of_a_newer_version_does_not_train(hostile: Run, digits: Path, finished: bool) -> None:
    folders = [hostile.model_folder, *hostile.checkpoints()]
    for folder in folders:
        facts = storage.read_manifest(folder)
        contents = {name: (folder / name).read_bytes() for name in facts.pop("files")}
        newer = {"nmt": "99.0.0", "config_version": CONFIG_VERSION + 1}
        storage.write_folder(folder, contents, {**facts, **newer})
    if not finished:
        shutil.rmtree(hostile.model_folder)
    before = {path: path.stat().st_mtime_ns for path in hostile.path.rglob("*.safetensors")}
    for use in (lambda: run_training(text_config(digits), hostile.path), hostile.weights):
        with pytest.raises(VersionError, match=r"was written by nmt 99\.0\.0"):
            use()
    assert before == {path: path.stat().st_mtime_ns for path in hostile.path.rglob("*.safetensors")}


@pytest.mark.parametrize("kind", ["fifo", "device"])
@pytest.mark.parametrize(
    "name", ["lock", "train.log", "metrics.jsonl", "model", "fingerprints.json"]
)
def test_special_file_raises_storage_error(
    hostile: Run, digits: Path, name: str, kind: str
) -> None:
    """Opening a FIFO may block forever, and reading a device may never end."""
    part = hostile.path / name
    shutil.rmtree(part) if part.is_dir() else part.unlink()
    if kind == "fifo":
        os.mkfifo(part)
    else:
        try:
            os.mknod(part, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
        except PermissionError:
            pytest.skip("only root makes devices")
    with pytest.raises(StorageError, match=f"{name} is neither a file nor a folder"):
        run_training(text_config(digits), hostile.path)
    info(str(hostile.path))


@pytest.mark.parametrize("name", ["optimizer.safetensors", "metrics.jsonl", "state.json"])
def test_fifo_outside_manifest_raises_storage_error(hostile: Run, digits: Path, name: str) -> None:
    """Omit a file from the manifest of a checkpoint and replace it with a FIFO."""
    newest = hostile.checkpoints()[0]
    facts = storage.read_manifest(newest)
    contents = {n: (newest / n).read_bytes() for n in facts["files"] if n != name}
    own = {key: value for key, value in facts.items() if key not in ("name", "files")}
    storage.write_folder(newest, contents, own)
    os.mkfifo(newest / name)
    shutil.rmtree(hostile.model_folder)
    with pytest.raises(StorageError, match=name):
        run_training(text_config(digits), hostile.path)


JUNK: list[Any] = [
    None, True, -1, 0, 10**30, 1e308, float("nan"), "", "x\x1b[2J", "9" * 5000, [], {}, {"a": 1},
]  # fmt: skip


def damaged(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with a part replaced, removed or added."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        if rng.random() < 0.2:
            return {k: v for k, v in value.items() if k != key} | {rng.choice(["x", key]): 1}
        return {**value, key: damaged(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        index = rng.randrange(len(value))
        return [*value[:index], damaged(value[index], rng), *value[index + 1 :]]
    return rng.choice(JUNK)


def damage_run(run: Run, rng: random.Random) -> str:
    """Change one file of a run, keep its checksum valid, and return which file it was."""
    newest = run.checkpoints()[0]
    kind = rng.choice(["metrics", "fingerprints", "cache", "state", "facts", "model facts"])
    if kind == "metrics":
        lines = run.metrics_file.read_text().splitlines()
        index = rng.randrange(len(lines))
        lines[index] = rng.choice(
            [json.dumps(damaged(json.loads(lines[index]), rng)), "[" * 100_000, lines[index][:9]]
        )
        run.metrics_file.write_text("\n".join(lines))
    elif kind in ("fingerprints", "cache"):
        path = {"fingerprints": run.fingerprints_file, "cache": run.data_folder / "cache.json"}[
            kind
        ]
        values = damaged(json.loads(path.read_text()), rng)
        path.write_text("[" * 100_000 if rng.random() < 0.1 else json.dumps(values))
    else:
        folder = run.model_folder if kind == "model facts" else newest
        facts = storage.read_manifest(folder)
        contents = {name: (folder / name).read_bytes() for name in facts["files"]}
        own = {key: value for key, value in facts.items() if key not in ("name", "files")}
        if kind == "state":
            contents["state.json"] = json.dumps(
                damaged(json.loads(contents["state.json"]), rng)
            ).encode()
            if rng.random() < 0.1:
                contents["state.json"] = b"[" * 100_000
        else:
            own = damaged(own, rng)
        storage.write_folder(folder, contents, own if isinstance(own, dict) else {})
    return kind


def test_fuzz_values(trained: Run, digits: Path, tmp_path: Path) -> None:
    """Each command succeeds or raises NmtError, whatever values the files of a run contain."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    for number in range(FUZZ_CASES):
        run = Run(tmp_path / f"run-{number}")
        shutil.copytree(trained.path, run.path)
        unfinished = rng.random() < 0.5
        kind = damage_run(run, rng)
        if unfinished and kind != "model facts":
            shutil.rmtree(run.model_folder)
        for command in (
            lambda run=run: info(str(run.path)),
            lambda run=run: info(str(run.path), json=True),
            lambda run=run: Translator.load(Run(run.path), "cpu").translate(["one two"]),
            lambda run=run: average_run(Run(run.path), run.path.with_name(f"{run.path.name}-mean")),
            lambda run=run: run_training(text_config(digits), run.path),
        ):
            try:
                command()
            except NmtError as error:
                assert error.exit_code in (2, 3, 4, 5), f"seed {seed}, {kind}: {error.message}"
                assert "Error" not in error.message, f"seed {seed}, {kind}: {error.message}"
            except Exception as error:
                raise AssertionError(f"seed {seed}, case {number}, {kind}") from error
        shutil.rmtree(run.path)
        shutil.rmtree(run.path.with_name(f"{run.path.name}-mean"), ignore_errors=True)


class Watch:
    """Audit hook that records events while `watching`; an audit hook cannot be removed."""

    def __init__(self) -> None:
        self.watching = False
        self.seen: list[tuple[str, Any]] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: Any) -> None:
        if self.watching and event in (
            "open", "exec", "compile", "pickle.find_class", "os.system", "subprocess.Popen",
            "os.fork", "os.posix_spawn", "socket.connect", "os.rename", "os.remove", "os.mkdir",
            "shutil.rmtree",
        ):  # fmt: skip
            self.seen.append((event, arguments))


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    watch.watching = False


def test_translation_reads_only_the_run_folder(
    hostile: Run, trained: Run, tmp_path: Path, watch: Watch
) -> None:
    """The data that the config names is not opened, nothing is written and no code is run."""
    Translator.load(Run(trained.path), "cpu").translate(["one"])  # imports what is needed
    config = hostile.config.model_dump()
    os.mkfifo(tmp_path / "fifo")  # reading it would never end
    for split in ("train", "valid", "test"):
        config["data"][split] = [{"source": str(tmp_path / "fifo"), "target": "/etc/passwd"}]
    hostile.config_file.write_bytes(
        dump_config(type(hostile.config).model_validate(config)).encode()
    )
    run = Run(hostile.path)
    watch.watching = True
    Translator.load(run, "cpu").translate(["one two"])
    watch.watching = False
    opened = [arguments for event, arguments in watch.seen if event == "open"]
    assert {event for event, _ in watch.seen} == {"open"}
    for path, mode, flags in opened:
        assert mode in ("r", "rb", None), path
        assert not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT), path
        assert Path(os.fsdecode(path)).is_relative_to(hostile.path), path


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("name", ["lock", "train.log", "config.yaml", "checkpoints", "tensorboard"])
def test_links_in_run_folder_raise_storage_error(
    hostile: Run, digits: Path, tmp_path: Path, name: str, restart: bool
) -> None:
    part = hostile.path / name
    moved = part.rename(tmp_path / "outside")
    part.symlink_to(moved)
    before = {path: path.stat().st_mtime_ns for path in (moved, *moved.rglob("*"))}
    with pytest.raises(StorageError, match=f"{name} is a link"):
        run_training(text_config(digits), hostile.path, restart)
    assert {path: path.stat().st_mtime_ns for path in (moved, *moved.rglob("*"))} == before


def test_links_in_place_of_temporary_files_are_removed(
    hostile: Run, digits: Path, tmp_path: Path
) -> None:
    """The names of temporary files are predictable, so an attacker could create links there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    shutil.rmtree(hostile.model_folder)
    (hostile.checkpoints_folder / ".tmp-x").symlink_to(outside)
    for name in ("model", "config.yaml", "metrics.jsonl"):
        (hostile.path / f".tmp-{name}").symlink_to(outside / "mine")
    run_training(text_config(digits), hostile.path)
    assert [path.read_text() for path in outside.iterdir()] == ["mine"]
