"""The report of `nmt evaluate` as text and as JSON."""

from __future__ import annotations

import json

import pytest

from nmt.evaluation.metrics import PairedScore, Score, corpus_bleu
from nmt.evaluation.report import (
    Comparison,
    System,
    make_report,
    scores_by_length,
    verdict,
    worst_sentences,
)
from nmt.text import escape_controls

SOURCES = ["a dog", "a b c d e f", "two birds sing", " ".join("x" * 70)]
REFERENCES = ["ein Hund", "eins zwei drei vier fünf sechs", "zwei Vögel singen", "x " * 70]
HYPOTHESES = ["ein Hund", "eins zwei drei vier sechs fünf", "drei Fische", "x " * 69]


def paired(name: str, system: float, baseline: float, p: float) -> PairedScore:
    return PairedScore(Score(name, system, "s"), Score(name, baseline, "s"), p)


def test_scores_by_length_groups_sentences_by_source_length() -> None:
    rows = scores_by_length(SOURCES, [HYPOTHESES, REFERENCES], [REFERENCES])
    assert [(r.first, r.last, r.sentences) for r in rows] == [(0, 5, 2), (6, 10, 1), (61, None, 1)]
    chosen = [HYPOTHESES[0], HYPOTHESES[2]], [[REFERENCES[0], REFERENCES[2]]]
    assert rows[0].bleu[0] == corpus_bleu(*chosen)
    assert rows[1].bleu[1] == pytest.approx(100)


def test_lengths_of_chinese_count_characters() -> None:
    texts = ["红猫跳。", "旧房子很大，也很冷。"]
    rows = scores_by_length(texts, [texts], [texts], "zh")
    assert [(row.first, row.sentences) for row in rows] == [(0, 1), (6, 1)]
    assert rows[1].bleu == [pytest.approx(100)]


def test_report_without_ter_says_why() -> None:
    report = make_report(System("s", ["wort " * 300]), "d", [["wort " * 299]])
    assert report.scores.ter is None
    assert "TER is left out, because it would take too long" in report.text()
    assert report.to_dict()["left_out"] == report.left_out


def test_worst_sentences_come_first_with_line_numbers() -> None:
    worst = worst_sentences(HYPOTHESES, [REFERENCES], SOURCES, 2)
    assert [w.line for w in worst] == [3, 2]
    assert worst[0].source == "two birds sing"
    assert worst[0].references == ["zwei Vögel singen"]
    assert worst_sentences(HYPOTHESES, [REFERENCES], None, 0) == []
    # One of the four hypotheses is perfect.
    assert len(worst_sentences(HYPOTHESES, [REFERENCES], None, 99)) == 3


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (
            [paired("BLEU", 30, 28, 0.01), paired("TER", 50, 52, 0.2)],
            "new is significantly better than old by BLEU (+2.00, p = 0.010); "
            "not significant by TER (-2.00, p = 0.200).",
        ),
        (
            [paired("BLEU", 30, 28, 0.01), paired("TER", 50, 52, 0.01)],
            "new is significantly better than old by BLEU (+2.00, p = 0.010) and "
            "TER (-2.00, p = 0.010).",
        ),
        (
            [paired("BLEU", 27, 28, 0.01)],
            "new is significantly worse than old by BLEU (-1.00, p = 0.010).",
        ),
        (
            [paired("BLEU", 29, 28, 0.01), paired("chrF++", 50, 51, 0.01)],
            "The metrics disagree: new is significantly better than old by "
            "BLEU (+1.00, p = 0.010), but worse by chrF++ (-1.00, p = 0.010).",
        ),
        (
            [paired("BLEU", 29, 28, 0.05)],
            "No significant difference between new and old: BLEU (+1.00, p = 0.050).",
        ),
    ],
)
def test_verdict_lists_significant_differences(pairs: list[PairedScore], expected: str) -> None:
    assert verdict(Comparison("old", "bs", pairs), "new") == expected


def test_system_does_not_differ_from_itself() -> None:
    report = make_report(
        System("a", HYPOTHESES), "data", [REFERENCES], baseline=System("b", HYPOTHESES)
    )
    assert report.comparison is not None
    assert verdict(report.comparison, "a").startswith("No significant difference")


def test_text_and_json_contain_all_parts() -> None:
    report = make_report(
        System("runs/a", HYPOTHESES, {"beam_size": 5, "precision": "fp32"}),
        "ref.de",
        [REFERENCES],
        sources=SOURCES,
        baseline=System("runs/b", REFERENCES),
        worst=1,
    )
    text = report.text()
    for part in ("runs/a on ref.de, 4 sentences", "BLEU lower-case", "chrF++: nrefs:1|"):
        assert part in text
    assert "B: runs/b" in text
    assert "\ndecoded with beam size 5, precision fp32\n" in text
    assert f"brevity penalty {report.scores.brevity_penalty:.3f}" in text
    assert "source words" in text
    assert "BLEU B" in text
    assert "worst 1 sentence by chrF++" in text
    found = json.loads(json.dumps(report.to_dict()))
    assert [s["name"] for s in found["scores"]] == ["BLEU", "BLEU lower-case", "chrF++", "TER"]
    assert found["scores"][0]["value"] == report.scores.bleu.value
    assert found["decoding"] == {"beam_size": 5, "precision": "fp32"}
    assert found["brevity_penalty"] == report.scores.brevity_penalty
    assert (len(found["precisions"]), found["comparison"]["decoding"]) == (4, None)
    assert found["comparison"]["verdict"] in text
    assert found["comparison"]["metrics"][0]["p_value"] <= 1
    assert found["worst"][0]["line"] == 3
    assert found["lengths"][0]["sentences"] == 2


def test_control_characters_in_the_report_are_escaped() -> None:
    assert escape_controls("a\x1b[31mb\tc\x9b[bold]ü") == "a\\x1b[31mb\\x09c\\x9b[bold]ü"
    report = make_report(System("s", ["\x1b[2J [red]"]), "d", [["[bold]x"]], worst=1)
    assert "\x1b" not in report.text()
    assert "[bold]x" in report.text()
