"""Measure decoding speed, alone or against other decoders with the same weights.

    nmt train --config configs/bench.yaml
    python scripts/bench_decoding.py --against ctranslate2
    python scripts/bench_decoding.py --device cuda --precision bf16 fp32 --against transformers

Every system runs in a separate process. The systems are measured alternately over several rounds.
Results are medians over rounds; ratios are computed within a round. Times include tokenization.
Output tokens are the tokens of the output text tokenized again, plus one eos per sentence. Outputs
are compared line by line; --differences shows different lines.

--against transformers measures MarianMT, whose `generate` ends a sentence as nmt does by default.
The run must have post-norm, sinusoidal positions, ReLU and one tied vocabulary (the defaults).

On a GPU, fp32-eager and bf16-eager decode without CUDA graphs:

    python scripts/bench_decoding.py --device cuda --precision bf16 bf16-eager fp32 fp32-eager
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MAX_LENGTH = 256  # output tokens; CTranslate2 has no limit relative to the source length
OWN = ("fp32", "fp16", "bf16", "int8", "fp32-eager", "bf16-eager")
OTHERS = {"ctranslate2": ("ct2-float32", "ct2-int8"), "transformers": ("hf-fp32", "hf-bf16")}


def read_lines(path: Path) -> list[str]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return text.removesuffix("\n").split("\n")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one system in this process and return the results by name with unit."""
    lines = read_lines(arguments.source)
    order = sorted(range(len(lines)), key=lambda i: -len(lines[i]))
    groups = [order[i : i + arguments.batch] for i in range(0, len(order), arguments.batch)]
    singles = lines[: arguments.singles]
    if arguments.measure in OWN:
        translate, count = nmt_system(arguments)
    elif arguments.measure in OTHERS["ctranslate2"]:
        translate, count = ctranslate2_system(arguments)
    else:
        translate, count = transformers_system(arguments)

    translate(lines[:8])
    translate(lines[:1])
    if arguments.workers > 1:  # workers share the sentences of one call
        groups = [order]
    outputs = [""] * len(lines)
    begin = time.perf_counter()
    for group in groups:
        for i, output in zip(group, translate([lines[i] for i in group]), strict=True):
            outputs[i] = output
    seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    for line in singles:
        translate([line])
    single = (time.perf_counter() - begin) / max(1, len(singles))
    return {
        "sentences/s": len(lines) / seconds,
        "output tokens/s": sum(count(output) + 1 for output in outputs) / seconds,
        "ms per sentence at batch 1": single * 1000,
        "peak memory MiB": peak_memory(arguments.device) / 2**20,
        "outputs": outputs,
    }


