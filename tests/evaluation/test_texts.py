"""Reading the text files of `nmt evaluate`."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from nmt.errors import DataError
from nmt.evaluation import texts
from nmt.evaluation.texts import check_parallel, read_lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb \n", ["a", "b"]),
        ("a\u2028b\x0bc\x85d\n".encode(), ["a\u2028b\x0bc\x85d"]),
    ],
)
def test_lines_end_at_newlines_only(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    plain, packed = tmp_path / "a.txt", tmp_path / "a.txt.gz"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    assert read_lines(plain) == read_lines(packed) == lines


def test_invalid_utf8_raises_data_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"fine\nbad \xff\n")
    with pytest.raises(DataError, match=r"a:2: not valid UTF-8 at byte 5 of the line"):
        read_lines(path)


def test_file_above_the_size_limit_raises_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "MAX_BYTES", 1 << 20)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"line\n" * (1 << 20)))
    with pytest.raises(DataError, match=r"bomb\.gz holds more than 1 MiB"):
        read_lines(path)


def test_missing_file_or_folder_raises_data_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="cannot read"):
            read_lines(path)


def test_check_parallel_names_unequal_counts() -> None:
    check_parallel([("a", ["x"]), ("b", ["y"])])
    with pytest.raises(DataError, match="a has 1 line, b has 2"):
        check_parallel([("a", ["x"]), ("b", ["y", "z"])])
    with pytest.raises(DataError, match="a has no lines"):
        check_parallel([("a", []), ("b", [])])
