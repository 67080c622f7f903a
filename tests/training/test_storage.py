"""Atomic writes of folders, detection of damage, and errors of the disk."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nmt import storage
from nmt.errors import StorageError
from nmt.runs import validated_weights

TENSORS = {
    "weight": torch.arange(60, dtype=torch.float32).reshape(5, 12),
    "scalar": torch.tensor(3.0),
    "empty": torch.zeros(0, 4),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "step-00000001"
    contents = {"model.safetensors": TENSORS, "state.json": b'{"step": 1}', "empty": b""}
    storage.write_folder(folder, contents, {"step": 1})
    return folder


def test_written_tensors_are_a_safetensors_file(folder: Path) -> None:
    found = load_file(folder / "model.safetensors")
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(found[name], tensor)
    assert storage.verify(folder)["step"] == 1
    assert storage.tensor_shapes(folder / "model.safetensors")["weight"] == (5, 12)


def test_transposed_tensor_keeps_its_values(tmp_path: Path) -> None:
    storage.write_folder(tmp_path / "x", {"t.safetensors": {"t": TENSORS["weight"].T}}, {})
    assert torch.equal(load_file(tmp_path / "x" / "t.safetensors")["t"], TENSORS["weight"].T)


def test_every_flipped_bit_is_detected(folder: Path) -> None:
    rng = random.Random(1)
    files = [path for path in sorted(folder.iterdir()) if path.stat().st_size]
    for _ in range(1000):
        path = rng.choice(files)
        intact = path.read_bytes()
        index = rng.randrange(len(intact))
        path.write_bytes(
            intact[:index] + bytes([intact[index] ^ 1 << rng.randrange(8)]) + intact[index + 1 :]
        )
        with pytest.raises(StorageError, match=path.name):
            storage.verify(folder)
        path.write_bytes(intact)
    storage.verify(folder)


def test_every_truncation_is_detected(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        intact = path.read_bytes()
        for length in range(0, len(intact), max(1, len(intact) // 200)):
            path.write_bytes(intact[:length])
            with pytest.raises(StorageError, match=path.name):
                storage.verify(folder)
        path.write_bytes(intact)
    storage.verify(folder)


def test_files_missing_from_manifest_are_ignored(folder: Path) -> None:
    """Unknown files are allowed, and a file with a known name is not used."""
    (folder / ".DS_Store").write_bytes(b"stray")
    shutil.copy(folder / "model.safetensors", folder / "ema.safetensors")
    storage.verify(folder)
    assert validated_weights(folder) == folder / "model.safetensors"


def test_missing_and_foreign_parts_are_detected(folder: Path) -> None:
    other = folder.with_name("step-00000002")
    contents = {"model.safetensors": {"weight": torch.ones(5, 12)}, "state.json": b'{"step": 2}'}
    storage.write_folder(other, contents, {"step": 2})
    for name in ("model.safetensors", "state.json", "manifest.json"):
        copy = folder.with_name("copy")
        shutil.copytree(folder, copy / folder.name)
        (copy / folder.name / name).unlink()
        with pytest.raises(StorageError, match=name):
            storage.verify(copy / folder.name)
        shutil.copy(other / name, copy / folder.name / name)
        with pytest.raises(StorageError, match=name):
            storage.verify(copy / folder.name)
        shutil.rmtree(copy)
    with pytest.raises(StorageError, match=r"manifest\.json"):
        storage.verify(folder.rename(folder.with_name("step-00000003")))


@pytest.mark.parametrize("kind", ["fifo", "folder", "dangling", "device"])
def test_special_files_raise_storage_error(folder: Path, kind: str) -> None:
    for name in ("model.safetensors", "manifest.json"):
        path = folder / name
        intact = path.read_bytes()
        path.unlink()
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero" if kind == "device" else "nowhere")
        with pytest.raises(StorageError, match=name):
            storage.verify(folder)
        with pytest.raises(StorageError, match=name):
            storage.file_sha256(path)
        path.rmdir() if kind == "folder" else path.unlink()
        path.write_bytes(intact)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"files": 1, "name": "step-00000001", "checksum": ""}',
        '{"files": {"../../etc/passwd": {"size": 1, "sha256": ""}}, "checksum": ""}',
        "[" * 100_000,
        "\xff",
    ],
)
def test_invalid_manifest_raises_storage_error(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(StorageError, match=r"manifest\.json"):
        storage.verify(folder)


def test_manifest_with_outside_path_raises_storage_error(folder: Path) -> None:
    manifest = {"name": folder.name, "files": {"../x": {"size": 1, "sha256": "0"}}}
    (folder / "manifest.json").write_bytes(storage._manifest_bytes(manifest))
    with pytest.raises(StorageError):
        storage.verify(folder)


class FailAt:
    """Hook that raises OSError at the n-th change on disk."""

    def __init__(self, number: int, code: int) -> None:
        self.left, self.code, self.fired = number, code, False

    def __call__(self, name: str, path: Path) -> None:
        self.left -= 1
        if self.left == 0:
            self.fired = True
            raise OSError(self.code, os.strerror(self.code))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EFBIG, errno.EACCES])
def test_disk_error_keeps_the_existing_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The n-th operation fails, for n = 1, 2, ... until the save completes."""
    new = folder.with_name("step-00000002")
    for number in range(1, 100):
        fault = FailAt(number, code)
        monkeypatch.setattr(storage, "operation", fault)
        try:
            storage.write_folder(new, {"model.safetensors": TENSORS}, {"step": 2})
        except StorageError as error:
            assert os.strerror(code) in error.message
            assert "free" in error.message
            assert error.exit_code == 5
        storage.verify(folder)
        if new.exists():
            storage.verify(new)  # only syncing the parent folder can fail after the rename
        assert not list(folder.parent.glob(".tmp-*"))
        if not fault.fired:
            break
        storage.operation = lambda name, path: None
        storage.remove(new)
    assert number > 8
    assert new.exists()


