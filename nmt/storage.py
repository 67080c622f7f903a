"""Atomic writes, and manifests with the size and SHA-256 of each file in a folder."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nmt.errors import StorageError
from nmt.version import version_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor

MANIFEST = "manifest.json"
TEMPORARY = ".tmp-"
_REPLACED = f"{TEMPORARY}replaced-"
_CHUNK = 1 << 24
_MANIFEST_LIMIT = 1 << 20
_DTYPES = {"float32": "F32", "float64": "F64", "int64": "I64"}


def operation(name: str, path: Path) -> None:
    """Do nothing before each change on disk; tests replace this function to inject failures."""


def write_folder(
    folder: Path, contents: Mapping[str, bytes | Mapping[str, Tensor]], facts: Mapping[str, Any]
) -> None:
    """Write `contents` (tensors as safetensors) and a manifest with checksums and `facts`.

    After a crash, the folder is complete, or is missing or old as before. Raises StorageError.
    """
    temporary = folder.with_name(f"{TEMPORARY}{folder.name}")
    with storage_errors(f"cannot write {folder}", folder.parent, _bytes_of(contents)):
        try:
            _make_folder(folder.parent)
            remove(temporary)
            _make_folder(temporary)
            files = {}
            for name, content in contents.items():
                chunks = (content,) if isinstance(content, bytes) else _safetensors(content)
                files[name] = _write(temporary / name, chunks)
            manifest = {**facts, "name": folder.name, "files": files}
            _write(temporary / MANIFEST, (_manifest_bytes(manifest),))
            _sync_folder(temporary)
            operation("rename", folder)
            if folder.exists():
                _exchange(temporary, folder)
            else:
                temporary.rename(folder)
            _sync_folder(folder.parent)
            remove(temporary)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def replace_file(path: Path, content: bytes) -> None:
    """Write a small file, which has its old or its new content after a crash."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    with storage_errors(f"cannot write {path}", path.parent, len(content)):
        try:
            temporary.unlink(missing_ok=True)
            _write(temporary, (content,))
            operation("rename", path)
            temporary.rename(path)
            _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that gets its name once it is complete and on disk."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    operation("create", temporary)
    with temporary.open("wb") as file:
        yield file
        file.flush()
        operation("sync", temporary)
        os.fsync(file.fileno())
    operation("rename", path)
    temporary.rename(path)


def remove(folder: Path) -> None:
    """Delete a folder; no reader finds a partly deleted one."""
    if not folder.exists():
        return
    doomed = folder
    if not folder.name.startswith(TEMPORARY):
        doomed = folder.with_name(f"{TEMPORARY}old-{folder.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        operation("rename", folder)
        folder.rename(doomed)
    operation("remove", doomed)
    shutil.rmtree(doomed)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files; a folder that was about to be replaced gets its name back.

    The caller must hold the lock of the run.
    """
    for path in folder.glob(f"{TEMPORARY}*"):
        original = folder / path.name.removeprefix(_REPLACED)
        if path.is_dir() and not path.is_symlink():
            if original != path and not original.exists():
                path.rename(original)
                continue
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def verify(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder, or raise StorageError if a file is missing or changed."""
    manifest = read_manifest(folder)
    for name, expected in manifest["files"].items():
        path = folder / name
        check_size(path, expected["size"])
        if file_sha256(path) != expected["sha256"]:
            raise StorageError(f"{path} is damaged: its checksum does not match the manifest")
    return manifest


def check_size(path: Path, expected: int) -> None:
    """Raise StorageError if a file is missing or does not have the expected number of bytes."""
    size = _regular_size(path)
    if size != expected:
        raise StorageError(f"{path} is damaged: {size:,} instead of {expected:,} bytes")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder.

    Raises StorageError if it is damaged, VersionError if this version of nmt cannot read the run.
    """
    path = folder / MANIFEST
    raw = read_file(path, _MANIFEST_LIMIT)
    try:
        manifest: dict[str, Any] = json.loads(raw)
        del manifest["checksum"]
        intact = _manifest_bytes(manifest) == raw
        if intact and (error := version_error(folder, manifest, readable=True)):
            raise error
        intact &= manifest["name"] == folder.name and all(
            Path(name).name == name and {"size", "sha256"} == set(about)
            for name, about in manifest["files"].items()
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    # Users may rename a run folder, but not the folders inside it: manifests contain their names.
    if not intact:
        raise StorageError(f"{path} is damaged or belongs to another folder")
    return manifest


def read_file(path: Path, limit: int | None = None) -> bytes:
    """Return the content of a regular file of at most `limit` bytes, or raise StorageError."""
    size = _regular_size(path)
    if limit is not None and size > limit:
        raise StorageError(f"{path} is damaged: {size:,} instead of at most {limit:,} bytes")
    with _reading(path):
        return path.read_bytes()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, or raise StorageError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with _reading(path, SafetensorError, ValueError):
        return load_file(path)


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes in a safetensors file, or raise StorageError."""
    from safetensors import SafetensorError, safe_open

    with _reading(path, SafetensorError, ValueError), safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.offset_keys()}


