"""Tags: pieces of the source vocabulary that no text is encoded to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config import TokenizerConfig
from nmt.errors import ConfigError
from nmt.tokenizer import Tokenizer
from nmt.tokenizer.training import train_tokenizer

LINES = ["one <2de> two", "two <bt> one", "three two one", "<2de>", "two two"] * 4
TAGS = ["<2de>", "<2pt-br>", "<bt>", "<a,b>"]


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def tokenizer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tags") / "tokenizer"
    kind: Literal["bpe", "unigram"] = request.param
    config = TokenizerConfig(type=kind)
    train_tokenizer(lambda: iter(zip(LINES, LINES, strict=True)), config, folder, tags=TAGS)
    return Tokenizer.load(folder)


def test_tags_are_stored_with_the_tokenizer(tokenizer: Tokenizer) -> None:
    assert [*tokenizer.source.tags] == TAGS
    assert tokenizer.source.pieces(tokenizer.source.tag_ids(TAGS)) == TAGS
    assert tokenizer.source.decode(tokenizer.source.tag_ids(TAGS)) == ""


@given(st.lists(st.sampled_from([*TAGS, "one", " ", "<", "▁", "é", "<s>"]), max_size=8))
def test_no_text_is_encoded_to_a_tag(tokenizer: Tokenizer, words: list[str]) -> None:
    text, source = "".join(words), tokenizer.source
    tags = {*source.tags.values()}
    assert not tags & {*source.encode(text)}
    assert not tags & {*source.sample_batch([text], 0.5, 1)[0]}
    assert not tags & {*source.encode_flat([text])[1].tolist()}


def test_unknown_tag_is_an_error_that_lists_the_tags(tokenizer: Tokenizer) -> None:
    with pytest.raises(ConfigError, match="no tag <2fr>, but these: <2de>, <2pt-br>"):
        tokenizer.source.tag_ids(["<2fr>"])


def test_separate_target_vocabulary_has_no_tags(tmp_path: Path) -> None:
    config = TokenizerConfig(shared=False)
    pairs = list(zip(LINES, LINES, strict=True))
    tokenizer = train_tokenizer(lambda: iter(pairs), config, tmp_path / "t", tags=TAGS)
    assert [*tokenizer.source.tags] == TAGS
    assert not tokenizer.target.tags
