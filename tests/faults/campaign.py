"""Interrupt and resume training runs, many times: python campaign.py SEED FAULT TRIES [...].

Prints a JSON line for each FAULT: {"fault", "tries", "survived", "lost": [problem, ...],
"hit": {phase of training: number of interruptions}}. This program forks the training runs after
it has imported their modules, because the imports take longer than a tiny training run. Forking
is safe because this process never computes. A try is survived if the run, started again by the
same call, ends with the same weights, checkpoints and metrics as an uninterrupted run.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import json
import mmap
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from tiny import text_config, write_digits

import nmt.data.preparation
from nmt import storage
from nmt.errors import NmtError
from nmt.runs import Run
from nmt.training import pipeline
from nmt.training.checkpoint import newest_valid
from nmt.training.validation import Validation

for name in (  # imports of a training run; some take a second
    "nmt.decoding.translator", "nmt.evaluation.metrics", "pandas", "pyarrow.compute",
    "sacrebleu.metrics", "sentencepiece", "torch._dynamo", "torch.utils.tensorboard",
):  # fmt: skip
    importlib.import_module(name)

TIMES = ("seconds", "tokens_per_second", "validation_seconds")
KILLS_PER_RUN = 4
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
LONGEST_STOP, LONGEST_EXIT, LONGEST_ORPHAN = 10.0, 3.0, 5.0  # seconds, enough for a busy machine
VARIANTS: list[dict[str, Any]] = [
    {},
    {"ema": 0.9, "accumulate": 2, "sampling": 0.3},
    {"optimizer": "muon", "weight_decay": 0.1},
    {"precision": "bf16"},
    {"rdrop": 1.0, "optimizer": "adamw"},
]
PHASES = {
    "starting": None,
    "tokenizer": (nmt.data.preparation, "make_tokenizer"),
    "encoding": (nmt.data.preparation, "write_corpus"),
    "steps": (pipeline, "train"),
    "validation": (Validation, "__call__"),
    "saving": (storage, "write_folder"),
    "test": (pipeline, "score_test_set"),
}
"""Phases of a training run and their functions. The innermost function counts."""
NOT_STARTED = 255


class Campaign:
    """Folder and random numbers of a campaign, and the outcomes of uninterrupted runs."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.ends: dict[int, tuple[Any, float]] = {}
        self.hit: Counter[str] = Counter()
        self._phase = mmap.mmap(-1, 1)  # shared with the training runs
        write_digits(folder)

    def end(self, variant: int) -> tuple[Any, float]:
        """Return the outcome of an uninterrupted run, and its seconds."""
        if variant not in self.ends:
            path = self.folder / f"uninterrupted-{variant}"
            begin = time.monotonic()
            assert self.wait(self.start(path, variant)) == 0, self.stderr()
            self.ends[variant] = outcome(path), time.monotonic() - begin
        return self.ends[variant]

    def start(self, path: Path, variant: int, prepare: Callable[[], None] = lambda: None) -> int:
        """Fork a training run with the exit status of `nmt train` and return its process id."""
        self._phase[0] = NOT_STARTED
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            log = os.open(self.folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 2)
            for number in SIGNALS:
                signal.signal(number, lambda number, frame: os._exit(128 + number))
            torch.set_num_threads(1)
            self._note_phases()
            self._phase[0] = 0
            prepare()
            pipeline.run_training(text_config(self.folder, **VARIANTS[variant]), path)
            code = 0
        except NmtError as error:
            print("error:", error.message, file=sys.stderr, flush=True)
            code = error.exit_code
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        os._exit(code)

    def _note_phases(self) -> None:
        """Wrap the functions of PHASES so that they record the current phase."""

        def recording(number: int, function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def recorded(*args: Any, **kwargs: Any) -> Any:
                before, self._phase[0] = self._phase[0], number
                try:
                    return function(*args, **kwargs)
                finally:
                    self._phase[0] = before

            return recorded

        for number, target in enumerate(PHASES.values()):
            if target is not None:
                owner, name = target
                setattr(owner, name, recording(number, getattr(owner, name)))

    def interrupt(
        self, child: int, seconds: float, number: signal.Signals, twice_after: float | None = None
    ) -> int:
        """Send one signal or two, unless the child ends before; return its exit status."""
        if self._ended(child, seconds):
            return self.wait(child)
        # Before its handlers are set, the child reacts to signals like this process.
        while self._phase[0] == NOT_STARTED and not self._ended(child, 0.001):
            pass
        phase = list(PHASES)[self._phase[0]]
        os.kill(child, number)
        if twice_after is not None:
            self._ended(child, twice_after)
            os.kill(child, number)  # the child exists, at least as a zombie
        code = self.wait(child)
        if code:  # otherwise the run had finished
            self.hit[phase] += 1
        return code

    def _ended(self, child: int, seconds: float) -> bool:
        """Return whether a child ends within some seconds. It can still be waited for."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
            time.sleep(min(left, 0.005))
        return False

    def wait(self, child: int) -> int:
        """Return the exit status, or minus the number of the signal that killed the child."""
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    def orphans(self) -> bool:
        """Return whether a process of a finished training run still exists after five seconds."""
        end = time.monotonic() + LONGEST_ORPHAN
        while time.monotonic() < end:
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            time.sleep(0.01)
        return True

    def stderr(self) -> str:
        """Return the end of the standard error of the last training run."""
        return (self.folder / "stderr").read_text(errors="replace")[-5000:]

    def finish(self, path: Path, variant: int) -> str | None:
        """Finish a run; return None, or how it differs from an uninterrupted run."""
        expected, _ = self.end(variant)
        code = self.wait(self.start(path, variant))
        if code:
            return f"exit {code}: {self.stderr()}"
        found = outcome(path)
        leftovers = [p.name for p in path.rglob(".tmp-*")]
        shutil.rmtree(path)
        if leftovers:
            return f"temporary files were left behind: {leftovers}"
        if self.orphans():
            return "a process was left behind"
        return None if found == expected else f"outcome {found} instead of {expected}"


def outcome(path: Path) -> Any:
    """Return checksums of the model and all checkpoints, and the metrics without times."""
    run = Run(path)
    sums = {
        f"{folder.name}/{name}": about["sha256"]
        for folder in (run.model_folder, *run.checkpoints())
        for name, about in storage.verify(folder)["files"].items()
        if name.endswith(".safetensors")
    }
    records = []
    for line in run.metrics_file.read_text().splitlines():
        records.append({k: v for k, v in json.loads(line).items() if k not in TIMES})
    return sums, records


Result = tuple[int, list[str]]
"""Number of tries, and the problems found in them."""


def killed(campaign: Campaign, tries: int) -> Result:
    """Send SIGKILL at random moments, up to four times per run."""

    def kill(child: int, seconds: float, path: Path) -> tuple[int, str | None]:
        code = campaign.interrupt(child, seconds, signal.SIGKILL)
        return code, None if code in (0, -signal.SIGKILL) else f"exit {code}: {campaign.stderr()}"

    return interrupted(campaign, tries, kill)


def stopped(campaign: Campaign, tries: int) -> Result:
    """Send a stop signal at a random moment. The state must be saved at the current step."""

    def stop(child: int, seconds: float, path: Path) -> tuple[int, str | None]:
        number = campaign.random.choice(SIGNALS)
        begin = time.monotonic()
        code = campaign.interrupt(child, seconds, number)
        took = time.monotonic() - begin - seconds
        if code == 0:
            return code, None
        if code != 128 + number:
            return code, f"exit {code} after {number.name}: {campaign.stderr()}"
        if took > LONGEST_STOP:
            return code, f"took {took:.1f} s to stop"
        if campaign.orphans():
            return code, "a process was left behind"
        log = Run(path).log_file  # missing if the signal came early
        stops = re.findall(r"stopped at step (\d+);", log.read_text() if log.exists() else "")
        found = newest_valid(Run(path), lambda warning: None)
        if stops and int(stops[-1]) and (not found or found[1]["step"] < int(stops[-1])):
            return code, f"stopped at step {stops[-1]} without saving it"
        return code, None

    return interrupted(campaign, tries, stop)


def stopped_twice(campaign: Campaign, tries: int) -> Result:
    """Send Ctrl-C twice. The run must exit immediately, even while it saves its state."""

    def stop_twice(child: int, seconds: float, path: Path) -> tuple[int, str | None]:
        between = campaign.random.uniform(0, 0.05)
        begin = time.monotonic()
        code = campaign.interrupt(child, seconds, signal.SIGINT, between)
        took = time.monotonic() - begin - seconds - between
        if code not in (0, 130):
            return code, f"exit {code}: {campaign.stderr()}"
        return code, f"took {took:.1f} s to exit" if took > LONGEST_EXIT else None

    return interrupted(campaign, tries, stop_twice)


Interrupt = Callable[[int, float, Path], tuple[int, "str | None"]]
"""Function of a process id, the seconds to wait and a run folder: exit status and problem."""


def interrupted(campaign: Campaign, tries: int, interrupt: Interrupt) -> Result:
    done, lost, number = 0, [], 0
    variants = len(VARIANTS) if tries >= 50 else 2  # each needs an uninterrupted run
    while done < tries:
        number += 1
        variant = number % variants
        path = campaign.folder / f"run-{number}"
        _, seconds = campaign.end(variant)
        for _ in range(KILLS_PER_RUN):
            child = campaign.start(path, variant)
            code, problem = interrupt(child, campaign.random.uniform(0, seconds), path)
            if problem:
                lost.append(problem)
            if code == 0:  # the run finished before the signal
                break
            done += 1
        if problem := campaign.finish(path, variant):
            lost.append(problem)
    return done, lost


def died_writing(campaign: Campaign, tries: int) -> Result:
    """Kill a run at its n-th file operation, for `tries` values of n or for all."""
    done, lost = 0, []
    total = count_operations(campaign)
    step = max(1, total // tries)
    for number in range(1, total + 1, step):
        path = campaign.folder / f"run-{number}"
        child = campaign.start(path, 0, lambda n=number: die_at(n))  # type: ignore[misc]
        if campaign.wait(child) != -signal.SIGKILL:
            lost.append(f"operation {number} of {total} was not reached")
            continue
        done += 1
        if problem := campaign.finish(path, 0):
            lost.append(f"operation {number}: {problem}")
    return done, lost


def die_at(number: int) -> None:
    left = number

    def die(name: str, path: Path) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    storage.operation = die


def count_operations(campaign: Campaign) -> int:
    counted = campaign.folder / "counted"

    def count() -> None:
        storage.operation = lambda name, path: print("x", file=counted.open("a"))

    assert campaign.wait(campaign.start(campaign.folder / "counting", 0, count)) == 0
    return len(counted.read_text().split())


def full_disk(campaign: Campaign, tries: int) -> Result:
    """Train on a file system that becomes full, then enlarge it and resume."""
    done, lost = 0, []
    path = campaign.folder / "disk"
    path.mkdir()
    needed = sum(p.stat().st_size for p in (campaign.folder / "uninterrupted-0").rglob("*"))
    for number in range(tries):
        size = int(needed * (0.2 + 0.7 * number / tries)) // 4096 * 4096
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
        subprocess.run(mount, check=True)
        try:
            code = campaign.wait(campaign.start(path / "run", 0))
            if code == 0:
                continue
            done += 1
            stderr = campaign.stderr()
            if code != 5 or "No space left on device" not in stderr:
                lost.append(f"{size} bytes: exit {code}: {stderr}")
            for checkpoint in Run(path / "run").checkpoints():
                storage.verify(checkpoint)
            subprocess.run(["mount", "-o", "remount,size=1g", str(path)], check=True)
            if problem := campaign.finish(path / "run", 0):
                lost.append(f"{size} bytes: {problem}")
        except NmtError as error:
            lost.append(f"{size} bytes: {error.message}")
        finally:
            subprocess.run(["umount", str(path)], check=True)
    return done, lost


def damaged_checkpoint(campaign: Campaign, tries: int) -> Result:
    """Flip a bit or truncate a file in the newest checkpoint of an unfinished run."""

    def newest(path: Path) -> list[Path]:
        return sorted(Run(path).checkpoints()[0].iterdir())

    def judge(path: Path, file: Path) -> str | None:
        if problem := campaign.finish(path, 0):
            return problem
        warning = f"warning: skipping checkpoint {file.parent.name}: {file}"
        return None if warning in campaign.stderr() else f"no warning: {campaign.stderr()}"

    return damaged(campaign, tries, newest, judge)


def damaged_elsewhere(campaign: Campaign, tries: int) -> Result:
    """Damage any other file that is read again. It must be restored or named in an error."""

    def others(path: Path) -> list[Path]:
        run = Run(path)
        folders = (run.tokenizer_folder, run.data_folder)
        files = [run.config_file, run.fingerprints_file, run.metrics_file]
        return files + sorted(file for folder in folders for file in folder.iterdir())

    def judge(path: Path, file: Path) -> str | None:
        code = campaign.wait(campaign.start(path, 0))
        if code == 0:
            return campaign.finish(path, 0)
        stderr = campaign.stderr()
        shutil.rmtree(path)
        run, named = Run(path), file
        if file == run.config_file:
            named = path  # "RUN was started with a different config"
        elif file.parent == run.tokenizer_folder:
            named = file.parent
        if code in (2, 5) and str(named) in stderr:
            return None
        return f"exit {code}: {stderr}"

    return damaged(campaign, tries, others, judge)


def damaged(
    campaign: Campaign,
    tries: int,
    files: Callable[[Path], list[Path]],
    judge: Callable[[Path, Path], str | None],
) -> Result:
    """Damage a file in copies of a run without its model; `judge` returns the problem or None."""
    campaign.end(0)
    lost = []
    for number in range(tries):
        path = campaign.folder / f"run-{number}"
        shutil.copytree(campaign.folder / "uninterrupted-0", path)
        shutil.rmtree(path / "model")
        file = campaign.random.choice(files(path))
        raw = bytearray(file.read_bytes())
        position = campaign.random.randrange(len(raw))
        if number % 2:
            raw[position] ^= 1 << campaign.random.randrange(8)
        file.write_bytes(raw if number % 2 else raw[:position])
        if problem := judge(path, file):
            lost.append(f"{file.name} at byte {position}: {problem}")
    return tries, lost


FAULTS = {
    "SIGKILL at a random moment": killed,
    "SIGTERM, SIGINT, SIGHUP or SIGUSR1 at a random moment": stopped,
    "Ctrl-C twice at a random moment": stopped_twice,
    "death at the n-th file operation": died_writing,
    "full disk": full_disk,
    "flipped bit or cut in the newest checkpoint": damaged_checkpoint,
    "flipped bit or cut in another file": damaged_elsewhere,
}


def main(seed: int, wanted: list[tuple[str, int]]) -> None:
    """Run campaigns and print their results."""
    adopt_orphans()
    gc.freeze()  # the garbage collector of a child leaves these pages shared
    folder = Path(tempfile.mkdtemp(prefix="nmt-campaign-"))
    try:
        campaign = Campaign(folder, seed)
        campaign.end(0)
        for fault, tries in wanted:
            campaign.hit.clear()
            done, lost = FAULTS[fault](campaign, tries)
            result = {"fault": fault, "tries": done, "survived": done - len(lost), "lost": lost}
            print(json.dumps({**result, "hit": campaign.hit}), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def adopt_orphans() -> None:
    """Become the parent of processes whose parent died, so that `orphans` sees them (Linux)."""
    pr_set_child_subreaper = 36
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1)


if __name__ == "__main__":
    _, seed_given, *pairs = sys.argv
    main(int(seed_given), [(f, int(n)) for f, n in zip(pairs[::2], pairs[1::2], strict=True)])
