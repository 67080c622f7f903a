"""`nmt train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The experiment, in YAML.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", metavar="KEY=VALUE", help="Another value for a key of the config."
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", "-o", metavar="DIR", help="Run folder [runs/NAME_OF_CONFIG]."),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew; the old run is moved aside.")
    ] = False,
) -> None:
    """Train a model: data, vocabulary, training, validation, averaging, test, in one go.

    Ctrl-C stops with the state saved; the same command goes on where it stopped, and ends with
    the same weights as if it had never been interrupted.

    Example: nmt train --config configs/demo.yaml --set training.max_steps=500
    """
    from nmt.config_file import load_config
    from nmt.errors import Stopped
    from nmt.runs import runs_folder

    loaded = load_config(config, overrides or ())  # before torch: mistakes show at once

    from nmt.training.pipeline import run_training

    try:
        run_training(loaded, run_dir or runs_folder() / config.stem, restart)
    except Stopped as stopped:  # asked for, so no error
        print(f"{stopped.message}\n{stopped.hint}", file=sys.stderr)
        raise typer.Exit(stopped.exit_code) from None
