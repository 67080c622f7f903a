"""Workers give the same translations as one translator and leave no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from untrained import write_run

from nmt.config import DecodingConfig
from nmt.decoding import workers
from nmt.decoding.translator import Translation, Translator
from nmt.decoding.workers import TranslatorPool
from nmt.errors import StorageError, UsageError
from nmt.runs import Run

WORDS = ["the", "old", "dog", "cat", "house", "tree", "runs", "sees", "a", "."]
SENTENCES = [" ".join(WORDS[i % 7 : i % 10]) for i in range(40)] + ["", "\ud800 x", "a " * 300]
DECODING = DecodingConfig(beam_size=3, max_length=20)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    write_run(folder)
    return Run(folder)


@pytest.fixture(scope="module")
def pool(run: Run) -> Iterator[TranslatorPool]:
    with TranslatorPool(run, DECODING, workers=2, threads=2) as pool:
        yield pool


def assert_same(found: list[list[Translation]], expected: list[list[Translation]]) -> None:
    assert [[t.text for t in best] for best in found] == [[t.text for t in b] for b in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert [t.score for t in ours] == pytest.approx([t.score for t in theirs], abs=1e-4)


@pytest.mark.parametrize("task", [1, 7, 256])
def test_workers_give_the_results_of_one_translator(
    run: Run, pool: TranslatorPool, task: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TranslatorPool, "TASK", task)
    alone = Translator.load(run, "cpu", DECODING)
    warnings: list[tuple[int, str]] = []
    expected_warnings: list[tuple[int, str]] = []
    found = pool.translate_nbest(SENTENCES, 2, lambda i, text: warnings.append((i, text)))
    expected = alone.translate_nbest(SENTENCES, 2, lambda i, t: expected_warnings.append((i, t)))
    assert_same(found, expected)
    assert warnings == expected_warnings != []
    assert pool.translate(SENTENCES, lambda i, text: None) == [best[0].text for best in expected]
    options = {"count": 2, "temperature": 1.5, "top_k": 5, "top_p": 0.9, "seed": 3}
    drawn = pool.sample(SENTENCES, first=4, warn=lambda i, text: None, **options)
    assert_same(drawn, alone.sample(SENTENCES, first=4, warn=lambda i, text: None, **options))  # type: ignore[arg-type]


def test_damaged_run_raises_storage_error(run: Run, tmp_path: Path) -> None:
    write_run(tmp_path / "damaged")
    weights = Run(tmp_path / "damaged").weights()
    weights.write_bytes(weights.read_bytes()[:-1])
    with (
        TranslatorPool(Run(tmp_path / "damaged"), DECODING, 2) as pool,
        pytest.raises(StorageError, match=r"model\.safetensors"),
    ):
        pool.translate(["a tree"] * 3, lambda i, text: None)


def test_bug_in_a_worker_raises_its_message(pool: TranslatorPool) -> None:
    with pytest.raises(workers.NmtError, match="ValueError: nbest is 4, beam_size 3"):
        pool.translate_nbest(["a tree"], 4, lambda i, text: None)
    assert pool.translate(["a tree"], lambda i, text: None)  # the worker still runs


def test_killed_worker_raises_usage_error(run: Run) -> None:
    with TranslatorPool(run, DECODING, workers=2) as pool:
        pool.translate(SENTENCES, lambda i, text: None)
        os.kill(pool._workers[1]._process.pid, signal.SIGKILL)
        with pytest.raises(UsageError, match="a worker ended with status -9") as caught:
            for _ in range(2):
                pool.translate(SENTENCES, lambda i, text: None)
        assert "reduce --workers" in (caught.value.hint or "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_exit_with_their_parent(run: Run, number: int) -> None:
    # Background jobs of a shell ignore SIGINT, and their child processes inherit this.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from nmt.cli import main; main()"
    command = [sys.executable, "-c", program, "translate", "--workers", "2", "-m", str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin and parent.stdout
        parent.stdin.write(b"a tree\nthe dog runs .\n")
        parent.stdin.flush()
        assert parent.stdout.readline()
        listed = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
        children = [Path(f"/proc/{child}") for child in listed.split()]
        assert len(children) == 2
        parent.send_signal(number)
        parent.wait(timeout=20)
    deadline = time.monotonic() + 20
    while any(child.exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(child.exists() for child in children)
