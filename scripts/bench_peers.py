"""Compare training speed with other toolkits on the same work, in turn, over several rounds.

    python scripts/bench_peers.py --set ... \\
        --peer fairseq=/venvs/fairseq/bin/python --peer eole=/venvs/eole/bin/python

Each peer is given by the Python of an environment that has it (docs/benchmarks.md says how to
make one); `peer_training.py` runs it there. All get the same pairs, segmented by the config's
tokenizer. Every system runs in a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.config.loading import load_config

if TYPE_CHECKING:
    from nmt.config import Config

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent / "configs" / "bench.yaml"
PEERS = ("fairseq", "opennmt", "eole", "marian", "joeynmt", "sockeye", "transformers")


def write_pieces(config: Config, folder: Path) -> None:
    """The corpus in pieces, one pair a line, and the vocabulary in the formats that peers read."""
    from nmt.data.corpus import prepare_data

    data = prepare_data(config, folder, folder / "tokenizer", lambda _: None, lambda: None)
    vocabulary = data.tokenizer.target
    if not data.tokenizer.shared:
        raise SystemExit("the peers are set up for one vocabulary: tokenizer.shared must be true")
    for name, corpus in (("train", data.train), ("valid", data.valid)):
        with (
            (folder / f"{name}.en").open("w", encoding="utf-8") as source,
            (folder / f"{name}.de").open("w", encoding="utf-8") as target,
        ):
            for source_ids, target_ids in corpus.read(range(len(corpus))):
                if len(source_ids) and len(target_ids):
                    print(*vocabulary.pieces(source_ids), file=source)
                    print(*vocabulary.pieces(target_ids), file=target)
    pieces = vocabulary.pieces(range(4, len(vocabulary)))
    for name, line in (("pieces", "{}"), ("counts", "{} 1"), ("tabs", "{}\t1")):
        text = "".join(line.format(piece) + "\n" for piece in pieces)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def measure_nmt(arguments: argparse.Namespace, precision: str) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "bench_training.py"), "--json"]
    command += ["--config", str(arguments.config)]
    for override in [*arguments.set, f"training.precision={precision}"]:
        command += ["--set", override]
    command += ["--set", f"training.threads={arguments.threads}"]
    command += ["--steps", str(arguments.updates), "--warmup", str(arguments.warmup)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def measure_peer(
    name: str, python: str, job: dict[str, Any], seconds: float
) -> dict[str, Any] | None:
    """Figures of one run of a peer; None, with its last words on stderr, if it fails."""
    folder = Path(job["folder"])
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    (folder / "job.json").write_text(json.dumps(job))
    log = folder / f"{name}.log"
    command = [python, str(HERE / "peer_training.py"), name, str(folder / "job.json"), str(result)]
    environment = os.environ | {
        "OMP_NUM_THREADS": str(job["threads"]),
        "TOKENIZERS_PARALLELISM": "false",
        "TRITON_INTERPRET": "0",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            print(f"{name}: stopped after {seconds:.0f} s", file=sys.stderr)
        finally:
            # Data loaders of the peer may outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if not result.exists():
        last = log.read_text(errors="replace").strip().split("\n")[-3:]
        print(f"{name} failed; the end of {log}:", *last, sep="\n  ", file=sys.stderr)
        return None
    figures: dict[str, Any] = json.loads(result.read_text())
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=Path, default=BENCH)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--precision", nargs="+", default=["auto", "fp32"], help="of nmt")
    parser.add_argument("--peer-precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--updates", type=int, default=10, help="measured updates of a run")
    parser.add_argument("--warmup", type=int, default=3, help="updates before measuring")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=480, help="seconds for one peer's run")
    parser.add_argument("--work", type=Path, help="keep the peers' files here [a temporary folder]")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    peers = dict(peer.split("=", 1) for peer in arguments.peer)
    for name in peers:
        if name not in PEERS:
            parser.error(f"no peer {name}; there are {', '.join(PEERS)}")
    if missing := [name for name in PEERS if name not in peers]:
        print(f"not measured (no --peer): {', '.join(missing)}", file=sys.stderr)

    config = load_config(arguments.config, arguments.set)
    rounds: list[dict[str, dict[str, Any]]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.work or Path(temporary)).resolve()
        if not (folder / "tabs.txt").exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_pieces(config, folder)
        job = {
            "folder": str(folder),
            "batch_tokens": config.training.batch_tokens,
            "precision": arguments.peer_precision,
            "threads": arguments.threads,
            "updates": arguments.updates,
            "warmup": arguments.warmup,
        }
        for _ in range(arguments.rounds):
            row = {f"nmt {p}": measure_nmt(arguments, p) for p in arguments.precision}
            for name, python in peers.items():
                figures = measure_peer(name, python, job, arguments.timeout)
                if figures is not None:
                    row[f"{name} {arguments.peer_precision}"] = figures
            rounds.append(row)

    first = f"nmt {arguments.precision[0]}"
    names = ["target tokens/s", "target tokens per step", "peak memory GiB"]
    table: dict[str, dict[str, float]] = {}
    for system in dict.fromkeys(name for row in rounds for name in row):
        runs = [row for row in rounds if system in row]
        table[system] = {n: statistics.median(row[system][n] for row in runs) for n in names}
        table[system][f"{first} is faster by"] = statistics.median(
            row[first][names[0]] / row[system][names[0]] for row in runs
        )
    if arguments.json:
        print(json.dumps(table))
        return
    names = list(table[first])
    print("| system | " + " | ".join(names) + " |")
    print("|---|" + "---:|" * len(names))
    for system, values in table.items():
        cells = (f"{values[n]:,.0f}" if values[n] >= 100 else f"{values[n]:.2f}" for n in names)
        print(f"| {system} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
