"""`nmt evaluate`: scores of translations."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nmt.cli import common
from nmt.languages import BleuTokenizer
from nmt.reading import name_of
from nmt.terminal import Look, fit

if TYPE_CHECKING:
    from nmt.evaluation.held_out import HeldOutSet
    from nmt.evaluation.report import System
    from nmt.runs import Run


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
    to: common.To = None,
    tag: common.Tag = None,
    beam_size: common.BeamSize = None,
    length_penalty: common.LengthPenalty = None,
    batch_tokens: common.BatchTokens = None,
    json: common.OneObject = False,
    bare: Annotated[
        bool, typer.Option("--bare", help="Print only BLEU, or its mean over several sets.")
    ] = False,
) -> None:
    """Score translations of held-out data: BLEU, chrF++ and TER by sacrebleu.

    Each score comes with its 95 % bootstrap interval and signature. The settings of the search, the
    n-gram precisions, the brevity penalty and BLEU by source length follow.
    Text is compared detokenized. The sacrebleu command gives the same scores for the same files.
    Test sources of different names or languages are scored one by one, with their mean.

    Example: nmt evaluate --model runs/demo --worst 5

    Example: nmt evaluate --hypothesis out.de --reference test.de --against other.de
    """
    from nmt.errors import UsageError
    from nmt.evaluation.held_out import HeldOutSet, read_split, report_sets
    from nmt.evaluation.metrics import corpus_bleu
    from nmt.evaluation.report import System, reports_text, reports_to_dict
    from nmt.evaluation.texts import check_parallel, normalized

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
    if bare and (json or worst or against):
        raise UsageError(
            "--bare prints one number", "remove --bare, or --json, --worst and --against"
        )
    if (to or tag) and not reference:
        raise UsageError("--to and --tag need --reference", "leave them out for data of the run")
    inputs = (source, *(reference or ()), hypothesis, Path(against) if against else None)
    given = [path for path in inputs if path]
    if [name_of(path) for path in given].count(name_of(None)) > 1:
        raise UsageError("standard input is given twice", "save one of the texts in a file")
    common.check_output(save, *given)

    run = None if reference and hypothesis else common.open_run(model)
    sources: list[str] | None = None
    if reference:
        if run:  # Report an error before texts are read.
            from nmt.decoding.directions import Directions

            Directions.of(run.config.data).choose(to, tag)
        references = [_read(path) for path in reference]
        data = ", ".join(name for name, _ in references)
        if source:
            name, sources = _read(source)
            check_parallel([(name, sources), *references])
        language = run.config.data.parts("train")[0].target_language if run else None
        sets = [HeldOutSet(data, to or language, to, tag, range(len(references[0][1])))]
    else:
        assert run is not None
        split = split or ("test" if run.config.data.test else "valid")
        common.check_output(save, *run.config.data.files(split))
        sources, targets, sets = read_split(run, split)
        whole = f"the {split} split of {run.path}"
        sets = [one._replace(name=f"{one.name} of {whole}" if one.name else whole) for one in sets]
        references = [(whole, targets)]
    check_parallel(references)

    settings = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "batch_tokens": batch_tokens,
    }
    baseline: System | None = None
    rival: Run | None = None
    if against and _is_text(against):  # Read before translating, to report errors at once.
        baseline = System(*_read(Path(against)))
        check_parallel([baseline[:2], *references])
    elif against:
        rival = _open_rival(against)
        if sources is None:
            raise UsageError(f"to translate with {against}, it needs sources", "add --source FILE")

    if hypothesis:
        system = System(*_read(hypothesis))
    else:
        assert run is not None and sources is not None
        system = _translate(run, sources, settings, sets)
        if save:
            with common.open_output(save) as file:
                file.writelines(f"{line}\n".encode() for line in system.lines)
    check_parallel([system[:2], *references])
    _warn_if_tokenized(system)
    if rival:
        assert sources is not None
        baseline = _translate(rival, sources, settings, sets)

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    texts = [lines for _, lines in references]
    setting = tokenize or (run.config.evaluation.tokenize if run else "auto")
    if bare:
        bleu = []
        for one in sets:
            chosen = [normalized(one.chosen(lines)) for lines in texts]
            tokenizer = one.tokenizer(setting, chosen[0], say)
            hypotheses = normalized(one.chosen(system.lines))
            bleu.append(corpus_bleu(hypotheses, chosen, tokenizer, lowercase))
        print(f"{fmean(bleu):.2f}")
        return
    reports = report_sets(
        sets,
        system,
        texts,
        sources=sources,
        baseline=baseline,
        tokenize=setting,
        say=say,
        test=paired,
        lowercase=lowercase,
        worst=worst,
    )
    if json:
        from json import dumps

        print(dumps(reports_to_dict(reports), ensure_ascii=False, indent=2))
    else:
        print(fit(reports_text(reports), Look.of(sys.stdout).columns))


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


def _translate(
    run: Run, sources: list[str], settings: dict[str, Any], sets: Sequence[HeldOutSet]
) -> System:
    """Translate the sentences of all sets."""
    from nmt.evaluation.held_out import translate_sets

    direction = sets[0].direction(run)
    translator = common.load_translator(str(run.path), "auto", None, settings, *direction)
    with common.Warnings() as warnings:
        return translate_sets(translator, run, sources, sets, warnings)


def _warn_if_tokenized(system: System) -> None:
    if sum(line.endswith(" .") for line in system.lines) * 2 > len(system.lines):
        print(
            f"warning: {system.name} looks tokenized (a space before the full stop); "
            "scores are meant for detokenized text",
            file=sys.stderr,
        )
