"""Shared code of the experiments: train variants through `nmt.training`, measure and write.

A variant is trained once. Its run folder is named after the data and the variant, and every program
that needs this variant uses the finished run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from nmt import storage
from nmt.config.loading import load_config
from nmt.decoding.translator import Translator
from nmt.errors import NmtError
from nmt.evaluation.metrics import corpus_scores
from nmt.evaluation.report import LengthRow, scores_by_length
from nmt.machine import cpu_model
from nmt.runs import Run
from nmt.storage import tensor_shapes
from nmt.text import clean_line
from nmt.training.pipeline import run_training

ROOT = Path(__file__).resolve().parents[2]
VALIDATION_PAIRS = 300
BASE = Path(__file__).with_name("base.yaml")


@dataclass(frozen=True)
class Variant:
    """One model of an experiment: the base config with overrides and, in some, altered code."""

    name: str
    """Name of the run folder. Variants with one name must be identical in all experiments."""
    overrides: tuple[str, ...] = ()
    """Config overrides `KEY=VALUE`, as for `nmt train --set`."""
    label: str = ""
    """Name in tables and plots. Default: `name`."""
    altered: Callable[[], AbstractContextManager[object]] = nullcontext
    """Context manager that changes the code of nmt while the variant is trained and tested."""

    @property
    def title(self) -> str:
        return self.label or self.name


TRANSFORMER = Variant("transformer", label="Transformer")
# Wider and shallower than the base, to have about as many parameters as the Transformer.
RECURRENT = (
    "model.architecture=rnn",
    "model.d_model=192",
    "model.encoder_layers=1",
    "model.decoder_layers=1",
)
FIXED_VECTOR = Variant("rnn", RECURRENT, "RNN, fixed vector")
RNN_ATTENTION = Variant(
    "rnn-attention", (*RECURRENT, "model.attention=additive"), "RNN with attention"
)


@dataclass(frozen=True)
class Outcome:
    """Results of a variant."""

    title: str
    parameters: int
    bleu: float
    """Mixed-case BLEU of the test set with beam search."""
    bleu_interval: float
    """Half-width of the 95 % bootstrap interval."""
    chrf: float
    lengths: list[LengthRow]
    """BLEU by source length in words."""
    training: list[dict[str, float]] = field(repr=False)
    """Training records of metrics.jsonl, with step and nll (nats per token, with dropout)."""
    validation: list[dict[str, float]] = field(repr=False)
    """Validation records, with step, nll (nats per token, without dropout) and bleu (greedy)."""

    @property
    def last_training_loss(self) -> float:
        """Mean training loss of the last five records, in nats per token."""
        return statistics.fmean(record["nll"] for record in self.training[-5:])

    @property
    def lowest_validation_loss(self) -> float:
        return min(record["nll"] for record in self.validation)

    @property
    def last_validation_loss(self) -> float:
        return self.validation[-1]["nll"]

    def to_dict(self) -> dict[str, Any]:
        """Return the rounded values for the page and the plots as a JSON object."""
        keep = {
            "training": [(r["step"], round(r["nll"], 4)) for r in self.training],
            "validation": [
                (r["step"], round(r["nll"], 4), round(r["bleu"], 2)) for r in self.validation
            ],
        }
        result: dict[str, Any] = rounded({**asdict(self), **keep})
        return result


def rounded(value: Any) -> Any:
    """Round floats to four decimals, also in lists and dicts."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def arguments_for(file: str, doc: str | None, *, data: bool = True) -> argparse.ArgumentParser:
    """Return a parser with the options of all experiments for a program and its docstring."""
    description = (doc or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog=Path(file).name, description=description)
    add = parser.add_argument
    if data:
        add(
            "--data",
            type=Path,
            required=True,
            metavar="DIR",
            help="folder with train.en, train.de, val.*, test*.*, plain or .gz",
        )
        add(
            "--runs",
            type=Path,
            default=Path("runs/experiments"),
            help="run folders [runs/experiments]",
        )
        add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a config key")
    add("--threads", type=int, default=1, help="number of CPU threads [1]")
    add("--docs", type=Path, default=ROOT / "docs", help="folder of why-attention.md [docs]")
    return parser


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    """Parse the arguments and add `command`, which repeats the experiment on another machine."""
    parsed = parser.parse_args(arguments)
    words = ["python", f"scripts/experiments/{parser.prog}"]
    for name, value in vars(parsed).items():
        if name in ("runs", "docs") or value == parser.get_default(name):
            continue
        for one in value if isinstance(value, list) else [value]:
            short = one.name if isinstance(one, Path) and one.is_absolute() else str(one)
            words += [f"--{name.replace('_', '-')}", short]
    parsed.command = " ".join(words)
    return parsed


def run(main: Callable[[], object]) -> None:
    """Run a program and exit with a short message, not a traceback, on an nmt error or Ctrl-C."""
    try:
        main()
    except NmtError as error:
        sys.exit(f"{error.message}\n{error.hint or ''}".strip())


def files(folder: Path, split: str) -> tuple[Path, Path]:
    """Return the English and the German file whose names start with `split`, or exit."""
    found = []
    for language in ("en", "de"):
        name = f"{split}*.{language}"
        paths = sorted([*folder.glob(name), *folder.glob(f"{name}.gz")])
        if not paths:
            sys.exit(f"error: {folder} has no file {name} or {name}.gz")
        found.append(paths[0])
    return found[0], found[1]


