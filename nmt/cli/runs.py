"""The commands `nmt runs` and `nmt runs rm`."""

from __future__ import annotations

import json as json_module
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmt.cli import common
from nmt.tables import table_lines
from nmt.terminal import Look, fit, sparkline
from nmt.text import escape, file_size

if TYPE_CHECKING:
    from nmt.manage.overview import Overview

_CHART = 12
"""Columns of the chart of BLEU."""
_METRICS = {"bleu": "", "chrf": "chrF++ ", "loss": "loss "}


def runs(context: typer.Context, json: common.OneObject = False) -> None:
    """List all runs in $NMT_RUNS (default: ./runs): state, scores and size.

    best is BLEU on the validation set, or the training.valid_metric of the config. The chart shows
    BLEU at each validation.

    Example: nmt runs
    """
    if context.invoked_subcommand is not None:
        return
    from nmt.manage.overview import overviews
    from nmt.runs import runs_folder

    found = overviews(runs_folder())
    if json:
        listed = {"folder": str(runs_folder()), "runs": [_facts(about) for about in found]}
        print(json_module.dumps(listed, indent=2))
    elif found:
        print("\n".join(_lines(found)))
    else:
        print(f"no runs in {runs_folder()} (hint: nmt demo trains one)", file=sys.stderr)


def rm(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="Names in runs/, or run folders.")
    ],
    keep_best: Annotated[
        bool,
        typer.Option(
            "--keep-best", help="Delete only the checkpoints that translation does not need."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete runs, or with --keep-best their checkpoints except the best or final model.

    A run that trains is never deleted, nor a folder with files that nmt did not write. Of a link,
    only the link is deleted.

    Example: nmt runs rm demo.old-1 --yes
    """
    from nmt.errors import UsageError
    from nmt.manage import deletion

    found = {(run := deletion.find_removable(name)).path.absolute(): run for name in names}
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("standard input is not a terminal to ask on", "add --yes")
        what = "the checkpoints of " if keep_best else ""
        question = f"Delete {what}{', '.join(escape(str(run.path)) for run in found.values())}?"
        typer.confirm(question, abort=True, err=True)
    for run in found.values():
        done = deletion.keep_best(run) if keep_best else deletion.remove_run(run)
        common.say(done)


def _facts(about: Overview) -> dict[str, Any]:
    return {
        "name": about.run.path.name,
        "path": str(about.run.path),
        "state": about.state,
        "detail": about.detail or None,
        "step": about.step,
        "metric": about.metric,
        "best": about.best,
        "best_step": about.best_step,
        "bleu": [value if value == value else None for value in about.bleu],
        "bytes": about.bytes,
        "changed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(about.changed)),
        "command": about.command,
    }


def _lines(found: list[Overview]) -> list[str]:
    head = ["run", "state", "step", "best", "BLEU", "size", "age"]
    rows = [_row(about) for about in found]
    lines = table_lines(rows, head=head, left=(0, 1, 4))
    commands = [f"  {escape(about.command)}" for about in found if about.command]
    if commands:
        lines += ["", "Continue training with:", *commands]
    columns = Look.of(sys.stdout).columns
    for about in found:
        if about.detail:
            text = f"{escape(about.run.path.name)} ({about.state}): {escape(about.detail)}"
            lines += ["", fit(text, columns)]
    return lines


def _row(about: Overview) -> list[str]:
    known = about.best is not None
    return [
        escape(about.run.path.name),
        about.state,
        f"{about.step:,}" if about.step else "",
        f"{_METRICS.get(about.metric, '')}{about.best:.2f}" if known else "",
        sparkline(about.bleu, _CHART),
        file_size(about.bytes) if about.bytes else "",
        _age(time.time() - about.changed) if about.changed else "",
    ]


def _age(seconds: float) -> str:
    """Return a time in the largest unit that it fills: `3 days`, `2 h`, `5 min` or `now`."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= (2 * size if unit == "days" else size):
            return f"{int(seconds // size)} {unit}"
    return "now"
