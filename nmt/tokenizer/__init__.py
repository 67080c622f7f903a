"""Subword tokenization with SentencePiece models.

Every vocabulary has pad 0, unk 1, bos 2 and eos 3. No text is encoded to pad, bos or eos.
"""

from __future__ import annotations

from pathlib import Path

from nmt import storage
from nmt.errors import StorageError
from nmt.tokenizer.ids import BOS, EOS, PAD, UNK
from nmt.tokenizer.vocabulary import Vocabulary

__all__ = ["BOS", "EOS", "PAD", "UNK", "Tokenizer", "Vocabulary"]


class Tokenizer:
    """The vocabularies of the source and the target; a shared vocabulary is one object."""

    def __init__(self, source: Vocabulary, target: Vocabulary) -> None:
        self.source = source
        self.target = target
        self.shared = source is target

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Load a tokenizer. Raises StorageError if it is missing or damaged."""
        files = storage.verify(folder)["files"]
        names = ["shared.model"] if "shared.model" in files else ["source.model", "target.model"]
        vocabularies = []
        for name in names:
            try:
                vocabularies.append(Vocabulary(storage.read_file(folder / name)))
            except (RuntimeError, ValueError, IndexError) as error:
                raise StorageError(f"{folder / name} is not an nmt tokenizer: {error}") from error
        return cls(vocabularies[0], vocabularies[-1])

    def save(self, folder: Path) -> None:
        """Write the folder atomically, with checksums. Raises StorageError if this fails."""
        if self.shared:
            contents = {"shared.model": self.source.model}
        else:
            contents = {"source.model": self.source.model, "target.model": self.target.model}
        storage.write_folder(folder, contents, {})
