"""Every German sentence of the corpus is read back by a grammar of its own."""

from __future__ import annotations

from typing import get_args

import pytest
from german_check import faults

from nmt.phrasebook import generate
from nmt.phrasebook.generator import Split


@pytest.mark.parametrize("split", get_args(Split))
def test_german_sentences_are_correct(split: Split) -> None:
    wrong = [(pair, found) for pair in generate(split) if (found := faults(pair.target))]
    assert not wrong, (len(wrong), wrong[:10])


@pytest.mark.parametrize(
    "text",
    [
        "Der alte Mann liest ein dicker Mann.",
        "Der alte Mann liest einen dickes Buch.",
        "Der alter Mann liest das Buch.",
        "Der alte Mann lesen das Buch.",
        "Der alte Mann das Buch liest.",
        "Herrn Keller ist fünfzehn Jahre alt.",
        "Ich sehe Herr Keller.",
        "Ich helfe den Mann.",
        "Er gab dem Kind ein Apfel.",
        "Sie erinnert sich an dem Film.",
        "Er fährt mit den Zug nach Wien.",
        "Er arbeitet in das Büro.",
        "Sie hat nach Wien gefahren.",
        "Sie ist das Buch gelesen.",
        "Gestern sie kaufte ein Buch.",
        "Ich weiß, dass sie liest ein Buch.",
        "Wenn es regnet, ich lese ein Buch.",
        "Der Mann, die ein Buch liest, ist krank.",
        "Das Buch, den ich lese, ist neu.",
        "Die Kinder spielt mit dem Ball.",
        "Ich kann das Buch lese.",
        "Du habt ein Buch gekauft.",
        "Ich freue sich auf die Reise.",
        "Das Auto mein Bruders ist neu.",
        "Wir sind kein guter Freunden.",
        "Er geht in den Park, um die Rose zeichnen.",
        "Bitte öffnen das Fenster, Frau Keller.",
        "Der Student besucht den Student.",
        "Sie hat drei neuen Bücher.",
        "Ich rufe meine Mutter.",
    ],
)
def test_planted_faults_are_found(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "Der alte Mann liest ein dickes Buch.",
        "Herr Keller liest ein Buch.",
        "Als er ankam, half er seiner kranken Tante.",
        "Anna, hast du gestern deinen Bruder angerufen?",
        "Ich habe eine Lampe gekauft. Sie ist schön.",
        "Das ist das Auto meines Bruders.",
        "Der Zug nach Wien fährt um halb acht ab.",
    ],
)
def test_correct_sentences_have_no_faults(text: str) -> None:
    assert not faults(text)
