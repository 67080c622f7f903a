"""`nmt train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli import common
from nmt.text import shell

if TYPE_CHECKING:
    from nmt.config import Config


def train(
    config: common.OptionalConfigFile = None,
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
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Try the largest batch and five updates, and print memory, time and disk space "
            "that training needs, and problems of the data. No files are kept.",
        ),
    ] = False,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILES",
            help="A config, instead of --config; or parallel data (two text files, or one file of "
            "pairs), for which a config is written first, as `nmt init` does.",
        ),
    ] = None,
) -> None:
    """Train a model: data, vocabulary, training, validation, averaging and test.

    Ctrl-C saves the state and stops. The same command resumes, and the final weights are identical
    to an uninterrupted run.

    To continue with other values, change the config or RUN/config.yaml. For example, max_steps,
    patience, valid_every, threads, the decoding section and data.test may change.

    Examples: nmt train en-de.yaml --set training.max_steps=500, nmt train train.en train.de
    """
    from nmt.config.loading import load_config
    from nmt.errors import Stopped
    from nmt.runs import Run, runs_folder

    config = _config(config, files or [], dry_run)
    # Load the config before torch is imported, so that errors are reported immediately.
    loaded = load_config(config, overrides or ())

    if run_dir is None:
        run = Run(config.parent)
        of_run = run.exists and config.exists() and config.samefile(run.config_file)
        run_dir = run.path if of_run else runs_folder() / config.stem

    from nmt.training.pipeline import run_training

    try:
        if dry_run:
            _print_dry_run(loaded, run_dir, restart)
            return
        run_training(loaded, run_dir, restart)
    except Stopped as stopped:  # This is not an error, because the user asked to stop.
        hint = f"{stopped.hint}{' without --restart' if restart else ''}"
        common.say(f"{stopped.message}\n{hint}")
        raise typer.Exit(stopped.exit_code) from None


def _print_dry_run(config: Config, run_dir: Path, restart: bool) -> None:
    from nmt.terminal import width, wrap
    from nmt.training.dry_run import dry_run

    found = dry_run(config, run_dir, restart)
    if found is None:
        print(f"{run_dir} is already finished (--restart trains it again)")
        return
    columns = width(sys.stdout)
    for title, text in found.rows():
        print("\n".join(wrap(f"{title:11} {text}", columns, " " * 12)))
    for warning in found.warnings():
        common.say(f"warning: {warning}")
    common.say("next: run the same command without --dry-run")


def _config(config: Path | None, files: list[str], dry_run: bool) -> Path:
    """Return the config that the user gives, or write one for parallel data."""
    from nmt.errors import UsageError

    if (config is None) == (not files):
        raise UsageError(
            "give a config or parallel data",
            "run: nmt train FILE.yaml, or: nmt train SOURCE_FILE TARGET_FILE",
        )
    if config:
        return config
    if len(files) == 1 and Path(files[0]).suffix in ("", ".yaml", ".yml"):
        return Path(files[0])

    from nmt.config.loading import load_config
    from nmt.planning.plan import Request, default_path, write_plan

    request = Request(files)
    path = default_path(request)
    if not path.exists() and dry_run:
        raise UsageError("a dry run needs a config", f"run first: {shell('nmt', 'init', *files)}")
    if not path.exists():
        write_plan(request, path, force=False, say=common.say)
    elif load_config(path).data.train != [request.source(files)]:
        raise UsageError(
            f"{path} exists and is a config for other data",
            f"run: {shell('nmt', 'init', *files, '--output', 'NAME.yaml')}",
        )
    else:
        common.say(f"using {path}, which exists")
    return path
