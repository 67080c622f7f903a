"""Print configs/reference.yaml: every config key with its meaning, range and default.

python scripts/write_reference_config.py > configs/reference.yaml
"""

from __future__ import annotations

import textwrap
from typing import Any

from nmt.config import Config, Section
from nmt.config.explaining import allowed_values
from nmt.config.schema import SOURCE_KINDS, SPLITS
from nmt.config.writing import dump_scalar

HEADER = """\
# Every key of an nmt config, with its meaning, allowed values and default.
# A config needs only data.train, data.valid and max_steps or max_epochs; everything else has
# a default. Generated from nmt/config/schema.py by scripts/write_reference_config.py."""
# Values for the keys that have no default.
EXAMPLES: dict[type[Section], dict[str, Any]] = {
    SOURCE_KINDS["text"]: {"source": "train.en", "target": "train.de"},
    SOURCE_KINDS["file"]: {"file": "pairs.tsv"},
    SOURCE_KINDS["hub"]: {
        "hub": "bentrevett/multi30k",
        "source_column": "en",
        "target_column": "de",
    },
    SOURCE_KINDS["builtin"]: {"builtin": "phrasebook"},
    Config.model_fields["training"].annotation: {"max_steps": 1000},  # type: ignore[dict-item]
}


def comment(text: str, indent: int) -> str:
    lead = " " * indent + "# "
    return textwrap.fill(
        " ".join(text.split()),
        width=98,
        initial_indent=lead,
        subsequent_indent=lead,
        break_long_words=False,
        break_on_hyphens=False,
    )


def key_lines(section: type[Section], name: str, indent: int, lead: str = "") -> list[str]:
    """Return the comment of a key, and the key with its default or example and its range."""
    field = section.model_fields[name]
    value = dump_scalar(EXAMPLES.get(section, {}).get(name, field.default))
    line = f"{' ' * indent}{lead}{name}: {value}  # {allowed_values(section, name)}"
    return [comment(field.description or "", indent + len(lead)), line]


def split_lines(section: type[Section], split: str) -> list[str]:
    lines = [comment(section.model_fields[split].description or "", 2)]
    if split == "test":
        return [*lines, "  test: null"]
    if split == "valid":
        return [*lines, "  valid:", "    builtin: phrasebook"]
    lines.append("  train:")
    for kind in SOURCE_KINDS.values():
        lines.append(comment(kind.__doc__ or "", 4))
        first, *rest = kind.model_fields
        lines += key_lines(kind, first, 4, "- ")
        for name in rest:
            lines += key_lines(kind, name, 6)
    return lines


def reference() -> str:
    lines = [HEADER]
    for title, field in Config.model_fields.items():
        section = field.annotation
        assert isinstance(section, type) and issubclass(section, Section)
        lines += ["", comment(section.__doc__ or "", 0), f"{title}:"]
        for name in section.model_fields:
            is_split = title == "data" and name in SPLITS
            lines += split_lines(section, name) if is_split else key_lines(section, name, 2)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
