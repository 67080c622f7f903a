"""`nmt train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli import common


def train(
    config: common.ConfigFile,
    overrides: common.Overrides = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", "-o", metavar="DIR", help="Run folder [runs/NAME_OF_CONFIG]."),
    ] = None,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Start over. The existing run folder is renamed to NAME.old-N."
        ),
    ] = False,
) -> None:
    """Train a model: data, vocabulary, training, validation, averaging and test.

    Ctrl-C stops the training run and saves its state. Run the same command again to resume. The
    final weights are identical to the weights of an uninterrupted run.

    Example: nmt train --config configs/demo.yaml --set training.max_steps=500
    """
    from nmt.config.loading import load_config
    from nmt.errors import Stopped
    from nmt.runs import runs_folder

    # Before torch is imported, so that errors are reported at once.
    loaded = load_config(config, overrides or ())

    from nmt.training.pipeline import run_training

    try:
        run_training(loaded, run_dir or runs_folder() / config.stem, restart)
    except Stopped as stopped:  # not an error, because the user asked to stop
        print(f"{stopped.message}\n{stopped.hint}", file=sys.stderr)
        raise typer.Exit(stopped.exit_code) from None