def file_sha256(path: Path) -> str:
    """Return the SHA-256 in hexadecimal, or raise StorageError."""
    with _reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _reading(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Convert OSError and `errors` while reading a regular file to StorageError."""
    _regular_size(path)
    converted: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except converted as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"cannot read {path}: {reason}") from error


@contextmanager
def storage_errors(what: str, folder: Path, needed: int = 0) -> Iterator[None]:
    """Convert OSError to StorageError, with the free space if `needed` (bytes) is not 0."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        space = ""
        if needed:
            try:
                free = _human(shutil.disk_usage(folder).free)
            except OSError:
                free = "unknown"
            space = f" (needs {_human(needed)}, free: {free})"
        raise StorageError(
            f"{what}: {reason}{space}",
            "free disk space or fix the permissions; files saved earlier are intact",
        ) from error


def _bytes_of(contents: Mapping[str, bytes | Mapping[str, Tensor]]) -> int:
    return sum(
        len(content) if isinstance(content, bytes) else sum(t.nbytes for t in content.values())
        for content in contents.values()
    )


def _human(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    checksum = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    return json.dumps({**manifest, "checksum": checksum}, indent=1, sort_keys=True).encode()


def _safetensors(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a safetensors file without a second copy of the weights."""
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    header, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for array in arrays.values():
        values = memoryview(array.reshape(-1).view("u1").data)
        for begin in range(0, len(values), _CHUNK):
            yield values[begin : begin + _CHUNK]


def _write(path: Path, chunks: Iterable[bytes | memoryview]) -> dict[str, Any]:
    operation("create", path)
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for chunk in chunks:
            operation("write", path)
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        file.flush()
        operation("sync", path)
        os.fsync(file.fileno())
    return {"size": size, "sha256": digest.hexdigest()}


def _exchange(new: Path, old: Path) -> None:
    """Exchange the names of two folders, so that a reader always finds `old`.

    If the file system cannot do this in one step, `remove_leftovers` restores `old` after a crash.
    """
    if _renamed_in_one_step(new, old):
        return
    aside = old.with_name(f"{_REPLACED}{old.name}")
    shutil.rmtree(aside, ignore_errors=True)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    aside.rename(new)


def _renamed_in_one_step(new: Path, old: Path) -> bool:
    """Exchange two names by renameat2; return whether it is supported."""
    current_folder, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of <fcntl.h>
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    names = os.fsencode(new), os.fsencode(old)
    if renameat2(current_folder, names[0], current_folder, names[1], exchange) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(old))


def _make_folder(folder: Path) -> None:
    operation("create", folder)
    folder.mkdir(parents=True, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    operation("sync", folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _regular_size(path: Path) -> int:
    """Return the size, or raise StorageError for other kinds: a FIFO may never end."""
    try:
        status = path.stat()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise StorageError(f"{path} is not a regular file")
    return status.st_size
