"""Kill trainings and start them again, many times: python campaign.py FAULT TRIES [SEED].

Prints one JSON line: {"fault", "tries", "survived", "lost": [what went wrong, ...]}. A process of
its own, because it forks the trainings: it has imported torch (which takes longer than a tiny
training) but never computed with it, so that forking is safe. A try is survived if the run,
started again by the same call, ends with the same weights, checkpoints and metrics as a run that
was never interrupted.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

import torch
import torch._dynamo  # every optimizer imports it, for a second
import torch.utils.tensorboard
from tiny import text_config, write_digits

import nmt.decoding.translator
import nmt.evaluation.metrics  # noqa: F401
from nmt import storage
from nmt.errors import NmtError
from nmt.runs import Run
from nmt.training.pipeline import run_training

TIMES = ("seconds", "tokens_per_second")
KILLS_A_RUN = 4
VARIANTS: list[dict[str, Any]] = [
    {},
    {"ema": 0.9, "accumulate": 2, "sampling": 0.3},
    {"precision": "bf16"},
    {"rdrop": 1.0, "optimizer": "adamw"},
]


class Campaign:
    """Where the trainings of one campaign happen, and how uninterrupted ones end."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.ends: dict[int, tuple[Any, float]] = {}
        write_digits(folder)

    def end(self, variant: int) -> tuple[Any, float]:
        """The outcome of an undisturbed run, and its seconds."""
        if variant not in self.ends:
            path = self.folder / f"undisturbed-{variant}"
            begun = time.monotonic()
            assert self.wait(self.start(path, variant)) == 0, self.told()
            self.ends[variant] = outcome(path), time.monotonic() - begun
        return self.ends[variant]

    def start(self, path: Path, variant: int, prepare: Callable[[], None] = lambda: None) -> int:
        """Fork a training; its exit status is that of `nmt train`."""
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            os.setsid()
            log = os.open(self.folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 2)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.default_int_handler)
            torch.set_num_threads(1)
            prepare()
            run_training(text_config(self.folder, **VARIANTS[variant]), path)
            code = 0
        except NmtError as error:
            print("error:", error.message, file=sys.stderr, flush=True)
            code = error.exit_code
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        os._exit(code)

    def wait(self, child: int) -> int:
        """Exit status, or minus the signal that killed it."""
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    def told(self) -> str:
        """What the last training said."""
        return (self.folder / "stderr").read_text(errors="replace")[-5000:]

    def finish(self, path: Path, variant: int) -> str | None:
        """Run to the end; None, or how it differs from an undisturbed run."""
        expected, _ = self.end(variant)
        code = self.wait(self.start(path, variant))
        if code:
            return f"exit {code}: {self.told()}"
        found = outcome(path)
        leftovers = [p.name for p in path.rglob(".tmp-*")]
        shutil.rmtree(path)
        if leftovers:
            return f"left behind: {leftovers}"
        return None if found == expected else f"another outcome: {found} instead of {expected}"


def outcome(path: Path) -> Any:
    """Checksums of the model and all checkpoints, and the metrics but for times."""
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


def killed(campaign: Campaign, tries: int) -> tuple[int, list[str]]:
    """SIGKILL, up to four times a run, at random moments from the first file to the test."""
    return interrupted(campaign, tries, [signal.SIGKILL], {-signal.SIGKILL})


def stopped(campaign: Campaign, tries: int) -> tuple[int, list[str]]:
    """SIGTERM, SIGINT or SIGHUP, up to four times a run, at random moments."""
    signals = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    return interrupted(campaign, tries, signals, {143, 130, 129})


