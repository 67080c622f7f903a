"""Print docs/configuration.md: every config key with its meaning, allowed values and default.

python scripts/write_configuration.py > docs/configuration.md
"""

import re

from nmt.config.data import SOURCE_KINDS, SPLITS, Source
from nmt.config.explaining import allowed_values
from nmt.config.reference import SECTIONS
from nmt.config.section import Section
from nmt.config.writing import dump_scalar

HEAD = """\
# Config reference

A config needs `data.train`, `data.valid`, and one of `training.max_steps`, `training.max_epochs`
and `training.patience`. Every other key has a default. `nmt config show KEY` prints the text of a
key, and `nmt config show --config FILE` prints all keys with the values of a config.
`--set KEY=VALUE` changes a value for one command. All keys are also in one YAML file,
[configs/reference.yaml](../configs/reference.yaml). [Names in other tools](other-tools.md) finds a
key by the name that another toolkit uses.
"""


def one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("<", r"\<")


def values(section: type[Section], name: str) -> str:
    """Return the allowed values of a key, without distant bounds, and its default if it has one."""
    field = section.model_fields[name]
    default = "required" if field.is_required() else f"default: `{dump_scalar(field.default)}`"
    allowed = re.sub(r" and at most 1000000(000)?\b", "", allowed_values(section, name))
    return f"{allowed}; {default}"


def key(title: str, section: type[Section], name: str) -> str:
    about = one_line(section.model_fields[name].description)
    return f"### `{title}.{name}`\n\n*{values(section, name)}*\n\n{about}\n"


def split(section: type[Section], name: str) -> str:
    about = one_line(section.model_fields[name].description)
    return f"### `data.{name}`\n\n{about} See [sources](#keys-of-a-source).\n"


def source_keys(about: str | None, section: type[Section], names: list[str]) -> str:
    items = [
        f"- `{name}`: {one_line(section.model_fields[name].description)} "
        f"*({values(section, name)})*"
        for name in names
    ]
    return f"{one_line(about)}\n\n" + "\n".join(items) + "\n"


def sources() -> str:
    """Return the keys of each kind of source, then those that all kinds have."""
    parts = ["### Keys of a source\n"]
    for kind in SOURCE_KINDS.values():
        own = [name for name in kind.model_fields if name not in Source.model_fields]
        parts.append(source_keys(kind.__doc__, kind, own))
    shared = source_keys(Source.__doc__, SOURCE_KINDS["text"], list(Source.model_fields))
    return "\n".join([*parts, shared])


def page() -> str:
    parts = [HEAD]
    for title, section in SECTIONS.items():
        parts.append(f"## {title}\n\n{one_line(section.__doc__)}\n")
        for name in section.model_fields:
            is_split = title == "data" and name in SPLITS
            parts.append(split(section, name) if is_split else key(title, section, name))
        if title == "data":
            parts.append(sources())
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