def test_file_size_limit_raises_storage_error(folder: Path) -> None:
    """Use RLIMIT_FSIZE like a full disk, in a child because the limit cannot be raised again."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        import resource

        result: dict[str, Any] = {"error": None}
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
            storage.write_folder(folder.with_name("step-00000002"), {"big": b"x" * 5000}, {})
        except StorageError as error:
            result["error"] = error.message
        finally:
            os.write(writer, json.dumps(result).encode())
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        message = json.load(pipe)["error"]
    assert "File too large" in message
    assert sorted(p.name for p in folder.parent.iterdir()) == [folder.name]
    storage.verify(folder)


def test_save_syncs_every_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink())
    )
    storage.write_folder(tmp_path / "a" / "b", {"x": b"1", "y": b"2"}, {})
    names = [path.name for path in synced]
    assert sorted(names) == sorted(["x", "y", "manifest.json", ".tmp-b", "a"])
    assert names.index(".tmp-b") > names.index("manifest.json")
    assert names[-1] == "a"


def test_only_leftovers_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".tmp-step-1").mkdir()
    (tmp_path / ".tmp-step-1" / "x").write_text("")
    (tmp_path / ".tmp-file").write_text("")
    (tmp_path / "mine").write_text("")
    storage.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("in_one_step", [True, False], ids=["exchange", "two renames"])
def test_replaced_folder_is_there_at_every_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, in_one_step: bool
) -> None:
    """The old folder is usable during the whole write, also before its new version has its name."""
    if not in_one_step:
        monkeypatch.setattr(storage, "_renamed_in_one_step", lambda new, old: False)
    steps = []
    monkeypatch.setattr(
        storage, "operation", lambda name, path: steps.append(storage.verify(folder)["step"])
    )
    storage.write_folder(folder, {"model.safetensors": TENSORS}, {"step": 2})
    assert steps == sorted(steps)
    assert set(steps) == {1, 2}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_folder_gets_its_name_back_after_death_between_two_renames(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without an exchange of two names has a moment in which the name is missing."""
    rename, calls = Path.rename, []

    def die_at_the_second(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(storage, "_renamed_in_one_step", lambda new, old: False)
    with monkeypatch.context() as patches:
        patches.setattr(Path, "rename", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            storage.write_folder(folder, {"model.safetensors": TENSORS}, {"step": 2})
    assert not folder.exists()
    storage.remove_leftovers(folder.parent)
    assert storage.verify(folder)["step"] == 1
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
