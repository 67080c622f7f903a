"""`nmt info`: config, training history and scores of a run."""

from __future__ import annotations

import json as json_module
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmt.evaluation.metrics import bleu_title
from nmt.tables import table_lines
from nmt.text import counted, shorten

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
) -> None:
    """Show a run: its config, parameters by part, training history, scores and size on disk.

    Example: nmt info runs/demo
    """
    from nmt.config.writing import dump_config
    from nmt.runs import find_run

    found = find_run(run)
    config = found.config
    train, valid, test = map(found.records, ("train", "valid", "test"))
    parameters, problem = _parameters(found)
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
            "bytes": _sizes(found),
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
        _history_lines(train, valid, config.training.valid_metric),
        [line for record in test[-1:] for line in _test_lines(record)],
        ["Size on disk", *table_lines([[f"  {k}", _size(v)] for k, v in _sizes(found).items()])],
    ]
    print("\n\n".join("\n".join(lines) for lines in sections if lines))


def _parameters(run: Run) -> tuple[dict[str, int], str | None]:
    """Return the number of weights by part of the model, and the error if there is one."""
    from nmt.errors import StorageError
    from nmt.storage import tensor_shapes

    if not (run.finished or run.checkpoints()):
        return {}, None
    try:
        shapes = tensor_shapes(run.weights())
    except StorageError as error:
        return {}, error.message
    parts = dict.fromkeys(("embedding", "encoder", "decoder"), 0)
    for name, shape in shapes.items():
        part = name.split(".")[0]
        # A tied output projection is the embedding and has no separate tensor.
        if part.endswith(("embedding", "positions")):
            part = "embedding"
        elif part.startswith(("encoder", "decoder")):
            part = part[:7]
        elif part.startswith("output"):
            part = "output"
        parts[part] = parts.get(part, 0) + math.prod(shape)
    return parts | {"total": sum(parts.values())}, None


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
        ("training loss", "loss", train),
        ("valid loss", "loss", valid),
        (bleu, "bleu", valid),
        ("chrF++", "chrf", valid),
    ):
        if values := [_number(record, key) for record in records]:
            span = f"{values[0]:.2f} to {values[-1]:.2f}"
            lines.append([f"  {title}", sparkline(values), span])
    if not lines:
        return []
    return ["Training", *table_lines(lines, right=False), *_validation_table(valid, metric)]


def _validation_table(valid: list[Record], metric: str) -> list[str]:
    if not valid:
        return []
    sign = 1 if metric == "loss" else -1
    scores = [sign * _number(record, metric) for record in valid]
    best = min(range(len(valid)), key=lambda i: (math.isnan(scores[i]), scores[i]))
    every = max(1, math.ceil(len(valid) / HISTORY_ROWS))
    picked = sorted({*range(len(valid) - 1, -1, -every), best})
    bleu = bleu_title(valid[-1].get("tokenizer"))
    head = ["  step", "epoch", "loss", "perplexity", bleu, "chrF++", ""]
    rows = []
    for index in picked:
        record = valid[index]
        numbers = [f"{_number(record, k):.2f}" for k in ("loss", "perplexity", "bleu", "chrf")]
        place = [f"  {record['step']:,}", str(record.get("epoch", ""))]
        rows.append([*place, *numbers, "best" if index == best else ""])
    return ["", *table_lines(rows, head=head)]


def _test_lines(record: Record) -> list[str]:
    bleu = bleu_title(record.get("tokenizer"))
    names = {"bleu": bleu, "bleu_lowercase": f"{bleu}, lower case", "chrf": "chrF++", "ter": "TER"}
    rows = [[f"  {n}", f"{_number(record, k):.2f}"] for k, n in names.items() if k in record]
    signature = [f"  {shorten(str(record['signature']))}"] if "signature" in record else []
    return ["Test", *table_lines(rows), *signature]


def _number(record: Record, key: str) -> float:
    value = record.get(key)
    return float(value) if isinstance(value, int | float) else math.nan


def _sizes(run: Run) -> dict[str, int]:
    sizes = {}
    for path in sorted(run.path.iterdir()):
        files = path.rglob("*") if path.is_dir() else [path]
        size = sum(f.stat().st_size for f in files if f.is_file() and not f.is_symlink())
        if size:
            sizes[path.name] = size
    return sizes | {"total": sum(sizes.values())}


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Draw a series in at most `width` characters, with a gap where a value is not finite."""
    step = max(1.0, len(values) / width)
    picked = [values[int(i * step)] for i in range(min(width, len(values)))]
    finite = [value for value in picked if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    bars = "▁▂▃▄▅▆▇█"
    scale = (len(bars) - 1) / (high - low) if high > low else 0.0
    return "".join(
        bars[round((value - low) * scale)] if math.isfinite(value) else " " for value in picked
    )


def _finite(value: Any) -> Any:
    """Return a value with null for infinity and NaN, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
