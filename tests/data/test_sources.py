"""Readers: every kind of source gives the same pairs; every fault has its outcome."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from nmt import phrasebook
from nmt.config import BuiltinCorpus, DataSource, HubDataset, PairFile, TextFiles
from nmt.data.sources import Counts, Pair, content_key, read_pairs
from nmt.errors import DataError
from nmt.phrasebook import Example
from nmt.text import clean_line

FUZZ_CASES = int(os.environ.get("NMT_FUZZ", "500"))
PAIRS = [("A dog.", "Ein Hund."), ('He said "no", twice', "NA"), ("null", "12"), ("été", "夏 🎉")]

Make = Callable[[str, bytes], str]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return str(path)

    return write


class Reading:
    """What came of reading: pairs, repairs, dropped places."""

    def __init__(self, source: DataSource, split: Any = "train", bad_utf8: Any = "error") -> None:
        self.repaired: Counter[str] = Counter()
        self.dropped: list[str] = []
        counts = Counts(self.repaired, lambda reason, place: self.dropped.append(place))
        self.pairs = list(read_pairs([source], split, bad_utf8=bad_utf8, counts=counts))

    @property
    def texts(self) -> list[tuple[str, str]]:
        return [(pair.source, pair.target) for pair in self.pairs]


def refusal(source: DataSource, **how: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        Reading(source, **how)
    assert caught.value.exit_code == 4
    assert "\n" not in caught.value.message
    return caught.value


def text_files(make: Make, source: bytes, target: bytes, suffix: str = "") -> TextFiles:
    return TextFiles(source=make(f"a.en{suffix}", source), target=make(f"a.de{suffix}", target))


def joined(side: int, end: str = "\n") -> bytes:
    return "".join(pair[side] + end for pair in PAIRS).encode()


def test_every_kind_gives_the_same_pairs(make: Make, tmp_path: Path) -> None:
    table = pa.table({"en": [s for s, _ in PAIRS], "de": [t for _, t in PAIRS]})
    nested = pa.table({"translation": [{"en": s, "de": t} for s, t in PAIRS]})
    parquet.write_table(table, tmp_path / "a.parquet")
    parquet.write_table(nested, tmp_path / "nested.parquet")
    buffer = io.StringIO()
    csv.writer(buffer).writerows(
        [("id", "de", "en"), *((i, t, s) for i, (s, t) in enumerate(PAIRS))]
    )
    records = [json.dumps({"en": s, "x": 1, "nested": {"de": t}}) for s, t in PAIRS]
    tsv = "".join(f"{s}\t{t}\n" for s, t in PAIRS).encode()
    swapped = "".join(f"{t}\t{s}\n" for s, t in PAIRS).encode()
    dotted = PairFile(
        file=str(tmp_path / "nested.parquet"),
        source_column="translation.en",
        target_column="translation.de",
    )
    sources: list[DataSource] = [
        text_files(make, joined(0), joined(1)),
        text_files(make, joined(0), joined(1), ".gz"),
        PairFile(file=make("a.tsv", tsv)),
        PairFile(file=make("b.tsv.gz", tsv)),
        PairFile(file=make("c.tsv", b"de\ten\n" + swapped),
                 source_column="en", target_column="de"),
        PairFile(file=make("a.csv", buffer.getvalue().encode()),
                 source_column="en", target_column="de"),
        PairFile(file=make("a.jsonl", "\n".join(records).encode()),
                 source_column="en", target_column="nested.de"),
        PairFile(file=str(tmp_path / "a.parquet"), source_column="en", target_column="de"),
        dotted,
    ]  # fmt: skip
    for source in sources:
        assert Reading(source).texts == PAIRS, source
    together = list(read_pairs(sources[:2], "train"))
    assert [(p.source, p.target) for p in together] == PAIRS * 2
    assert [pair.line for pair in together] == [1, 2, 3, 4] * 2


def test_builtin(monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(split: str) -> Iterator[Example]:
        yield Example(f"{split} a.", "b.", ())

    monkeypatch.setattr("nmt.phrasebook.generate", generate)
    source = BuiltinCorpus(builtin="phrasebook")
    assert list(read_pairs([source], "test")) == [Pair("test a.", "b.", "phrasebook", 1)]
    named = BuiltinCorpus(builtin="phrasebook", split="valid")
    assert [pair.source for pair in read_pairs([named], "test")] == ["valid a."]
    assert content_key([source], "test") != content_key([named], "test")
    # A corpus that other code generates is another corpus.
    code = list(Path(phrasebook.__file__).parent.rglob("*.py"))
    assert len(content_key([source], "test")[0]["sha256"]) == len(code) > 10


# --- Bytes and lines ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected", "repairs"),
    [
        (b"a\r\nb\r\n", ["a", "b"], {"CRLF line ends": 2}),
        (b"a\rx\nb", ["a x", "b"], {"carriage returns": 1}),
        (b"\xef\xbb\xbfa\nb\xef\xbb\xbfc\n", ["a", "bc"], {"byte order marks": 2}),
        ("a\u2028x\u2029\nb\x85\x0b\x0cy\n".encode(), ["a x", "b   y"], {"line separators": 2}),
        (b"a\0b\x07\nc\x7f\n", ["ab", "c"], {"control characters": 2}),
        (b"a\tb\n\t\n", ["a b", ""], {"tabs": 2}),
        (b" a \n\xc2\xa0\xe3\x80\x80\n", ["a", ""], {}),
        ("\u05d0\u200f \u200d👩‍👩‍👧 e\u0301\nı ß\n".encode(),
         ["\u05d0\u200f \u200d👩‍👩‍👧 e\u0301", "ı ß"], {}),
    ],
)  # fmt: skip
def test_repairs(make: Make, source: bytes, expected: list[str], repairs: dict[str, int]) -> None:
    reading = Reading(text_files(make, source, b"1\n2\n"))
    assert reading.texts == list(zip(expected, "12", strict=True))
    assert reading.repaired == repairs
    assert [pair.line for pair in reading.pairs] == [1, 2]


def test_lines_are_those_of_wc(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.data.sources.lines._BLOCK", 5)  # lines across the ends of blocks
    for content in (
        b"",
        b"\n",
        b"a",
        b"a\n",
        b"a\n\n",
        b"\n\nlong line over blocks\nb",
        "ä€🎉\nß".encode(),
    ):
        expected = content.decode().removesuffix("\n").split("\n") if content else []
        reading = Reading(text_files(make, content, content))
        assert reading.texts == [(line, line) for line in expected]


@pytest.mark.parametrize(("left", "right"), [(3, 2), (2, 3), (0, 1), (5, 0)])
def test_unequal_line_counts(make: Make, left: int, right: int) -> None:
    error = refusal(text_files(make, b"x\n" * left, b"y\n" * right))
    assert f"a.en has {left} lines" in error.message
    assert f"a.de has {right}" in error.message


def test_invalid_utf8(make: Make) -> None:
    source = text_files(make, b"a\nb \xff c\nd\n", b"1\n2\n3\n")
    error = refusal(source)
    assert "a.en:2" in error.message
    assert "byte 3" in error.message
    skipping = Reading(source, bad_utf8="skip")
    assert skipping.texts == [("a", "1"), ("d", "3")]
    assert [place.rpartition("/")[2] for place in skipping.dropped] == ["a.en:2"]
    # A held-out line keeps its number.
    valid = Reading(source, "valid", "skip")
    assert valid.texts == [("a", "1"), ("b \ufffd c", "2"), ("d", "3")]
    assert valid.repaired == {"invalid UTF-8": 1}


def test_lone_surrogates_from_json(make: Make) -> None:
    line = b'{"en": "a \\ud800 b", "de": "\\ud83c\\udf89"}'
    source = PairFile(file=make("a.jsonl", line), source_column="en", target_column="de")
    reading = Reading(source)
    assert reading.texts == [("a \ufffd b", "🎉")]
    assert reading.repaired == {"lone surrogates": 1}


def test_gzip(make: Make, tmp_path: Path) -> None:
    whole = gzip.compress(b"a\nb\n" * 1000)
    target = make("t", b"1\n2\n" * 1000)

    def source(name: str, content: bytes) -> TextFiles:
        (tmp_path / name).write_bytes(content)
        return TextFiles(source=str(tmp_path / name), target=target)

    halves = gzip.compress(b"a\nb\n" * 500)
    assert len(Reading(source("multi.gz", halves + halves)).pairs) == 2000
    error = refusal(source("cut.gz", whole[:-9]))
    assert "cut.gz is truncated" in error.message
    assert str(len(whole) - 9) in error.message
    assert "garbage.gz is damaged" in refusal(source("garbage.gz", whole + b"xyz")).message
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 16
    assert "flipped.gz" in refusal(source("flipped.gz", bytes(flipped))).message
    assert "plain.gz is damaged" in refusal(source("plain.gz", b"a\n" * 9)).message
    empty = TextFiles(source=make("e.gz", b""), target=make("e", b""))
    assert Reading(empty).pairs == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("a\n".encode("utf-16"), "UTF-16"),
        (gzip.compress(b"a"), "gzip"),
        (b"\x28\xb5\x2f\xfd123", "zstd"),
        (b"PK\x03\x04...", "zip"),
        (b"PAR1....", "Parquet"),
    ],
)
def test_what_is_no_text_is_named(make: Make, content: bytes, kind: str) -> None:
    assert kind in refusal(text_files(make, content, b"x\n")).message


def test_what_is_no_file(make: Make, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name, words in {
        "missing": "No such file",
        "": "not a regular file",
        "fifo": "not a regular file",
        "dangling": "No such file",
        "a\0b": "null",
    }.items():
        source = TextFiles(source=str(tmp_path / name), target=make("t", b"x\n"))
        assert words in refusal(source).message
    url = TextFiles(source="https://example.org/train.en", target=make("t", b"x\n"))
    assert "URL" in refusal(url).message
    unknown = PairFile(file=make("a.txt", b""))
    assert ".tsv" in refusal(unknown).message


def test_an_endless_line_is_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.data.sources.lines.LONGEST_LINE", 3 << 20)
    source = text_files(make, b"a\n" + b"x" * (5 << 20), b"1\n2\n")
    assert "a.en:2" in refusal(source).message


def test_a_line_of_a_megabyte_is_a_line(make: Make) -> None:
    long = "wort " * 200_000
    reading = Reading(text_files(make, f"a\n{long}\nb\n".encode(), b"1\n2\n3\n"))
    assert reading.texts == [("a", "1"), (long.strip(), "2"), ("b", "3")]


# --- Tables ---------------------------------------------------------------------------------


def test_tsv_has_no_quoting(make: Make) -> None:
    content = b'"a\tb"\n""\t"x""y"\n\nNA\tnull\n'
    reading = Reading(PairFile(file=make("a.tsv", content)))
    assert reading.texts == [('"a', 'b"'), ('""', '"x""y"'), ("", ""), ("NA", "null")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", b"a\tb\nc\td\te\n", "a.tsv:2: 3 columns where the first line has 2"),
        ("a.tsv", b"a\tb\n\nc\n", "a.tsv:3: 1 columns"),
        ("a.tsv", b"a\n", "a.tsv:1: no column 2"),
        ("a.csv", b"a,b\n'c,d',e\n", "a.csv:2: 3 columns"),
        ("a.csv", b'a,b\nc,"d" e\nx,y\n', "a.csv:2: not CSV"),
        ("a.csv", b'a,b\n\nc,"d\nx,y\n', "a.csv:3: not CSV"),
    ],
)
def test_broken_tables(make: Make, name: str, content: bytes, message: str) -> None:
    assert message in refusal(PairFile(file=make(name, content))).message


def test_columns_by_name(make: Make) -> None:
    bom = "\ufeff".encode()
    content = bom + b"en, de ,x\r\na,b,1\r\n"
    source = PairFile(file=make("a.csv", content), source_column="en", target_column="de")
    assert Reading(source).texts == [("a", "b")]
    missing = PairFile(file=source.file, source_column="en", target_column="fr")
    error = refusal(missing)
    assert "'fr'" in error.message
    assert "en, de, x" in error.message


def test_csv_fields_keep_their_lines(make: Make) -> None:
    content = b'"a, ""b""\r\nc",1\r\nd\re,2\r\n'
    reading = Reading(PairFile(file=make("a.csv", content)))
    assert reading.texts == [('a, "b" c', "1"), ("d e", "2")]
    assert [pair.line for pair in reading.pairs] == [1, 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{'en': 1}", "a.jsonl:2: not JSON"),
        (b'{"en": "x"}', "no column 'de' (keys: en)"),
        (b'{"en": "x", "de": 5}', "column 'de' is int, not text"),
        (b'{"en": "x", "de": ["y"]}', "column 'de' is list, not text"),
        (b'["x", "y"]', "no column 'en'"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_broken_json(make: Make, line: bytes, message: str) -> None:
    content = b'{"en": "a", "de": null}\n' + line
    source = PairFile(file=make("a.jsonl", content), source_column="en", target_column="de")
    error = refusal(source)
    assert message in error.message
    assert "a.jsonl:2" in error.message


def test_json_null_and_empty_lines(make: Make) -> None:
    content = b'{"en": "a", "de": null}\n\n{"en": "b", "de": "c", "x.y": "z"}\n'
    source = PairFile(file=make("a.jsonl", content), source_column="en", target_column="de")
    assert Reading(source).texts == [("a", ""), ("", ""), ("b", "c")]


def test_broken_parquet(make: Make, tmp_path: Path) -> None:
    table = pa.table({"en": ["a", None], "de": ["b", "c"], "n": [1, 2]})
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path)

    def source(source_column: Any, target_column: Any) -> PairFile:
        return PairFile(file=str(path), source_column=source_column, target_column=target_column)

    assert Reading(source("en", "de")).texts == [("a", "b"), ("", "c")]
    assert "columns: en, de, n" in refusal(source("en", "fr")).message
    assert "int64, not text" in refusal(source("en", "n")).message
    assert "names, not numbers" in refusal(source(1, 2)).message
    path.write_bytes(path.read_bytes()[:-30])
    assert "not a whole Parquet file" in refusal(source("en", "de")).message


def test_hub_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    folder = tmp_path / "set"
    folder.mkdir()
    nested = pa.table({"translation": [{"en": s, "de": t} for s, t in [*PAIRS, ("x", None)]]})
    parquet.write_table(nested, folder / "train.parquet")

    def source(target: str = "translation.de", **how: Any) -> HubDataset:
        hub = how.pop("hub", str(folder))
        return HubDataset(hub=hub, source_column="translation.en", target_column=target, **how)

    assert Reading(source()).texts == [*PAIRS, ("x", "")]
    assert content_key([source()], "train") == content_key([source()], "train")
    assert "translation" in refusal(source("de")).message
    assert "split nowhere" in refusal(source(split="nowhere")).message
    assert "nobody/nothing" in refusal(source(hub="nobody/nothing")).message


# --- Fuzz -----------------------------------------------------------------------------------

CHARACTERS = st.sampled_from(
    "ab \t\r\x00\x0b\x0c\x1c\x85\u2028\ufeff\u200d\",'{}\\ä日🎉\u0301"
) | st.characters(codec="utf-8", exclude_characters="\n")
TEXTS = st.lists(
    st.tuples(st.text(CHARACTERS, max_size=12), st.text(CHARACTERS, max_size=12)), max_size=8
)


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("fuzz")


@settings(max_examples=FUZZ_CASES)
@given(texts=TEXTS, zipped=st.booleans(), block=st.integers(1, 20))
def test_fuzz_text(fuzz: Path, texts: list[tuple[str, str]], zipped: bool, block: int) -> None:
    """Whatever stands in a line, line N stays line N, and the text is what clean_line makes."""
    names = []
    for side in (0, 1):
        content = "".join(f"{pair[side]}\n" for pair in texts).encode()
        path = fuzz / f"side{side}{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(content, 1) if zipped else content)
        names.append(str(path))
    source = TextFiles(source=names[0], target=names[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmt.data.sources.lines._BLOCK", block)
        try:
            found = Reading(source)
        except DataError as error:  # a text that happens to begin like another format
            assert not zipped or "is " in error.message
            return
    assert found.texts == [(clean_line(s), clean_line(t)) for s, t in texts]
    assert [pair.line for pair in found.pairs] == list(range(1, len(texts) + 1))


@settings(max_examples=FUZZ_CASES)
@given(texts=TEXTS)
def test_fuzz_csv_and_json(fuzz: Path, texts: list[tuple[str, str]]) -> None:
    """What other programs write as CSV and JSON is read back."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows(texts)
    (fuzz / "f.csv").write_bytes(buffer.getvalue().encode())
    lines = "\n".join(json.dumps({"s": s, "t": t}, ensure_ascii=False) for s, t in texts)
    (fuzz / "f.jsonl").write_bytes(lines.encode())
    expected = [(clean_line(s), clean_line(t)) for s, t in texts]
    found = Reading(PairFile(file=str(fuzz / "f.csv")))
    assert [tuple(map(_spaces, pair)) for pair in found.texts] == [
        tuple(map(_spaces, pair)) for pair in expected
    ]
    source = PairFile(file=str(fuzz / "f.jsonl"), source_column="s", target_column="t")
    assert Reading(source).texts == expected


