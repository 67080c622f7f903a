"""Translators in parallel processes on a CPU.

Threads of one translator synchronize after every small product of a step; processes do not wait.
"""

from __future__ import annotations

import json
import math
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import torch

from nmt import errors
from nmt.config import DecodingConfig
from nmt.decoding.translator import Advance, Translation, Warn, load_alone
from nmt.errors import NmtError, UsageError
from nmt.runs import Run, find_run

if TYPE_CHECKING:
    from typing import BinaryIO


class TranslatorPool:
    """Worker processes that act as a `Translator`; a context manager."""

    TASK = 256
    """Maximum sentences per request to a worker."""

    def __init__(
        self,
        run: Run,
        decoding: DecodingConfig,
        workers: int,
        threads: int | None = None,
        *directions: str | None,
    ) -> None:
        """Start workers that share `threads` CPU threads; None means all cores.

        directions: arguments of `Translator.into`.
        """
        self.decoding = decoding
        self.advance: Advance = lambda _: None
        """Called with the number of sentences of each answer of a worker."""
        opening = {
            "run": str(run.path.resolve()),
            "decoding": decoding.model_dump(),
            "threads": max(1, (threads or torch.get_num_threads()) // workers),
            "directions": directions,
        }
        self._workers = [_Worker(opening) for _ in range(workers)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._askers = ThreadPoolExecutor(workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()
        self._askers.shutdown(cancel_futures=True)

    def translate(self, sentences: Sequence[str], warn: Warn) -> list[str]:
        return [best[0].text for best in self.translate_nbest(sentences, 1, warn)]

    def translate_nbest(
        self, sentences: Sequence[str], nbest: int, warn: Warn
    ) -> list[list[Translation]]:
        """Return the nbest best translations per sentence. Raises UsageError if a worker ends."""
        return self._share_out("translate_nbest", sentences, warn, lambda _: {"nbest": nbest})

    def sample(
        self, sentences: Sequence[str], *, first: int, warn: Warn, **options: Any
    ) -> list[list[Translation]]:
        """Return random translations per sentence. Raises UsageError if a worker ends."""
        return self._share_out("sample", sentences, warn, lambda i: options | {"first": first + i})

    def _share_out(
        self,
        method: str,
        sentences: Sequence[str],
        warn: Warn,
        arguments: Callable[[int], dict[str, Any]],
    ) -> list[list[Translation]]:
        size = min(self.TASK, max(1, math.ceil(len(sentences) / len(self._workers))))
        begins = range(0, len(sentences), size)
        answers = self._askers.map(
            lambda i: self._ask([method, sentences[i : i + size], arguments(i)]), begins
        )
        results: list[list[Translation]] = []
        for begin, answer in zip(begins, answers, strict=True):
            for index, message in answer["warnings"]:
                warn(begin + index, message)
            results += [[Translation(*fields) for fields in found] for found in answer["found"]]
            self.advance(len(answer["found"]))
        return results

    def _ask(self, request: list[Any]) -> dict[str, Any]:
        worker = self._idle.get()
        try:
            return worker.ask(request)
        finally:
            self._idle.put(worker)


class _Worker:
    """A process that answers each line of JSON with one."""

    def __init__(self, opening: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nmt.decoding.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Only the parent receives Ctrl-C.
        )
        assert self._process.stdin and self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._send(opening)

    def _send(self, message: Any) -> None:
        self._requests.write(json.dumps(message).encode() + b"\n")
        self._requests.flush()

    def ask(self, request: list[Any]) -> dict[str, Any]:
        try:
            self._send(request)
            line = self._answers.readline()
        except OSError:
            line = b""
        if not line:
            raise UsageError(
                f"a worker ended with status {self._process.wait()}: it was killed or ran out of "
                "memory",
                "reduce --workers or --batch-tokens",
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            name, message, hint = answer["error"]
            raise getattr(errors, name)(message, hint)
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _answers_to(requests: BinaryIO) -> Iterator[dict[str, Any]]:
    opening = json.loads(requests.readline())
    problem: NmtError | None = None
    try:
        decoding = DecodingConfig(**opening["decoding"])
        run, threads, directions = (opening[key] for key in ("run", "threads", "directions"))
        translator = load_alone(find_run(run), "cpu", threads, decoding, *directions)
    except NmtError as error:
        problem = error
    for line in requests:
        method, sentences, arguments = json.loads(line)
        warnings: list[tuple[int, str]] = []
        arguments["warn"] = lambda *warning, warnings=warnings: warnings.append(warning)
        try:
            if problem is not None:
                raise problem
            found = getattr(translator, method)(sentences, **arguments)
            yield {"found": found, "warnings": warnings}
        except NmtError as error:
            yield {"error": [type(error).__name__, error.message, error.hint]}
        except Exception as error:
            yield {"error": ["NmtError", f"{type(error).__name__}: {error}", None]}


if __name__ == "__main__":
    for answer in _answers_to(sys.stdin.buffer):
        print(json.dumps(answer), flush=True)
