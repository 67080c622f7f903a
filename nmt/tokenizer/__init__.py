"""Subword tokenization with SentencePiece. No text is encoded to pad, bos or eos."""

from __future__ import annotations

from pathlib import Path

from nmt import storage
from nmt.errors import StorageError
from nmt.tokenizer.ids import BOS, EOS, PAD, UNK
from nmt.tokenizer.vocabulary import Vocabulary

__all__ = ["BOS", "EOS", "PAD", "UNK", "Tokenizer", "Vocabulary"]


class Tokenizer:
    """The vocabularies of the source and the target, which may share a model."""

    def __init__(self, source: Vocabulary, target: Vocabulary) -> None:
        self.source = source
        self.target = target
        self.shared = source.model is target.model

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Load a tokenizer. Raises StorageError if it is missing or damaged."""
        manifest = storage.verify(folder)
        shared = "shared.model" in manifest["files"]
        path = folder / ("shared.model" if shared else "source.model")
        try:
            # Folders of earlier versions name no rules; their models contain one.
            rules = manifest.get("normalization", {})
            source = Vocabulary(storage.read_file(path), rules.get("source"))
            if shared:
                return cls(source, source.normalized_by(rules.get("target")))
            path = folder / "target.model"
            return cls(source, Vocabulary(storage.read_file(path), rules.get("target")))
        except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
            raise StorageError(f"{path} is not an nmt tokenizer: {error}") from error

    def save(self, folder: Path) -> None:
        """Write the folder atomically, with checksums. Raises StorageError."""
        if self.shared:
            contents = {"shared.model": self.source.model}
        else:
            contents = {"source.model": self.source.model, "target.model": self.target.model}
        rules = {"source": self.source.normalization, "target": self.target.normalization}
        storage.write_folder(folder, contents, {"normalization": rules})
