"""The command `nmt data check`: a report on parallel data before training."""

from __future__ import annotations

import json as json_module
import shlex
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli import common
from nmt.errors import UsageError
from nmt.terminal import cut, width, wrap
from nmt.text import counted, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nmt.config import Config
    from nmt.data.corpus import Corpus

_CHUNK = 10_000  # pairs in memory


def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILES]...",
            help="A config (.yaml), two text files (source, target), or one file of pairs (.tsv, "
            ".csv, .jsonl, .parquet).",
        ),
    ] = None,
    config: common.OptionalConfigFile = None,
    overrides: common.Overrides = None,
    write: Annotated[
        str | None,
        typer.Option(
            "--write",
            "-w",
            metavar="PREFIX",
            help="Write the training pairs that are kept: `--write clean.` writes, for example, "
            "clean.en and clean.de.",
        ),
    ] = None,
    json: common.OneObject = False,
) -> None:
    """Prepare data as `nmt train` does, and report on it.

    The report counts kept, dropped and repaired pairs, duplicates, test sentences in the training
    set, targets that the vocabulary changes, lengths in tokens, and the coverage of the vocabulary.
    It shows the first pairs of each kind.

    It also finds pairs that are no translations: swapped sides, blocks of lines that are shifted,
    untranslated pairs, and sentences in another language or script than the rest. The languages
    are taken from the config or from names such as train.en; the extra `langid` recognizes them.

    Examples: nmt data check train.en train.de; nmt data check my.yaml --write clean.
    """
    from nmt.data.mismatches import find_mismatches
    from nmt.data.preparation import prepare_data
    from nmt.data.report import listed

    loaded, command = _config(files or [], config, overrides or [])
    outputs = _outputs(write, loaded) if write else ()
    say = partial(print, file=sys.stderr)
    if outputs:  # Training adds case copies again.
        data = loaded.data.model_copy(update={"case_copies": 0.0})
        loaded = loaded.model_copy(update={"data": data})
    with tempfile.TemporaryDirectory(prefix="nmt-data-") as folder:
        tokenizer, old = Path(folder) / "tokenizer", None
        if loaded.training.init_from:
            from nmt.runs import Run
            from nmt.training.initialization import StartingModel

            initial = StartingModel(loaded.training.init_from, Run(Path(folder)))
            loaded, old = initial.complete(loaded), initial.tokenizer
        prepared = prepare_data(loaded, Path(folder), tokenizer, say, lambda: None, old)
        corpora, report = prepared.corpora, prepared.report
        found = {split: [*find_mismatches(loaded.data, split, lambda: None)] for split in corpora}
        if outputs:
            _write(corpora["train"], outputs)
    if json:
        findings = [{"split": s, **finding._asdict()} for s in found for finding in found[s]]
        values = {**report.to_dict(), "findings": findings}
        print(json_module.dumps(values, ensure_ascii=False, indent=2))
    else:
        print(report.table())
        headings = [
            (f"{split}: {finding.message}", finding.examples)
            for split in found
            for finding in found[split]
        ]
        for heading, examples in [*report.affected(), *headings]:
            print("\n" + "\n".join(_lines(heading, examples)))
    if outputs:
        train = report.splits["train"]
        dropped = f" (dropped: {listed(train.dropped)})" if train.dropped else ""
        say(f"wrote {' and '.join(map(str, outputs))}: {counted(train.kept, 'pair')}{dropped}")
    sides = dict(zip(("source", "target"), map(str, outputs), strict=True)) if outputs else {}
    say(f"next: {command(sides)}")


def _config(
    files: list[Path], config: Path | None, overrides: list[str]
) -> tuple[Config, Callable[[dict[str, str]], str]]:
    """Return the config, and a function from cleaned files by side to the next command.

    Raises UsageError for another number or kind of files.
    """
    from nmt.config.loading import config_of, load_config
    from nmt.data.sources.guessing import guess_source

    if config is None and len(files) == 1 and files[0].suffix in ("", ".yaml", ".yml"):
        config, files = files[0], []
    if (config is None) == (not files) or len(files) > 2:
        raise UsageError(
            "give a config, two text files (source and target), or one file of pairs",
            "for example: nmt data check train.en train.de",
        )

    def words(option: str, values: list[str]) -> list[str]:
        return [word for value in values for word in (option, value)]

    if config is not None:

        def train(cleaned: dict[str, str]) -> str:
            pairs = ", ".join(f"{side}: {path}" for side, path in cleaned.items())
            added = [f"data.train={{{pairs}}}"] if cleaned else []
            options = words("--set", [*overrides, *added])
            return shlex.join(["nmt", "train", "--config", str(config), *options, "--dry-run"])

        return load_config(config, overrides), train

    names = [str(file) for file in files]
    source = guess_source(names).model_dump(exclude_unset=True)
    values = {"data": {"train": source, "valid": source}, "training": {"max_steps": 1}}
    loaded = config_of(values, " ".join(names), overrides)
    data = loaded.data.model_copy(update={"valid": []})  # The files are only checked once.
    return loaded.model_copy(update={"data": data}), lambda cleaned: shlex.join(
        ["nmt", "init", *(cleaned.values() or names)]
    )


def _outputs(prefix: str, config: Config) -> tuple[Path, Path]:
    """Return the files of both sides, such as clean.en and clean.de. Raises UsageError."""
    from nmt.config.data import SPLITS
    from nmt.data.mismatches import languages_of

    data = config.data
    parts = data.parts("train")
    if len({(part.languages, part.tags, part.source.weight) for part in parts}) > 1:
        raise UsageError(
            "--write would mix training sources of different languages, tags or weights",
            "check one source at a time, for example: nmt data check train.en train.de",
        )
    names = languages_of(parts[0])
    if None in names or names[0] == names[1]:
        names = ("source", "target")
    stem = prefix if prefix.endswith(".") else f"{prefix}."
    source, target = (Path(f"{stem}{name}") for name in names)
    inputs = [path for split in SPLITS for path in data.files(split)]
    for path in (source, target):
        common.check_output(path, *inputs)
    return source, target


def _write(corpus: Corpus, paths: tuple[Path, Path]) -> None:
    with common.open_output(paths[0]) as source, common.open_output(paths[1]) as target:
        for begin in range(0, len(corpus), _CHUNK):
            texts = corpus.texts(range(begin, min(begin + _CHUNK, len(corpus))))
            source.writelines(f"{pair[0]}\n".encode() for pair in texts)
            target.writelines(f"{pair[1]}\n".encode() for pair in texts)


def _lines(heading: str, examples: list[list[str]]) -> Iterator[str]:
    columns = width(sys.stdout)
    yield from wrap(heading, columns)
    for location, *texts in examples:
        yield cut(f"  {escape(location)}", columns)
        for text in texts:
            yield cut(f"    {escape(text) or '(empty)'}", columns)