def peak_memory(device: str) -> int:
    """Return the peak memory in bytes: reserved by torch on the GPU, or of this process."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    import torch

    return torch.cuda.max_memory_reserved()


def nmt_system(arguments: argparse.Namespace) -> tuple[Any, Any]:
    from nmt.cli.common import load_translator
    from nmt.decoding.translator import warn_in_python
    from nmt.decoding.workers import TranslatorPool
    from nmt.runs import find_run

    settings = {
        "beam_size": arguments.beam_size,
        "length_penalty": arguments.length_penalty,
        "precision": arguments.measure.removesuffix("-eager"),
        "max_length": MAX_LENGTH,
        "max_length_ratio": 1000.0,
        "batch_tokens": 1_000_000,
    }
    device, threads = arguments.device, arguments.threads
    if arguments.workers > 1:
        run = find_run(arguments.model)
        tokenizer = run.tokenizer.target
        decoding = run.config.decoding.model_copy(update=settings)
        TranslatorPool.TASK = arguments.batch
        pool = TranslatorPool(run, decoding, arguments.workers, threads)
        return lambda ls: pool.translate(ls, warn_in_python), lambda t: len(tokenizer.encode(t))
    translator = load_translator(str(arguments.model), device, threads, settings)
    if arguments.measure.endswith("-eager"):
        program: Any = translator.program
        program.record = None
    return translator.translate, lambda text: len(translator.tokenizer.target.encode(text))


def ctranslate2_system(arguments: argparse.Namespace) -> tuple[Any, Any]:
    import ctranslate2
    import sentencepiece

    def processor(side: str) -> Any:
        folder = Path(arguments.model) / "tokenizer"
        shared = folder / "shared.model"
        path = shared if shared.exists() else folder / f"{side}.model"
        return sentencepiece.SentencePieceProcessor(model_file=str(path))

    source, target = processor("source"), processor("target")
    translator = ctranslate2.Translator(
        str(arguments.converted),
        device=arguments.device,
        compute_type=arguments.measure.removeprefix("ct2-"),
        inter_threads=arguments.workers,
        intra_threads=max(1, arguments.threads // arguments.workers),
    )

    def translate(lines: list[str]) -> list[str]:
        results = translator.translate_batch(
            [[*pieces, "</s>"] for pieces in source.encode(lines, out_type=str)],
            beam_size=arguments.beam_size,
            length_penalty=arguments.length_penalty,
            max_decoding_length=MAX_LENGTH,
            disable_unk=True,
            max_batch_size=arguments.batch,
        )
        return [target.decode(result.hypotheses[0]) for result in results]

    return translate, lambda text: len(target.encode(text))


def transformers_system(arguments: argparse.Namespace) -> tuple[Any, Any]:
    import torch
    from huggingface_marian import EOS, PAD, load_nmt_weights, marian_model

    from nmt.devices import resolve_device
    from nmt.loading import load_model
    from nmt.model.positions import SinusoidalPositions
    from nmt.runs import find_run

    run, device = find_run(arguments.model), resolve_device(arguments.device)
    sizes = run.config.model
    model = marian_model(
        len(run.tokenizer.target),
        d_model=sizes.d_model,
        heads=sizes.heads,
        encoder_layers=sizes.encoder_layers,
        decoder_layers=sizes.decoder_layers,
        feedforward=sizes.feedforward,
    )
    trained: Any = load_model(run, torch.device("cpu"))
    indices = torch.arange(model.config.max_position_embeddings)
    positions = SinusoidalPositions(sizes.d_model)(indices)
    load_nmt_weights(model, trained.state_dict(), positions)
    dtype = torch.bfloat16 if arguments.measure == "hf-bf16" else torch.float32
    model.to(device, dtype).eval()
    source, target = run.tokenizer.source, run.tokenizer.target

    @torch.inference_mode()
    def translate(lines: list[str]) -> list[str]:
        rows = [torch.tensor([*ids, EOS]) for ids in source.encode_batch(lines)]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD).to(device)
        outputs = model.generate(
            input_ids=ids,
            attention_mask=(ids != PAD).long(),
            num_beams=arguments.beam_size,
            length_penalty=arguments.length_penalty,
            early_stopping=True,
            max_new_tokens=MAX_LENGTH,
            suppress_tokens=list(range(EOS)),
        )
        return [target.decode([i for i in row if i > EOS]) for row in outputs.tolist()]

    return translate, lambda text: len(target.encode(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--model", default="bench", help="name or folder of a run [bench]")
    add("--source", type=Path, help="text file, plain or .gz [test or validation set of the run]")
    add(
        "--precision", nargs="+", default=["fp32"], choices=OWN, help="number formats of nmt [fp32]"
    )
    add("--against", choices=OTHERS, help="also measure this decoder")
    add("--batch", type=int, default=64, help="sentences per batch [64]")
    add("--singles", type=int, default=100, help="sentences translated one by one [100]")
    add("--beam-size", type=int, default=5, help="beam size [5]")
    add("--length-penalty", type=float, default=1.0, help="length penalty [1.0]")
    add("--device", choices=["cpu", "cuda"], default="cpu", help="device [cpu]")
    add("--threads", type=int, default=2, help="number of CPU threads [2]")
    add("--workers", type=int, default=1, help="workers that share the threads [1]")
    add("--rounds", type=int, default=3, help="rounds to take the median of [3]")
    add("--lines", type=int, help="use only the first lines of the source")
    add("--differences", type=int, default=0, help="different outputs to print per system [0]")
    add("--json", action="store_true", help="print a JSON object per line")
    add("--measure", help=argparse.SUPPRESS)
    add("--converted", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        json.dump(measure(arguments), sys.stdout)
        return

    from nmt.data.sources import read_split
    from nmt.runs import find_run

    systems = list(arguments.precision)
    rounds: dict[str, list[dict[str, Any]]] = {}
    run = find_run(arguments.model)
    if arguments.source:
        lines = read_lines(arguments.source)
    else:
        data = run.config.data
        lines = [pair.source for pair in read_split(data, "test" if data.test else "valid")]
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "model"
        source = Path(folder) / "source"
        source.write_text("".join(f"{line}\n" for line in lines[: arguments.lines]))
        if arguments.against == "ctranslate2":
            from ctranslate2_conversion import convert

            convert(run, converted)
        if arguments.against == "transformers" and find_spec("transformers") is None:
            print("warning: transformers is not installed and was not measured", file=sys.stderr)
        elif arguments.against:
            systems += OTHERS[arguments.against]
        for _ in range(arguments.rounds):
            for system in systems:
                command = [sys.executable, __file__, *sys.argv[1:]]
                command += ["--measure", system, "--converted", str(converted)]
                command += ["--model", str(run.path), "--source", str(source)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
                rounds.setdefault(system, []).append(json.loads(done.stdout))

    first = systems[0]
    outputs = {system: results[0].pop("outputs") for system, results in rounds.items()}
    table = {}
    for system in systems:
        names = [name for name in rounds[system][0] if name != "outputs"]
        row = {name: statistics.median(r[name] for r in rounds[system]) for name in names}
        pairs = zip(rounds[first], rounds[system], strict=True)
        row[f"{first} is faster by"] = statistics.median(
            ours["sentences/s"] / theirs["sentences/s"] for ours, theirs in pairs
        )
        same = sum(a == b for a, b in zip(outputs[first], outputs[system], strict=True))
        row[f"outputs as {first}"] = same / len(outputs[first])
        table[system] = row
        different = [
            i
            for i, (a, b) in enumerate(zip(outputs[first], outputs[system], strict=True))
            if a != b
        ]
        for i in different[: arguments.differences]:
            for name in (first, system):
                print(f"line {i + 1}, {name}: {outputs[name][i]}", file=sys.stderr)
    if arguments.json:
        for system, row in table.items():
            print(json.dumps({"system": system, **row}))
        return
    names = list(table[first])
    widths = [max(len(name), 8) for name in names]
    print("system       " + "  ".join(n.rjust(w) for n, w in zip(names, widths, strict=True)))
    for system, row in table.items():
        cells = (f"{row[n]:,.3g}" if row[n] < 1000 else f"{row[n]:,.0f}" for n in names)
        print(f"{system:12} " + "  ".join(c.rjust(w) for c, w in zip(cells, widths, strict=True)))


if __name__ == "__main__":
    main()