def interrupted(
    campaign: Campaign, tries: int, signals: list[signal.Signals], codes: set[int]
) -> tuple[int, list[str]]:
    done, lost, number = 0, [], 0
    variants = len(VARIANTS) if tries >= 50 else 2  # each needs an undisturbed run first
    while done < tries:
        number += 1
        variant = number % variants
        path = campaign.folder / f"run-{number}"
        _, seconds = campaign.end(variant)
        struck = 0
        for _ in range(KILLS_A_RUN):
            child = campaign.start(path, variant)
            time.sleep(campaign.random.uniform(0, seconds))
            begun = time.monotonic()
            os.kill(child, campaign.random.choice(signals))
            code = campaign.wait(child)
            if code != 0:
                struck += 1
            if code not in codes | {0}:
                lost.append(f"exit {code}: {campaign.told()}")
            if time.monotonic() - begun > 10:
                lost.append("took more than 10 s to stop")
        done += struck
        if problem := campaign.finish(path, variant):
            lost.append(problem)
    return done, lost


def died_writing(campaign: Campaign, tries: int) -> tuple[int, list[str]]:
    """Death at the n-th file operation of a run, n = 1, 2, ... (or spread over all of them)."""
    done, lost = 0, []
    total = count_operations(campaign)
    step = max(1, total // tries)
    for number in range(1, total + 1, step):
        path = campaign.folder / f"run-{number}"
        child = campaign.start(path, 0, lambda n=number: die_at(n))  # type: ignore[misc]
        if campaign.wait(child) != -signal.SIGKILL:
            lost.append(f"operation {number} of {total} never came")
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


def full_disk(campaign: Campaign, tries: int) -> tuple[int, list[str]]:
    """A small file system that is full sooner or later; then room is made."""
    done, lost = 0, []
    path = campaign.folder / "disk"
    path.mkdir()
    needed = sum(p.stat().st_size for p in (campaign.folder / "undisturbed-0").rglob("*"))
    for number in range(tries):
        size = int(needed * (0.2 + 0.7 * number / tries)) // 4096 * 4096
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
        subprocess.run(mount, check=True)
        try:
            code = campaign.wait(campaign.start(path / "run", 0))
            if code == 0:
                continue
            done += 1
            told = campaign.told()
            if code != 5 or "No space left on device" not in told:
                lost.append(f"{size} bytes: exit {code}: {told}")
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


def damaged(campaign: Campaign, tries: int) -> tuple[int, list[str]]:
    """A flipped bit or a cut anywhere in the newest checkpoint of an unfinished run."""
    campaign.end(0)
    lost = []
    for number in range(tries):
        path = campaign.folder / f"run-{number}"
        shutil.copytree(campaign.folder / "undisturbed-0", path)
        shutil.rmtree(path / "model")
        newest = Run(path).checkpoints()[0]
        file = campaign.random.choice(sorted(newest.iterdir()))
        raw = bytearray(file.read_bytes())
        place = campaign.random.randrange(len(raw))
        if number % 2:
            raw[place] ^= 1 << campaign.random.randrange(8)
        file.write_bytes(raw if number % 2 else raw[:place])
        problem = campaign.finish(path, 0)
        if not problem and f"warning: checkpoint {newest.name} is left out" not in campaign.told():
            problem = "not noticed"
        if problem:
            lost.append(f"{file.name} at byte {place}: {problem}")
    return tries, lost


FAULTS = {
    "SIGKILL at a random moment": killed,
    "SIGTERM, SIGINT or SIGHUP at a random moment": stopped,
    "death at the n-th file operation": died_writing,
    "full disk": full_disk,
    "flipped bit or cut in a checkpoint": damaged,
}


def main(fault: str, tries: int, seed: int) -> None:
    """Run one campaign and print its result."""
    folder = Path(tempfile.mkdtemp(prefix="nmt-campaign-"))
    try:
        campaign = Campaign(folder, seed)
        campaign.end(0)
        done, lost = FAULTS[fault](campaign, tries)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(
        json.dumps({"fault": fault, "tries": done, "survived": done - len(lost), "lost": lost}),
        flush=True,
    )


if __name__ == "__main__":
    _, fault_name, tries_wanted, *rest = sys.argv
    main(fault_name, int(tries_wanted), int(rest[0]) if rest else 1)
