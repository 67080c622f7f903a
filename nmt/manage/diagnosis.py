"""Facts about the installation and the machine for a bug report, and checks of both."""

from __future__ import annotations

import locale
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nmt import machine, storage
from nmt.manage.overview import overviews
from nmt.runs import LATEST, runs_folder
from nmt.text import counted, file_size
from nmt.version import own_version

_VARIABLES = re.compile(r"NMT_|OMP_|MKL_|CUDA_VISIBLE_DEVICES$|PYTORCH_|HF_HOME$|LC_|LANG$")
_SECRET = re.compile("KEY|TOKEN|SECRET|PASS", re.IGNORECASE)
_FREE = 2e9  # bytes


class Check(NamedTuple):
    good: bool
    text: str
    """The finding and, if it is not good, the fix."""


def facts() -> dict[str, str]:
    """Return facts by title, without secrets and without the name of the user in paths."""
    found = {
        "nmt": " ".join(filter(None, (own_version(), _commit(), f"in {_package()}"))),
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{_distribution()}, {platform.system()} {platform.release()}, "
        f"{platform.machine()}",
        "cpu": machine.described(),
        "instructions": " ".join(machine.instruction_sets()) or "unknown",
        "memory": file_size(machine.memory()),
        **_torch(),
        "packages": _listed(machine.requirements("nmt")),
    }
    for extra in machine.extras("nmt"):
        if extra != "dev":
            found[f"nmt[{extra}]"] = _listed(machine.requirements("nmt", extra))
    found["runs folder"] = f"{runs_folder().absolute()} ({_free()} free)"
    language, encoding = locale.getlocale()
    files = f"files {sys.getfilesystemencoding()}, output {sys.stdout.encoding}"
    found["locale"] = f"{language}, {encoding}, {files}"
    for name in sorted(filter(_VARIABLES.match, os.environ)):
        found[name] = "(hidden)" if _SECRET.search(name) else os.environ[name]
    return {title: anonymous(text) for title, text in found.items()}


def checks() -> list[Check]:
    return [check._replace(text=anonymous(check.text)) for check in _checks()]


def anonymous(text: str) -> str:
    """Return a text with ~ for the home folder, and USER for the name of the user in a path."""
    home = str(Path.home())
    text = re.sub(rf"{re.escape(home)}(?=/|\s|$)", "~", text) if home != "/" else text
    user = Path(home).name
    return re.sub(rf"(?<=/){re.escape(user)}(?=/|\s|$)", "USER", text) if user else text


def _checks() -> Iterator[Check]:
    names = machine.requirements("nmt")
    missing = [name for name in names if machine.installed(name) is None]
    if missing:
        yield Check(False, f"packages are missing: {', '.join(missing)}; run pip install nmt again")
    else:
        yield Check(True, f"{counted(len(names), 'required package')} installed")
    yield from _checks_of_torch()
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++")), None)
    if compiler and shutil.which(compiler):
        yield Check(True, f"C++ compiler for training.compile: {compiler}")
    else:
        yield Check(False, "no C++ compiler (g++), which only training.compile: true needs")
    yield from _checks_of_runs(runs_folder())


def _checks_of_torch() -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check(False, f"torch cannot be imported: {error}; install torch again")
        return
    if torch.version.cuda is None and torch.version.hip is None and shutil.which("nvidia-smi"):
        yield Check(False, "there is an NVIDIA driver, but torch is a build without CUDA")
    if torch.get_num_threads() > machine.cores():
        found = f"{torch.get_num_threads()} threads on {counted(machine.cores(), 'core')}"
        yield Check(False, f"torch would use {found}; set OMP_NUM_THREADS={machine.cores()}")


def _checks_of_runs(folder: Path) -> Iterator[Check]:
    existing = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=existing):
            yield Check(True, f"{folder} is writable")
    except OSError as error:
        yield Check(False, f"cannot write to {existing}: {error.strerror}; fix its permissions")
    if shutil.disk_usage(existing).free < _FREE:
        yield Check(False, f"only {_free()} are free in {existing}; delete runs with nmt runs rm")
    if not folder.is_dir():
        return
    link = folder / LATEST
    if link.is_symlink() and not link.exists():
        target = link.readlink()
        yield Check(False, f"{link} points to {target}, which does not exist; delete the link")
    for left in sorted(folder.glob(f"{storage.TEMPORARY}*")):
        yield Check(False, f"{left} is left from an interrupted command; delete it")
    found = overviews(folder)
    damaged = [about.run.path.name for about in found if about.state == "damaged"]
    if damaged:
        yield Check(False, f"damaged: {', '.join(damaged)}; see nmt runs")
    else:
        yield Check(True, f"{counted(len(found), 'run')} in {folder}, none damaged")


def _torch() -> dict[str, str]:
    try:
        import torch
    except (ImportError, OSError):
        return {"torch": machine.installed("torch") or "missing"}
    about = {
        "torch": f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, "
        f"{counted(torch.get_num_threads(), 'thread')}",
        "cuda": f"{torch.version.cuda or 'not in this build of torch'}",
    }
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        capability = (properties.major, properties.minor)
        formats = ["fp32"]
        formats += ["fp16"] if capability >= (7, 0) else []
        formats += ["bf16"] if capability >= (8, 0) else []
        about[f"cuda:{number}"] = (
            f"{properties.name}, {file_size(properties.total_memory)}, compute capability "
            f"{properties.major}.{properties.minor}, {' '.join(formats)}"
        )
    return about


def _listed(packages: list[str]) -> str:
    return ", ".join(f"{name} {machine.installed(name) or 'missing'}" for name in packages)


def _package() -> Path:
    return Path(__file__).parents[1]


def _commit() -> str | None:
    """Return the commit, with -dirty after changes, if nmt runs from a Git checkout."""
    root = _package().parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return f"({done.stdout.strip()})"


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform(terse=True)


def _free() -> str:
    return file_size(shutil.disk_usage(_existing(runs_folder())).free)


def _existing(folder: Path) -> Path:
    """Return the innermost folder around a path that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
