"""`nmt info`: config, training history and scores of a run."""

from __future__ import annotations

import json as json_module
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmt.evaluation.metrics import bleu_title
from nmt.runs import number_in
from nmt.tables import table_lines
from nmt.terminal import Look, fit, sparkline
from nmt.text import counted, escape, file_size, shell, shorten

if TYPE_CHECKING:
    from nmt.runs import Run

Record = dict[str, Any]
HISTORY_ROWS = 12


def info(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Run folder, or its name in runs/; default: newest."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only check the checksums of all files.")
    ] = False,
) -> None:
    """Show a run: its config, parameters by part, training history, scores and size on disk.

    With --verify, the exit code is 5 if a part is damaged that the run needs.

    Example: nmt info runs/demo
    """
    from nmt.config.writing import dump_config
    from nmt.manage.details import made_with, parameters_by_part
    from nmt.manage.overview import sizes
    from nmt.runs import find_run

    found = find_run(run)
    if verify:
        _verify(found, json)
        return
    config = found.config
    train, valid, test = map(found.records, ("train", "valid", "test"))
    parameters, problem = parameters_by_part(found)
    making = made_with(found, [*train, *valid])
    space = sizes(found)
    space["total"] = sum(space.values())
    if json:
        facts = {
            "run": str(found.path),
            "finished": found.finished,
            "damage": problem,
            "config": config.model_dump(),
            "parameters": parameters,
            "train": train,
            "valid": valid,
            "test": test,
            "made_with": making,
            "bytes": space,
        }
        print(json_module.dumps(_finite(facts), indent=2))
        return
    sections = [
        [
            f"{found.path}: {_state(found, [*train, *valid, *test])}",
            *([f"damaged: {problem}"] if problem else []),
        ],
        ["Config (keys that are not the default)"]
        + [f"  {line}" for line in dump_config(config, defaults=False).splitlines()],
        _parameter_lines(parameters),
        _drawn_lines(found, train),
        _history_lines(train, valid, config.training.valid_metric),
        [line for record in test[-1:] for line in _test_lines(record)],
        _made_with_lines(making),
        ["Size on disk", *table_lines([[f"  {k}", file_size(v)] for k, v in space.items()])],
    ]
    text = "\n\n".join("\n".join(lines) for lines in sections if lines)
    print(fit(text, Look.of(sys.stdout).columns))


def _verify(run: Run, json: bool) -> None:
    """Print the state of each part; raise StorageError if a needed part is damaged."""
    from nmt.errors import StorageError
    from nmt.manage.verification import verify_run

    parts = list(verify_run(run))
    if json:
        print(json_module.dumps([part._asdict() for part in parts], indent=2))
    else:
        rows = [
            [part.name, "damaged" if part.problem else "ok", part.use, f"{part.seconds:.1f} s"]
            for part in parts
        ]
        lines = table_lines(rows, head=["part", "state", "use", "time"], left=range(4))
        problems = [escape(part.problem) for part in parts if part.problem]
        print(fit("\n".join(lines + problems), Look.of(sys.stdout).columns))
    damaged = [part.name for part in parts if part.problem and part.needed]
    if not damaged:
        return
    hint = "restore the damaged files from a copy of the run"
    intact = any(part.use == "resuming" and not part.problem for part in parts)
    if damaged == [run.model_folder.name] and intact:
        command = shell("nmt", "train", "--config", str(run.config_file))
        hint = f"delete {run.model_folder}; this writes it again from the checkpoints:\n{command}"
    raise StorageError(f"{run.path} is damaged: {', '.join(damaged)}", hint)


def _made_with_lines(made_with: dict[str, str]) -> list[str]:
    rows = [[f"  {name}", value] for name, value in made_with.items()]
    return ["Made with", *table_lines(rows, left=range(2))] if rows else []


