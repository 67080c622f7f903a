"""A tokenizer of short chunks, a tiny random model and its translator."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nmt.config import DecodingConfig
from nmt.decoding.engine import build_program
from nmt.decoding.translator import Translator
from nmt.kernels.attention import FusedAttention
from nmt.model.attention import MultiHeadAttention
from nmt.model.transformer import Transformer


class Chunks:
    """Vocabulary of word chunks of at most three letters; "…" becomes three dots, as in NFKC."""

    def __init__(self) -> None:
        letters = [chr(c) for c in range(33, 127)] + list("äöüß₿<")
        self.names = ["<pad>", "<unk>", "<s>", "</s>", "▁", *letters]
        self.ids: dict[str, int] = {}
        self.tags: dict[str, int] = {}

    def __len__(self) -> int:
        return 400

    def tag_ids(self, tags: Iterable[str]) -> list[int]:
        return [self.tags[tag] for tag in tags]

    def encode(self, text: str) -> list[int]:
        ids = []
        for word in text.replace("…", "...").split():
            for chunk in re.findall(".{1,3}", "▁" + word):
                ids.append(self.ids.setdefault(chunk, 4 + len(self.ids)))
        return ids

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        names = {number: chunk for chunk, number in self.ids.items()}
        return [names.get(i, f"#{i}") for i in ids]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.pieces(ids)).replace("▁", " ").strip()


@pytest.fixture
def tokenizer() -> Any:
    vocabulary = Chunks()
    return SimpleNamespace(source=vocabulary, target=vocabulary, shared=True)


@pytest.fixture(params=[FusedAttention, MultiHeadAttention])
def model(request: pytest.FixtureRequest) -> Transformer:
    torch.manual_seed(1)
    return Transformer(
        400,
        400,
        d_model=16,
        heads=4,
        encoder_layers=2,
        decoder_layers=3,
        feedforward=16,
        attention=request.param,
    ).eval()


@pytest.fixture
def translator(model: Transformer, tokenizer: Any) -> Translator:
    decoding = DecodingConfig(beam_size=3, max_length=8)
    program = build_program(model, "fp32", torch.device("cpu"))
    return Translator(program, tokenizer, decoding, max_source_tokens=20)
