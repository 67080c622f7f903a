"""`nmt finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nmt.cli import common


def finetune(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run to start from, or its name.")],
    source: Annotated[
        Path,
        typer.Option(
            "--source", "-s", help="Text file of source sentences, or a file of pairs (.tsv, ...)."
        ),
    ],
    target: common.OptionalTargetFile = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run-dir", "-o", metavar="DIR", help="New run folder. Default: runs/RUN-NAME_OF_FILE."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a config key. Can be repeated."),
    ] = None,
) -> None:
    """Train a run further on your own pairs, and compare it with the run it started from.

    A part of the pairs is set aside for validation and for the test. The config, with a reason for
    each value, is RUN_DIR/plan/config.yaml. Both models then translate the new test set and that of
    RUN, which shows what was learned and what was forgotten.

    The same command resumes after an interruption.

    Example: nmt finetune demo --source my.en --target my.de
    """
    from nmt.config.loading import load_config
    from nmt.data.sources.guessing import guess_source
    from nmt.errors import UsageError
    from nmt.runs import Run, find_start, runs_folder

    start = find_start(run)
    train = guess_source([str(source), *([str(target)] if target else [])])
    name = f"{start.path.name}-{source.name.partition('.')[0]}"
    made = Run(run_dir or runs_folder() / name)
    plan = made.plan_folder / "config.yaml"
    other = UsageError(f"{made.path} is another run", "choose another --run-dir")
    if plan.exists():
        planned = load_config(plan)
        if planned.data.train != [train] or planned.training.init_from != str(start.path):
            raise other
        common.say(f"using {plan}, which exists")
    elif made.exists:
        raise other
    else:
        from nmt.planning.finetuning import write_plan

        if start.tokenizer.source.tags:
            raise UsageError(
                f"{start.path} has tags or several target languages, which a plan cannot choose",
                "write a config with training.init_from, see docs/finetuning.md",
            )
        write_plan(str(start.path), start.config, start.tokenizer, train, plan, common.say)
    options = [part for text in overrides or () for part in ("--set", text)]
    folder = str(made.path)
    common.run_command("train", "--config", str(plan), "--run-dir", folder, *options)
    common.run_command("evaluate", "--model", folder, "--against", str(start.path))
