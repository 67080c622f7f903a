"""Measure the training speed of another toolkit, in the Python environment of that toolkit.

    /path/to/peer/python scripts/peer_training.py NAME JOB RESULT

`bench_peers.py` writes JOB (JSON) and reads RESULT (JSON). This file does not import nmt. Each
function below starts one toolkit with the common settings, through its own command line or, for
transformers, in a plain loop. It counts the target tokens of each step, including eos and excluding
padding, and takes the time from one optimizer step to the next. Marian is not written in Python, so
its time is from one line of its log to the next.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BETAS = (0.9, 0.98)
RATE, WARMUP = 5e-4, 400
NEVER = 1_000_000


class Meter:
    """Counter of the target tokens of each step. It ends the process after the measured steps."""

    def __init__(self, job: dict[str, Any], result: Path) -> None:
        self.warmup, self.updates, self.result = job["warmup"], job["updates"], result
        self.pending = 0
        self.tokens: list[int] = []
        self.times: list[float] = []
        self.process = os.getpid()
        """Id of the process that trains. Peak memory excludes processes that load data."""

    def count(self, tokens: Any) -> None:
        self.pending += int(tokens)

    def before(self, cls: type, method: str, tokens: Callable[..., Any]) -> None:
        """Count tokens(self, ...) before each call of a method."""
        original = getattr(cls, method)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.count(tokens(*args, **kwargs))
            return original(*args, **kwargs)

        setattr(cls, method, counted)

    def step(self, *_: Any) -> None:
        """Record the end of a step; after the last one, write the results and exit the process."""
        self.times.append(time.perf_counter())
        self.tokens.append(self.pending)
        self.pending = 0
        if len(self.times) < self.warmup + self.updates:
            return
        measured = self.tokens[-self.updates :]
        status = Path(f"/proc/{self.process}/status").read_text()
        peak = int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0])
        results = {
            "target tokens/s": sum(measured) / (self.times[-1] - self.times[-self.updates - 1]),
            "target tokens per step": sum(measured) / self.updates,
            "peak memory GiB": peak / 2**20,
        }
        self.result.write_text(json.dumps(results))
        sys.stderr.flush()
        os._exit(0)


def fairseq(job: dict[str, Any], meter: Meter) -> None:
    from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
    from fairseq_cli import preprocess, train

    folder = Path(job["folder"])
    binary = folder / "fairseq"
    if not binary.exists():
        sys.argv = ["fairseq-preprocess", "--source-lang", "en", "--target-lang", "de"]
        sys.argv += ["--trainpref", str(folder / "train"), "--validpref", str(folder / "valid")]
        sys.argv += ["--joined-dictionary", "--srcdict", str(folder / "counts.txt")]
        sys.argv += ["--destdir", str(binary)]
        preprocess.cli_main()
    meter.before(
        LabelSmoothedCrossEntropyCriterion,
        "forward",
        lambda _, model, sample, **__: sample["ntokens"],
    )
    sys.argv = ["fairseq-train", str(binary), "--cpu", "--arch", "transformer"]
    for side in ("encoder", "decoder"):
        sys.argv += [f"--{side}-layers", "3", f"--{side}-attention-heads", "4"]
        sys.argv += [f"--{side}-embed-dim", "256", f"--{side}-ffn-embed-dim", "1024"]
    sys.argv += ["--share-all-embeddings", "--dropout", "0.1", "--optimizer", "adam"]
    sys.argv += ["--adam-betas", str(BETAS), "--lr", str(RATE), "--lr-scheduler", "inverse_sqrt"]
    sys.argv += ["--warmup-updates", str(WARMUP), "--clip-norm", "1.0"]
    sys.argv += ["--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"]
    sys.argv += ["--max-tokens", str(job["batch_tokens"]), "--max-update", str(NEVER)]
    sys.argv += ["--num-workers", "1", "--no-save", "--disable-validation", "--no-progress-bar"]
    sys.argv += ["--log-interval", str(NEVER)]
    if job["precision"] == "bf16":
        sys.argv += ["--bf16"]
    train.cli_main()


def opennmt(job: dict[str, Any], meter: Meter) -> None:
    from onmt.bin import train
    from onmt.utils.loss import LossCompute

    meter.before(
        LossCompute,
        "forward",
        lambda loss, batch, *_, **__: (batch["tgt"][:, 1:] != loss.padding_idx).sum(),
    )
    folder = Path(job["folder"])
    config = {
        "save_model": str(folder / "opennmt"),
        "data": {"train": {"path_src": f"{folder}/train.en", "path_tgt": f"{folder}/train.de"}},
        "src_vocab": str(folder / "tabs.txt"),
        "tgt_vocab": str(folder / "tabs.txt"),
        "share_vocab": True,
        "src_vocab_size": 8000,
        "tgt_vocab_size": 8000,
        "num_workers": 1,
        "bucket_size": 30000,
        "batch_type": "tokens",
        "batch_size": job["batch_tokens"],
        "batch_size_multiple": 1,
        "normalization": "tokens",
        "encoder_type": "transformer",
        "decoder_type": "transformer",
        "position_encoding": True,
        "enc_layers": 3,
        "dec_layers": 3,
        "heads": 4,
        "hidden_size": 256,
        "word_vec_size": 256,
        "transformer_ff": 1024,
        "share_embeddings": True,
        "share_decoder_embeddings": True,
        "dropout": [0.1],
        "attention_dropout": [0.0],
        "label_smoothing": 0.1,
        "optim": "adam",
        "adam_beta2": BETAS[1],
        "learning_rate": 1.0,
        "decay_method": "noam",
        "warmup_steps": WARMUP,
        "max_grad_norm": 1.0,
        "param_init": 0.0,
        "param_init_glorot": True,
        "train_steps": NEVER,
        "valid_steps": NEVER,
        "save_checkpoint_steps": NEVER,
        "report_every": NEVER,
    }
    sys.argv = ["onmt_train", "-config", str(written(folder / "opennmt.yaml", config))]
    train.main()


def eole(job: dict[str, Any], meter: Meter) -> None:
    from eole.bin import main
    from eole.utils.loss import LossCompute

    meter.before(
        LossCompute,
        "forward",
        lambda loss, batch, *_, **__: (
            batch["tgt"][:, loss.tgt_shift_index :] != loss.padding_idx
        ).sum(),
    )
    folder = Path(job["folder"])
    config = {
        "data": {"train": {"path_src": f"{folder}/train.en", "path_tgt": f"{folder}/train.de"}},
        "src_vocab": str(folder / "tabs.txt"),
        "tgt_vocab": str(folder / "tabs.txt"),
        "share_vocab": True,
        "src_vocab_size": 8000,
        "tgt_vocab_size": 8000,
        "overwrite": True,
        "report_every": NEVER,
        "training": {
            "model_path": str(folder / "eole"),
            "world_size": 1,
            "gpu_ranks": [],
            "num_workers": 1,
            "bucket_size": 30000,
            "batch_type": "tokens",
            "batch_size": job["batch_tokens"],
            "normalization": "tokens",
            "compute_dtype": job["precision"],
            "dropout": [0.1],
            "attention_dropout": [0.0],
            "label_smoothing": 0.1,
            "log_attention_entropy": False,
            "optim": "adam",
            "adam_beta2": BETAS[1],
            "learning_rate": 1.0,
            "decay_method": "noam",
            "warmup_steps": WARMUP,
            "max_grad_norm": 1.0,
            "param_init_method": "xavier_uniform",
            "train_steps": NEVER,
            "valid_steps": NEVER,
            "save_checkpoint_steps": NEVER,
        },
        "model": {
            "architecture": "transformer",
            "layers": 3,
            "heads": 4,
            "hidden_size": 256,
            "transformer_ff": 1024,
            "share_embeddings": True,
            "share_decoder_embeddings": True,
            "add_qkvbias": True,
            "add_final_linear_bias": True,
            "add_ffnbias": True,
            "embeddings": {
                "word_vec_size": 256,
                "position_encoding_type": "SinusoidalInterleaved",
            },
        },
    }
    sys.argv = ["eole", "train", "-c", str(written(folder / "eole.yaml", config))]
    main.main()


def joeynmt(job: dict[str, Any], meter: Meter) -> None:
    from joeynmt import __main__ as main
    from joeynmt.training import TrainManager

    meter.before(TrainManager, "_train_step", lambda _, batch: batch.ntokens)
    folder = Path(job["folder"])

    def side(language: str) -> dict[str, Any]:
        return {
            "lang": language,
            "level": "word",
            "max_length": 256,
            "lowercase": False,
            "normalize": False,
            "voc_file": str(folder / "pieces.txt"),
        }

    def stack() -> dict[str, Any]:
        return {
            "type": "transformer",
            "num_layers": 3,
            "num_heads": 4,
            "hidden_size": 256,
            "ff_size": 1024,
            "dropout": 0.1,
            "layer_norm": "post",
            "embeddings": {"embedding_dim": 256, "scale": True, "dropout": 0.1},
        }

    config = {
        "name": "bench",
        "joeynmt_version": "2.3.0",
        "model_dir": str(folder / "joeynmt"),
        "use_cuda": False,
        "fp16": False,
        "random_seed": 1,
        "data": {
            "train": str(folder / "train"),
            "dev": str(folder / "valid"),
            "dataset_type": "plain",
            "src": side("en"),
            "trg": side("de"),
        },
        "testing": {"beam_size": 5},
        "training": {
            "optimizer": "adam",
            "adam_betas": list(BETAS),
            "learning_rate": RATE,
            "scheduling": "warmupinversesquareroot",
            "learning_rate_warmup": WARMUP,
            "clip_grad_norm": 1.0,
            "normalization": "tokens",
            "label_smoothing": 0.1,
            "batch_type": "token",
            # JoeyNMT does not sort pairs by length, so half of a batch is padding.
            "batch_size": 2 * job["batch_tokens"],
            "epochs": 100,
            "logging_freq": NEVER,
            "validation_freq": NEVER,
            "overwrite": True,
        },
        "model": {
            "initializer": "xavier_uniform",
            "tied_embeddings": True,
            "tied_softmax": True,
            "encoder": stack(),
            "decoder": stack(),
        },
    }
    sys.argv = ["joeynmt", "train", str(written(folder / "joeynmt.yaml", config)), "--skip-test"]
    main.main()


def sockeye(job: dict[str, Any], meter: Meter) -> None:
    from sockeye import train
    from sockeye.training import EarlyStoppingTrainer

    meter.before(
        EarlyStoppingTrainer,
        "_step",
        lambda _, batch: sum((labels != 0).sum() for labels in batch.labels.values()),
    )
    folder = Path(job["folder"])
    vocabulary = ["<pad>", "<unk>", "<s>", "</s>", *lines(folder / "pieces.txt")]
    written(folder / "sockeye.json", {piece: i for i, piece in enumerate(vocabulary)})
    sys.argv = ["sockeye-train", "-s", f"{folder}/train.en", "-t", f"{folder}/train.de"]
    sys.argv += ["-vs", f"{folder}/valid.en", "-vt", f"{folder}/valid.de"]
    sys.argv += ["--source-vocab", f"{folder}/sockeye.json"]
    sys.argv += ["--target-vocab", f"{folder}/sockeye.json", "--shared-vocab"]
    sys.argv += ["-o", f"{folder}/sockeye", "--overwrite-output", "--use-cpu"]
    sys.argv += ["--num-layers", "3:3", "--transformer-model-size", "256"]
    sys.argv += ["--transformer-attention-heads", "4"]
    sys.argv += ["--transformer-feed-forward-num-hidden", "1024"]
    sys.argv += ["--transformer-dropout-prepost", "0.1", "--transformer-dropout-attention", "0"]
    sys.argv += ["--transformer-dropout-act", "0", "--weight-tying-type", "src_trg_softmax"]
    sys.argv += ["--label-smoothing", "0.1", "--optimizer", "adam"]
    sys.argv += ["--optimizer-betas", "0.9:0.98", "--initial-learning-rate", str(RATE)]
    sys.argv += ["--batch-type", "max-word", "--batch-size", str(job["batch_tokens"])]
    sys.argv += ["--max-seq-len", "256", "--checkpoint-interval", str(NEVER)]
    sys.argv += ["--max-updates", str(NEVER), "--seed", "1"]
    train.main()


def marian(job: dict[str, Any], meter: Meter) -> None:
    if job["precision"] != "fp32":
        raise SystemExit("Marian trains in fp32 on a CPU")
    folder = Path(job["folder"])
    vocabulary = folder / "marian.txt"
    vocabulary.write_text("\n".join(["</s>", "<unk>", *lines(folder / "pieces.txt"), ""]))
    command = ["train", "--train-sets", f"{folder}/train.en", f"{folder}/train.de"]
    command += ["--vocabs", str(vocabulary), str(vocabulary), "--model", f"{folder}/marian.npz"]
    command += ["--type", "transformer", "--enc-depth", "3", "--dec-depth", "3"]
    command += ["--dim-emb", "256", "--transformer-heads", "4", "--transformer-dim-ffn", "1024"]
    command += ["--transformer-ffn-activation", "relu", "--transformer-dropout", "0.1"]
    command += ["--tied-embeddings-all", "--label-smoothing", "0.1", "--clip-norm", "1"]
    command += ["--optimizer", "adam", "--optimizer-params", *map(str, BETAS), "1e-9"]
    command += ["--learn-rate", str(RATE), "--lr-warmup", str(WARMUP), "--max-length", "256"]
    # Marian counts source tokens without padding.
    command += ["--mini-batch-words", str(round(0.82 * job["batch_tokens"]))]
    command += ["--mini-batch-round-up", "false"]
    # Each thread computes a part of the batch; one optimizer step follows.
    command += ["--cpu-threads", str(job["threads"]), "--sync-sgd", "--disp-freq", "1u"]
    command += ["--maxi-batch", "1000", "--maxi-batch-sort", "trg", "--seed", "1"]
    for path in folder.glob("marian.npz*"):  # Marian would resume an earlier run
        path.unlink()
    program = "import sys, _pymarian; sys.exit(_pymarian.main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", program, *command],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    ) as process:
        meter.process = process.pid
        assert process.stderr is not None
        for line in process.stderr:
            print(line, end="", flush=True)
            # Ep. 1 : Up. 7 : Sen. 1,234 : Cost 9.1 * 4,012 @ 2,006 after 28,084 : ...
            if found := re.search(r" : Cost \S+ \* ([\d,]+) ", line):
                meter.count(found[1].replace(",", ""))
                meter.step()


def transformers(job: dict[str, Any], meter: Meter) -> None:
    import torch
    from huggingface_marian import BOS, EOS, PAD, UNK, marian_loss, marian_model

    folder = Path(job["folder"])
    ids = {piece: i for i, piece in enumerate(lines(folder / "pieces.txt"), 4)}

    def encoded(path: Path) -> list[list[int]]:
        return [[ids.get(piece, UNK) for piece in line.split(" ") if piece] for line in lines(path)]

    def padded(rows: list[list[int]]) -> torch.Tensor:
        longest = max(map(len, rows))
        return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])

    pairs = list(zip(encoded(folder / "train.en"), encoded(folder / "train.de"), strict=True))
    model = marian_model(
        len(ids) + 4, d_model=256, heads=4, encoder_layers=3, decoder_layers=3, feedforward=1024
    )
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), RATE, BETAS, fused=True)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=job["precision"] == "bf16")
    for batch in batches_by_length(pairs, job["batch_tokens"]):
        source = padded([[*s, EOS] for s, _ in batch])
        target_in = padded([[BOS, *t] for _, t in batch])
        target_out = padded([[*t, EOS] for _, t in batch])
        meter.count((target_out != PAD).sum())
        with autocast:
            loss = marian_loss(model, source, target_in, target_out)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def batches_by_length(
    pairs: list[tuple[list[int], list[int]]], batch_tokens: int
) -> Iterator[list[tuple[list[int], list[int]]]]:
    """Yield batches of pairs of similar length without end, in a new random order per epoch."""
    ordered = sorted(pairs, key=lambda pair: (max(map(len, pair)), len(pair[1])))
    batches: list[list[tuple[list[int], list[int]]]] = [[]]
    for pair in ordered:
        longest = max(map(len, pair)) + 1
        if longest * (len(batches[-1]) + 1) > batch_tokens and batches[-1]:
            batches.append([])
        batches[-1].append(pair)
    while True:
        random.shuffle(batches)
        yield from batches


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def written(path: Path, content: dict[str, Any]) -> Path:
    """Write a JSON file, which is also valid YAML, and return its path."""
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


PEERS = {f.__name__: f for f in (fairseq, opennmt, eole, marian, joeynmt, sockeye, transformers)}


def main() -> None:
    name, job_file, result = sys.argv[1:]
    # At the front of sys.path, this folder would hide packages named like one of its files.
    folder = str(Path(__file__).resolve().parent)
    sys.path.remove(folder)
    sys.path.append(folder)
    job = json.loads(Path(job_file).read_text())
    meter = Meter(job, Path(result))
    random.seed(1)
    if name != "marian":
        import torch
        from torch.optim.optimizer import register_optimizer_step_post_hook

        torch.manual_seed(1)
        torch.set_num_threads(job["threads"])
        register_optimizer_step_post_hook(meter.step)
    PEERS[name](job, meter)


if __name__ == "__main__":
    main()
