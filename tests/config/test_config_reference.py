"""Parts of the reference, and values of a config in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.config.loading import load_config
from nmt.config.reference import SECTIONS, reference, reference_of
from nmt.errors import UsageError


@pytest.mark.parametrize("path", ["demo", "multi30k-en-de", "reference"])
def test_reference_with_values_loads_to_the_config(path: str, tmp_path: Path) -> None:
    config = load_config(Path("configs") / f"{path}.yaml")
    (tmp_path / "shown.yaml").write_text(reference(config))
    assert load_config(tmp_path / "shown.yaml") == config


def test_sections_together_are_the_reference() -> None:
    assert reference().endswith("\n".join(map(reference_of, SECTIONS)))


def test_part_is_a_section_or_a_key() -> None:
    assert reference_of("training.warmup_steps").split("\n")[::2] == [
        "training:",
        "  warmup_steps: 1000  # a whole number at least 0 and at most 1000000000",
    ]
    assert reference_of("data.valid").endswith("  valid:\n    builtin: phrasebook\n")
    demo = load_config(Path("demo"))
    shown = reference_of("training.warmup_steps", demo)
    assert f"warmup_steps: {demo.training.warmup_steps}  # a whole number at least 0" in shown
    assert shown.endswith("; default: 1000\n")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lr", "did you mean training.learning_rate?"),
        ("warmup_steps", "did you mean training.warmup_steps?"),
        ("training.warmup", "did you mean training.warmup_steps?"),
        ("precision", "did you mean training.precision or decoding.precision?"),
        ("traning", "did you mean training?"),
        ("data.train.hub", "did you mean data.train?"),
        ("\x1b[2J", "use a section (data, tokenizer, model"),
        ("", "use a section"),
    ],
)
def test_unknown_part_is_an_error_with_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="there is no section or key") as error:
        reference_of(name)
    assert "\x1b" not in error.value.message
    assert hint in str(error.value.hint)
