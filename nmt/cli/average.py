"""`nmt average`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def average(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run with the checkpoints.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New run folder of the mean.")
    ],
    best: Annotated[
        int | None, typer.Option(min=1, help="Take the N best-scoring checkpoints.")
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Take the N newest checkpoints.")] = None,
) -> None:
    """Average the weights of several checkpoints into the model of a new run folder.

    A run keeps only the checkpoints that training.keep_checkpoints and
    training.average_checkpoints ask for.

    Example: nmt average runs/demo --last 5 --output runs/demo-mean
    """
    import sys

    from nmt.runs import find_run
    from nmt.training.averaging import average_run

    steps = average_run(find_run(run), output, best=best, last=last)
    print(f"{output}: mean of steps {', '.join(map(str, steps))}", file=sys.stderr)
    print(f'next: nmt translate --model {output} "..."', file=sys.stderr)
