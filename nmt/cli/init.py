"""`nmt init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nmt.cli import common


def init(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES", help="Two text files, or one .tsv, .csv, .jsonl or .parquet file."
        ),
    ],
    source_language: Annotated[
        str | None, typer.Option(help="Language of the source, such as en. Default: identified.")
    ] = None,
    target_language: Annotated[
        str | None, typer.Option(help="Language of the target. Default: identified.")
    ] = None,
    source_column: Annotated[
        str | None, typer.Option(help="Name or number of the source column. Default: guessed.")
    ] = None,
    target_column: Annotated[
        str | None, typer.Option(help="Name or number of the target column. Default: guessed.")
    ] = None,
    valid: Annotated[
        list[str] | None,
        typer.Option(
            help="Validation set: a file of pairs, or twice for two text files. Default: random "
            "pairs of FILES."
        ),
    ] = None,
    test: Annotated[list[str] | None, typer.Option(help="Test set, like --valid.")] = None,
    base: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN", help="Take all settings except data from a run."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Config to write. Default: SOURCE-TARGET.yaml, such as en-de.yaml.",
        ),
    ] = None,
    device: common.Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing config.")] = False,
) -> None:
    """Look at parallel data, set validation and test pairs aside, and write a config for it.

    The config has a comment for each value: the reason and the measured fact. The training files
    are not changed or copied; sentences of the validation and test sets are dropped from the
    training set when it is read.

    Example: nmt init train.en train.de
    """
    from nmt.planning.plan import Request, default_path, write_plan

    request = Request(
        files,
        {"valid": valid or [], "test": test or []},
        (source_language, target_language),
        (source_column, target_column),
        device,
        _settings_of(base) if base else None,
    )
    path = output or default_path(request)
    common.check_output(path, *map(Path, (*files, *(valid or ()), *(test or ()))))
    write_plan(request, path, force, common.say)
    common.say("")
    common.suggest("train", str(path))


def _settings_of(name: str) -> dict[str, Any]:
    """Return the sections of a run except data, without what it chose for its machine."""
    from nmt.runs import find_run

    sections = find_run(name).config.model_dump(exclude_defaults=True, exclude={"data"})
    for key in ("precision", "threads", "packing"):
        sections["training"].pop(key, None)
    return sections
