"""The reference of all config keys: meaning, allowed values and default."""

from __future__ import annotations

import difflib
import textwrap
from typing import Any

from nmt.config.data import SOURCE_KINDS, SPLITS, Source
from nmt.config.explaining import allowed_values
from nmt.config.other_tools import meant_keys
from nmt.config.schema import Config
from nmt.config.section import Section
from nmt.config.writing import dump_scalar, dump_values
from nmt.errors import UsageError
from nmt.text import shorten

HEADER = """\
# Every key of an nmt config, with its meaning, allowed values and default.
# A config needs only data.train, data.valid and max_steps or max_epochs; everything else has
# a default. Generated from nmt/config/schema.py by scripts/write_reference_config.py."""
SECTIONS: dict[str, type[Section]] = {
    name: field.annotation  # type: ignore[misc]
    for name, field in Config.model_fields.items()
}
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
    SECTIONS["training"]: {"max_steps": 1000},
}


def reference(config: Config | None = None) -> str:
    """Return YAML with every key and its default, or its value in a config."""
    lines = [] if config else [HEADER, ""]
    for title in SECTIONS:
        lines += [*_section_lines(title, config), ""]
    return "\n".join(lines)


def reference_of(name: str, config: Config | None = None) -> str:
    """Return the part of `reference` for a section or a key, such as `training.warmup_steps`.

    Raises UsageError, with a hint, if there is none.
    """
    title, _, key = name.partition(".")
    if name in SECTIONS:
        lines = _section_lines(name, config)
    elif title in SECTIONS and key in SECTIONS[title].model_fields:
        lines = [f"{title}:", *_field_lines(title, key, config)]
    else:
        raise UsageError(f"there is no section or key {shorten(name)}", _suggestion(name))
    return "\n".join(lines) + "\n"


def _suggestion(name: str) -> str:
    keys = [f"{title}.{key}" for title, section in SECTIONS.items() for key in section.model_fields]
    last = name.rpartition(".")[2]
    same = [key for key in keys if key.endswith(f".{last}")] or meant_keys(last)
    close = difflib.get_close_matches(name, [*keys, *SECTIONS], n=1, cutoff=0.6)
    if not (same or close):
        by_name = {key.partition(".")[2]: key for key in keys}
        close = [by_name[key] for key in difflib.get_close_matches(last, by_name, n=1)]
    if found := same or close:
        return f"did you mean {' or '.join(found)}?"
    return f"use a section ({', '.join(SECTIONS)}), or a key such as training.warmup_steps"


def _section_lines(title: str, config: Config | None) -> list[str]:
    section = SECTIONS[title]
    lines = [_comment(section.__doc__ or "", 0), f"{title}:"]
    for name in section.model_fields:
        lines += _field_lines(title, name, config)
    return lines


def _field_lines(title: str, name: str, config: Config | None) -> list[str]:
    section = SECTIONS[title]
    if title == "data" and name in SPLITS:
        return _split_lines(section, name, config)
    return _key_lines(section, name, 2, values=config and getattr(config, title))


def _split_lines(section: type[Section], split: str, config: Config | None) -> list[str]:
    lines = [_comment(section.model_fields[split].description or "", 2)]
    if config:
        sources = config.data.model_dump(include={split}, exclude_defaults=True)
        return [*lines, textwrap.indent(dump_values(sources or {split: None}).rstrip(), "  ")]
    if split == "test":
        return [*lines, "  test: null"]
    if split == "valid":
        return [*lines, "  valid:", "    builtin: phrasebook"]
    lines.append("  train:")
    for kind in SOURCE_KINDS.values():
        lines.append(_comment(kind.__doc__ or "", 4))
        first, *rest = (name for name in kind.model_fields if name not in Source.model_fields)
        lines += _key_lines(kind, first, 4, "- ")
        for name in rest:
            lines += _key_lines(kind, name, 6)
    lines.append(_comment(Source.__doc__ or "", 6))
    for name in Source.model_fields:
        lines += _key_lines(kind, name, 6)
    return lines


def _key_lines(
    section: type[Section], name: str, indent: int, lead: str = "", values: Section | None = None
) -> list[str]:
    """Return the comment of a key, and the key with its value, default or example and its range."""
    field = section.model_fields[name]
    value = EXAMPLES.get(section, {}).get(name, field.default)
    notes = allowed_values(section, name)
    if values is not None:
        value = getattr(values, name)
        notes += "" if value == field.default else f"; default: {dump_scalar(field.default)}"
    line = f"{' ' * indent}{lead}{name}: {dump_scalar(value)}  # {notes}"
    return [_comment(field.description or "", indent + len(lead)), line]


def _comment(text: str, indent: int) -> str:
    lead = " " * indent + "# "
    return textwrap.fill(
        " ".join(text.split()),
        width=98,
        initial_indent=lead,
        subsequent_indent=lead,
        break_long_words=False,
        break_on_hyphens=False,
    )
