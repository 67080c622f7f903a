"""`nmt evaluate`: scores of translations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nmt.cli import common
from nmt.languages import BleuTokenizer
from nmt.reading import name_of

if TYPE_CHECKING:
    from nmt.data.corpus import Corpus
    from nmt.runs import Run

    Split = Literal["valid", "test"]

_CHUNK = 256  # sentences between two updates of the progress bar


def evaluate(
    model: common.Model = None,
    split: Annotated[
        Literal["valid", "test"] | None,
        typer.Option(help="Data of the run. Default: test if it has one."),
    ] = None,
    source: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Other data: file of sources.")
    ] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Their references. Can be repeated.")
    ] = None,
    hypothesis: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of translations to score.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="RUN_OR_FILE", help="Other run or translations.")
    ] = None,
    paired: Annotated[
        Literal["bs", "ar"], typer.Option(help="Bootstrap or approximate randomization.")
    ] = "bs",
    tokenize: Annotated[
        BleuTokenizer | None,
        typer.Option(help="Tokenizer of BLEU. Default: by the target language."),
    ] = None,
    lowercase: Annotated[
        bool, typer.Option("--lowercase", help="Ignore case in every score.")
    ] = False,
    worst: Annotated[int, typer.Option(min=0, metavar="N", help="Show the N worst sentences.")] = 0,
    save: Annotated[
        Path | None, typer.Option("--save", "-o", metavar="FILE", help="File for the translations.")
    ] = None,
    beam_size: common.BeamSize = None,
    length_penalty: common.LengthPenalty = None,
    batch_tokens: common.BatchTokens = None,
    json: common.OneObject = False,
) -> None:
    """Score translations of held-out data: BLEU, chrF++ and TER by sacrebleu.

    Each score comes with its 95 % bootstrap interval and signature, then BLEU by source length.
    Text is compared detokenized. The sacrebleu command gives the same scores for the same files.

    Example: nmt evaluate --model runs/demo --worst 5

    Example: nmt evaluate --hypothesis out.de --reference test.de --against other.de
    """
    from nmt.errors import UsageError
    from nmt.evaluation.report import make_report
    from nmt.evaluation.texts import check_parallel, normalized
    from nmt.languages import bleu_tokenizer

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
    inputs = (source, *(reference or ()), hypothesis, Path(against) if against else None)
    given = [path for path in inputs if path]
    if [name_of(path) for path in given].count(name_of(None)) > 1:
        raise UsageError("standard input is given twice", "save one of the texts in a file")
    common.check_output(save, *given)

    run = None if reference and hypothesis else common.open_run(model)
    sources: list[str] | None = None
    if reference:
        references = [_read(path) for path in reference]
        data = ", ".join(name for name, _ in references)
        if source:
            name, sources = _read(source)
            check_parallel([(name, sources), *references])
    else:
        assert run is not None
        split = split or ("test" if run.config.data.test else "valid")
        common.check_output(save, *_data_files(run, split))
        sources, targets = _read_split(run, split)
        data = f"the {split} split of {run.path}"
        references = [(data, targets)]
    check_parallel(references)
    tokenizer = bleu_tokenizer(
        tokenize or (run.config.evaluation.tokenize if run else "auto"),
        run.config.data.target_language if run else None,
        normalized(references[0][1]),
        lambda line: print(line, file=sys.stderr),
    )

    settings = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "batch_tokens": batch_tokens,
    }
    baseline: tuple[str, list[str]] | None = None
    rival: Run | None = None
    if against and _is_text(against):  # Read before translating, to report errors at once.
        baseline = _read(Path(against))
        check_parallel([baseline, *references])
    elif against:
        rival = _open_rival(against)
        if sources is None:
            raise UsageError(f"to translate with {against}, it needs sources", "add --source FILE")

    if hypothesis:
        system = _read(hypothesis)
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
        tokenize=tokenizer,
        lowercase=lowercase,
        worst=worst,
    )
    if json:
        from json import dumps

        print(dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        print(report.text())


def _read(path: Path) -> tuple[str, list[str]]:
    from nmt.evaluation.texts import read_lines

    return name_of(path), read_lines(path)


def _is_text(name: str) -> bool:
    """Return whether a name is that of a file, a pipe or standard input, and not of a run."""
    path = Path(name)
    return name == "-" or (path.exists() and not path.is_dir())


def _open_rival(name: str) -> Run:
    from nmt.errors import UsageError

    try:
        return common.open_run(name)
    except UsageError as error:
        raise UsageError(f"--against {name} is neither a file nor a run", error.hint) from error


def _data_files(run: Run, split: Split) -> list[Path]:
    sources = getattr(run.config.data, split) or ()
    keys = ("source", "target", "file")
    return [Path(value) for source in sources for key, value in source if key in keys]


def _read_split(run: Run, split: Split) -> tuple[list[str], list[str]]:
    """Return the sources and the references of a split, from the run folder if it has them."""
    from nmt.data.sources import read_split
    from nmt.errors import UsageError

    if getattr(run.config.data, split) is None:
        raise UsageError(f"the config of {run.path} has no data.{split}", "use --split valid")
    corpus = _stored_split(run, split)
    if corpus is not None:
        pairs = corpus.texts(range(len(corpus)))
    else:
        pairs = [(pair.source, pair.target) for pair in read_split(run.config.data, split)]
    return [source for source, _ in pairs], [target for _, target in pairs]


def _stored_split(run: Run, split: Split) -> Corpus | None:
    """Return a split that the run folder has stored, or None if config.yaml names other sources."""
    from nmt.data.preparation import read_corpus
    from nmt.errors import DataError, StorageError
    from nmt.storage import read_manifest

    sources = [source.model_dump() for source in getattr(run.config.data, split)]
    try:
        manifest = read_manifest(run.weights_folder)
        if manifest.get("config", {}).get("data", {}).get(split) != sources:
            return None
        fingerprint = manifest.get("fingerprints", {}).get(split, {})
        return read_corpus(run.data_folder, split, run.tokenizer, fingerprint)
    except (DataError, StorageError):  # The folder may have been moved without its data.
        return None


def _translate(run: Run, sources: list[str], settings: dict[str, Any]) -> list[str]:
    """Translate with a progress bar, the longest sentences first for even batches."""
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
    if sum(line.endswith(" .") for line in lines) * 2 > len(lines):
        print(
            f"warning: {name} looks tokenized (a space before the full stop); "
            "scores are meant for detokenized text",
            file=sys.stderr,
        )
