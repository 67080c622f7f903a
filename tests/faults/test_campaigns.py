"""Trainings are killed, stopped, starved of disk and damaged; see campaign.py.

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

import pytest

CAMPAIGN = Path(__file__).with_name("campaign.py")


def can_mount() -> bool:
    if os.geteuid() != 0:
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        ("SIGKILL at a random moment", 20),
        pytest.param("SIGKILL at a random moment", 500, marks=pytest.mark.faults),
        ("SIGTERM, SIGINT or SIGHUP at a random moment", 4),
        pytest.param("SIGTERM, SIGINT or SIGHUP at a random moment", 100, marks=pytest.mark.faults),
        pytest.param("death at the n-th file operation", 1000, marks=pytest.mark.faults),
        pytest.param("full disk", 20, marks=pytest.mark.faults),
        pytest.param("flipped bit or cut in a checkpoint", 200, marks=pytest.mark.faults),
    ],
)
def test_a_training_survives(
    fault: str, tries: int, record_fault: Callable[[str, int, int], None]
) -> None:
    if fault == "full disk" and not can_mount():
        pytest.skip("only root can mount a small file system")
    tries = min(tries, int(os.environ.get("NMT_TRIES", tries)))
    seed = random.randrange(1 << 30)
    done = subprocess.run(
        [sys.executable, str(CAMPAIGN), fault, str(tries), str(seed)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    record_fault(fault, result["tries"], result["survived"])
    assert not result["lost"], f"seed {seed}: {result['lost']}"
    assert result["tries"] > 0
