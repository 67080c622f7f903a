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
        typer.Option(
            "--run-dir",
            "-o",
            metavar="DIR",
            help="Run folder. Default: the folder of the config if it is a run folder, otherwise "
            "runs/NAME_OF_CONFIG.",
        ),
    ] = None,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Start over. The existing run folder is renamed to NAME.old-N."
        ),
    ] = False,
) -> None:
    """Train a model: data, vocabulary, training, validation, averaging and test.

    Ctrl-C saves the state and stops. The same command resumes, and the final weights are identical
    to an uninterrupted run.

    To continue with other values, change the config or RUN/config.yaml. For example, max_steps,
    patience, valid_every, threads, the decoding section and data.test may change.

    Example: nmt train --config configs/demo.yaml --set training.max_steps=500
    """
    from nmt.config.loading import load_config
    from nmt.errors import Stopped
    from nmt.runs import Run, runs_folder

    # Load the config before torch is imported, so that errors are reported immediately.
    loaded = load_config(config, overrides or ())

    if run_dir is None:
        run = Run(config.parent)
        of_run = run.exists and config.exists() and config.samefile(run.config_file)
        run_dir = run.path if of_run else runs_folder() / config.stem

    from nmt.training.pipeline import run_training

    try:
        run_training(loaded, run_dir, restart)
    except Stopped as stopped:  # This is not an error, because the user asked to stop.
        print(f"{stopped.message}\n{stopped.hint}", file=sys.stderr)
        raise typer.Exit(stopped.exit_code) from None
