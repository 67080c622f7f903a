"""Lines of text: from bytes to clean strings, by the same rules in training and translation."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from nmt.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

# str.splitlines() would split at each of these but \n; in a corpus they are only odd spaces.
_LINE_SEPARATORS = "\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_REPAIRS = (
    ("CRLF line ends", re.compile(r"\r+\Z"), ""),
    ("carriage returns", re.compile(r"\r"), " "),
    ("line separators", re.compile(f"[{_LINE_SEPARATORS}]"), " "),
    ("tabs", re.compile(r"\t"), " "),
    ("byte order marks", re.compile("\ufeff"), ""),
    ("control characters", re.compile(r"[\x00-\x1f\x7f-\x9f]"), ""),
    ("lone surrogates", re.compile("[\ud800-\udfff]"), "\ufffd"),
)


def clean_line(line: str, repaired: Counter[str] | None = None) -> str:
    """The text of a line without what no sentence holds; spaces around it are stripped.

    Removed: carriage returns at the end, byte order marks, control characters. Made a space: other
    carriage returns, tabs, every Unicode line separator (a line stays one line). Lone surrogates
    (not text; JSON can hold them) become U+FFFD. Nothing else changes: Unicode normalization is
    the tokenizer's. `repaired` counts lines by kind of repair.
    """
    if not line.isprintable():
        for kind, pattern, replacement in _REPAIRS:
            line, found = pattern.subn(replacement, line)
            if found and repaired is not None:
                repaired[kind] += 1
    return line.strip()


def decode_line(raw: bytes, path: Path | str, number: int) -> str:
    """The text of line `number` (from 1) of a file. Raises DataError naming the byte (from 1)
    of the line that is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number}: not valid UTF-8 at byte {error.start + 1} of the line "
            f"(0x{raw[error.start]:02x})",
            "convert the file to UTF-8, or drop such pairs with --set data.bad_utf8=skip",
        ) from error
