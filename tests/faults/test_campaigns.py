"""Training runs are killed, stopped, damaged and run out of disk space; see campaign.py.

$NMT_TRIES lowers the number of tries of every campaign.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RecordFault = Callable[..., None]
CAMPAIGN = Path(__file__).with_name("campaign.py")
SHORT = {
    "SIGKILL at a random moment": 20,
    "SIGTERM, SIGINT, SIGHUP or SIGUSR1 at a random moment": 4,
    "Ctrl-C twice at a random moment": 2,
    "death at the n-th file operation": 4,
    "full disk": 2,
    "flipped bit or cut in the newest checkpoint": 4,
    "flipped bit or cut in another file": 4,
}
LONG = {
    "SIGKILL at a random moment": 500,
    "SIGTERM, SIGINT, SIGHUP or SIGUSR1 at a random moment": 100,
    "Ctrl-C twice at a random moment": 50,
    "death at the n-th file operation": 1000,  # more than a run has
    "full disk": 20,
    "flipped bit or cut in the newest checkpoint": 200,
    "flipped bit or cut in another file": 200,
}
PHASES = {"starting", "tokenizer", "encoding", "steps", "validation", "saving", "test"}


def can_mount() -> bool:
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def run(campaigns: dict[str, int], record_fault: RecordFault) -> dict[str, dict[str, Any]]:
    """Run campaigns, record and return their results by name; fail if anything was lost."""
    most = int(os.environ.get("NMT_TRIES", "1000"))
    # A mount in a separate namespace is removed with its process.
    own_mounts = ["unshare", "--mount"] if "full disk" in campaigns else []
    seed = random.randrange(1 << 30)
    arguments = [str(part) for f, n in campaigns.items() for part in (f, min(n, most))]
    done = subprocess.run(
        [*own_mounts, sys.executable, str(CAMPAIGN), str(seed), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = {}
    for line in done.stdout.splitlines():
        result = json.loads(line)
        results[result["fault"]] = result
        record_fault(result["fault"], result["tries"], result["survived"], result["hit"])
    for fault, result in results.items():
        assert not result["lost"], f"{fault}, seed {seed}: {result['lost']}"
        assert result["tries"] > 0
    return results


def test_short_campaigns_lose_no_training_run(record_fault: RecordFault) -> None:
    """Run a few tries of every fault in one process."""
    campaigns = dict(SHORT)
    if not can_mount():
        del campaigns["full disk"]
    run(campaigns, record_fault)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", LONG)
def test_long_campaign_loses_no_training_run(fault: str, record_fault: RecordFault) -> None:
    if fault == "full disk" and not can_mount():
        pytest.skip("only root can mount a small file system")
    result = run({fault: LONG[fault]}, record_fault)[fault]
    if fault.startswith("SIG") and result["tries"] >= 100:
        assert result["hit"].keys() == PHASES
