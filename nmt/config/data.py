"""The section `data`: sources of pairs, the settings of each source, and which pairs to drop."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from nmt.config.section import Length, PositiveFloat, PositiveInt, Section
from nmt.languages import is_tag

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
_RESERVED = re.compile(r"<(pad|unk|s|/s|2.*|0x[0-9A-F]{2})>")


def _language(tag: str) -> str:
    if not is_tag(tag):
        raise ValueError(f"{tag!r} is not a BCP 47 language tag such as en, zh or pt-BR")
    return tag


def _tag(tag: str) -> str:
    if not re.fullmatch(r"<[^\s<>\u2581]{1,30}>", tag) or _RESERVED.fullmatch(tag):
        raise ValueError(
            f"{tag!r} is not a tag such as <bt>: one word in angle brackets, which must not be "
            "<2...> (a target language) or a piece of SentencePiece"
        )
    return tag


Language = Annotated[str, AfterValidator(_language)]
SourceTag = Annotated[str, AfterValidator(_tag)]


class Cleaning(Section):
    """Which pairs to drop."""

    max_tokens: Length = 256
    """Drop training pairs with more subword tokens on either side."""
    max_length_ratio: PositiveFloat = 9.0
    """Drop training pairs whose subword lengths differ by more than this factor."""
    drop_duplicates: bool = False
    """Drop training pairs that repeat an earlier pair."""
    drop_copies: bool = False
    """Drop training pairs whose target equals the source."""
    drop_leaked: bool = False
    """Drop training pairs whose source is also in the validation or test set."""
    case_copies: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Share of the training pairs that are added again in capitals and in title case."""
    bad_utf8: Literal["error", "skip"] = "error"
    """Whether invalid UTF-8 is an error, or drops the pair."""
    bad_rows: Literal["error", "skip"] = "error"
    """Whether a malformed row of a .tsv, .csv or .jsonl file is an error or dropped."""


