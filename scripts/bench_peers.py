"""Compare training speed with other toolkits on the same data and settings.

    python scripts/bench_peers.py --set ... \\
        --peer fairseq=/venvs/fairseq/bin/python --peer eole=/venvs/eole/bin/python

--peer names a toolkit and the Python of its environment (see `peer_environments.sh`), where
`peer_training.py` runs. All systems get the same pairs, segmented by the tokenizer of the config.
They run alternately over several rounds, each in a separate process.
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
    """Write the corpus in pieces, one sentence per line, and the vocabulary in all formats."""
    from nmt.data.preparation import prepare_data

    data = prepare_data(config, folder, folder / "tokenizer", lambda _: None, lambda: None)
    vocabulary = data.tokenizer.target
    if not data.tokenizer.shared:
        raise SystemExit("error: the peers need one vocabulary\nhint: set tokenizer.shared to true")
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
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def measure_peer(
    name: str, python: str, job: dict[str, Any], seconds: float
) -> dict[str, Any] | None:
    """Run a peer and return its results.

    If the peer fails, print the end of its log to stderr and return None.
    """
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
            print(f"{name}: stopped at its time limit of {seconds:.0f} s", file=sys.stderr)
        finally:
            # Data loaders of the peer may still run.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if not result.exists():
        last = log.read_text(errors="replace").strip().split("\n")[-3:]
        print(f"{name} failed. End of {log}:", *last, sep="\n  ", file=sys.stderr)
        return None
    results: dict[str, Any] = json.loads(result.read_text())
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--config", type=Path, default=BENCH, help="config file [configs/bench.yaml]")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a config key")
    add(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="toolkit to measure and its Python; can be repeated",
    )
    add(
        "--precision", nargs="+", default=["auto", "fp32"], help="number formats of nmt [auto fp32]"
    )
    add(
        "--peer-precision",
        choices=["fp32", "bf16"],
        default="fp32",
        help="number format of peers [fp32]",
    )
    add("--threads", type=int, default=2, help="number of CPU threads [2]")
    add("--updates", type=int, default=10, help="measured steps per run [10]")
    add("--warmup", type=int, default=3, help="steps before measuring [3]")
    add("--rounds", type=int, default=2, help="rounds to take the median of [2]")
    add("--timeout", type=float, default=480, help="time limit of a peer's run in seconds [480]")
    add("--work", type=Path, help="folder to keep the peers' files [temporary]")
    add("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    peers = dict(peer.split("=", 1) for peer in arguments.peer)
    for name in peers:
        if name not in PEERS:
            parser.error(f"unknown peer {name}; use one of {', '.join(PEERS)}")
    if missing := [name for name in PEERS if name not in peers]:
        print(f"not measured, because --peer is missing: {', '.join(missing)}", file=sys.stderr)

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
                results = measure_peer(name, python, job, arguments.timeout)
                if results is not None:
                    row[f"{name} {arguments.peer_precision}"] = results
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
