"""The built-in English-German corpus, made by a grammar: see `generator`."""

from nmt.data.phrasebook.generator import generate
from nmt.data.phrasebook.phrase import Example, words

__all__ = ["Example", "generate", "words"]
