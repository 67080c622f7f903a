"""`nmt evaluate`: scores of translations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nmt.cli import common

if TYPE_CHECKING:
    from nmt.runs import Run

_CHUNK = 256  # sentences between two updates of the progress bar


def evaluate(
    model: common.Model = None,
    split: Annotated[
        Literal["valid", "test"] | None,
        typer.Option(help="Which data of the run's config; default: test if it has one."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Other data: a file of sources (plain or .gz)."),
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Their references; may be given several times."),
    ] = None,
    hypothesis: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Score this file of translations, translate nothing."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="RUN_OR_FILE", help="Compare with another run or translations."),
    ] = None,
    paired: Annotated[
        Literal["bs", "ar"],
        typer.Option(help="Test of --against: bootstrap or approximate randomisation."),
    ] = "bs",
    lowercase: Annotated[
        bool, typer.Option("--lowercase", help="Ignore case in every figure.")
    ] = False,
    worst: Annotated[int, typer.Option(min=0, metavar="N", help="Show the N worst sentences.")] = 0,
    save: Annotated[
        Path | None,
        typer.Option("--save", "-o", metavar="FILE", help="Write the translations to this file."),
    ] = None,
    beam_size: common.BeamSize = None,
    length_penalty: common.LengthPenalty = None,
    batch_tokens: common.BatchTokens = None,
    json: common.OneObject = False,
) -> None:
    """Score translations of held-out data: BLEU, chrF++ and TER by sacrebleu.

    Each figure comes with its 95 % bootstrap interval and signature, then BLEU by source length.
    Text is compared detokenized. The sacrebleu command gives the same scores for the same files.

    Example: nmt evaluate --model runs/demo --worst 5

    Example: nmt evaluate --hypothesis out.de --reference test.de --against other.de
    """
    from nmt.errors import UsageError
    from nmt.evaluation.report import make_report
    from nmt.evaluation.texts import check_parallel, read_lines

    if reference and split:
        raise UsageError("--split and --reference were both given", "give one of them")
    if source and not reference:
        raise UsageError("--source needs --reference", "add --reference FILE")
    if reference and not source and not hypothesis:
        raise UsageError("nothing to translate", "add --source FILE, or --hypothesis FILE")
    if reference and hypothesis and model:
        raise UsageError(
            "--model cannot be combined with --hypothesis and --reference",
            f"to compare the two, add --source FILE and say --against {model}",
        )
    if save and hypothesis:
        raise UsageError("--save has nothing to write: --hypothesis translates nothing")
    given = (source, *(reference or ()), Path(against) if against else None)
    common.check_output(save, *filter(None, given))

    run = None if reference and hypothesis else common.open_run(model)
    sources: list[str] | None = None
    if reference:
        data = ", ".join(map(str, reference))
        references = [(str(path), read_lines(path)) for path in reference]
        if source:
            sources = read_lines(source)
            check_parallel([(str(source), sources), *references])
    else:
        assert run is not None
        split = split or ("test" if run.config.data.test else "valid")
        common.check_output(save, *_data_files(run, split))
        sources, targets = _read_split(run, split)
        data = f"the {split} split of {run.path}"
        references = [(data, targets)]
    check_parallel(references)

    settings = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "batch_tokens": batch_tokens,
    }
    other = Path(against) if against else None
    baseline: tuple[str, list[str]] | None = None
    if other and other.is_file():  # read before translating, so that an error is reported at once
        baseline = str(other), read_lines(other)
        check_parallel([baseline, *references])
    elif against and sources is None:
        raise UsageError(f"to translate with {against}, it needs sources", "add --source FILE")
    rival = common.open_run(against) if against and not baseline else None

    if hypothesis:
        system = str(hypothesis), read_lines(hypothesis)
    else:
        assert run is not None and sources is not None
        system = str(run.path), _translate(run, sources, settings)
        if save:
            with common.open_output(save) as file:
                file.writelines(f"{line}\n".encode() for line in system[1])
    check_parallel([system, *references])
    _warn_if_tokenized(*system)
    if rival:
        assert sources is not None
        baseline = str(rival.path), _translate(rival, sources, settings)

    report = make_report(
        system[0],
        data,
        system[1],
        [lines for _, lines in references],
        sources=sources,
        baseline=baseline,
        test=paired,
        lowercase=lowercase,
        worst=worst,
    )
    if json:
        from json import dumps

        print(dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        print(report.text())


def _data_files(run: Run, split: Literal["valid", "test"]) -> list[Path]:
    """Return the files that a split of a run's config is read from."""
    sources = getattr(run.config.data, split) or ()
    keys = ("source", "target", "file")
    return [Path(value) for source in sources for key, value in source if key in keys]


def _read_split(run: Run, split: Literal["valid", "test"]) -> tuple[list[str], list[str]]:
    """Return the sources and the references of a split."""
    from nmt.data.sources import read_pairs
    from nmt.errors import UsageError

    data = run.config.data
    where = data.test if split == "test" else data.valid
    if where is None:
        raise UsageError(f"the config of {run.path} has no data.test", "use --split valid")
    pairs = list(read_pairs(where, split))
    return [pair.source for pair in pairs], [pair.target for pair in pairs]


def _translate(run: Run, sources: list[str], settings: dict[str, Any]) -> list[str]:
    """Translate, longest sentence first for even batches, with a bar on standard error."""
    from tqdm import tqdm

    translator = common.load_translator(str(run.path), "auto", None, settings)
    order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
    translations = [""] * len(sources)
    bar = tqdm(total=len(sources), desc=run.path.name, unit=" sentences", disable=None)
    with bar, common.Warnings() as warnings:
        for begin in range(0, len(order), _CHUNK):
            chosen = order[begin : begin + _CHUNK]

            def warn(index: int, message: str, chosen: list[int] = chosen) -> None:
                warnings(f"line {chosen[index] + 1}", message)

            found = translator.translate([sources[i] for i in chosen], warn)
            for i, translation in zip(chosen, found, strict=True):
                translations[i] = translation
            bar.update(len(chosen))
    return translations


def _warn_if_tokenized(name: str, lines: list[str]) -> None:
    import sys

    if sum(line.endswith(" .") for line in lines) * 2 > len(lines):
        print(
            f"warning: {name} looks tokenized (a space before the full stop); "
            "scores are meant for detokenized text",
            file=sys.stderr,
        )