def _drawn_lines(run: Run, train: list[Record]) -> list[str]:
    """Return a table of the training pairs that were drawn from each source, if they are mixed."""
    from nmt.errors import StorageError
    from nmt.storage import read_file

    try:
        mixture = json_module.loads(read_file(run.fingerprints_file))["mixture"]
        sizes = [int(size) for size in mixture["sizes"]]
        drawn = [int(count) for count in train[-1]["drawn"]]
    except (StorageError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return []
    parts = run.config.data.parts("train")
    total = sum(drawn) or 1
    rows = [
        [
            f"  {shorten(' '.join(filter(None, (part.label, *part.tags))))}",
            f"{size:,}",
            f"{count:,}",
            f"{100 * count / total:.1f} %",
            f"{count / max(1, size):.2f}",
        ]
        for part, size, count in zip(parts, sizes, drawn, strict=False)
    ]
    head = ["  source", "pairs", "drawn", "share", "passes"]
    return ["Training pairs by source", *table_lines(rows, head=head)]


def _parameter_lines(parameters: dict[str, int]) -> list[str]:
    if not parameters:
        return []
    total = parameters["total"] or 1
    rows = [[f"  {k}", f"{n:,}", f"{100 * n / total:.1f} %"] for k, n in parameters.items()]
    return ["Parameters", *table_lines(rows)]


def _state(run: Run, records: Sequence[Record]) -> str:
    step = max((record["step"] for record in records), default=0)
    if run.finished:
        return f"finished, {counted(step, 'step')}"
    checkpoints = run.checkpoints()
    if not checkpoints:
        return "no checkpoint yet"
    return f"not finished; newest checkpoint {checkpoints[0].name}, the last record is step {step}"


def _history_lines(train: list[Record], valid: list[Record], metric: str) -> list[str]:
    lines = []
    bleu = bleu_title(valid[-1].get("tokenizer")) if valid else "BLEU"
    for title, key, records in (
        ("training nll", "nll", train),
        ("validation nll", "nll", valid),
        (bleu, "bleu", valid),
        ("chrF++", "chrf", valid),
    ):
        if values := [number_in(record, key) for record in records]:
            span = f"{values[0]:.2f} to {values[-1]:.2f}"
            lines.append([f"  {title}", sparkline(values), span])
    if not lines:
        return []
    return ["Training", *table_lines(lines, left=range(3)), *_validation_table(valid, metric)]


def _validation_table(valid: list[Record], metric: str) -> list[str]:
    if not valid:
        return []
    sign = 1 if metric == "loss" else -1
    key = "nll" if metric == "loss" else metric
    scores = [sign * number_in(record, key) for record in valid]
    best = min(range(len(valid)), key=lambda i: (math.isnan(scores[i]), scores[i]))
    every = max(1, math.ceil(len(valid) / HISTORY_ROWS))
    picked = sorted({*range(len(valid) - 1, -1, -every), best})
    bleu = bleu_title(valid[-1].get("tokenizer"))
    head = ["  step", "epoch", "nll", "perplexity", bleu, "chrF++", ""]
    rows = []
    for index in picked:
        record = valid[index]
        numbers = [f"{number_in(record, k):.2f}" for k in ("nll", "perplexity", "bleu", "chrf")]
        place = [f"  {record['step']:,}", str(record.get("epoch", ""))]
        rows.append([*place, *numbers, "best" if index == best else ""])
    return ["", *table_lines(rows, head=head), *_set_lines(valid[best])]


def _test_lines(record: Record) -> list[str]:
    bleu = bleu_title(record.get("tokenizer"))
    names = {"bleu": bleu, "bleu_lowercase": f"{bleu}, lower case", "chrf": "chrF++", "ter": "TER"}
    rows = [[f"  {n}", f"{number_in(record, k):.2f}"] for k, n in names.items() if k in record]
    signature = [f"  {shorten(str(record['signature']))}"] if "signature" in record else []
    return ["Test", *table_lines(rows), *signature, *_set_lines(record)]


def _set_lines(record: Record) -> list[str]:
    """Return a table of the sets of a record of `valid` or `test`, if it has several."""
    sets = record.get("sets")
    if not isinstance(sets, dict):
        return []
    rows = [
        [f"  {shorten(name)}", *(f"{number_in(one, key):.2f}" for key in ("bleu", "chrf"))]
        for name, one in sets.items()
    ]
    return ["", *table_lines(rows, head=["  set", "BLEU", "chrF++"])]


def _finite(value: Any) -> Any:
    """Return a value with null for infinity and NaN, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
