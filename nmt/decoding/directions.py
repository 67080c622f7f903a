"""The target languages and tags that a model can translate with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from nmt.config.data import language_of, language_tag
from nmt.decoding.splitting import Splitter
from nmt.errors import UsageError

if TYPE_CHECKING:
    from nmt.config import DataConfig


class Directions(NamedTuple):
    """Tags and languages of the training data."""

    tags: Sequence[str]
    """All tags of the training sources, languages included."""
    languages: Sequence[tuple[str | None, str | None]] = ()
    """(source language, target language) of the training sources."""

    @classmethod
    def of(cls, data: DataConfig) -> Self:
        pairs = [(part.source_language, part.target_language) for part in data.parts("train")]
        return cls(data.tags, list(dict.fromkeys(pairs)))

    @property
    def targets(self) -> list[str]:
        """The target languages that a tag selects; empty for a model with one target language."""
        return [language for tag in self.tags if (language := language_of(tag))]

    def choose(
        self, target_language: str | None = None, tag: str | None = None
    ) -> tuple[list[str], Splitter]:
        """Return the tags before a source text, and the splitter of the languages.

        Raises UsageError for an unknown language or tag, and for a missing language if there are
        several.
        """
        targets = self.targets
        known = targets or [*dict.fromkeys(target for _, target in self.languages if target)]
        wanted = target_language and target_language.lower()
        if targets and wanted is None:
            raise UsageError(
                f"the model has several target languages: {', '.join(known)}",
                "choose one with --to, or in Python with target_language",
            )
        if wanted and wanted not in map(str.lower, known):
            raise UsageError(
                f"the model does not translate into {target_language}, but into: "
                f"{', '.join(known) or 'one language without a name'}",
                "choose one of its target languages" if known else "leave out the target language",
            )
        own = [name for name in self.tags if not language_of(name)]
        if tag is not None and tag not in own:
            raise UsageError(
                f"the model has no tag {tag}; its tags: {', '.join(own) or 'none'}",
                "use one of its tags, or none",
            )
        fitting = [pair for pair in self.languages if wanted in (None, (pair[1] or "").lower())]
        sources = {source for source, _ in fitting}
        target = next((target for _, target in fitting), None)
        tags = [*([language_tag(wanted)] if targets else []), *([tag] if tag else [])]
        return tags, Splitter(sources.pop() if len(sources) == 1 else None, target)
