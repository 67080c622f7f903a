"""`nmt data check`: what is in the data, without training."""

from __future__ import annotations

import json as json_module
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer


def check(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The experiment, in YAML.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", metavar="KEY=VALUE", help="Another value for a key of the config."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read, clean and tokenize the data of a config as `nmt train` would, and show what is found.

    For each split: pairs read, kept, dropped by reason and repaired by kind, duplicates, test
    sentences that stand in the training data, lengths in tokens, how much of the text the
    vocabulary covers. Nothing is kept.

    Example: nmt data check --config configs/multi30k-en-de.yaml
    """
    from nmt.config_file import load_config
    from nmt.data.corpus import prepare_data

    loaded = load_config(config, overrides or ())

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="nmt-data-") as folder:
        tokenizer = Path(folder) / "tokenizer"
        report = prepare_data(loaded, Path(folder), tokenizer, say, lambda: None).report
    if json:
        print(json_module.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        print(report.table())
