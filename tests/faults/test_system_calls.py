"""A save fails or is killed at its n-th system call of a kind, for n = 1, 2, ... (strace)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt import storage

PROGRAM = """
import sys
from pathlib import Path
from nmt import storage
from nmt.errors import StorageError
try:
    storage.write_folder(Path(sys.argv[1]), {"a": b"x" * 100_000, "b": b""}, {"step": 2})
except StorageError as error:
    sys.exit(error.message)
"""
FAULTS = [
    ("fsync", "error=EIO"),
    ("rename", "error=EIO"),
    ("mkdir", "error=EROFS"),
    ("write", "error=ENOSPC"),
    ("fsync", "signal=KILL"),
    ("rename", "signal=KILL"),
    ("mkdir", "signal=KILL"),
    ("write", "signal=KILL"),
]


def can_trace() -> bool:
    probe = ["strace", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"]
    try:
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.faults
@pytest.mark.skipif(not can_trace(), reason="needs strace and permission to trace")
@pytest.mark.parametrize(("call", "fault"), FAULTS, ids=lambda part: part)
def test_save_survives_fault_at_every_system_call(
    tmp_path: Path, call: str, fault: str, record_fault: Callable[[str, int, int], None]
) -> None:
    old, new = tmp_path / "run" / "step-1", tmp_path / "run" / "step-2"
    storage.write_folder(old, {"a": b"old"}, {"step": 1})
    parts = [new.with_name(f".tmp-{new.name}") / name for name in ("a", "b", "manifest.json")]
    within = [option for path in parts for option in ("-P", str(path))] if call == "write" else []
    count = 0
    while True:
        when = f"inject={call}:{fault}:when={count + 1}"
        strace = ["strace", "-f", "-o", str(tmp_path / "log"), "-e", f"trace={call}", "-e", when]
        done = subprocess.run(
            [*strace, *within, sys.executable, "-c", PROGRAM, str(new)],
            capture_output=True,
            text=True,
            check=False,
        )
        injected = done.returncode or "INJECTED" in (tmp_path / "log").read_text()
        if not injected:
            break
        count += 1
        storage.verify(old)
        if "error" in fault and done.returncode:
            assert done.returncode == 1
            assert done.stderr.startswith(f"cannot write {new}: ")
            assert done.stderr.count("\n") == 1
            assert not list(old.parent.glob(".tmp-*"))
        storage.remove_leftovers(old.parent)
        if new.exists():
            assert storage.verify(new)["step"] == 2
            shutil.rmtree(new)
    assert count >= 1
    assert storage.verify(new)["step"] == 2
    record_fault(f"{call} of a save: {fault}", count, count)
