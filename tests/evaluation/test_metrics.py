"""Scores, intervals and paired tests equal the output of the sacrebleu command."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from nmt.errors import DataError
from nmt.evaluation.metrics import (
    compare,
    corpus_scores,
    sentence_chrf,
    ter_obstacle,
    validation_scores,
)
from nmt.languages import bleu_tokenizer

REFERENCE = [
    "Der alte Mann liest am Fenster eine Zeitung.",
    "Morgen fahren wir mit dem Zug nach Köln, oder?",
    "Sie hat das Buch, das auf dem Tisch lag, nicht gefunden.",
    "Kann ich 3,5 Kilo Äpfel bekommen?",
    "Das Kind schläft.",
    "„Nein“, sagte er, „ich komme heute nicht mit.“",
] * 4
SECOND = [line.replace("nicht", "gar nicht").replace("alte", "greise") for line in REFERENCE]


def noisy(lines: list[str], seed: int, rate: float) -> list[str]:
    """Return the lines with random words dropped, swapped or lower-cased."""
    rng = random.Random(seed)
    result = []
    for line in lines:
        words = [w.lower() if rng.random() < rate else w for w in line.split()]
        words = [w for w in words if rng.random() > rate / 2] or words
        i = rng.randrange(len(words))
        if rng.random() < rate:
            words[i], words[i - 1] = words[i - 1], words[i]
        result.append(" ".join(words))
    return result


SYSTEM = noisy(REFERENCE, 1, 0.2)
BASELINE = noisy(REFERENCE, 2, 0.6)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    texts = {"ref": REFERENCE, "ref2": SECOND, "system": SYSTEM, "baseline": BASELINE}
    for name, lines in texts.items():
        (tmp_path / name).write_bytes("".join(f"{line}\n" for line in lines).encode())
    return tmp_path


def sacrebleu(folder: Path, *arguments: str) -> str:
    """Return the standard output of the sacrebleu command."""
    command = [sys.executable, "-m", "sacrebleu", *arguments, "-w", "6", "--quiet"]
    result = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return result.stdout.decode()


def test_scores_and_intervals_equal_the_sacrebleu_command(files: Path) -> None:
    common = ["ref", "ref2", "-i", "system", "--confidence", "--chrf-word-order", "2"]
    found = json.loads(sacrebleu(files, *common, "-m", "bleu", "chrf", "ter"))
    lower = json.loads(sacrebleu(files, *common, "-m", "bleu", "chrf", "-lc", "--chrf-lowercase"))
    scores = corpus_scores(SYSTEM, [REFERENCE, SECOND], confidence=True)
    lowercase = corpus_scores(SYSTEM, [REFERENCE, SECOND], confidence=True, lowercase=True)
    for ours, theirs in [
        *zip([scores.bleu, scores.chrf, scores.ter], found, strict=True),
        *zip([scores.bleu_lowercase, lowercase.chrf], lower, strict=True),
    ]:
        assert f"{ours.value:.6f}" == f"{theirs['score']:.6f}"
        assert f"{ours.mean:.6f}" == f"{theirs['confidence_mean']:.6f}"
        assert f"{ours.interval:.6f}" == f"{theirs['confidence_var']:.6f}"
        assert ours.signature == theirs["signature"]
    assert "case:lc" in scores.bleu_lowercase.signature
    shown = "/".join(f"{precision:.1f}" for precision in scores.precisions)
    shown += f" (BP = {scores.brevity_penalty:.3f} ratio = {scores.brevity_ratio:.3f} "
    shown += f"hyp_len = {scores.hypothesis_length:d} ref_len = {scores.reference_length:d})"
    assert shown in re.sub(" +", " ", found[0]["verbose_score"])
    assert scores.bleu_lowercase == lowercase.bleu == lowercase.bleu_lowercase
    assert len(scores.distinct()) == 4
    assert len(lowercase.distinct()) == 3


@pytest.mark.parametrize("test", ["bs", "ar"])
def test_paired_tests_equal_the_sacrebleu_command(
    files: Path, test: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PairedTest._DEFAULT_SAMPLES, "ar", 2000)  # The default is 10,000.
    metrics = ["-m", "bleu", "chrf", "ter", "--chrf-word-order", "2"]
    # The output is text because the bootstrap test with JSON output fails in sacrebleu 2.6.
    options = [*metrics, f"--paired-{test}", "--paired-ar-n", "2000"]
    found = sacrebleu(
        files, "ref", "-i", "baseline", "system", *options, "-f", "text", "--no-color"
    )
    rows = [[c.strip() for c in r.split("│")[1:-1]] for r in found.splitlines() if "│" in r]
    head = next(row for row in rows if row[0] == "System")
    compared = compare(SYSTEM, BASELINE, [REFERENCE], test=test)
    names = [pair.system.name for pair in compared]
    assert names == ["BLEU", "BLEU lower-case", "chrF++", "TER"]
    for column, pair in [("BLEU", compared[0]), ("chrF2++", compared[2]), ("TER", compared[3])]:
        place = next(i for i, title in enumerate(head) if title.startswith(column))
        cells = [row[place] for row in rows]
        for ours in (pair.system, pair.baseline):
            spread = f" ({ours.mean:.6f} ± {ours.interval:.6f})" if test == "bs" else ""
            assert f"{ours.value:.6f}{spread}" in cells
        assert any(f"(p = {pair.p_value:.4f})" in cell for cell in cells)
    assert f"{test}:{1000 if test == 'bs' else 2000}" in compared[0].system.signature


@pytest.mark.parametrize("seed", range(20))
def test_p_values_of_systems_that_differ_equal_sacrebleu(seed: int) -> None:
    system = noisy(REFERENCE, seed, 0.1 + seed / 50)
    baseline = noisy(REFERENCE, seed + 100, 0.3)
    metrics = {
        "BLEU": BLEU(),
        "chrF2++": CHRF(word_order=2),
        "TER": TER(),
    }
    systems = [("baseline", baseline), ("system", system)]
    _, theirs = PairedTest(systems, metrics, [REFERENCE], test_type="bs")()
    lowercase = {"BLEU": BLEU(lowercase=True)}
    _, theirs_lowercase = PairedTest(systems, lowercase, [REFERENCE], test_type="bs")()
    bleu, bleu_lowercase, chrf, ter = compare(system, baseline, [REFERENCE])
    assert bleu.p_value == theirs["BLEU"][1].p_value
    assert bleu_lowercase.p_value == theirs_lowercase["BLEU"][1].p_value
    assert chrf.p_value == theirs["chrF2++"][1].p_value
    assert ter.p_value == theirs["TER"][1].p_value


@pytest.mark.parametrize("test", ["bs", "ar"])
def test_p_value_of_a_difference_that_is_always_zero_is_one(
    test: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PairedTest._DEFAULT_SAMPLES, "ar", 500)
    same = compare(SYSTEM, SYSTEM, [REFERENCE], test=test)
    assert [pair.p_value for pair in same] == [1.0] * 4
    lower = [line.lower() for line in SYSTEM]
    bleu, bleu_lowercase, chrf, ter = compare(lower, SYSTEM, [REFERENCE], test=test)
    assert bleu.p_value < 0.05
    assert bleu_lowercase.p_value == 1.0
    assert chrf.p_value < 0.05
    assert ter.p_value == 1.0  # sacrebleu's TER ignores case
    ignored = compare(lower, SYSTEM, [REFERENCE], test=test, lowercase=True)
    assert [pair.p_value for pair in ignored] == [1.0] * 3


def test_equal_scores_that_differ_in_some_resamples_have_the_p_value_of_sacrebleu() -> None:
    system, baseline = [*REFERENCE], [*REFERENCE]
    system[0] = baseline[6] = "Nein."  # lines 1 and 7 have the same reference
    bleu = compare(system, baseline, [REFERENCE])[0]
    assert bleu.system.value == bleu.baseline.value
    assert 0.05 < bleu.p_value < 1


def test_validation_scores_equal_corpus_scores() -> None:
    scores = corpus_scores(SYSTEM, [REFERENCE])
    assert validation_scores(SYSTEM, REFERENCE) == (scores.bleu.value, scores.chrf.value)
    assert scores.bleu.mean is scores.bleu.interval is None


TEXTS = {
    "zh": ["红猫跳过了栅栏。", "旧房子很大，也很冷。", "今天天气好吗？", "我买了3本NMT书。"],
    "ja": [
        "赤い猫が柵を飛び越えた。",
        "古い家は大きくて寒い。",
        "今日はいい天気ですか？",
        "本を3冊買った。",
    ],
    "ko": [
        "빨간 고양이가 울타리를 넘었다.",
        "낡은 집은 크고 춥다.",
        "오늘 날씨가 좋습니까?",
        "책을 샀다.",
    ],
    "th": ["แมวสีแดงกระโดดข้ามรั้ว", "บ้านเก่าหลังใหญ่และหนาว", "วันนี้อากาศดีไหม", "ฉันซื้อน้ำ 3 ขวด"],
    "de": REFERENCE[:4],
}


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [("zh", "zh"), ("ja", "ja-mecab"), ("ko", "ko-mecab"), ("th", "char"), ("de", "13a")],
)
def test_bleu_of_a_language_equals_the_sacrebleu_command(
    language: str, tokenizer: str, tmp_path: Path
) -> None:
    references = TEXTS[language]
    hypotheses = [line[:-2] + line[-1] for line in references[:-1]] + references[-1:]
    chosen = bleu_tokenizer("auto", language, references, pytest.fail)
    assert chosen == tokenizer
    scores = corpus_scores(hypotheses, [references], tokenize=chosen, confidence=True)
    for name, lines in (("ref", references), ("system", hypotheses)):
        (tmp_path / name).write_bytes("".join(f"{line}\n" for line in lines).encode())
    options = ["-i", "system", "-m", "bleu", "chrf", "--chrf-word-order", "2", "--confidence"]
    found = json.loads(sacrebleu(tmp_path, "ref", *options, "--tokenize", tokenizer))
    for ours, theirs in zip((scores.bleu, scores.chrf), found, strict=True):
        assert f"{ours.value:.6f}" == f"{theirs['score']:.6f}"
        assert f"{ours.mean:.6f}" == f"{theirs['confidence_mean']:.6f}"
        assert ours.signature == theirs["signature"]
    assert 0 < scores.bleu.value < 100
    assert f"tok:{tokenizer}" in scores.bleu.signature
    assert validation_scores(hypotheses, references, chosen)[0] == scores.bleu.value
    pair = compare(hypotheses, references, [references], tokenize=chosen)[0]
    assert pair.system.value == scores.bleu.value
    assert pair.system.tokenizer == pair.baseline.tokenizer == tokenizer


def test_title_of_bleu_names_an_unusual_tokenizer() -> None:
    scores = corpus_scores(["猫"], [["猫"]], tokenize="zh", ter=False)
    titles = [score.title for score in scores.distinct()]
    assert titles == ["BLEU (zh)", "BLEU (zh) lower-case", "chrF++"]
    usual = corpus_scores(SYSTEM, [REFERENCE]).distinct()
    assert [score.title for score in usual] == ["BLEU", "BLEU lower-case", "chrF++", "TER"]


def test_ter_is_left_out_for_long_lines_and_without_spaces() -> None:
    long, short = ["wort " * 300], ["ein Wort"]
    assert ter_obstacle([short], [short]) is None
    assert ter_obstacle([long], [short]) is None  # an output that repeats itself is cheap
    assert "too long" in (ter_obstacle([short, long], [long]) or "")
    many = ["ein mittellanger Satz " * 30] * 2000
    assert "too long" in (ter_obstacle([many], [many]) or "")
    assert "spaces between words" in (ter_obstacle([TEXTS["zh"]], [TEXTS["zh"]]) or "")
    with pytest.raises(DataError, match="1 hypothesis but 2 lines"):
        ter_obstacle([short], [short * 2])


def test_perfect_and_empty_hypotheses_have_extreme_scores() -> None:
    perfect = corpus_scores(REFERENCE, [REFERENCE], confidence=True)
    assert perfect.bleu.value == pytest.approx(100)
    assert perfect.ter and perfect.ter.value == 0
    assert perfect.brevity_ratio == 1
    assert validation_scores([""], ["Ein Satz."]) == (0, 0)
    assert validation_scores([""], [""]) == (0, 0)
    assert corpus_scores([""], [[""]], confidence=True).brevity_ratio == 0


def test_confidence_mean_of_two_sentences_is_finite() -> None:
    """Some resamples have a score of exactly zero, which the sacrebleu command cannot average."""
    texts = ["eins zwei drei vier", "fünf"], [["eins zwei drei vier", "sechs"]]
    scores = corpus_scores(*texts, confidence=True)
    assert scores.bleu.mean is not None
    assert 0 < scores.bleu.mean < 100
    assert "bs:1000|seed:12345" in scores.bleu.signature


def test_sentence_chrf_scores_each_sentence() -> None:
    scores = sentence_chrf(["Das ist gut.", "Nein"], [["Das ist gut.", "Ja"], ["Gut.", "Nun"]])
    assert scores[0] == pytest.approx(100)
    assert scores[1] < 50


@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        ([], [[]], "no sentences"),
        (["a"], [["a", "b"]], "1 hypothesis but 2 lines in the references"),
        (["a"], [["a"], []], "0 lines in reference set 2"),
    ],
)
def test_empty_or_unequal_input_raises_data_error(
    hypotheses: list[str], references: list[list[str]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        corpus_scores(hypotheses, references)
