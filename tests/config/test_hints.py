"""Hints for values and keys that YAML does not read as the user meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.config.loading import load_config
from nmt.errors import ConfigError

BASE = """data:
  train: {source: a.en, target: a.de}
  valid: {builtin: phrasebook}
training:
  max_steps: 10
"""


def hint_of(path: Path, text: str, *overrides: str) -> str | None:
    (path / "c.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path / "c.yaml", overrides)
    return caught.value.hint


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("training.max_steps=1e4", "write 10000"),
        ("training.max_steps=100.0", "write 100"),
        ("training.max_steps=1_000", "write 1000 without underscores"),
        ('training.max_steps="100"', "write 100 without quotes"),
        ('training.learning_rate="1e-3"', "write 0.001 without quotes"),
        ("training.learning_rate=0.000_1", "write 0.0001 without underscores"),
        ("training.max_steps=1.5", None),
        ("training.max_steps=ten", None),
        ("training.max_steps=true", None),
        ("training.max_steps=.inf", None),
        ('training.learning_rate=".inf"', None),
        ("training.max_steps=0", None),
        ("training.compile=1_0", None),
    ],
)
def test_number_written_in_another_way_has_hint(
    tmp_path: Path, override: str, hint: str | None
) -> None:
    assert hint_of(tmp_path, BASE, override) == hint


def test_hint_names_a_value_that_is_accepted(tmp_path: Path) -> None:
    hint_of(tmp_path, BASE, "training.max_steps=1e4")
    config = load_config(tmp_path / "c.yaml", ["training.max_steps=10000"])
    assert config.training.max_steps == 10000


SOURCE = "{source: a.en, target: a.de}"


@pytest.mark.parametrize(
    ("old", "new", "right"),
    [
        (SOURCE, "{source:train.en, target:train.de}", "source: train.en"),
        (SOURCE, "{source: train.en, target:train.de}", "target: train.de"),
        (SOURCE, "\n    source:train.en\n    target:train.de", "source: train.en"),
        (SOURCE, "\n    source: train.en\n    target:train.de", "target: train.de"),
        (SOURCE, "\n    source:train.en\n    target: train.de", "source: train.en"),
        (SOURCE, "\n    - source: train.en\n      target:train.de", "target: train.de"),
        ("max_steps: 10", "max_steps:10", "max_steps: 10"),
        ("max_steps: 10", "max_steps:10\n  seed: 1", "max_steps: 10"),
    ],
)
def test_missing_space_after_a_colon_has_hint(
    tmp_path: Path, old: str, new: str, right: str
) -> None:
    hint = hint_of(tmp_path, BASE.replace(old, new))
    assert hint == f"write a space after the colon: {right}"


@pytest.mark.parametrize("value", ["source:x", "{source:x, target:y}"])
def test_missing_space_in_an_override_has_hint(tmp_path: Path, value: str) -> None:
    hint = hint_of(tmp_path, BASE, f"data.train={value}")
    assert hint == "write a space after the colon: source: x"


def test_colon_inside_a_value_has_no_hint(tmp_path: Path) -> None:
    for value in ("12:30", "https://example.org", r"c:\data"):
        assert "space" not in (hint_of(tmp_path, BASE, f"training.max_steps={value}") or "")
