"""How the translations of a few validation sentences changed during training."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from nmt.errors import DataError, StorageError
from nmt.evaluation.held_out import read_split
from nmt.training.validation import middle_lengths

if TYPE_CHECKING:
    from nmt.report.facts import RunFacts

_ROWS = 8


class Stage(NamedTuple):
    """A translation that did not change from one validation to another."""

    first: int
    last: int
    text: str


class Example(NamedTuple):
    source: str | None
    """None if the validation set cannot be read."""
    reference: str | None
    stages: list[Stage]
    left_out: int
    """Number of stages between the first and the last that are not in `stages`."""


def examples_over_time(facts: RunFacts) -> list[Example]:
    """Return the examples in the records of validations, or [] if there are none."""
    records = [record for record in facts.valid if isinstance(record.get("examples"), list)]
    if not records:
        return []
    count = len(records[-1]["examples"])
    pairs = _pairs(facts)
    if len(pairs) != count:
        pairs = [(None, None)] * count
    examples = []
    for number, (source, reference) in enumerate(pairs):
        texts = [
            (r["step"], str(r["examples"][number])) for r in records if len(r["examples"]) > number
        ]
        stages = []
        for text, group in groupby(texts, key=lambda pair: pair[1]):
            steps = [step for step, _ in group]
            stages.append(Stage(steps[0], steps[-1], text))
        shown = _spread(stages)
        examples.append(Example(source, reference, shown, len(stages) - len(shown)))
    return examples


def _pairs(facts: RunFacts) -> list[tuple[str | None, str | None]]:
    """Return (source, reference) of the examples, as `nmt.training.validation` chooses them."""
    try:
        sources, references, sets = read_split(facts.run, "valid")
    except (DataError, StorageError):
        return []
    chosen: list[int] = []
    for one in sets:
        found = [one.pairs[i] for i in middle_lengths(one.chosen(sources))]
        chosen += found if len(sets) == 1 else [found[len(found) // 2]]
    return [(sources[i], references[i]) for i in chosen]


def _spread(stages: list[Stage]) -> list[Stage]:
    """Return at most _ROWS stages at even distances, with the first and the last."""
    if len(stages) <= _ROWS:
        return stages
    return [stages[round(i * (len(stages) - 1) / (_ROWS - 1))] for i in range(_ROWS)]
