"""The command `nmt report`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from nmt.cli import common


def report(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Run folder, or its name in runs/; default: newest."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="HTML file to write. Default: NAME-report.html."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Another run folder, to compare the two."),
    ] = None,
    paired: Annotated[
        Literal["bs", "ar"],
        typer.Option(help="With --against: bootstrap or approximate randomization."),
    ] = "bs",
    worst: Annotated[
        int, typer.Option(min=0, metavar="N", help="Show the N worst sentences of each set.")
    ] = 5,
    translate: Annotated[
        bool,
        typer.Option(
            "--translate/--no-translate",
            help="Translate the test set (without one, the validation set), or use only what the "
            "run stores.",
        ),
    ] = True,
) -> None:
    """Write a report on a training run as one HTML file, which needs no network.

    It has the scores with their intervals, the curves of training, example translations over time,
    the worst sentences with their attention, the data, the config, and how to reproduce the run.
    With --against, it compares two runs, with paired tests on the test set of the first. A run that
    has not finished is reported as far as it is.

    Example: nmt report runs/demo -o report.html

    Example: nmt report runs/mine --against runs/demo
    """
    from nmt.charts import require_matplotlib
    from nmt.config.data import SPLITS
    from nmt.errors import DataError, StorageError

    found = [common.open_run(run), *([common.open_run(against)] if against else [])]
    name = os.path.basename(os.path.realpath(found[0].path))  # noqa: PTH119 (a link's target)
    path = output or Path(f"{name}-report.html")
    data = [one.config.data for one in found]
    common.check_output(
        path, *(file for one in data for split in SPLITS for file in one.files(split))
    )
    require_matplotlib()

    from nmt.report.facts import facts_of
    from nmt.report.page import report_page
    from nmt.report.testing import evaluate_runs

    facts = facts_of(found)
    tested, problem = None, ""
    with common.open_output(path) as file:  # Report an error before translating.
        if not translate:
            problem = "Nothing was translated for this report (--no-translate)."
        else:
            try:
                with common.Warnings() as warnings:
                    tested = evaluate_runs(facts, paired, worst, common.say, warnings)
            except (DataError, StorageError) as error:
                problem = f"Nothing was translated for this report: {error.message}."
                common.say(f"warning: {problem[:-1]}")
        file.write(report_page(facts, tested, problem).encode("utf-8", "replace"))
    if str(path) != "-":
        common.say(f"wrote {path}")
