"""Cleaning of lines for training and translation, and escapes for terminals and files."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from typing import Any

# str.splitlines() splits at each of these characters; in a corpus, all but \n are odd spaces.
_LINE_SEPARATORS = "\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
INVISIBLE = "\u00ad\u200b\u2060\ufeff"
"""Soft hyphen, zero width space, word joiner and BOM: invisible in every language."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_REPAIRS = (
    ("CRLF line ends", re.compile(r"\r+\Z"), ""),
    ("carriage returns", re.compile(r"\r"), " "),
    ("line separators", re.compile(f"[{_LINE_SEPARATORS}]"), " "),
    ("tabs", re.compile(r"\t"), " "),
    ("byte order marks", re.compile("\ufeff"), ""),
    ("invisible characters", re.compile(f"[{INVISIBLE}]"), ""),
    ("control characters", _CONTROLS, ""),
    ("lone surrogates", re.compile("[\ud800-\udfff]"), "\ufffd"),
)
# Unicode's default-ignorable code points, without U+FEFF, which `clean_line` removes, ZWNJ, ZWJ,
# variation selectors and Hangul fillers.
_IGNORABLE = (
    "\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
# A flag such as that of Scotland is U+1F3F4, tags, and the end tag, which are kept together.
_INVISIBLE = re.compile(f"(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|[{_IGNORABLE}]+")
# Characters that JSON allows but that control a terminal, separate lines, or are invalid in YAML.
_NOT_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def clean_line(line: str, repaired: Counter[str] | None = None) -> str:
    """Return a line without characters that do not belong in a sentence, and without outer spaces.

    Control characters and INVISIBLE are removed. Tabs, carriage returns in the line and Unicode
    line separators become a space, and lone surrogates U+FFFD. `repaired` counts lines by repair.
    """
    if not line.isprintable():
        for kind, pattern, replacement in _REPAIRS:
            line, found = pattern.subn(replacement, line)
            if found and repaired is not None:
                repaired[kind] += 1
    return line.strip()


def clean_source(line: str, repaired: Counter[str] | None = None) -> str:
    """Return a clean line without invisible characters, which a model would read as noise.

    These are Unicode's default-ignorable code points except ZWJ, ZWNJ, variation selectors, Hangul
    fillers and the tags of an emoji.
    """
    # This test is ten times as fast as the pattern; isprintable accepts three of its characters.
    hidden = "\u034f" in line or "\u17b4" in line or "\u17b5" in line
    if line.isprintable() and not hidden:
        return line.strip()
    if (visible := _INVISIBLE.sub(r"\1", line)) != line:
        line = visible
        if repaired is not None:
            repaired["invisible characters"] += 1
    return clean_line(line, repaired)


def escape(text: str, keep: str = "") -> str:
    r"""Return text with unprintable characters not in `keep` as escapes such as \x1b or \u2028."""
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )


def escape_controls(text: str) -> str:
    r"""Return a sentence with control characters as escapes such as \x1b.

    Other unprintable characters, such as no-break spaces and joiners, belong to the sentence.
    """
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def replace_unprintable(text: str) -> str:
    """Return a label of the same length, with U+FFFD for each unprintable character."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def shorten(text: str, limit: int = 80) -> str:
    """Return text for a message, cut in the middle to `limit` characters and then escaped."""
    if len(text) > limit:
        half = (limit - 3) // 2  # The end of a path is its most informative part.
        text = f"{text[:half]}...{text[-half:]}"
    return escape(text)


def to_json(value: Any) -> str:
    """Return a value as JSON on one line that is safe on a terminal and is also YAML 1.2."""
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shell(*words: str) -> str:
    """Return a command as a line that can be pasted into a shell."""
    # Double quotes, as people write them, are enough around words without special characters.
    return " ".join(
        f'"{word}"' if re.fullmatch(r"[\w ./,:?'-]* [\w ./,:?'-]*", word) else shlex.quote(word)
        for word in words
    )


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return `1 line` or `2,000 lines`; `plural` is needed where it is not the noun plus s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def duration(seconds: float) -> str:
    """Return a time as `1h 02m`, `1m 48s` or `3s`."""
    whole = int(seconds + 0.5)
    if whole >= 3600:
        minutes = int(seconds / 60 + 0.5)
        return f"{minutes // 60}h {minutes % 60:02}m"
    return f"{whole // 60}m {whole % 60:02}s" if whole >= 60 else f"{whole}s"


def file_size(count: float) -> str:
    """Return a number of bytes as `1.2 GB`, `3.4 MB`, `5.6 kB` or `78 B`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
