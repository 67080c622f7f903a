"""Signals become a flag; a second Ctrl-C leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from nmt.errors import Stopped
from nmt.training.stop import StopSignal


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_is_noticed_at_the_next_look(number: int, code: int) -> None:
    with StopSignal() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        with pytest.raises(Stopped) as error:
            stop.check()
    assert error.value.exit_code == code


def test_handlers_are_restored() -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with StopSignal():
        assert signal.getsignal(signal.SIGINT) != before[signal.SIGINT]
    assert {n: signal.getsignal(n) for n in before} == before


def test_a_second_ctrl_c_leaves_at_once() -> None:
    script = "from nmt.training.stop import *; import time\n"
    script += "with StopSignal(): print(flush=True); time.sleep(9); time.sleep(9)"
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert child.poll() is None
    begun = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert child.wait() == 130
    assert time.monotonic() - begun < 1
    _, told = child.communicate()
    assert b"saving the state" in told
