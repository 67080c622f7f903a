"""From the files of a user to a written config, with a reason for each value."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nmt import storage
from nmt.config import Config, PairFile
from nmt.data.report import listed
from nmt.data.sources.guessing import guess_source
from nmt.devices import resolve_device
from nmt.errors import UsageError
from nmt.languages import is_tag, named_language
from nmt.planning.document import write_document
from nmt.planning.facts import Facts, Side, Source, check_size, collect, files_of, measure
from nmt.planning.holdout import hold_out
from nmt.planning.rules import MINIMUM, choose, held_out_size
from nmt.text import counted, shell

PARTS = ("valid", "test")


class Plan(NamedTuple):
    """Nested values of a config, and the reasons for some of them by key, such as model.heads."""

    values: dict[str, Any]
    reasons: dict[str, str]


@dataclass(frozen=True)
class Request:
    """The input of the user: two text files or one file of pairs per part, and some options."""

    train: Sequence[str]
    held_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    languages: tuple[str | None, str | None] = (None, None)
    columns: tuple[str | None, str | None] = (None, None)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    base: Mapping[str, Any] | None = None
    """Other sections than data, from an earlier run."""

    def __post_init__(self) -> None:
        """Raise UsageError for a language that is not a tag, and for columns of text files."""
        for language in self.languages:
            if language and not is_tag(language):
                raise UsageError(
                    f"{language!r} is not a BCP 47 language tag", "write, for example, en or pt-BR"
                )
        if any(self.columns) and len(self.train) > 1:
            raise UsageError(
                "text files have no columns",
                "leave out --source-column and --target-column, or give one file of pairs",
            )

    def source(self, files: Sequence[str]) -> Source:
        """Return the source section of files. Raises UsageError or DataError."""
        return guess_source(files, self.languages, self.columns)


def names_of(source: Source) -> tuple[str, str]:
    """Return the names of both sides, which may contain languages: suffixes or columns."""
    if isinstance(source, PairFile):
        return str(source.source_column), str(source.target_column)
    source_file, target_file = Path(source.source).name, Path(source.target).name
    return source_file.partition(".")[2], target_file.partition(".")[2]


def default_path(request: Request) -> Path:
    """Return the name of the config: LANGUAGE-LANGUAGE.yaml, or the stem of the training file."""
    named = map(named_language, names_of(request.source(request.train)))
    known = [given or found for given, found in zip(request.languages, named, strict=True)]
    stem = "-".join(map(str, known)) if all(known) else Path(request.train[0]).name.split(".")[0]
    return Path(f"{stem}.yaml")


def write_plan(request: Request, path: Path, force: bool, say: Callable[[str], None]) -> Config:
    """Look at the data, set missing parts aside next to `path`, and write the config.

    Return the config. `say` receives lines for the user. Raises UsageError, DataError and
    StorageError.
    """
    train = request.source(request.train)
    given = {part: request.source(files) for part, files in request.held_out.items() if files}
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "choose the name of a file with --output")
    folder = path.with_name(f"{path.stem}-held-out")
    missing = [part for part in PARTS if part not in given]
    for new in (path, folder) if missing else (path,):
        if new.exists() and not force:
            raise UsageError(
                f"{new} already exists",
                "choose another name with --output, or replace it with --force",
            )
    with (
        storage.storage_errors(f"cannot write {path}", path.parent),
        tempfile.TemporaryDirectory(prefix=storage.TEMPORARY, dir=path.parent) as temporary,
    ):
        pairs = collect(train, given, Path(temporary))
        check_size(pairs, train, MINIMUM)
        device = resolve_device(request.device).type
        facts = measure(
            pairs, names_of(train), request.languages, "cuda" if device == "cuda" else "cpu"
        )
        sizes = {part: held_out_size(part, len(pairs)) for part in missing}
        languages = facts.source.language, facts.target.language
        held_out = hold_out(pairs, sizes, folder, languages) if sizes else {}
    sizes = {part: held.pairs for part, held in held_out.items()}
    sources = {"train": train, **{part: held.files for part, held in held_out.items()}, **given}
    plan = make_plan(facts, sources, sizes, request.base)
    config = write_document(path, *plan, _heading(path))
    for line in _summary(facts, config, sizes, files_of(train)):
        say(line)
    say(f"wrote {path}, with a reason for each value")
    return config


def make_plan(
    facts: Facts,
    sources: Mapping[str, Source],
    sizes: Mapping[str, int],
    base: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the plan for the sources `train`, `valid` and `test`.

    sizes: number of pairs of each part that was set aside; base: other sections than data, which
    replace the rules for them.
    """
    values: dict[str, Any] = {
        "data": {
            part: sources[part].model_dump(exclude_unset=True)
            for part in ("train", *PARTS)
            if part in sources
        }
    }
    reasons = {
        f"data.{part}": f"{counted(size, 'random pair')}; no sentence is in another part"
        for part, size in sizes.items()
    }
    for key, choice in choose(facts).items():
        section, name = key.split(".")
        if base is None or section == "data":
            values.setdefault(section, {})[name] = choice.value
            reasons[key] = choice.reason
    reasons |= dict.fromkeys(base or {}, "as in the earlier run")
    return Plan({**values, **(base or {})}, reasons)


def _heading(path: Path) -> str:
    return (
        f"Written by nmt init. Change any value; configs/reference.yaml explains every key.\n"
        f"  {shell('nmt', 'train', str(path))}"
    )


def _summary(facts: Facts, config: Config, sizes: Mapping[str, int], files: str) -> list[str]:
    report = facts.report
    lines = [f"pairs   {facts.read:,} in {files}"]
    if report.dropped:
        lines.append(f"        {facts.pairs:,} usable; dropped: {listed(report.dropped)}")
    if report.noticed:
        lines.append(f"        noticed: {listed(report.noticed)}")
    lines += map(_side_line, ("source", "target"), facts.sides)
    for part, size in sizes.items():
        paths = getattr(config.data, part)[0]
        lines.append(f"{part:6}  {size:,} random pairs: {paths.source}, {paths.target}")
    model = config.model
    lines.append(
        f"plan    vocabulary of {config.tokenizer.vocab_size:,}, d_model {model.d_model}, "
        f"{model.encoder_layers} + {model.decoder_layers} layers, "
        f"{config.training.max_steps or 0:,} steps on the {facts.device}"
    )
    return lines


def _side_line(name: str, side: Side) -> str:
    words = "characters" if side.unspaced else "words"
    language = f"{side.language} ({side.evidence})" if side.language else _UNKNOWN.format(name)
    return (
        f"{name}  {language}, {side.words:.1f} {words} per sentence, {side.vocabulary:,} different"
    )


_UNKNOWN = 'unknown language (hint: give --{}-language, or run: pip install "nmt[langid]")'
