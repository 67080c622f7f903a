"""Every number of a config has bounds, and every value within the bounds is safe to try."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nmt.config import Config
from nmt.config.data import SOURCE_KINDS
from nmt.config.loading import load_config
from nmt.config.writing import dump_scalar
from nmt.errors import ConfigError

SCHEMA = Config.model_json_schema()["$defs"]
SECTIONS = {
    name: SCHEMA[getattr(field.annotation, "__name__", "")]["properties"]
    for name, field in Config.model_fields.items()
}
MEMORY = 8 << 30
"""Bytes of address space of a training run; torch itself takes about 2 GB."""
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["nmt.cli", "nmt.training.pipeline", "nmt.data.preparation", "nmt.decoding.translator",
     "pandas", "sacrebleu.metrics", "torch._dynamo", "torch.utils.tensorboard"]
)  # fmt: skip
TINY = {
    "data.train": "{source: train.en, target: train.de}",
    "data.valid": "{source: valid.en, target: valid.de}",
    "data.test": "{source: valid.en, target: valid.de}",
    "tokenizer.vocab_size": 280,
    "model.d_model": 8,
    "model.heads": 2,
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "model.feedforward": 8,
    "training.batch_tokens": 200,
    "training.max_steps": 2,
    "training.max_epochs": 1,
    "training.precision": "fp32",
    "training.threads": 1,
    "training.valid_every": 1,
}
RAW_TEXT = re.compile(
    r"Traceback|bug in nmt|\w+(Error|Exception):|\.(cc|cpp|h)\b|terminate called|libgomp|SIG[A-Z]+"
)


def options_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the types that a key may have."""
    options: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return options


def extreme_values(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield the smallest and the largest value that a key may have, or all values of a choice."""
    for option in options_of(schema):
        if option.get("type") in ("integer", "number"):
            low, high = option.get("minimum"), option.get("maximum")
            yield math.nextafter(option["exclusiveMinimum"], math.inf) if low is None else low
            yield math.nextafter(option["exclusiveMaximum"], -math.inf) if high is None else high
        elif "enum" in option:
            yield from option["enum"]
        else:
            yield from {"boolean": [True, False], "null": [None]}.get(option.get("type", ""), [])


EXTREMES = [
    (f"{section}.{key}", value)
    for section, properties in SECTIONS.items()
    for key, schema in properties.items()
    if key not in ("train", "valid", "test", "device", "compile")  # compiling takes minutes
    for value in extreme_values(schema)
]


def test_every_number_has_bounds() -> None:
    sections = {
        **SECTIONS,
        **{k: SCHEMA[v.__name__]["properties"] for k, v in SOURCE_KINDS.items()},
    }
    numbers = 0
    for section, properties in sections.items():
        for key, schema in properties.items():
            for option in options_of(schema):
                if option.get("type") in ("integer", "number"):
                    numbers += 1
                    assert {"minimum", "exclusiveMinimum"} & option.keys(), (section, key)
                    assert {"maximum", "exclusiveMaximum"} & option.keys(), (section, key)
    assert numbers >= 49


@pytest.mark.parametrize(
    ("override", "allowed"),
    [
        ("tokenizer.character_coverage=0.9799", "at least 0.98 and at most 1"),
        (f"training.seed={2**64}", f"at least 0 and at most {2**64 - 1}"),
        ("training.learning_rate=1e7", "above 0 and at most 1000000"),
        ("decoding.length_penalty=11", "at least 0 and at most 10"),
        ("model.encoder_layers=257", "at least 1 and at most 256"),
    ],
)
def test_value_beyond_a_bound_is_one_error(tmp_path: Path, override: str, allowed: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("data: {train: {builtin: phrasebook}, valid: {builtin: phrasebook}}\n")
    with pytest.raises(ConfigError) as error:
        load_config(file, ["training.max_steps=1", override])
    assert error.value.message.endswith(allowed)
    assert "\n" not in error.value.message


def train(folder: Path, overrides: dict[str, Any]) -> None:
    """Run `nmt train` in this process, with little memory; write its output to a file."""
    from nmt import cli

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(output, stream)
    sets = [f"--set={key}={value}" for key, value in overrides.items()]
    sys.argv = ["nmt", "train", "--config", "config.yaml", "--run-dir", "run", *sets]
    cli.main()


def check_run(folder: Path, values: dict[str, Any]) -> None:
    """Train with these values: the run ends, or one error says why it cannot.

    A run that takes long is stopped by SIGTERM, which ends it with exit code 143.
    """
    words = ["the", "a", "red", "old", "dog", "cat", "man", "house", "sees", "runs", "under", "by"]
    lines = [" ".join(words[(i * k) % 12] for k in range(1, 3 + i % 9)) for i in range(40)]
    for name, count in (("train", 40), ("valid", 3)):
        for side in ("en", "de"):
            (folder / f"{name}.{side}").write_text("".join(f"{x}\n" for x in lines[:count]))
    (folder / "config.yaml").write_text("{}\n")
    overrides = TINY | {key: dump_scalar(value) for key, value in values.items()}
    process = PROCESSES.Process(target=train, args=(folder, overrides))
    process.start()
    process.join(60)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    process.join(120)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.join()
    output = (folder / "output.txt").read_text(encoding="utf-8")
    assert process.exitcode in (0, 2, 3, 4, 143), output
    assert not RAW_TEXT.search(output), output
    errors = [line for line in output.split("\n") if line.startswith("error: ")]
    assert len(errors) == (process.exitcode in (2, 3, 4)), output


@pytest.mark.slow
@pytest.mark.parametrize(("key", "value"), EXTREMES)
def test_run_with_an_extreme_value_ends_or_is_one_error(
    tmp_path: Path, key: str, value: Any
) -> None:
    check_run(tmp_path, {key: value})


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=int(os.environ.get("NMT_FUZZ", "60")), phases=[Phase.generate])
@given(st.lists(st.sampled_from(EXTREMES), min_size=2, max_size=5).map(dict))
def test_run_with_several_extreme_values_ends_or_is_one_error(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    check_run(tmp_path_factory.mktemp("run"), values)