class Source(Section):
    """Keys of every kind of source. By default, languages are taken from `data`."""

    source_language: Language | None = None
    """Language of the sources. Default: data.source_language."""
    target_language: Language | None = None
    """Language of the targets. Default: data.target_language."""
    weight: PositiveFloat = 1.0
    """How often training draws these pairs: 2 draws each pair twice as often as 1."""
    tag: SourceTag | None = None
    """Token such as <bt> before each source text, for back-translated text or a domain."""
    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    """Validation and test sources of one name form one set. Default: the languages and the tag."""
    filters: Cleaning | None = None
    """Keys of `data` that drop pairs, with other values for these training pairs."""

    @model_serializer(mode="wrap")
    def _shared_keys_last_if_set(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        for key, field in Source.model_fields.items():
            value = values.pop(key, field.default)
            if value != field.default:
                values[key] = value
        if self.filters is not None:  # A key that is not set here has the value of `data`.
            values["filters"] = self.filters.model_dump(exclude_unset=True)
        return values


class TextFiles(Source):
    """Two text files, also as .gz, .xz or .zst; line N of one translates line N of the other."""

    source: str
    """Path of the source side."""
    target: str
    """Path of the target side."""


class PairFile(Source):
    """One file of pairs: .tsv, .csv, .jsonl or .json (all also as .gz, .xz, .zst), or .parquet."""

    file: str
    """Path of the file."""
    source_column: str | PositiveInt = 1
    """Column of the source: a name, or its number from 1 in a TSV or CSV without header line. Dots
    reach into nested fields (`translation.en`)."""
    target_column: str | PositiveInt = 2
    """Column of the target, like source_column."""


class HubDataset(Source):
    """A dataset of the Hugging Face hub."""

    hub: str
    """Name of the dataset, or a local folder in the hub's layout."""
    config: str | None = None
    """Name of the configuration (subset), if the dataset has several."""
    split: str | None = None
    """Name of the split. Default: `train`, `validation` or `test`, as the key of this source."""
    source_column: str
    """Column of the source; dots reach into nested fields (`translation.en`)."""
    target_column: str
    """Column of the target, like source_column."""


class BuiltinCorpus(Source):
    """A corpus that nmt generates itself."""

    builtin: Literal["phrasebook"]
    """Name of the corpus: `phrasebook` (English-German)."""
    split: Literal["train", "valid", "test"] | None = None
    """Split to generate. Default: the key of this source."""


SOURCE_KINDS: dict[str, type[Source]] = {
    "text": TextFiles,
    "file": PairFile,
    "hub": HubDataset,
    "builtin": BuiltinCorpus,
}
"""The kinds of a source, by the key that selects each (none for text files)."""


def kind_of_source(value: Any) -> str | None:
    """Return the key in SOURCE_KINDS for a dict or section, or None."""
    if not isinstance(value, dict | Section):
        return None
    keys = value if isinstance(value, dict) else type(value).model_fields
    return next((key for key in ("builtin", "hub", "file") if key in keys), "text")


DataSource = Annotated[
    Annotated[TextFiles, Tag("text")]
    | Annotated[PairFile, Tag("file")]
    | Annotated[HubDataset, Tag("hub")]
    | Annotated[BuiltinCorpus, Tag("builtin")],
    Discriminator(kind_of_source),
]

_SourceList = Annotated[list[DataSource], Field(min_length=1)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


DataSources = Annotated[
    _SourceList, BeforeValidator(_listed, json_schema_input_type=DataSource | _SourceList)
]
"""A source or a list of sources, which becomes a list."""


@dataclass(frozen=True)
class Part:
    """A source with the settings of its pairs; in reverse, its targets become sources."""

    source: DataSource
    rules: Cleaning
    source_language: str | None
    target_language: str | None
    tags: tuple[str, ...] = ()
    """Tags before each source text, at most one language and one `tag`."""
    reverse: bool = False

    @property
    def languages(self) -> str:
        """The languages as `en-de`, or "" if one is unknown."""
        both = self.source_language, self.target_language
        return "-".join(both) if all(both) else ""  # type: ignore[arg-type]

    @property
    def label(self) -> str:
        """A name of the source and its languages for people."""
        name = self.source.name or str(next(iter(self.source.model_dump().values())))
        return f"{name} ({self.languages})" if self.languages else name

    @property
    def set_name(self) -> str:
        """The name of the validation or test set that the part belongs to; "" without names."""
        if self.source.name:
            return self.source.name + (f" ({self.languages})" if self.reverse else "")
        return " ".join(filter(None, (self.languages, self.source.tag)))


class Splits(Section):
    """Parallel text."""

    train: DataSources
    """Training set: a source or a list of sources."""
    valid: DataSources
    """Validation set, which selects the best checkpoint."""
    test: DataSources | None = None
    """Test set, scored once after training."""
    source_language: Language | None = None
    """Language of the sources as a BCP 47 tag, such as en, zh or pt-BR."""
    target_language: Language | None = None
    """Language of the targets as a BCP 47 tag."""
    both_directions: bool = False
    """Add all pairs in reverse, which needs source_language and target_language."""
    temperature: Annotated[float, Field(ge=1.0, le=1_000_000.0)] = 1.0
    """Draw from training sources in proportion to weight * pairs ** (1 / temperature): 1 is by
    size, 5 is common for several languages (Arivazhagan et al., 2019), 1000 ignores the size."""
    epoch_pairs: PositiveInt | None = None
    """About how many training pairs an epoch draws. Default: all pairs or, with weights or a
    temperature, as many as one pass over the largest source takes."""


class DataConfig(Cleaning, Splits):
    """Parallel text, and which pairs to drop."""

    @property
    def mixes(self) -> bool:
        """Whether an epoch is something else than one pass over all training pairs."""
        weighted = any(source.weight != 1.0 for source in self.train)
        return weighted or self.temperature != 1.0 or self.epoch_pairs is not None

    @property
    def tags(self) -> list[str]:
        """All tags of the training sources, languages included."""
        return [*dict.fromkeys(tag for part in self.parts("train") for tag in part.tags)]

    def files(self, split: Split) -> list[Path]:
        """Return the paths of the text files and files of pairs of a split."""
        return [
            Path(os.path.expanduser(value))  # noqa: PTH111 (see `nmt.reading.open_input`)
            for source in getattr(self, split) or ()
            for key, value in source
            if key in ("source", "target", "file")
        ]

    def parts(self, split: Split) -> list[Part]:
        """Return the sources of a split in order, then the same sources in reverse if asked for.

        A model with several target languages has a tag `<2de>` before each source.
        """
        several = len(self._target_languages) > 1
        return [
            replace(
                part,
                tags=(
                    *((language_tag(part.target_language),) if several else ()),
                    *((part.source.tag,) if part.source.tag else ()),
                ),
            )
            for part in self._directions(split)
        ]

    @property
    def _target_languages(self) -> set[str | None]:
        languages = {part.target_language for part in self._directions("train")}
        return {language and language.lower() for language in languages}

    def _directions(self, split: Split) -> list[Part]:
        parts = [
            Part(
                source,
                self._rules(source),
                source.source_language or self.source_language,
                source.target_language or self.target_language,
            )
            for source in getattr(self, split) or ()
        ]
        if not self.both_directions:
            return parts
        return parts + [
            replace(
                part,
                source_language=part.target_language,
                target_language=part.source_language,
                reverse=True,
            )
            for part in parts
        ]

    def _rules(self, source: Source) -> Cleaning:
        changed = source.filters.model_dump(exclude_unset=True) if source.filters else {}
        return self.model_copy(update=changed)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        languages = self._target_languages
        several = len(languages) > 1
        for split in SPLITS:
            sets: dict[str, tuple[Any, ...]] = {}
            parts = self.parts(split)
            count = len(getattr(self, split) or ())
            for number, part in enumerate(parts):
                where = f"data.{split}" + (f".{number % count}" if count > 1 else "")
                if (several or self.both_directions) and not part.target_language:
                    key = "source_language" if part.reverse else "target_language"
                    why = "both_directions" if self.both_directions else "several target languages"
                    raise ValueError(f"{where} has no {key}, which is needed for {why}")
                if several and str(part.target_language).lower() not in languages:
                    known = ", ".join(sorted(map(str, languages)))
                    raise ValueError(
                        f"{where} has the target language {part.target_language}, but the sources "
                        f"of data.train have {known}"
                    )
                if split == "train":
                    if part.rules.max_tokens > self.max_tokens:
                        raise ValueError(f"{where}.filters.max_tokens is above data.max_tokens")
                    continue
                if part.source.filters or part.source.weight != 1.0:
                    raise ValueError(f"{where}: weight and filters belong to data.train only")
                kind = part.languages, part.tags
                if sets.setdefault(part.set_name, kind) != kind:
                    raise ValueError(
                        f"sources of data.{split} with the name {part.set_name!r} have different "
                        "languages or tags"
                    )
        return self


def language_tag(language: str | None) -> str:
    """Return the tag of a target language, such as `<2de>`."""
    return f"<2{str(language).lower()}>"


def language_of(tag: str) -> str | None:
    """Return the language of a tag such as `<2de>`, or None for another tag."""
    return tag[2:-1] if tag.startswith("<2") else None
