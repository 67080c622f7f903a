"""The held-out sets of a run: their pairs, their translation and their reports.

Modules that read a run are imported on use, so that text files are scored without them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt.bars import track
from nmt.errors import DataError, StorageError, UsageError
from nmt.evaluation.report import Report, System, make_report
from nmt.evaluation.texts import normalized
from nmt.languages import bleu_tokenizer
from nmt.storage import read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nmt.data.corpus import Corpus
    from nmt.decoding.translator import Translator
    from nmt.languages import BleuTokenizer
    from nmt.runs import Run

Split = Literal["valid", "test"]


class HeldOutSet(NamedTuple):
    """Lines that are translated in one direction and scored together."""

    name: str
    language: str | None
    to: str | None
    """The target language to choose, for a model with several."""
    tag: str | None
    pairs: Sequence[int]

    def direction(self, run: Run) -> tuple[str | None, str | None]:
        """Return the arguments of `Translator.into`, without choices that a run does not have."""
        from nmt.decoding.directions import Directions

        directions = Directions.of(run.config.data)
        return (
            self.to if directions.targets else None,
            self.tag if self.tag in directions.tags else None,
        )

    def chosen(self, lines: Sequence[str]) -> list[str]:
        """Return the lines of this set."""
        return [lines[i] for i in self.pairs]

    def tokenizer(
        self,
        setting: BleuTokenizer | Literal["auto"],
        references: Sequence[str],
        say: Callable[[str], None],
    ) -> BleuTokenizer:
        """Return the tokenizer of BLEU for a setting, given the references of this set."""
        return bleu_tokenizer(setting, self.language, normalized(references), say)


def read_split(run: Run, split: Split) -> tuple[list[str], list[str], list[HeldOutSet]]:
    """Return sources, references and sets of a split, from the run folder if it has them.

    A single set has no name. Raises UsageError if the run has no such split, and DataError if its
    files cannot be read.
    """
    from nmt.data import sources
    from nmt.data.sets import sets_of

    if getattr(run.config.data, split) is None:
        raise UsageError(f"the config of {run.path} has no data.{split}", "use --split valid")
    data = run.config.data
    corpus = stored_split(run, split)
    if corpus is not None:
        pairs, by_part = corpus.texts(range(len(corpus))), corpus.parts
    else:
        read = list(sources.read_split(data, split))
        pairs = [(pair.source, pair.target) for pair in read]
        counts = Counter(pair.part for pair in read)
        by_part = [counts[number] for number in range(len(data.parts(split)))]
    found = sets_of(data, split, len(pairs), by_part)
    sets = [
        HeldOutSet(
            name if len(found) > 1 else "",
            part.target_language,
            part.target_language,
            part.source.tag,
            indices.tolist(),
        )
        for name, part, indices in found
    ]
    return [source for source, _ in pairs], [target for _, target in pairs], sets


def stored_split(run: Run, split: Split) -> Corpus | None:
    """Return a split that the run folder has stored, or None if config.yaml names other sources."""
    from nmt.data.preparation import read_corpus

    sources = [source.model_dump() for source in getattr(run.config.data, split)]
    try:
        manifest = read_manifest(run.weights_folder)
        if manifest.get("config", {}).get("data", {}).get(split) != sources:
            return None
        fingerprint = manifest.get("fingerprints", {}).get(split, {})
        return read_corpus(run.data_folder, split, run.tokenizer, fingerprint)
    except (DataError, StorageError):  # The folder may have been moved without its data.
        return None


def translate_sets(
    translator: Translator,
    run: Run,
    sources: Sequence[str],
    sets: Sequence[HeldOutSet],
    warn: Callable[[str, str], None],
) -> System:
    """Translate the sentences of all sets, with a progress bar.

    translator: with the run's model, in the direction of the first set; warn: called with the line
    of a sentence and a message.
    """
    translations = [""] * len(sources)
    with track(f"translating with {run.path.name}", len(sources)) as translator.advance:
        for one in sets:
            directed = translator if one is sets[0] else translator.into(*one.direction(run))

            def warn_of(index: int, message: str, pairs: Sequence[int] = one.pairs) -> None:
                warn(f"line {pairs[index] + 1}", message)

            found = directed.translate(one.chosen(sources), warn_of)
            for i, translation in zip(one.pairs, found, strict=True):
                translations[i] = translation
    return System(str(run.path), translations, translator.facts())


def report_sets(
    sets: Sequence[HeldOutSet],
    system: System,
    references: Sequence[Sequence[str]],
    *,
    sources: Sequence[str] | None,
    baseline: System | None,
    tokenize: BleuTokenizer | Literal["auto"],
    say: Callable[[str], None],
    **options: Any,
) -> dict[str, Report]:
    """Return the report of each set by its name; `make_report` receives `options`."""
    reports = {}
    for one in sets:
        texts = [one.chosen(lines) for lines in references]
        reports[one.name] = make_report(
            system._replace(lines=one.chosen(system.lines)),
            one.name,
            texts,
            sources=one.chosen(sources) if sources else None,
            baseline=baseline._replace(lines=one.chosen(baseline.lines)) if baseline else None,
            tokenize=one.tokenizer(tokenize, texts[0], say),
            **options,
        )
    return reports
