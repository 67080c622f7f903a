"""Cleaning of lines for training and translation, and escapes for terminals and files."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from nmt.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

# str.splitlines() splits at each of these characters; in a corpus, all but \n are odd spaces.
_LINE_SEPARATORS = "\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_REPAIRS = (
    ("CRLF line ends", re.compile(r"\r+\Z"), ""),
    ("carriage returns", re.compile(r"\r"), " "),
    ("line separators", re.compile(f"[{_LINE_SEPARATORS}]"), " "),
    ("tabs", re.compile(r"\t"), " "),
    ("byte order marks", re.compile("\ufeff"), ""),
    ("control characters", _CONTROLS, ""),
    ("lone surrogates", re.compile("[\ud800-\udfff]"), "\ufffd"),
)
# Characters that JSON allows but that control a terminal, separate lines, or are invalid in YAML.
_NOT_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def clean_line(line: str, repaired: Counter[str] | None = None) -> str:
    """Return a line without characters that do not belong in a sentence, and without outer spaces.

    Carriage returns at the end, byte order marks and control characters are removed. Other carriage
    returns, tabs and Unicode line separators become a space. Lone surrogates, which JSON can
    contain, become U+FFFD. Unicode normalization is left to the tokenizer. `repaired` counts lines
    by kind of repair.
    """
    if not line.isprintable():
        for kind, pattern, replacement in _REPAIRS:
            line, found = pattern.subn(replacement, line)
            if found and repaired is not None:
                repaired[kind] += 1
    return line.strip()


def decode_line(raw: bytes, path: Path | str, number: int) -> str:
    """Decode line `number` (from 1). Raises DataError with the first byte that is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number}: not valid UTF-8 at byte {error.start + 1} of the line "
            f"(0x{raw[error.start]:02x})",
            "convert the file to UTF-8, or drop such pairs with --set data.bad_utf8=skip",
        ) from error


def escape(text: str, keep: str = "") -> str:
    r"""Return text for a message, with unprintable characters as escapes such as \x1b or \u2028.

    The characters in `keep` are not changed.
    """
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )


def escape_controls(text: str) -> str:
    r"""Return a sentence with control characters as escapes such as \x1b.

    Other unprintable characters, such as no-break spaces and joiners, belong to the sentence and
    are not changed.
    """
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def replace_unprintable(text: str) -> str:
    """Return a label of the same length, with U+FFFD for each unprintable character."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def shorten(text: str, limit: int = 80) -> str:
    """Return text for a message, cut in the middle to `limit` characters and then escaped.

    The end of a path is kept, because it is the most informative part.
    """
    if len(text) > limit:
        half = (limit - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    return escape(text)


def to_json(value: Any) -> str:
    """Return a value as JSON on one line that is safe on a terminal and is also YAML 1.2.

    Control characters, line separators and characters that are invalid in YAML are escaped; other
    non-ASCII characters are not.
    """
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