def read_lines(path: Path) -> list[str]:
    """Return the cleaned lines of a text file, plain or .gz."""
    import gzip

    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [clean_line(line.decode()) for line in raw.removesuffix(b"\n").split(b"\n")]


def first_lines(arguments: argparse.Namespace, split: str, count: int) -> tuple[Path, Path]:
    """Write the first `count` pairs of a split to files; return the English and the German file."""
    folder = arguments.runs / arguments.data.name / "data"
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for path, language in zip(files(arguments.data, split), ("en", "de"), strict=True):
        part = folder / f"{split}-{count}.{language}"
        if not part.exists():
            lines = "".join(f"{line}\n" for line in read_lines(path)[:count])
            storage.replace_file(part, lines.encode())
        made.append(part)
    return made[0], made[1]


def train(variant: Variant, arguments: argparse.Namespace) -> Run:
    """Train the variant, resume its training, or return the finished run."""
    # Use a part of the validation pairs, because translating them takes as long as many steps.
    sides = (*files(arguments.data, "train"), *first_lines(arguments, "val", VALIDATION_PAIRS))
    names = ("train.source", "train.target", "valid.source", "valid.target")
    overrides = [
        *(f"data.{name}={path}" for name, path in zip(names, sides, strict=True)),
        f"training.threads={arguments.threads}",
        *variant.overrides,
        *arguments.set,
    ]
    folder = arguments.runs / arguments.data.name / variant.name
    return run_training(load_config(BASE, overrides), folder, restart=False)


def measure(variant: Variant, arguments: argparse.Namespace) -> Outcome:
    """Train the variant and score its translations of the test set, which are kept in a file."""
    print(f"== {variant.title}", file=sys.stderr)
    with variant.altered():
        run = train(variant, arguments)
        source, target = files(arguments.data, "test")
        sources, references = read_lines(source), read_lines(target)
        kept = run.path.with_suffix(".test.json")
        if not kept.exists():
            translations = Translator.load(run, "cpu").translate(sources)
            storage.replace_file(kept, json.dumps(translations, ensure_ascii=False).encode())
    translations = json.loads(kept.read_text(encoding="utf-8"))
    scores = corpus_scores(translations, [references], confidence=True)
    training = run.records("train")
    shapes = tensor_shapes(run.weights())
    return Outcome(
        title=variant.title,
        parameters=sum(torch.Size(shape).numel() for shape in shapes.values()),
        bleu=scores.bleu.value,
        bleu_interval=scores.bleu.interval or 0.0,
        chrf=scores.chrf.value,
        lengths=scores_by_length(sources, [translations], [references]),
        training=training,
        validation=run.records("valid"),
    )


def save(
    experiment: str,
    arguments: argparse.Namespace,
    tables: Sequence[str],
    outcomes: Sequence[Outcome] = (),
    **more: Any,
) -> None:
    """Print the tables, write docs/results/EXPERIMENT.json and fill in docs/why-attention.md."""
    print("\n\n".join(tables))
    threads = f"{arguments.threads} thread{'s' if arguments.threads > 1 else ''}"
    document = {
        "command": arguments.command,
        "machine": f"{cpu_model()}, {threads}, torch {torch.__version__}",
        "tables": list(tables),
        **more,
        "variants": [outcome.to_dict() for outcome in outcomes],
    }
    path = arguments.docs / "results" / f"{experiment}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(document), ensure_ascii=False, separators=(",", ":"))
    # One line per variant keeps diffs readable.
    path.write_text(text.replace('{"title"', '\n{"title"') + "\n", encoding="utf-8")
    print(f"wrote {path}; plot: scripts/draw_plots.py {experiment}", file=sys.stderr)
    _fill_in(arguments.docs / "why-attention.md", experiment, document)


def _fill_in(page: Path, experiment: str, document: dict[str, Any]) -> None:
    """Replace the text between the comments `EXPERIMENT` and `end` by tables, plot and command."""
    begin, end = f"<!-- {experiment} -->\n", "<!-- end -->"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    before, found, rest = text.partition(begin)
    if not found:
        print(
            f"warning: {page} has no comment <!-- {experiment} --> and was not changed",
            file=sys.stderr,
        )
        return
    parts = [
        *document["tables"],
        f"![{experiment}](images/{experiment}.svg)",
        f"`{document['command']}` on {document['machine']}; [data](results/{experiment}.json).",
    ]
    after = rest.partition(end)[2]
    text = before + begin + "\n".join(f"{part}\n" for part in parts) + end + after
    page.write_text(text, encoding="utf-8")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table. All columns except the first are aligned to the right."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, rule, *rows))


def score_table(outcomes: Sequence[Outcome]) -> str:
    """Return a table of scores, losses (nats per token) and parameters, one row per outcome."""
    return table(
        ("", "BLEU", "chrF++", "training loss", "validation loss", "parameters"),
        [
            (
                o.title,
                f"{o.bleu:.1f} ± {o.bleu_interval:.1f}",
                f"{o.chrf:.1f}",
                f"{o.last_training_loss:.2f}",
                f"{o.lowest_validation_loss:.2f}",
                f"{o.parameters / 1e6:.2f}M",
            )
            for o in outcomes
        ],
    )
