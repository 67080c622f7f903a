"""`nmt average`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nmt.cli import common


def average(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or its name in runs/.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New run folder for the mean.")
    ],
    best: Annotated[int | None, typer.Option(min=1, help="Average the best N checkpoints.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Average the last N checkpoints.")] = None,
) -> None:
    """Average the weights of several checkpoints into the model of a new run folder.

    By default, all checkpoints that the run has kept are averaged (training.keep_checkpoints and
    average_checkpoints). Prints validation scores of the mean and of the best checkpoint.

    Example: nmt average runs/demo --last 3 --output runs/demo-mean
    """
    import os
    import sys

    from nmt.errors import DataError, StorageError
    from nmt.runs import Run, find_run
    from nmt.training.averaging import average_run, compare_mean

    common.check_output(output)
    found = find_run(run)
    # A link to a folder that does not exist yet stays a link.
    target = Path(os.path.realpath(output))
    steps = average_run(found, target, best=best, last=last)
    print(f"{output}: mean of steps {', '.join(map(str, steps))}", file=sys.stderr)
    try:
        print(compare_mean(found, Run(target)).text(), file=sys.stderr)
    except (DataError, StorageError) as error:
        print(f"warning: the mean was not validated: {error.message}", file=sys.stderr)
    print(f'next: nmt translate --model {output} "..."', file=sys.stderr)
