"""The model of the demo translates sentences that it has never seen.

NMT_DEMO_RUN names the run folder of a trained demo; without it, the tests train one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from composer import compose, variants

import nmt
from nmt.phrasebook import DEMO, generate, words

if TYPE_CHECKING:
    from nmt import Translator

ROOT = Path(__file__).parents[2]
GERMAN = [
    "Der alte Mann liest ein dickes Buch.",
    "Ich habe eine Lampe gekauft. Sie ist schön.",
    "Anna, hast du gestern deinen Bruder angerufen?",
    "Bitte öffnen Sie das Fenster, Frau Keller.",
    "Ich denke, dass sie sich auf das Konzert freut.",
    "Der Zug nach Wien fährt um halb acht ab.",
]


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    folder = Path(os.environ.get("NMT_DEMO_RUN") or tmp_path_factory.mktemp("demo") / "run")
    if not folder.exists():
        command = [sys.executable, "-m", "nmt", "train", "--config", "configs/demo.yaml"]
        subprocess.run([*command, "--run-dir", str(folder)], cwd=ROOT, check=True)
    return nmt.load(folder, device="cpu")


def test_sentences_of_the_demo_are_new_but_have_frequent_words() -> None:
    sources = [pair.source for pair in generate("train")]
    assert set(sources).isdisjoint(DEMO)
    counts = Counter(word for source in sources for word in words(source.lower()))
    for sentence in DEMO:
        assert min(counts[word] for word in words(sentence.lower())) >= 20, sentence


def test_composed_sentences_are_new_and_accept_their_reference() -> None:
    sentences = compose(50, seed=7)
    sources = {sentence.source for sentence in sentences}
    assert len(sources - {pair.source for pair in generate("train")}) == 50
    assert all(sentence.accepts(sentence.targets[0]) for sentence in sentences)


def test_variants_move_an_adverbial() -> None:
    assert variants("Ich habe gestern das Buch gelesen.") == {
        "Ich habe gestern das Buch gelesen.",
        "Ich habe das Buch gestern gelesen.",
    }


def test_forms_of_address_are_all_right_only_without_an_addressee() -> None:
    """A form of address is right in all words of the sentence, and only if nobody is named."""
    composed = {sentence.source: sentence for sentence in compose(300, seed=10)}
    wrote = composed["Did you write a report yesterday morning?"]
    assert wrote.targets == (
        "Hast du gestern Morgen einen Bericht geschrieben?",
        "Habt ihr gestern Morgen einen Bericht geschrieben?",
        "Haben Sie gestern Morgen einen Bericht geschrieben?",
    )
    assert wrote.accepts("Haben Sie einen Bericht gestern Morgen geschrieben?")
    assert not wrote.accepts("Hast Sie gestern Morgen einen Bericht geschrieben?")
    drove = composed["You like to drive your lorry."]
    assert drove.accepts("Sie fahren Ihren Lastwagen gern.")
    assert not drove.accepts("Sie fahren deinen Lastwagen gern.")
    named = [s for s in composed.values() if s.source.startswith(("Mr ", "Anna, ", "Excuse me"))]
    assert named
    assert all(len(sentence.targets) == 1 for sentence in named)


@pytest.mark.slow
def test_demo_translates_its_sentences(translator: Translator) -> None:
    assert translator.translate(list(DEMO)) == GERMAN


@pytest.mark.slow
def test_demo_translates_95_of_100_new_sentences(translator: Translator) -> None:
    sentences = compose(100, seed=7)
    translations = translator.translate([sentence.source for sentence in sentences])
    wrong = [
        (*sentence, translation)
        for sentence, translation in zip(sentences, translations, strict=True)
        if not sentence.accepts(translation)
    ]
    assert len(wrong) <= 5, wrong
