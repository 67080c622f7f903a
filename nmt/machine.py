"""The machine and the installed software, for reports and for the manifests of models."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

# Instruction sets that change the speed or the number formats of matrix products.
_SETS = re.compile(r"\b(f16c|fma|avx2|avx512(f|_vnni|_bf16|_fp16)|amx_\w+|asimd\w*|sve2?|bf16)\b")


def cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _cpu_info(), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def instruction_sets() -> list[str]:
    """Return the names in /proc/cpuinfo of the sets that matter to nmt; empty if unknown."""
    found = re.search(r"^(flags|Features)\s*:(.+)$", _cpu_info(), re.MULTILINE)
    return [match[0] for match in _SETS.finditer(found[2])] if found else []


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Missing on macOS.
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def memory() -> int:
    """Return the size of the main memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def described(gpu: str | None = None) -> str:
    """Return the machine in one line, with the name of a GPU if one is given."""
    noun = "core" if cores() == 1 else "cores"
    return f"{f'{gpu}; ' if gpu else ''}{cpu_model()}, {cores()} {noun}"


def installed(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def requirements(package: str, extra: str = "") -> list[str]:
    """Return the names of the packages that a package, or one of its extras, needs."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires(package) or []
    except PackageNotFoundError:
        return []
    names: list[str] = []
    for line in lines:
        needed_by = re.search(r"extra == ['\"]([\w-]+)", line)
        name, inner = re.match(r"([\w.-]+)(?:\[([\w,-]+)\])?", line).groups()  # type: ignore[union-attr]
        if (needed_by[1] if needed_by else "") != extra:
            continue
        names += [n for e in inner.split(",") for n in requirements(name, e)] if inner else [name]
    return names


def extras(package: str) -> list[str]:
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        return metadata(package).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def _cpu_info() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
