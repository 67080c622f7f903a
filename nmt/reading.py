"""Reading of text files: UTF-8, plain or compressed with gzip, xz or zstd."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, TypeVar

from nmt.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedIOBase

    T = TypeVar("T")

COMPRESSED = {".gz": "gzip", ".xz": "xz", ".zst": "zstd"}
"""Suffixes of compressed files, in lower case, and their formats."""

LONGEST_LINE = 1 << 24
"""Maximum length of a line in bytes for `read_lines`."""

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_FORMATS = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"P*M\x18", "zstd"),  # pzstd starts files with a skippable frame.
)
_FOREIGN = (
    *((signature, f"compressed twice ({name})") for signature, name in _FORMATS),
    (b"BZh91AY&SY", "compressed with bzip2"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"PAR1", "a Parquet file (its name must end in .parquet)"),
    (b"ARROW1\0\0", "an Arrow file"),
    (b"%PDF-", "a PDF document"),
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_CARRIAGE_RETURN = re.compile(rb"\r[^\r]")


def name_of(path: Path | str | None) -> str:
    """Return the name of an input for messages."""
    return "standard input" if path is None or str(path) == "-" else str(path)


@contextmanager
def open_input(path: Path | str | None) -> Iterator[BinaryIO]:
    """Open a file, or standard input for None and `-`. Raises DataError if it cannot be read."""
    name = name_of(path)
    if path is None or str(path) == "-":
        yield sys.stdin.buffer
        return
    if re.match(r"\w+:/", name):
        raise DataError(f"{name} is a URL", "download it and give the path of the file")
    try:
        # Path.expanduser raises an error for a name such as ~x.txt.
        file = Path(os.path.expanduser(path)).open("rb")  # noqa: PTH111, SIM115
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror}") from error
    except ValueError as error:  # The path contains a NUL.
        raise DataError(f"cannot read {name!r}: {error}") from error
    with file:
        yield file


def read_blocks(file: BinaryIO, name: str, size: int = _BLOCK) -> Iterator[bytes]:
    """Yield the content, decompressed and without a byte order mark, as soon as it arrives.

    size: maximum bytes per block. Raises DataError if the file is damaged or not UTF-8 text.
    """
    import zlib
    from lzma import LZMAError

    seen, has_newline, has_return = 0, False, False
    try:
        content = _decompressed(file, name)
        while block := content.read1(size):
            if not seen:
                _check_format(block, name)
            if not has_newline:
                has_newline = b"\n" in block
                has_return = has_return or bool(_CARRIAGE_RETURN.search(block))
                if has_return and not has_newline and seen >= 1 << 16:
                    break
            seen += len(block)
            yield block.removeprefix(_BOM) if seen == len(block) else block
    except (EOFError, zlib.error, LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"cannot read {name}: {error.strerror}") from error
        raise DataError(
            f"cannot decompress {name}: {error}", "download or compress the file again"
        ) from error
    if has_return and not has_newline:
        raise DataError(
            f"{name} has carriage returns (CR) as line ends instead of newlines (LF)",
            f"convert it: tr '\\r' '\\n' < {name} > NEW",
        )


def read_lines(
    file: BinaryIO, name: str, invalid: Callable[[bytes, DataError], T]
) -> Iterator[str | T]:
    """Yield the lines without \\n, including a last line without a line end.

    `invalid` receives a line that is not UTF-8 and the error that describes it, and returns a
    replacement or raises. Raises DataError for a line of more than LONGEST_LINE bytes.
    """
    number = 0
    rest = b""
    for block in read_blocks(file, name, _BLOCK):
        body, newline, tail = block.rpartition(b"\n")
        if not newline:
            rest += block
            if len(rest) > LONGEST_LINE:
                raise DataError(
                    f"{name}:{number + 1}: line is longer than 16 MB", "write one sentence per line"
                )
            continue
        lines = _decoded(rest + body, name, number, invalid)
        rest = tail
        number += len(lines)
        yield from lines
    if rest:
        yield from _decoded(rest, name, number, invalid)


def reject(line: bytes, error: DataError) -> NoReturn:
    raise error


def _decompressed(file: BinaryIO, name: str) -> BufferedIOBase:
    """Return the file, decompressed if its first bytes are a known signature."""
    head = file.peek(8)  # type: ignore[attr-defined]
    found = next((kind for signature, kind in _FORMATS if head.startswith(signature)), None)
    promised = COMPRESSED.get(Path(name).suffix.lower())
    if promised and found != promised:
        raise DataError(
            f"{name} is not a {promised} file", "download it again, or give it another name"
        )
    if found == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=file)
    if found == "xz":
        import lzma

        return lzma.LZMAFile(file)
    if found == "zstd":
        import pyarrow

        return pyarrow.CompressedInputStream(file, "zstd")  # type: ignore[no-any-return]
    return file  # type: ignore[return-value]


def _check_format(block: bytes, name: str) -> None:
    """Raise DataError if the first block of a file is not UTF-8 text."""
    kind = next((kind for signature, kind in _FOREIGN if block.startswith(signature)), None)
    if block[257:262] == b"ustar":
        kind = "a tar archive"
    elif kind is None and len(block) > 8 and 4 * block.count(0) > len(block):
        kind = "UTF-16, UTF-32 or binary data"
    if kind:
        raise DataError(
            f"{name} is {kind}, not UTF-8 text",
            "give UTF-8 text, plain or compressed with gzip, xz or zstd",
        )


def _decoded(
    body: bytes, name: str, before: int, invalid: Callable[[bytes, DataError], T]
) -> list[str | T]:
    """Return the lines of `body`, which follow `before` lines of the file."""
    try:
        return body.decode().split("\n")  # type: ignore[return-value]
    except UnicodeDecodeError:
        pass
    lines: list[str | T] = []
    for number, raw in enumerate(body.split(b"\n"), before + 1):
        try:
            lines.append(raw.decode())
        except UnicodeDecodeError as error:
            found = DataError(
                f"{name}:{number}: not valid UTF-8 at byte {error.start + 1} of the line "
                f"(0x{raw[error.start]:02x})",
                "convert the file to UTF-8",
            )
            lines.append(invalid(raw, found))
    return lines
