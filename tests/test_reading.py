"""The reader of all commands: decompression, encodings, lines, and errors that name the format."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from nmt import reading
from nmt.errors import DataError
from nmt.reading import open_input, read_blocks, read_lines, reject

TEXT = "".join(f"Zeile {number} ist schön. 🎉\n" for number in range(3000)).encode()


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content).to_pybytes()
    return packed


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


def lines_of(path: Path | str) -> list[str]:
    with open_input(path) as file:
        return list(read_lines(file, reading.name_of(path), reject))


def error_of(path: Path | str) -> DataError:
    with pytest.raises(DataError) as caught:
        lines_of(path)
    assert caught.value.exit_code == 4
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_file_has_the_lines_of_the_plain_file(tmp_path: Path, suffix: str) -> None:
    compress = COMPRESS[suffix]
    half = len(TEXT) // 2
    contents = {
        f"a{suffix}": compress(TEXT),
        f"A{suffix.upper()}": compress(TEXT),
        "misnamed.txt": compress(TEXT),
        f"bom{suffix}": compress(b"\xef\xbb\xbf" + TEXT),
        f"parts{suffix}": compress(TEXT[:half]) + compress(TEXT[half:]),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert lines_of(tmp_path / name) == TEXT.decode().splitlines(), name


@pytest.mark.parametrize("suffix", COMPRESS)
def test_damaged_compressed_file_raises_data_error(tmp_path: Path, suffix: str) -> None:
    packed = COMPRESS[suffix](TEXT)
    path = tmp_path / f"a{suffix}"
    for content in (packed[:-1], packed[:-9], packed[: len(packed) // 2], packed + packed[:20]):
        path.write_bytes(content)
        assert f"cannot decompress {path}" in error_of(path).message, len(content)
    middle = len(packed) // 2
    path.write_bytes(packed[:middle] + bytes(64) + packed[middle + 64 :])
    assert str(path) in error_of(path).message
    for content in (b"", b"plain text\n", COMPRESS[".gz" if suffix == ".xz" else ".xz"](TEXT)):
        path.write_bytes(content)
        assert f"is not a {reading.COMPRESSED[suffix]} file" in error_of(path).message


def tar_file() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a.txt"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("ä\n".encode("utf-16"), "UTF-16"),
        ("ä\n".encode("utf-32"), "UTF-32"),
        (b"\xfe\xff" + "ä\n".encode("utf-16-be"), "UTF-16"),
        (b"\0\0\xfe\xff" + "ä\n".encode("utf-32-be"), "UTF-32"),
        ("A dog runs.\n".encode("utf-16-le"), "UTF-16, UTF-32 or binary data"),
        ("A dog runs.\n".encode("utf-32-be"), "UTF-16, UTF-32 or binary data"),
        (b"BZh91AY&SY...", "bzip2"),
        (b"PK\x03\x04...", "a zip archive"),
        (b"PAR1....", "Parquet"),
        (b"%PDF-1.7\n", "a PDF document"),
        (gzip.compress(gzip.compress(b"a\n", mtime=0), mtime=0), "compressed twice"),
        (gzip.compress(tar_file(), mtime=0), "a tar archive"),
        (gzip.compress("ä\n".encode("utf-16"), mtime=0), "UTF-16"),
    ],
)
def test_error_names_the_format_of_a_foreign_file(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert kind in error_of(path).message


def test_file_with_only_carriage_returns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"one\rtwo\rthree\r", b"one\rtwo", b"one two three\r" * 100_000):
        path.write_bytes(content)
        assert "carriage returns (CR) as line ends" in error_of(path).message
    for content, lines in (
        (b"one\rtwo\n", ["one\rtwo"]),
        (b"one\r\n\rtwo\r\n", ["one\r", "\rtwo\r"]),
        (b"one\r\r", ["one\r\r"]),
    ):
        path.write_bytes(content)
        assert lines_of(path) == lines


def test_lines_end_only_at_newlines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BLOCK", 5)  # Lines span several blocks.
    path = tmp_path / "a"
    for content in (
        b"",
        b"\n",
        b"a",
        b"a\n",
        b"a\n\n",
        b"\n\nlong line over blocks\nb",
        "ä€🎉\x0b\u2028\x85\nß".encode(),
    ):
        path.write_bytes(content)
        expected = content.decode().removesuffix("\n").split("\n") if content else []
        assert lines_of(path) == expected


def test_too_long_line_raises_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST_LINE", 3 << 20)
    path = tmp_path / "a.en"
    path.write_bytes(b"a\n" + b"x" * (5 << 20))
    assert "a.en:2: line is longer" in error_of(path).message


def test_file_that_cannot_be_read_raises_data_error(tmp_path: Path) -> None:
    for path, words in {
        tmp_path: "Is a directory",
        tmp_path / "none": "No such file",
        tmp_path / "a\0b": "null",
        Path("~nobody.txt"): "No such file",
        Path("https://example.org/a.en"): "is a URL",
    }.items():
        assert words in error_of(path).message


def test_blocks_of_a_pipe_come_as_they_arrive() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as file:
        blocks = read_blocks(file, "pipe")
        for content in (b"a\xc3", b"\xa4\nb"):
            os.write(writer, content)
            assert next(blocks) == content
        os.close(writer)
        assert list(blocks) == []


def test_compressed_pipe_is_decompressed() -> None:
    reader, writer = os.pipe()

    def feed() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(gzip.compress(TEXT))

    threading.Thread(target=feed).start()
    with os.fdopen(reader, "rb") as file:
        assert b"".join(read_blocks(file, "pipe")) == TEXT


def test_dash_is_standard_input() -> None:
    program = "from nmt.evaluation.texts import read_lines; print(read_lines('-'))"
    done = subprocess.run([sys.executable, "-c", program], input=zstd(b"a\nb\n"),
                          capture_output=True, check=True)  # fmt: skip
    assert done.stdout == b"['a', 'b']\n"