def _spaces(text: str) -> str:
    """Carriage returns at the end of a quoted CSV field may be repaired to spaces or dropped."""
    return " ".join(text.split())


SIGNS = [
    b"a",
    b"\t",
    b",",
    b'"',
    b"\n",
    b"{",
    b"}",
    b":",
    b"\\",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\0",
]


@settings(max_examples=FUZZ_CASES)
@given(
    content=st.binary(max_size=60) | st.lists(st.sampled_from(SIGNS), max_size=30).map(b"".join),
    suffix=st.sampled_from(["tsv", "csv", "jsonl", "parquet", "tsv.gz"]),
    split=st.sampled_from(["train", "valid"]),
    bad_utf8=st.sampled_from(["error", "skip"]),
)
def test_fuzz_bytes(fuzz: Path, content: bytes, suffix: str, split: str, bad_utf8: str) -> None:
    """Any bytes give clean pairs or a DataError that names the file."""
    path = fuzz / f"bytes.{suffix}"
    path.write_bytes(content)
    named = suffix in ("jsonl", "parquet")
    columns = {"source_column": "a", "target_column": "b"} if named else {}
    try:
        pairs = Reading(PairFile(file=str(path), **columns), split, bad_utf8).pairs
    except DataError as error:
        assert path.name in error.message
        return
    for pair in pairs:
        assert isinstance(pair, Pair)
        for text in pair[:2]:
            assert clean_line(text) == text
            text.encode()
