"""Signals become a flag; a second Ctrl-C leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny import VOCABULARY, text_config, tiny_config, tiny_model, write_digits

from nmt.config import DecodingConfig
from nmt.config.writing import dump_config
from nmt.decoding.engine import build_program
from nmt.decoding.search import beam_search
from nmt.errors import Stopped
from nmt.training.stop import InterruptibleProgram, StopSignal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@pytest.fixture(autouse=True)
def _nothing_is_ignored() -> Iterator[None]:
    """As nohup would have it for the whole test run."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        (signal.SIGUSR1, 128 + signal.SIGUSR1),
    ],
)
def test_a_signal_is_noticed_at_the_next_look(number: int, code: int) -> None:
    with StopSignal() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        with pytest.raises(Stopped) as error:
            stop.check()
    assert error.value.exit_code == code


def test_handlers_are_restored() -> None:
    before = {n: signal.getsignal(n) for n in SIGNALS}
    with StopSignal():
        assert signal.getsignal(signal.SIGINT) != before[signal.SIGINT]
    assert {n: signal.getsignal(n) for n in before} == before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_what_is_ignored_stays_ignored(number: signal.Signals) -> None:
    """nohup ignores SIGHUP, a shell Ctrl-C for its jobs in the background."""
    signal.signal(number, signal.SIG_IGN)
    with StopSignal() as stop:
        os.kill(os.getpid(), number)
        stop.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            stop.check()
    assert signal.getsignal(number) is signal.SIG_IGN


def test_a_search_stops_at_the_next_token() -> None:
    looks = 0

    def check_stop() -> None:
        nonlocal looks
        looks += 1
        if looks == 4:
            raise Stopped(15, "stopped")

    program = build_program(tiny_model(tiny_config()), "fp32", torch.device("cpu"))
    source = torch.randint(4, VOCABULARY, (2, 5))
    limits = DecodingConfig(beam_size=2, max_length=8, min_length=8)
    expected = beam_search(program, source, limits)
    assert beam_search(InterruptibleProgram(program, lambda: None), source, limits) == expected
    with pytest.raises(Stopped):
        beam_search(InterruptibleProgram(program, check_stop), source, limits)
    assert looks == 4


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


@pytest.mark.slow
def test_ctrl_c_at_the_command_line(tmp_path: Path) -> None:
    """The state is saved, the exit code says so, no process stays, and the command goes on."""
    write_digits(tmp_path)
    config = tmp_path / "digits.yaml"
    config.write_text(dump_config(text_config(tmp_path, max_steps=100_000)))
    program = "from nmt.cli import main; main()"
    command = [sys.executable, "-c", program, "train", "--config", str(config)]
    for go_on in (False, True):
        child = subprocess.Popen(
            [*command, "--run-dir", str(tmp_path / "run")],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert child.stderr is not None
        told = []
        for line in child.stderr:
            told.append(line)
            if line.startswith("step "):
                break
        child.send_signal(signal.SIGINT)
        told += child.stderr.readlines()
        assert child.wait(10) == 130
        text = "".join(told)
        assert "\nstopped at step" in text
        assert "error" not in text
        assert "the state is saved" in text
        assert "the same command goes on" in text
        assert ("going on from step" in text) == go_on
        assert "\r" not in text
        assert "\x1b" not in text
        with pytest.raises(ProcessLookupError):
            os.killpg(child.pid, 0)
