"""The JSON schema accepts the configs that nmt accepts, and names errors that nmt names."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import ValidationError

from nmt.config import Config
from nmt.config.document import parse
from nmt.config.json_schema import HEAD_LINE, SCHEMA_FILE, json_schema, schema_text
from nmt.config.loading import load_config
from nmt.config.writing import dump_config, write_config_file
from nmt.runs import Run

CONFIGS = sorted(Path("configs").glob("*.yaml"))
BASE: dict[str, Any] = {
    "data": {"train": {"source": "a", "target": "b"}, "valid": [{"file": "c.tsv"}]},
    "model": {"d_model": 8, "heads": 2},
    "training": {"max_steps": 3},
}
VALIDATOR = Draft7Validator(json_schema())
OTHER_VALUES = (0, 1, -1, 10**12, 0.5, 2.5, "a", "", True, None, [], {}, [{}], {"a": 1})


def mutated() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield configs in which one key of the base, or a new one, has another value."""
    keys = [(name, key) for name, part in Config.model_fields.items() for key in _keys(part)]
    for section, key in [*keys, ("data", "nokey"), ("training", "max-steps")]:
        for value in OTHER_VALUES:
            config = copy.deepcopy(BASE)
            config.setdefault(section, {})[key] = value
            yield f"{section}.{key}={value!r}", config


def _keys(field: Any) -> Iterator[str]:
    yield from field.annotation.model_fields


def accepts(config: dict[str, Any]) -> bool:
    """Return whether nmt accepts the keys, types and bounds; rules between keys do not count."""
    try:
        Config.model_validate(config)
    except ValidationError as error:
        return {problem["type"] for problem in error.errors()} <= {"value_error"}
    return True


def test_schema_is_a_valid_schema() -> None:
    Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_valid(path: Path) -> None:
    assert VALIDATOR.is_valid(parse(path.read_text(encoding="utf-8"), path.name).value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_written_configs_are_valid(path: Path) -> None:
    assert VALIDATOR.is_valid(parse(dump_config(load_config(path)), path.name).value)


def test_schema_and_nmt_agree_on_every_key_with_other_values() -> None:
    different = [
        name for name, config in mutated() if VALIDATOR.is_valid(config) != accepts(config)
    ]
    assert different == []
    verdicts = [accepts(config) for _, config in mutated()]
    assert 100 < sum(verdicts) < len(verdicts) - 100


@pytest.mark.parametrize(
    "sources",
    [
        {"source": "a", "target": "b"},
        [{"file": "a.tsv", "source_column": 1}, {"builtin": "phrasebook"}],
        {"hub": "a", "source_column": "en", "target_column": "de"},
        {"hub": "a"},
        {"source": "a"},
        {"source": "a", "target": "b", "file": "c"},
        [{"builtin": "another"}],
        [],
        "train.tsv",
        None,
    ],
)
def test_schema_and_nmt_agree_on_sources(sources: Any) -> None:
    for split in ("train", "test"):
        config = {**BASE, "data": {**BASE["data"], split: sources}}
        assert VALIDATOR.is_valid(config) == accepts(config)


def test_keys_have_descriptions() -> None:
    for name, section in json_schema()["$defs"].items():
        for key, about in section["properties"].items():
            assert about.get("description"), f"{name}.{key}"


def test_written_file_names_the_schema_next_to_it(tmp_path: Path) -> None:
    config = Config.model_validate(BASE)
    write_config_file(tmp_path / "my.yaml", dump_config(config))
    lines = (tmp_path / "my.yaml").read_text().split("\n")
    assert lines[0] == HEAD_LINE == f"# yaml-language-server: $schema={SCHEMA_FILE}"
    assert (tmp_path / SCHEMA_FILE).read_text() == schema_text()
    assert load_config(tmp_path / "my.yaml") == config
    assert Run(tmp_path).schema_file == tmp_path / SCHEMA_FILE
