"""Run the commands of *.md and docs/*.md, and report those that fail.

    python scripts/run_docs.py --run runs/demo

The commands of a page run in order in a copy of the repository, with the given run as runs/demo and
runs/other, and with small files of sentence pairs. A command fails if its exit code is not 0; where
the page shows an error message after it, if the code is 0. Training is shortened to a few steps.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nmt.phrasebook import generate
from nmt.tables import table_lines

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 300  # seconds

# Commands that do not run here: a pattern, and the reason.
SKIPPED = {
    r"^make |^nmt demo|pytest|sphinx": "takes minutes",
    r"\bpip\b|\buv\b|\bvenv\b .venv|apt|docker": "changes the installation",
    r"git clone": "needs a network",
    r"scripts/(bench|experiment|measure|peer|huggingface|gpu)": "takes long",
    r"\$DATA|multi30k|iwslt|wmt": "needs a corpus",
    r"\.zh\b|\bzh\.|langid": "needs a Chinese corpus",
    r"torchrun|--device cuda|compile=true": "needs a GPU",
    r"=STEPS\b": "has a placeholder",
}
SHORT_TRAINING = (
    "--set=training.max_steps=2 --set=training.valid_every=2 --set=training.average_checkpoints=1 "
    "--set=decoding.max_length=4 --set=decoding.beam_size=1"
)
# Files of the commands: name, split of the built-in corpus, number of pairs.
FILES = {
    "train": ("train", 400),
    "valid": ("valid", 40),
    "test": ("test", 40),
    "small": ("train", 400),
    "my": ("valid", 300),
    "new": ("valid", 400),
    "more": ("test", 30),
    "large": ("train", 300),
}
CONFIG = """\
data:
  train: {source: train.en, target: train.de}
  valid: {source: valid.en, target: valid.de}
training: {max_steps: 100}
"""
BIN = ".venv/bin"
PROGRAMS = ("nmt", "python", "make", "git", BIN)


@dataclass(frozen=True)
class Command:
    """A command line on a page."""

    page: str
    line: int
    text: str
    fails: bool = False
    """Whether the page shows an error message after the command."""

    @property
    def skipped(self) -> str:
        """Why the command does not run; empty if it does."""
        plain = self.text.replace(".venv/bin/", "")
        return next((why for pattern, why in SKIPPED.items() if re.search(pattern, plain)), "")


def commands(page: str, text: str) -> Iterator[Command]:
    """Yield the commands in sh blocks, after `$ ` in other blocks, and in indented lines."""
    lines = [*text.splitlines(), ""]
    language: str | None = None
    for number, line in enumerate(lines):
        stripped = line.strip()
        if stripped.startswith("```"):
            language = stripped[3:] if language is None else None
            continue
        if number and lines[number - 1].endswith("\\"):
            continue
        if language is None:
            found = stripped if line.startswith("    ") and stripped.startswith(PROGRAMS) else ""
        elif language in ("sh", "bash"):
            found = "" if stripped.startswith("#") else stripped
        else:
            found = stripped[2:] if stripped.startswith("$ ") else ""
        if not found:
            continue
        end = number
        while lines[end].endswith("\\"):
            end += 1
        whole = "\n".join([found, *lines[number + 1 : end + 1]])
        fails = lines[end + 1].startswith("error: ")
        yield Command(page, number + 1, whole, fails)


def checkout(folder: Path, run: Path) -> None:
    """Write what commands need: the repository, runs, files of pairs, a config, and programs."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copyfile(ROOT / name, folder / name, follow_symlinks=False)
    for name in ("demo", "other"):
        shutil.copytree(run, folder / "runs" / name)
    (folder / "runs" / "latest").symlink_to("demo")
    for name, (split, count) in FILES.items():
        examples = list(islice(generate(split), count))  # type: ignore[arg-type]
        for suffix, lines in (
            ("en", (e.source for e in examples)),
            ("de", (e.target for e in examples)),
        ):
            (folder / f"{name}.{suffix}").write_text("".join(f"{line}\n" for line in lines))
    (folder / "my.yaml").write_text(CONFIG)
    programs = {
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
        "nmt": f"""\
case "$1" in train | finetune) set -- "$@" {SHORT_TRAINING};; esac
exec python -m nmt "$@"
""",
    }
    (folder / BIN).mkdir(parents=True)
    for name, script in programs.items():
        (folder / BIN / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / BIN / name).chmod(0o755)


def execute(command: Command, folder: Path) -> tuple[int | None, float, str]:
    """Return the exit code (None after TIMEOUT), the seconds, and the output."""
    environment = os.environ | {
        "PATH": f"{folder / BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "COLUMNS": "120",
    }
    begin = time.monotonic()
    with subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", command.text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # The command and its children.
            output, _ = process.communicate()
            code = None
    return code, time.monotonic() - begin, output.decode(errors="replace")


def run_pages(pages: list[Path], run: Path) -> int:
    """Run the commands of pages, print a table, and return the number of failures."""
    rows, failures = [], []
    for page in pages:
        name = str(page.relative_to(ROOT))
        found = list(commands(name, page.read_text(encoding="utf-8")))
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "nmt"
            if not all(command.skipped for command in found):
                checkout(folder, run)
            for command in found:
                code, seconds, output = None, 0.0, ""
                if not command.skipped:
                    code, seconds, output = execute(command, folder)
                    print(f"{name}:{command.line} {code} {seconds:.0f}s", file=sys.stderr)
                    if (code == 0) == command.fails or code is None:
                        failures.append((command, output))
                result = command.skipped or ("timeout" if code is None else str(code))
                first = command.text.split("\n")[0]
                rows.append((f"{name}:{command.line}", result, f"{seconds:.1f}", first[:70]))
    head = ("page", "exit code", "seconds", "command")
    print("\n".join(table_lines(rows, head=head, left=(0, 1, 3))))
    for command, output in failures:
        print(f"\n{command.page}:{command.line}: {command.text}\n{output[-1500:]}")
    return len(failures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("pages", type=Path, nargs="*", help="pages [*.md docs/*.md]")
    parser.add_argument("--run", type=Path, required=True, help="folder of a trained run")
    arguments = parser.parse_args()
    every = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
    chosen = [path.resolve() for path in arguments.pages] or every
    sys.exit(1 if run_pages(chosen, arguments.run) else 0)
