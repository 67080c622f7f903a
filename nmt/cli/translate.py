"""The command `nmt translate`, which reads arguments, a file, standard input, or a prompt."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import typer

from nmt.cli import common
from nmt.cli.prompt import listed_words, prompt
from nmt.reading import name_of, open_input

if TYPE_CHECKING:
    from nmt.data.statistics import Statistics
    from nmt.decoding.translator import Translation, Translator, Warn
    from nmt.decoding.workers import TranslatorPool

Translate = Callable[[list[str], "Warn", int], "list[list[Translation]]"]
"""Function that translates sentences, of which the first has the given number."""


def translate(
    text: Annotated[
        list[str] | None, typer.Argument(help="Sentences. Default: --input or standard input.")
    ] = None,
    model: common.Model = None,
    input: Annotated[
        Path | None, typer.Option("--input", "-i", help="Text file, one sentence per line.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. Default: standard output.")
    ] = None,
    to: common.To = None,
    tag: common.Tag = None,
    beam_size: common.BeamSize = None,
    length_penalty: common.LengthPenalty = None,
    nbest: Annotated[int, typer.Option(min=1, help="Translations per sentence.")] = 1,
    max_length: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Maximum tokens per translation.")
    ] = None,
    min_length: Annotated[
        int | None, typer.Option(min=0, max=100_000, help="Minimum tokens per translation.")
    ] = None,
    no_repeat_ngram: Annotated[
        int | None, typer.Option(min=0, help="Allow each n-gram of this size once per translation.")
    ] = None,
    split_sentences: Annotated[
        Literal["auto", "always", "never"] | None,
        typer.Option(
            help="Translate the sentences of a line one by one. auto: if the line is longer than "
            "95 % of the training sources."
        ),
    ] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Print the score and a tab before each translation.")
    ] = False,
    json: common.ObjectPerLine = False,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw translations at random instead of searching.")
    ] = False,
    temperature: Annotated[
        float,
        typer.Option(
            min=0.001, max=1000.0, help="Sampling temperature. Above 1 for more varied output."
        ),
    ] = 1.0,
    top_k: Annotated[
        int, typer.Option(min=0, help="Sample from the k likeliest tokens; 0: all.")
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Sample from the likeliest tokens with total probability p."
        ),
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of --sample.")] = 1,
    batch_tokens: common.BatchTokens = None,
    device: common.Device = "auto",
    threads: common.Threads = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share the sentences. Faster for files.")
    ] = 1,
    precision: Annotated[
        Literal["auto", "fp32", "fp16", "bf16", "int8"] | None,
        typer.Option(help="Number format of matrix products."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Name words that the training data lacks.")
    ] = False,
) -> None:
    """Translate sentences, one line per input line, in order; empty lines stay empty.

    Without TEXT and --input, the command reads standard input, or prompts on a terminal. --nbest N
    prints up to N lines per sentence: line number, score and translation, separated by tabs.

    Example: nmt translate "A man is riding a bicycle."
    """
    from nmt.data.statistics import load_statistics
    from nmt.errors import UsageError
    from nmt.text import shorten

    if text and input:
        raise UsageError("TEXT and --input were both given", "use only one of them")
    common.check_output(output, *([] if text else [input]))
    if not sample and (temperature, top_k, top_p, seed) != (1.0, 0, 1.0, 1):
        raise UsageError("--temperature, --top-k, --top-p and --seed require --sample")
    settings = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "max_length": max_length,
        "min_length": min_length,
        "no_repeat_ngram": no_repeat_ngram,
        "split_sentences": split_sentences,
        "batch_tokens": batch_tokens,
        "precision": precision,
    }
    found = common.open_run(model)
    decoding = common.decoding_config(found, settings)
    if nbest > decoding.beam_size and not sample:
        raise UsageError(
            f"--nbest {nbest} is more than the beam size {decoding.beam_size}",
            f"add --beam-size {nbest}",
        )
    prompting = not text and not input and _is_terminal(sys.stdin) and _is_terminal(sys.stdout)
    if prompting and output is None:
        from nmt.decoding.translator import load_alone

        statistics = load_statistics(found.statistics_folder)
        prompt(load_alone(found, device, threads, decoding, to, tag), statistics, tag)
        return
    if workers > 1 and device == "cuda":
        raise UsageError("--workers runs on the CPU only", "remove --device cuda or --workers")

    with contextlib.ExitStack() as stack:
        translator: Translator | TranslatorPool
        if workers == 1:
            from nmt.decoding.translator import load_alone

            translator = load_alone(found, device, threads, decoding, to, tag)
        else:
            from nmt.decoding.workers import TranslatorPool

            pool = TranslatorPool(found, decoding, workers, threads, to, tag)
            translator = stack.enter_context(pool)

        def run(sentences: list[str], warn: Warn, first: int) -> list[list[Translation]]:
            if not sample:
                return translator.translate_nbest(sentences, nbest, warn)
            return translator.sample(
                sentences,
                count=nbest,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                seed=seed,
                first=first,
                warn=warn,
            )

        statistics = load_statistics(found.statistics_folder) if json or verbose else None
        if verbose and statistics is None:
            common.note(f"{found.path} does not contain the words of its training data")
        style = "json" if json else "nbest" if nbest > 1 else "scores" if scores else "text"
        warnings = stack.enter_context(common.Warnings())
        sink = stack.enter_context(common.open_output(output))
        if text:
            groups: Iterator[list[bytes]] = iter([[os.fsencode(sentence) for sentence in text]])
            where = "sentence"
            for name in filter(os.path.isfile, text):
                common.note(f"{shorten(name)} is a file; to translate its lines, add --input")
        else:
            file = stack.enter_context(open_input(input))
            groups = common.line_groups(file, workers)
            translator.advance = stack.enter_context(common.line_bar("translating", input))
            where = f"{name_of(input)}, line"
        _translate_groups(groups, where, run, style, statistics, verbose, sink, warnings)


def _translate_groups(
    groups: Iterator[list[bytes]],
    where: str,
    run: Translate,
    style: str,
    statistics: Statistics | None,
    verbose: bool,
    sink: BinaryIO,
    warnings: common.Warnings,
) -> None:
    first = 0
    for group in groups:

        def warn(index: int, message: str, first: int = first) -> None:
            warnings(f"{where} {first + index + 1}", message)

        sentences = []
        for index, raw in enumerate(group):
            sentence, repaired = common.decode(raw)
            sentences.append(sentence)
            if repaired:
                warn(index, repaired)
        results = run(sentences, warn, first)
        for index, (sentence, found) in enumerate(zip(sentences, results, strict=True)):
            if found[0].at_limit:
                warn(index, "the translation reached the length limit and may be incomplete")
            unknown = statistics.unknown_words(sentence) if statistics else None
            if verbose and statistics and unknown:
                common.note(f"{where} {first + index + 1}: {listed_words(unknown, statistics)}")
            sink.write(_formatted(first + index + 1, sentence, found, style, unknown).encode())
        sink.flush()
        first += len(group)


def _formatted(
    number: int,
    sentence: str,
    found: list[Translation],
    style: str,
    unknown: list[str] | None,
) -> str:
    if style == "json":
        from nmt.text import to_json

        translations = [
            {"text": t.text, "score": t.score, "log_probability": t.log_probability} for t in found
        ]
        record = {"source": sentence, "translations": translations}
        return to_json(record if unknown is None else {**record, "unknown_words": unknown}) + "\n"
    if style == "nbest":
        return "".join(f"{number}\t{t.score:.4f}\t{t.text}\n" for t in found)
    if style == "scores":
        return f"{found[0].score:.4f}\t{found[0].text}\n"
    return f"{found[0].text}\n"


def _is_terminal(file: Any) -> bool:
    return bool(file.isatty())
