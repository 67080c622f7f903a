"""The rules of `nmt init`: every output is a valid config, and follows the facts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config import Config, TextFiles
from nmt.data.cleaning import COPY, DUPLICATE
from nmt.data.report import SplitReport
from nmt.data.sources import BAD_ROW, BAD_UTF8
from nmt.planning.facts import Facts, Side
from nmt.planning.plan import make_plan
from nmt.planning.rules import MINIMUM, RULES, SCALES, choose, held_out_size

PAGE = Path(__file__).parents[2] / "docs" / "your-data.md"
FILES = TextFiles(source="a", target="b")


@cache
def letters(first: str, characters: int) -> Counter[str]:
    return Counter({chr(ord(first) + i): 1000 // (i + 1) + 1 for i in range(characters)})


def side(first: str = "a", characters: int = 30, **changes: Any) -> Side:
    usual = {"language": "en", "evidence": "as given", "words": 12.0, "longest": 200}
    usual |= {"vocabulary": 20_000, "letters": letters(first, characters), "unspaced": False}
    return Side(**{**usual, **changes})


def facts(pairs: int, source: Side | None = None, target: Side | None = None) -> Facts:
    return Facts(
        pairs, pairs, SplitReport(), source or side(), target or side(), uneven=0.0, device="cpu"
    )


sides = st.fixed_dictionaries(
    {
        "first": st.sampled_from("aа一"),
        "characters": st.sampled_from([1, 30, 900, 5000]),
        "language": st.sampled_from(["de", "zh-Hant", None]),
        "words": st.floats(0.1, 1000),
        "longest": st.integers(1, 100_000),
        "vocabulary": st.integers(1, 2_000_000),
        "unspaced": st.booleans(),
    }
)


@settings(max_examples=50)
@given(
    pairs=st.integers(MINIMUM, 100_000_000),
    both=st.lists(sides, min_size=2, max_size=2),
    uneven=st.floats(0, 1),
    found=st.booleans(),
    device=st.sampled_from(["cpu", "cuda"]),
)
def test_every_plan_is_a_valid_config(
    pairs: int, both: list[dict[str, Any]], uneven: float, found: bool, device: Any
) -> None:
    report = SplitReport(
        dropped=Counter(dict.fromkeys((COPY, DUPLICATE, BAD_UTF8, BAD_ROW), int(found)))
    )
    source, target = (side(**values) for values in both)
    known = Facts(pairs, pairs, report, source, target, uneven, device)
    plan = make_plan(known, {"train": FILES, "valid": FILES}, {"valid": 3})
    config = Config.model_validate(plan.values)
    training = config.training
    assert training.max_steps
    assert training.warmup_steps < training.max_steps / 4
    assert training.rdrop_after < training.max_steps
    assert 4 < training.max_steps / training.valid_every <= 20
    assert config.data.drop_duplicates == config.data.drop_copies == found
    assert all(plan.reasons.values())


@pytest.mark.parametrize("device", SCALES)
@pytest.mark.parametrize(("few", "many"), [(200, 29_000), (29_000, 5_000_000)])
def test_more_pairs_give_larger_models_with_less_dropout(device: Any, few: int, many: int) -> None:
    small, large = (
        {key: choice.value for key, choice in choose(replace(facts(n), device=device)).items()}
        for n in (few, many)
    )
    for key in ("tokenizer.vocab_size", "training.batch_tokens", "training.max_steps"):
        assert small[key] < large[key]
    assert small["model.d_model"] <= large["model.d_model"]
    assert small["model.dropout"] >= large["model.dropout"]


def test_reasons_name_the_measured_facts() -> None:
    target = side("一", 4000, unspaced=True, vocabulary=4000)
    choices = choose(replace(facts(18_000, target=target), uneven=0.021))
    reasons = {key: choice.reason for key, choice in choices.items()}
    assert "18,000 pairs" in reasons["tokenizer.vocab_size"]
    assert "4,000 different characters" in reasons["tokenizer.character_coverage"]
    assert "no spaces" in reasons["tokenizer.type"]
    assert "0%" in reasons["tokenizer.shared"]
    assert "2.10%" in reasons["data.max_length_ratio"]
    assert "18,000 pairs" in reasons["training.max_steps"]


def test_vocabulary_fits_the_text() -> None:
    def size(*args: Any, **sides: Any) -> int:
        found: int = choose(facts(*args, **sides))["tokenizer.vocab_size"].value
        return found

    assert size(29_000) == 10_000
    assert size(29_000, side(vocabulary=700), side(vocabulary=800)) == 1500
    # 28 words with 24 letters have no more than 312 pieces.
    few = {"characters": 24, "vocabulary": 14}
    assert size(200, side(**few), side(**few)) == 312
    # Two alphabets have two vocabularies, each with space for all characters and 256 bytes.
    assert size(29_000, target=side("а")) == 5000
    assert size(200, target=side("一", 900, unspaced=True)) > 900 + 256


def test_held_out_parts_are_a_twentieth_at_most() -> None:
    assert [held_out_size("test", n) for n in (100, 29_000, 10**8)] == [5, 1450, 2000]
    assert [held_out_size("valid", n) for n in (100, 29_000, 10**8)] == [5, 1000, 1000]


def rows() -> list[str]:
    """Return the rows of the tables of rules and sizes in Markdown."""
    table = [f"| `{rule.key}` | {rule.how} | {rule.source} |" for rule in RULES]
    for device, scales in SCALES.items():
        for scale in scales:
            cells = [device, *(f"{value:,}" for value in scale)]
            table.append(f"| {' | '.join(cells)} |")
    return table


def test_docs_show_every_rule() -> None:
    shown = PAGE.read_text(encoding="utf-8").split("\n")
    missing = [row for row in rows() if row not in shown]
    assert not missing, "add to docs/your-data.md:\n" + "\n".join(missing)
    known = [row for row in shown if row.startswith(("| `", "| cpu |", "| cuda |"))]
    assert not set(known) - set(rows()), "remove from docs/your-data.md"
