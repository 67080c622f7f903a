"""Compare models for several directions with models for one direction, on the built-in corpus.

    python scripts/experiment_multilingual.py made-up
    python scripts/experiment_multilingual.py made-up-4 --models joint
    python scripts/experiment_multilingual.py phrasebook --steps 1400

`made-up` trains on three made-up languages: English phrases with other letters and another order of
words. One model learns all directions except one, and is also tested on that one. `made-up-4` adds
English as it is. `phrasebook` trains English to German and back. Each single model has the size and
the steps of the joint model. Finished runs are used again. Results are written to
docs/results/multilingual-NAME.json, and printed as a table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from nmt import storage
from nmt.config import Config
from nmt.phrasebook import generate
from nmt.runs import Run
from nmt.tables import table_lines
from nmt.training.pipeline import run_training

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"train": 8_000, "valid": 100, "test": 400}
LENGTHS, WORDS = range(3, 7), 300
"""Made-up phrases have 3 to 6 words, of the WORDS most frequent ones."""
LEFT_OUT = ("qac", "qaa")


def cipher(seed: str) -> dict[int, str]:
    """Return a table for str.translate that permutes vowels, and other letters."""
    table = {}
    for letters in ("aeiou", "".join(c for c in string.ascii_lowercase if c not in "aeiou")):
        shuffled = list(letters)
        Random(seed).shuffle(shuffled)
        table |= dict(zip(letters, shuffled, strict=True))
    return str.maketrans(table)


EXPERIMENTS = {
    "made-up": ("qaa", "qab", "qac"),
    "made-up-4": ("qaa", "qab", "qac", "en"),
    "phrasebook": ("en", "de"),
}
ORDERS: dict[str, Callable[[list[str]], list[str]]] = {
    "qaa": list,
    "qab": lambda words: words[::-1],
    "qac": lambda words: [*words[1:], words[0]],
    "en": list,
}


def made_up_lines() -> Iterator[tuple[str, list[str]]]:
    """Yield (split, words) of parts of sentences; no phrase occurs in two splits."""
    sentences = [
        tuple(re.findall(r"[a-z]+", example.source.lower())) for example in generate("train")
    ]
    counts = Counter(word for words in sentences for word in words)
    frequent = {word for word, _ in counts.most_common(WORDS)}
    distinct = list(
        dict.fromkeys(
            words[i : i + length]
            for words in sentences
            for length in LENGTHS
            for i in range(len(words) - length + 1)
            if frequent.issuperset(words[i : i + length])
        )
    )
    Random(1).shuffle(distinct)
    rest = iter(distinct)
    for split in ("test", "valid", "train"):
        for words in itertools.islice(rest, SIZES[split]):
            yield split, list(words)


def write_made_up(folder: Path) -> None:
    """Write SPLIT.LANGUAGE, line N of which has the same meaning in all languages."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {}
    for split, words in made_up_lines():
        for language, order in ORDERS.items():
            text = " ".join(order(words))
            if language != "en":
                text = text.translate(cipher(language))
            lines.setdefault(f"{split}.{language}", []).append(text)
    for name, texts in lines.items():
        storage.replace_file(folder / name, "".join(f"{line}\n" for line in texts).encode())


def write_phrasebook(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid", "test"):
        examples = list(generate(split))  # type: ignore[arg-type]
        for language, lines in (
            ("en", [example.source for example in examples]),
            ("de", [example.target for example in examples]),
        ):
            storage.replace_file(
                folder / f"{split}.{language}", "".join(f"{line}\n" for line in lines).encode()
            )


def config_of(
    folder: Path, directions: list[tuple[str, str]], tested: list[tuple[str, str]], steps: int
) -> Config:
    made_up = "de" not in directions[0]

    def sources(split: str, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
        return [
            {
                "source": str(folder / f"{split}.{source}"),
                "target": str(folder / f"{split}.{target}"),
                "source_language": source,
                "target_language": target,
            }
            for source, target in pairs
        ]

    return Config.model_validate(
        {
            "data": {
                "train": sources("train", directions),
                "valid": sources("valid", directions),
                "test": sources("test", tested),
            },
            "tokenizer": {} if made_up else {"vocab_size": 3000},
            "model": {
                "d_model": 64 if made_up else 128,
                "heads": 4,
                "encoder_layers": 2,
                "decoder_layers": 2,
                "feedforward": 256 if made_up else 512,
                "norm": "pre",
                "positions": "rotary",
            },
            "training": {
                "batch_tokens": 640 if made_up else 1024,
                "optimizer": "muon",
                "learning_rate": 0.005,
                "schedule": "cosine",
                "warmup_steps": steps // 10,
                "max_steps": steps,
                "ema": 0.99,
                "valid_every": steps,
                "precision": "fp32",
                "threads": 1,
                "packing": "off",
            },
            "decoding": {"beam_size": 4},
        }
    )


def scores_of(run: Run) -> dict[str, float]:
    """Return test BLEU by direction."""
    record = run.records("test")[-1]
    one = {run.config.data.parts("test")[0].languages: record}
    return {name: round(values["bleu"], 2) for name, values in record.get("sets", one).items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--runs", type=Path, default=Path("runs/multilingual"))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--models", nargs="+", help="`joint`, en-de, ... Default: all")
    arguments = parser.parse_args()
    experiment = arguments.experiment
    runs, languages = arguments.runs / experiment, EXPERIMENTS[experiment]
    if not (runs / "data").exists():
        write_phrasebook(runs / "data") if "de" in languages else write_made_up(runs / "data")
    every = list(itertools.permutations(languages, 2))
    trained = [direction for direction in every if direction != LEFT_OUT]
    models = {"joint": trained, **{"-".join(direction): [direction] for direction in trained}}
    bleu, seconds = {}, {}
    for name in arguments.models or models:
        tested = every if name == "joint" else models[name]
        run = run_training(
            config_of(runs / "data", models[name], tested, arguments.steps), runs / name
        )
        bleu[name] = scores_of(run)
        seconds[name] = run.records("train")[-1]["seconds"]
    joint = bleu.get("joint", {})
    rows = [
        (direction, joint.get(direction), bleu.get(direction, {}).get(direction))
        for direction in map("-".join, every)
    ]
    command = f"python scripts/experiment_multilingual.py {experiment} --steps {arguments.steps}"
    if arguments.models:
        command += f" --models {' '.join(arguments.models)}"
    result = {
        "command": command,
        "left_out": "-".join(LEFT_OUT),
        "bleu": [{"direction": d, "joint": j, "single": s} for d, j, s in rows],
        "seconds": seconds,
    }
    path = ROOT / "docs" / "results" / f"multilingual-{experiment}.json"
    storage.replace_file(path, (json.dumps(result, indent=1) + "\n").encode())
    shown = [[d, *("-" if v is None else f"{v:.2f}" for v in values)] for d, *values in rows]
    print("\n".join(table_lines(shown, head=["direction", "one model", "own model"])))


if __name__ == "__main__":
    main()
