"""Exit codes, messages and streams of the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nmt import cli
from nmt.errors import ConfigError, DataError, DivergedError, NmtError, Stopped, StorageError

# The program `nmt` with an additional command `do`, which runs the given code.
PROGRAM = """
import sys
from nmt import cli
@cli.app.command()
def do() -> None:
    {}
sys.argv = ["nmt", "do"]
cli.main()
"""


def run(code: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code)], timeout=60, check=False, **options
    )


def main(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run `nmt` with these arguments in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["nmt", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("m\x1b[2J", "h"), 2),
        (DivergedError("m"), 3),
        (DataError("m [/bold]"), 4),
        (StorageError("m"), 5),
        (Stopped(15, "m"), 143),
        (Stopped(2, "m"), 130),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("m"), 1),
        (MemoryError(), 2),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), 2),
        (OSError(28, "No space left on device", "f"), 5),
    ],
)
def test_every_error_has_its_exit_code_and_no_traceback(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr("nmt.runs.find_run", lambda _: fail())
    assert main(["info"], monkeypatch) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert "Traceback" not in output.err
    assert "\x1b" not in output.err
    if isinstance(error, NmtError):
        assert output.err.startswith("error: m")
        assert ("hint: h" in output.err) == bool(error.hint)
    if code == 1:
        assert "this is a bug in nmt" in output.err
        assert "NMT_DEBUG=1" in output.err


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NMT_DEBUG", "1")
    assert main(["info", "/nowhere"], monkeypatch) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train", "--confg", "x"], "--config"),
        (["train"], "give a config or parallel data"),
        (["translate", "--beam-size", "many"], "Invalid value for '--beam-size'"),
        (["translate", "--beam-size", "0"], "--beam-size"),
        (["info", "a", "b"], "unexpected extra argument"),
        (["train", "--config", "no-such.yaml"], "config file no-such.yaml does not exist"),
        (["train", "--config", "configs/demo.yaml", "--set", "a.b=1"], 'unknown key "a"'),
        (["train", "--config", "configs/demo.yaml", "--set", "x\udc80"], "not KEY=VALUE"),
    ],
)
def test_usage_error_exits_with_code_2_and_short_message(
    arguments: list[str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments, monkeypatch) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert expected in message
    assert message.count("\n") <= 2


def test_missing_command_shows_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], monkeypatch) == 2
    assert "Usage: nmt" in capsys.readouterr().err
    assert main(["--version"], monkeypatch) == 0
    assert capsys.readouterr().out.startswith("nmt 0")


def command_names() -> list[list[str]]:
    import typer

    group: Any = typer.main.get_command(cli.app)
    names = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", {})
        names += [[name, other] for other in inner] or [[name]]
    return names


@pytest.mark.parametrize("command", command_names(), ids=" ".join)
def test_every_command_has_help_with_an_example(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--help"], monkeypatch) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"Usage: nmt {' '.join(command)}" in text
    assert f"nmt {' '.join(command)} " in text.split("xample", 1)[1]


def test_help_lists_the_commands_under_headings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"], monkeypatch) == 0
    output = capsys.readouterr().out
    for command in command_names():
        assert f"\n  {command[0]} " in output
    assert "Train:\n" in output
    assert max(map(len, output.split("\n"))) <= 80


def test_closed_pipe_ends_the_command_without_a_message() -> None:
    program = [sys.executable, "-c", PROGRAM.format("[print('x' * 99) for _ in range(10**5)]")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_full_disk_for_the_output_is_reported() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with Path("/dev/full").open("wb") as full:
        done = run("print('x')", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 5
    assert done.stderr == b"error: No space left on device\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("ignored", [False, True])
def test_killed_command_removes_temporary_files(
    tmp_path: Path, number: signal.Signals, ignored: bool
) -> None:
    """A signal that nohup ignores stays ignored."""
    code = (
        "import tempfile, time; folder = tempfile.TemporaryDirectory(dir='.');"
        "c = folder.__enter__(); print(flush=True);"
        "exec('try: time.sleep(1 + 59 * (not IGNORED))\\nfinally: folder.cleanup()')"
    ).replace("IGNORED", str(ignored))
    before = signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(code)], stdout=subprocess.PIPE, cwd=tmp_path
    ) as process:
        signal.signal(number, before)
        assert process.stdout is not None
        process.stdout.readline()
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        assert process.wait(30) == (0 if ignored else 128 + number)
    assert not list(tmp_path.iterdir())


def test_error_with_broken_stderr_keeps_its_exit_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run("raise __import__('nmt.errors').errors.DataError('m')", stderr=writer)
    os.close(writer)
    assert done.returncode == 4


def test_windows_is_reported_as_not_supported() -> None:
    code = """
import signal, sys
import typer, numpy, select, subprocess
sys.platform = "win32"
del signal.SIGHUP, signal.SIGUSR1
sys.modules["fcntl"] = sys.modules["resource"] = None
import nmt.cli
nmt.cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: nmt runs on Linux and macOS, not on Windows",
        "hint: use the Windows Subsystem for Linux (WSL)",
    ]


def test_any_text_can_be_printed_in_any_locale() -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    code = r"print('ü\ud800'); print('\udc80', file=sys.stderr)"
    done = run(code, capture_output=True, env=environment)
    assert done.returncode == 0
    assert done.stdout == "ü\\ud800\n".encode()
    assert done.stderr == b"\\udc80\n"


def test_closed_streams_do_not_fail_the_command() -> None:
    program = PROGRAM.format(r"print('\ud800'); print(1, file=sys.stderr); sys.stdin.read()")
    command = f'"{sys.executable}" -c "$PROGRAM" <&- >&- 2>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command], env={**os.environ, "PROGRAM": program}, timeout=60, check=False
    )
    assert done.returncode == 0
