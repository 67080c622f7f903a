"""Signals set a flag that training checks; a second Ctrl-C exits immediately."""

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
from tiny import (
    VOCABULARY,
    text_config,
    tiny_config,
    tiny_model,
    tiny_objective,
    tiny_setting,
    write_digits,
)

from nmt.config import DecodingConfig
from nmt.config.writing import dump_config
from nmt.decoding.engine import build_program
from nmt.decoding.search import beam_search
from nmt.errors import Stopped
from nmt.runs import Run
from nmt.training.loop import train
from nmt.training.stop import InterruptibleProgram, StopSignal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@pytest.fixture(autouse=True)
def _no_signal_is_ignored() -> Iterator[None]:
    """Set handlers for all signals, even if the tests run under nohup, which ignores SIGHUP."""
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
def test_signal_raises_stopped_at_the_next_check(number: int, code: int) -> None:
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
def test_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    """Programs ignore SIGHUP under nohup, and Ctrl-C as background jobs of a shell."""
    signal.signal(number, signal.SIG_IGN)
    with StopSignal() as stop:
        os.kill(os.getpid(), number)
        stop.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            stop.check()
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize("when", ["measuring the untrained model", "in the first step"])
def test_stop_before_the_first_step_does_not_claim_to_have_saved(tmp_path: Path, when: str) -> None:
    config = tiny_config()
    objective = tiny_objective(config)
    stop = StopSignal()

    def receive(*args: object) -> float:
        stop.received = signal.SIGINT
        stop.check()
        return 0.0

    if when == "in the first step":
        objective.register_forward_pre_hook(receive)
    changes = {} if when == "in the first step" else {"validation_loss": receive}
    with pytest.raises(Stopped) as stopped:
        train(objective, tiny_setting(tmp_path, objective, config, stop=stop, **changes), None)
    assert stopped.value.message == "stopped before the first step; nothing had to be saved"
    assert stopped.value.exit_code == 130
    assert not Run(tmp_path).checkpoints()


def test_search_stops_at_the_next_token() -> None:
    checks = 0

    def check_stop() -> None:
        nonlocal checks
        checks += 1
        if checks == 4:
            raise Stopped(15, "stopped")

    program = build_program(tiny_model(tiny_config()), "fp32", torch.device("cpu"))
    source = torch.randint(4, VOCABULARY, (2, 5))
    limits = DecodingConfig(beam_size=2, max_length=8, min_length=8)
    expected = beam_search(program, source, limits)
    assert beam_search(InterruptibleProgram(program, lambda: None), source, limits) == expected
    with pytest.raises(Stopped):
        beam_search(InterruptibleProgram(program, check_stop), source, limits)
    assert checks == 4


def test_second_ctrl_c_exits_immediately() -> None:
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
    start = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert child.wait() == 130
    assert time.monotonic() - start < 1
    _, stderr = child.communicate()
    assert b"Stopping (Ctrl-C again" in stderr


@pytest.mark.slow
def test_ctrl_c_saves_the_state_and_the_run_resumes(tmp_path: Path) -> None:
    """Ctrl-C exits with code 130 and leaves no process, and the same command resumes."""
    write_digits(tmp_path)
    config = tmp_path / "digits.yaml"
    config.write_text(dump_config(text_config(tmp_path, max_steps=100_000)))
    program = "from nmt.cli import main; main()"
    command = [sys.executable, "-c", program, "train", "--config", str(config)]
    for resumed in (False, True):
        child = subprocess.Popen(
            [*command, "--run-dir", str(tmp_path / "run")],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert child.stderr is not None
        stderr = []
        for line in child.stderr:
            stderr.append(line)
            if line.startswith("step "):
                break
        child.send_signal(signal.SIGINT)
        stderr += child.stderr.readlines()
        assert child.wait(10) == 130
        text = "".join(stderr)
        assert "\nstopped at step" in text
        assert "error" not in text
        assert "the state is saved" in text
        assert "run the same command again to resume" in text
        assert ("resuming from step" in text) == resumed
        assert "\r" not in text
        assert "\x1b" not in text
        with pytest.raises(ProcessLookupError):
            os.killpg(child.pid, 0)
