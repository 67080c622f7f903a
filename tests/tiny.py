"""A training run that takes a second: copying or reversing strings of digits.

The corpus and the tokenizer are in memory and need neither files nor SentencePiece.
`write_digits` and `text_config` give the same kind of training run on text files.
"""

from __future__ import annotations

import hashlib
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmt.config import Config
from nmt.loading import build_model
from nmt.runs import Run
from nmt.training import progress as progress_module
from nmt.training.loop import Setting
from nmt.training.objective import TrainingObjective
from nmt.training.stop import StopSignal
from nmt.training.updates import batches_of, total_steps
from nmt.training.validation import Figures

VOCABULARY = 14  # pad, unk, bos, eos and ten digits


class DigitCorpus:
    """A corpus of pairs (digits, the same or reversed digits), with the interface of `Corpus`."""

    def __init__(self, count: int, seed: int, reverse: bool = False, longest: int = 8) -> None:
        rng = random.Random(seed)
        sources = [
            [rng.randrange(4, VOCABULARY) for _ in range(rng.randint(1, longest))]
            for _ in range(count)
        ]
        self.pairs = [(s, s[::-1] if reverse else s) for s in sources]
        self.source_lengths = np.array([len(s) for s, _ in self.pairs], dtype=np.int32)
        self.target_lengths = np.array([len(t) for _, t in self.pairs], dtype=np.int32)
        self.fingerprint = hashlib.sha256(repr(self.pairs).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.pairs)

    def within(self, max_tokens: int) -> np.ndarray:
        return np.flatnonzero(np.maximum(self.source_lengths, self.target_lengths) <= max_tokens)

    def read(self, indices: Any, sampling_seed: int | None = None) -> list[Any]:
        """Return pairs of token ids; with a seed, double the last source digit at random.

        The doubled digit stands for sampled subwords.
        """
        pairs = [self.pairs[i] for i in indices]
        if sampling_seed is None:
            return pairs
        rng = random.Random(sampling_seed)
        return [(s + s[-1:] * rng.randint(0, 1), t) for s, t in pairs]

    def texts(self, indices: Any) -> list[tuple[str, str]]:
        return [(_text(self.pairs[i][0]), _text(self.pairs[i][1])) for i in indices]


class DigitVocabulary:
    def __len__(self) -> int:
        return VOCABULARY

    def encode(self, text: str) -> list[int]:
        return [int(digit) + 4 for digit in text.split()]

    def encode_batch(self, texts: Any) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Any) -> str:
        return _text(i for i in ids if i >= 4)


class DigitTokenizer:
    source = target = DigitVocabulary()
    shared = True


def _text(ids: Any) -> str:
    return " ".join(str(i - 4) for i in ids)


def tiny_config(**training: Any) -> Config:
    """Return a config with about 10,000 parameters and, by default, 12 steps in two epochs."""
    return Config.model_validate(
        {
            "data": {
                "train": {"builtin": "phrasebook"},
                "valid": {"builtin": "phrasebook"},
            },
            "model": {
                "d_model": 16,
                "heads": 2,
                "encoder_layers": 1,
                "decoder_layers": 1,
                "feedforward": 32,
            },
            "training": {
                "batch_tokens": 96,
                "max_steps": 12,
                "valid_every": 5,
                "valid_metric": "loss",
                "log_every": 2,
                "learning_rate": 0.01,
                "warmup_steps": 4,
                "precision": "fp32",
                "device": "cpu",
                "threads": 1,
                "packing": "off",
                **training,
            },
        }
    )


def tiny_model(config: Config) -> Any:
    torch.manual_seed(config.training.seed)
    return build_model(config.model, VOCABULARY, VOCABULARY, True)


def tiny_objective(config: Config) -> TrainingObjective:
    return TrainingObjective(tiny_model(config), config.training.label_smoothing)


class NoBoard(progress_module.Progress):
    """Progress without TensorBoard, whose import takes longer than these training runs."""

    def _open_board(self, step: int) -> None:
        pass


def tiny_setting(path: Path, objective: Any, config: Config, **changes: Any) -> Setting:
    run = Run(path)
    corpus: Any = changes.pop("corpus", None) or DigitCorpus(60, seed=1)
    batches = batches_of(corpus, config.training, mixture=changes.pop("mixture", None))

    def validate(check_stop: Any) -> Figures:
        """Return a loss that depends on every weight."""
        check_stop()
        objective.eval()
        total = sum(float(p.detach().double().square().sum()) for p in objective.parameters())
        return Figures(total, 0.0, 0.0, ())

    values: dict[str, Any] = {
        "run": run,
        "config": config.training,
        "batches": batches,
        "sampling": False,
        "validate": validate,
        "validation_loss": lambda check_stop: math.inf,
        "total_steps": total_steps(batches, config.training),
        "progress": NoBoard(run),
        "stop": StopSignal(),
        "device": torch.device("cpu"),
        "precision": config.training.precision,
        "facts": {"fingerprints": {}},
    }
    return Setting(**{**values, **changes})


def write_digits(folder: Path) -> None:
    """Write number words to SPLIT.en and SPLIT.de: 200 pairs for train, 12 for valid and test."""
    rng = random.Random(1)
    english = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    german = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
    for split, count in (("train", 200), ("valid", 12), ("test", 12)):
        rows = [[rng.randrange(10) for _ in range(rng.randint(1, 6))] for _ in range(count)]
        for side, words in (("en", english), ("de", german)):
            text = "".join(" ".join(words[i] for i in row) + "\n" for row in rows)
            (folder / f"{split}.{side}").write_text(text, encoding="utf-8")


def text_config(folder: Path, *, sampling: float = 0.0, **training: Any) -> Config:
    """Return a config for the files of `write_digits`: 10 steps, a validation every 4 steps.

    sampling: strength of subword sampling; 0 is off.
    """
    config = tiny_config(
        **{"max_steps": 10, "valid_every": 4, "batch_tokens": 400, "average_checkpoints": 2}
        | training
    )
    splits = {
        split: [{"source": str(folder / f"{split}.en"), "target": str(folder / f"{split}.de")}]
        for split in ("train", "valid", "test")
    }
    return Config.model_validate(
        {
            **config.model_dump(),
            "data": splits,
            "tokenizer": {"vocab_size": 40, "byte_fallback": False, "sampling": sampling},
            "decoding": {"beam_size": 2, "max_length": 12},
        }
    )


def both_directions_config(folder: Path, **data: Any) -> Config:
    """Return `text_config` in both directions, with a second, tagged source of a higher weight."""
    values = text_config(folder).model_dump()
    source = values["data"]["train"][0]
    languages = {"source_language": "en", "target_language": "de", "both_directions": True}
    values["data"] |= {"train": [source, {**source, "weight": 1.5, "tag": "<x>"}], **languages}
    values["data"] |= data
    values["tokenizer"] |= {"vocab_size": 45, "sampling": 0.5}
    return Config.model_validate(values)
