"""`nmt average`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nmt.cli import common


def average(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or their names in runs/.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New run folder for the mean.")
    ],
    best: Annotated[int | None, typer.Option(min=1, help="Average the best N checkpoints.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Average the last N checkpoints.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Weight of each run. Default: equal weights."),
    ] = None,
) -> None:
    """Average the weights of several checkpoints, or of several runs, into a new run folder.

    By default, all checkpoints that the run has kept are averaged (training.keep_checkpoints and
    average_checkpoints). Prints validation scores of the mean and of the best checkpoint.

    Several runs must have the same model and vocabulary. The mean of a run and of one that started
    from it often keeps more of the first run than fine-tuning alone.

    Example: nmt average runs/demo --last 3 --output runs/demo-mean

    Example: nmt average runs/demo runs/demo-mine --weights 0.5,0.5 --output runs/demo-both
    """
    import os

    from nmt.errors import DataError, StorageError, UsageError
    from nmt.runs import Run, find_run
    from nmt.training.averaging import average_run, average_runs, compare_mean

    common.check_output(output)
    found, *others = map(find_run, runs)
    # A link to a folder that does not exist yet stays a link.
    target = Path(os.path.realpath(output))
    if others:
        if best or last:
            raise UsageError("--best and --last need one run", "leave them out")
        average_runs([found, *others], target, _numbers(weights) if weights else None)
        common.say(f"{output}: mean of {', '.join(map(str, runs))}")
        common.suggest("evaluate", "--model", str(output), "--against", str(runs[0]))
        return
    if weights:
        raise UsageError("--weights needs several runs", "name another run to average with")
    steps = average_run(found, target, best=best, last=last)
    common.say(f"{output}: mean of steps {', '.join(map(str, steps))}")
    try:
        common.say(compare_mean(found, Run(target)).text())
    except (DataError, StorageError) as error:
        common.say(f"warning: the mean was not validated: {error.message}")
    common.suggest("translate", "--model", str(output), "a sentence")


def _numbers(text: str) -> list[float]:
    from nmt.errors import UsageError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--weights {text} is not a list of numbers", "write, for example, --weights 0.5,0.5"
        ) from error
