"""Reading files as lines: this reader splits files of every kind at \\n only."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from nmt.errors import DataError
from nmt.text import decode_line

BAD_UTF8 = "invalid UTF-8"
BadUtf8 = Literal["error", "drop", "replace"]
"""Result of a line that is not UTF-8: an error, None, or U+FFFD for the wrong bytes."""

LONGEST_LINE = 1 << 24
"""Maximum length of a line in bytes; a longer line is an error."""

_BLOCK = 1 << 20
_SIGNATURES = (
    (b"\x1f\x8b", "gzip-compressed (its name must end in .gz)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a Parquet file (its name must end in .parquet)"),
    (b"\xff\xfe", "UTF-16, not UTF-8"),
    (b"\xfe\xff", "UTF-16, not UTF-8"),
)
_BOM = b"\xef\xbb\xbf"


def open_regular(path: str) -> io.BufferedReader:
    """Open a regular file for reading. Raises DataError."""
    if "://" in path:
        raise DataError(f"{path} is a URL", "download it and give the path of the file")
    try:
        if not stat.S_ISREG(Path(path).expanduser().stat().st_mode):
            raise DataError(f"{path} is not a regular file")
        return Path(path).expanduser().open("rb")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # The path contains a NUL.
        raise DataError(f"cannot read {path!r}: {error}") from error


def sha256(path: str) -> str:
    """Return the SHA-256 of a regular file, in hexadecimal. Raises DataError."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _blocks(path: str) -> Iterator[bytes]:
    """Yield the content of a plain or .gz file in blocks. Raises DataError."""
    with open_regular(path) as raw:
        file: BinaryIO = raw
        if path.endswith(".gz"):
            file = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]
        try:
            first = True
            while block := file.read(_BLOCK):
                if first:
                    for signature, kind in _SIGNATURES:
                        if block.startswith(signature):
                            raise DataError(f"{path} is {kind}", "give UTF-8 text, plain or .gz")
                    first = False
                yield block
        except EOFError as error:
            raise DataError(
                f"{path} is truncated: the gzip stream ends at byte {raw.tell()}",
                "download or compress it again",
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is damaged near byte {raw.tell()}: {error}") from error
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error


def read_lines(path: str, bad_utf8: BadUtf8, repaired: Counter[str]) -> Iterator[str | None]:
    """Yield the lines of a file without \\n, including a last line without a line end."""
    number = 0
    rest = b""
    for block in _blocks(path):
        if number == 0 and not rest and block.startswith(_BOM):
            block = block[len(_BOM) :]
            repaired["byte order marks"] += 1
        body, newline, tail = block.rpartition(b"\n")
        if not newline:
            rest += block
            if len(rest) > LONGEST_LINE:
                raise DataError(
                    f"{path}:{number + 1}: line is longer than 16 MB", "write one sentence per line"
                )
            continue
        body = rest + body
        rest = tail
        lines = _decoded(body, path, number, bad_utf8, repaired)
        number += len(lines)
        yield from lines
    if rest:
        yield from _decoded(rest, path, number, bad_utf8, repaired)


def _decoded(
    body: bytes, path: str, before: int, bad_utf8: BadUtf8, repaired: Counter[str]
) -> list[str] | list[str | None]:
    """Return the lines of `body`, which follow `before` lines of the file."""
    try:
        return body.decode().split("\n")
    except UnicodeDecodeError:
        pass
    lines: list[str | None] = []
    for number, raw in enumerate(body.split(b"\n"), before + 1):
        try:
            lines.append(decode_line(raw, path, number))
        except DataError:
            if bad_utf8 == "error":
                raise
            if bad_utf8 == "drop":
                lines.append(None)
            else:
                repaired[BAD_UTF8] += 1
                lines.append(raw.decode(errors="replace"))
    return lines
