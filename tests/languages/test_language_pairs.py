"""Training, evaluation, translation, alignment and tokenization in languages of every script."""

from __future__ import annotations

import json
import operator
from pathlib import Path

import pytest
import torch
from corpora import splits, write
from typer.testing import CliRunner

from nmt.cli import app
from nmt.config import Config
from nmt.training.pipeline import run_training

BLEU_TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab", "th": "char"}
WORDS = {"en": 8, "zh": 11, "ja": 13, "ko": 6, "th": 22, "ar": 5, "hi": 7, "fi": 4}
PAIRS = ("en-zh", "en-ja", "en-ko", "en-th", "en-ar", "en-hi", "en-fi", "zh-en")


class Trained:
    """A trained run of a language pair, and the commands that use the run."""

    def __init__(self, folder: Path, source: str, target: str) -> None:
        self.source, self.target = source, target
        self.splits = splits(source, target)
        self.sources, self.references = (folder / f"test.{code}" for code in (source, target))
        write(folder, source, target)
        data = {
            split: {"source": f"{folder}/{split}.{source}", "target": f"{folder}/{split}.{target}"}
            for split in self.splits
        }
        config = Config.model_validate(
            {
                "data": {**data, "source_language": source, "target_language": target},
                "tokenizer": {"type": "bpe", "vocab_size": 600},
                "model": {
                    "d_model": 64,
                    "heads": 4,
                    "encoder_layers": 1,
                    "decoder_layers": 1,
                    "feedforward": 128,
                    "norm": "pre",
                    "positions": "rotary",
                },
                "training": {
                    "batch_tokens": 500,
                    "optimizer": "muon",
                    "learning_rate": 0.02,
                    "schedule": "cosine",
                    "warmup_steps": 10,
                    "max_steps": 120,
                    "valid_every": 120,
                    "precision": "fp32",
                    "device": "cpu",
                    "threads": 1,
                },
            }
        )
        self.run = run_training(config, folder / "run")

    def __call__(self, command: str, *arguments: object) -> str:
        """Return what a command with this run prints."""
        model = ("--model", self.run.path)
        result = CliRunner().invoke(app, [command, *map(str, (*model, *arguments))])
        if result.exception:
            raise result.exception
        return result.stdout


@pytest.fixture(scope="module", params=PAIRS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    threads = torch.get_num_threads()
    run = Trained(tmp_path_factory.mktemp(request.param), *request.param.split("-"))
    torch.set_num_threads(threads)
    return run


def test_validation_scores_right_translations_with_the_tokenizer_of_the_language(
    trained: Trained,
) -> None:
    records = map(json.loads, trained.run.metrics_file.read_text().splitlines())
    (valid,) = (record for record in records if record["event"] == "valid")
    assert valid["bleu"] > 80
    assert valid["tokenizer"] == BLEU_TOKENIZERS.get(trained.target, "13a")


def test_evaluation_has_the_tokenizer_of_the_language_in_its_signature(trained: Trained) -> None:
    signature = f"|tok:{BLEU_TOKENIZERS.get(trained.target, '13a')}"
    bleu = json.loads(trained("evaluate", "--json"))["scores"][0]
    assert bleu["value"] > 80
    assert signature in bleu["signature"]
    files = ("--source", trained.sources, "--reference", trained.references)
    assert signature in trained("evaluate", *files)


def test_translations_have_the_characters_and_spaces_of_the_language(trained: Trained) -> None:
    """The sentences have no two equal translations, so 12 of 20 cannot be right by chance."""
    translations = trained("translate", "--input", trained.sources).splitlines()
    references = trained.references.read_text(encoding="utf-8").splitlines()
    assert sum(map(operator.eq, translations, references)) >= 12


def test_translated_sentences_are_joined_as_the_language_joins_them(trained: Trained) -> None:
    pairs = [pair for pair in trained.splits["train"] if pair.source[-1] in ".。"][:3]
    spaces = ("" if code in ("zh", "ja") else " " for code in (trained.source, trained.target))
    source, target = map(str.join, spaces, zip(*pairs, strict=True))
    assert trained("translate", "--split-sentences", "always", source) == target + "\n"


def test_alignment_numbers_characters_where_words_have_no_spaces(trained: Trained) -> None:
    """The first line is "Our neighbor is looking for the keys." in every language."""
    printed = trained("align", "--source", trained.sources, "--target", trained.references)
    links = [tuple(map(int, link.split("-"))) for link in printed.splitlines()[0].split()]
    source, target = map(max, zip(*links, strict=True))
    assert source < WORDS[trained.source]
    assert 0 < WORDS[trained.target] - target <= 2  # The final stop may be linked to nothing.


def test_detokenized_pieces_are_the_text(trained: Trained, tmp_path: Path) -> None:
    pieces = tmp_path / "pieces"
    pieces.write_text(trained("tokenize", "--side", "target", trained.references), "utf-8")
    text = trained("detokenize", "--side", "target", pieces)
    assert text == trained.references.read_text(encoding="utf-8")
