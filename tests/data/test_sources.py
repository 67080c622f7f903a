"""Readers: every kind of source gives the same pairs; malformed input raises a clear error."""

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
from nmt.config.data import Cleaning, Part
from nmt.data.sources import Counts, Pair, content_key, read_pairs
from nmt.errors import DataError
from nmt.phrasebook import Example
from nmt.text import clean_line, clean_source

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


def parts(*sources: DataSource, **options: Any) -> list[Part]:
    return [Part(source, Cleaning(**options), None, None) for source in sources]


class Reading:
    """The result of reading a source: pairs, counts of repairs, locations of dropped lines."""

    def __init__(self, source: DataSource, split: Any = "train", **options: Any) -> None:
        self.repaired: Counter[str] = Counter()
        self.dropped: list[str] = []
        counts = Counts(self.repaired, lambda reason, place, texts: self.dropped.append(place))
        self.pairs = list(read_pairs(parts(source, **options), split, counts))

    @property
    def texts(self) -> list[tuple[str, str]]:
        return [(pair.source, pair.target) for pair in self.pairs]


def error_of(source: DataSource, **how: Any) -> DataError:
    """Read a source that must raise DataError, and return the error."""
    with pytest.raises(DataError) as caught:
        Reading(source, **how)
    assert caught.value.exit_code == 4
    assert "\n" not in caught.value.message
    return caught.value


def text_files(make: Make, source: bytes, target: bytes, suffix: str = "") -> TextFiles:
    return TextFiles(source=make(f"a.en{suffix}", source), target=make(f"a.de{suffix}", target))


def joined(side: int, end: str = "\n") -> bytes:
    return "".join(pair[side] + end for pair in PAIRS).encode()


def test_every_kind_of_source_gives_the_same_pairs(make: Make, tmp_path: Path) -> None:
    table = pa.table({"en": [s for s, _ in PAIRS], "de": [t for _, t in PAIRS]})
    nested = pa.table({"translation": [{"en": s, "de": t} for s, t in PAIRS]})
    parquet.write_table(table, tmp_path / "a.parquet")
    parquet.write_table(nested, tmp_path / "nested.parquet")
    views = table.cast(pa.schema({name: pa.string_view() for name in ("en", "de")}))
    parquet.write_table(views, tmp_path / "views.parquet")
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
        PairFile(file=make("B.TSV", tsv)),
        PairFile(file=make("c.tsv", b"de\ten\n" + swapped),
                 source_column="en", target_column="de"),
        PairFile(file=make("a.csv", buffer.getvalue().encode()),
                 source_column="en", target_column="de"),
        PairFile(file=make("a.jsonl", "\n".join(records).encode()),
                 source_column="en", target_column="nested.de"),
        PairFile(file=make("a.json", "\n".join(records).encode()),
                 source_column="en", target_column="nested.de"),
        PairFile(file=str(tmp_path / "a.parquet"), source_column="en", target_column="de"),
        PairFile(file=str(tmp_path / "views.parquet"), source_column="en", target_column="de"),
        dotted,
    ]  # fmt: skip
    for source in sources:
        assert Reading(source).texts == PAIRS, source
    together = list(read_pairs(parts(*sources[:2]), "train"))
    assert [(p.source, p.target) for p in together] == PAIRS * 2
    assert [pair.line for pair in together] == [1, 2, 3, 4] * 2


def test_builtin_corpus_is_generated_for_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(split: str) -> Iterator[Example]:
        yield Example(f"{split} a.", "b.", ())

    monkeypatch.setattr("nmt.phrasebook.generate", generate)
    source = BuiltinCorpus(builtin="phrasebook")
    assert list(read_pairs(parts(source), "test")) == [
        Pair("test a.", "b.", ("phrasebook", "phrasebook"), 1)
    ]
    named = BuiltinCorpus(builtin="phrasebook", split="valid")
    assert [pair.source for pair in read_pairs(parts(named), "test")] == ["valid a."]
    assert content_key(parts(source), "test") != content_key(parts(named), "test")
    # The key includes the code of the generator, because other code generates other pairs.
    code = list(Path(phrasebook.__file__).parent.rglob("*.py"))
    assert len(content_key(parts(source), "test")[0]["sha256"]) == len(code) > 10


# --- Bytes and lines ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected", "repairs"),
    [
        (b"a\r\nb\r\n", ["a", "b"], {"CRLF line ends": 2}),
        (b"a\rx\nb", ["a x", "b"], {"carriage returns": 1}),
        (b"\xef\xbb\xbfa\nb\xef\xbb\xbfc\n", ["a", "bc"], {"byte order marks": 1}),
        ("a\u2028x\u2029\nb\x85\x0b\x0cy\n".encode(), ["a x", "b   y"], {"line separators": 2}),
        (b"a\0b\x07\nc\x7f\n", ["ab", "c"], {"control characters": 2}),
        (b"a\tb\n\t\n", ["a b", ""], {"tabs": 2}),
        (b" a \n\xc2\xa0\xe3\x80\x80\n", ["a", ""], {}),
        ("\u05d0\u200f \u200d👩‍👩‍👧 e\u0301\nı ß\n".encode(),
         ["\u05d0 \u200d👩‍👩‍👧 e\u0301", "ı ß"], {"invisible characters": 1}),
    ],
)  # fmt: skip
def test_lines_are_repaired_and_counted(
    make: Make, source: bytes, expected: list[str], repairs: dict[str, int]
) -> None:
    reading = Reading(text_files(make, source, b"1\n2\n"))
    assert reading.texts == list(zip(expected, "12", strict=True))
    assert reading.repaired == repairs
    assert [pair.line for pair in reading.pairs] == [1, 2]


@pytest.mark.parametrize(("left", "right"), [(3, 2), (2, 3), (0, 1), (5, 0)])
def test_unequal_line_counts_raise_data_error(make: Make, left: int, right: int) -> None:
    error = error_of(text_files(make, b"x\n" * left, b"y\n" * right))
    assert f"a.en has {left} lines" in error.message
    assert f"a.de has {right}" in error.message


def test_invalid_utf8_raises_data_error_or_is_skipped(make: Make) -> None:
    source = text_files(make, b"a\nb \xff c\nd\n", b"1\n2\n3\n")
    error = error_of(source)
    assert "a.en:2" in error.message
    assert "byte 3" in error.message
    skipping = Reading(source, bad_utf8="skip")
    assert skipping.texts == [("a", "1"), ("d", "3")]
    assert [place.rpartition("/")[2] for place in skipping.dropped] == ["a.en:2"]
    # Held-out lines are never dropped, so line numbers stay the same.
    valid = Reading(source, "valid", bad_utf8="skip")
    assert valid.texts == [("a", "1"), ("b \ufffd c", "2"), ("d", "3")]
    assert valid.repaired == {"invalid UTF-8": 1}


def test_location_of_invalid_utf8_in_the_target_names_the_target(make: Make) -> None:
    skipping = Reading(text_files(make, b"a\nb\n", b"1\n\xff\n"), bad_utf8="skip")
    assert [place.rpartition("/")[2] for place in skipping.dropped] == ["a.de:2"]


def test_lone_surrogates_in_json_are_replaced(make: Make) -> None:
    line = b'{"en": "a \\ud800 b", "de": "\\ud83c\\udf89"}'
    source = PairFile(file=make("a.jsonl", line), source_column="en", target_column="de")
    reading = Reading(source)
    assert reading.texts == [("a \ufffd b", "🎉")]
    assert reading.repaired == {"lone surrogates": 1}


def test_missing_or_special_file_raises_data_error(make: Make, tmp_path: Path) -> None:
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
        assert words in error_of(source).message
    url = TextFiles(source="https://example.org/train.en", target=make("t", b"x\n"))
    assert "URL" in error_of(url).message
    unknown = PairFile(file=make("a.txt", b""))
    assert ".tsv" in error_of(unknown).message


def test_line_of_a_megabyte_is_read(make: Make) -> None:
    long = "wort " * 200_000
    reading = Reading(text_files(make, f"a\n{long}\nb\n".encode(), b"1\n2\n3\n"))
    assert reading.texts == [("a", "1"), (long.strip(), "2"), ("b", "3")]


# --- Tables ---------------------------------------------------------------------------------


def test_tsv_quotes_are_text(make: Make) -> None:
    content = b'"a\tb"\n""\t"x""y"\n\nNA\tnull\n'
    reading = Reading(PairFile(file=make("a.tsv", content)))
    assert reading.texts == [('"a', 'b"'), ('""', '"x""y"'), ("", ""), ("NA", "null")]


@pytest.mark.parametrize("count", [2, 99, 100, 5000])
def test_tsv_with_all_sentences_in_quotes_raises_data_error(make: Make, count: int) -> None:
    table = "id\ten\tde\n" + "".join(
        f'{i}\t"a ""good"" dog {i}"\t"ein Hund {i}"\n' for i in range(count)
    )
    path = make("a.tsv", table.encode())
    error = error_of(PairFile(file=path, source_column="en", target_column="de"))
    assert "a.tsv: every sentence is enclosed in quotes" in error.message
    assert "save the table as .csv" in (error.hint or "")


@pytest.mark.parametrize(
    "lines",
    [
        ['"Yes."\t"Ja."'],
        ['"Yes."\t"Ja."', '"No," he said.\t"Nein", sagte er.'],
        ['"Yes," he said, "yes."\t"Ja."', '"No."\t"Nein."'],
        *[['"Yes."\t"Ja."'] * count + ["Yes.\tJa."] for count in (1, 99)],
        ["Yes.\tJa."] + ['"Yes."\t"Ja."'] * 200,
    ],
    ids=["one", "speech", "inner", "last of 2", "last of 100", "first"],
)
def test_tsv_with_some_sentences_in_quotes_is_text(make: Make, lines: list[str]) -> None:
    reading = Reading(PairFile(file=make("a.tsv", "\n".join(lines).encode())))
    assert reading.texts == [tuple(line.split("\t")) for line in lines]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", b"a\tb\nc\td\te\n", "a.tsv:2: 3 columns, but the first line has 2"),
        ("a.tsv", b"a\tb\n\nc\n", "a.tsv:3: 1 column,"),
        ("a.tsv", b"a\n", "a.tsv:1: no column 2"),
        ("a.csv", b"a,b\n'c,d',e\n", "a.csv:2: 3 columns"),
        ("a.csv", b'a,b\nc,"d" e\nx,y\n', "a.csv:2: not valid CSV"),
        ("a.csv", b'a,b\n\nc,"d\nx,y\n', "a.csv:3: not valid CSV"),
    ],
)
def test_malformed_table_raises_data_error(
    make: Make, name: str, content: bytes, message: str
) -> None:
    assert message in error_of(PairFile(file=make(name, content))).message


def test_columns_are_found_by_name(make: Make) -> None:
    bom = "\ufeff".encode()
    content = bom + b"en, de ,x\r\na,b,1\r\n"
    source = PairFile(file=make("a.csv", content), source_column="en", target_column="de")
    assert Reading(source).texts == [("a", "b")]
    missing = PairFile(file=source.file, source_column="en", target_column="fr")
    error = error_of(missing)
    assert "'fr'" in error.message
    assert "en, de, x" in error.message


BAD_ROWS = {
    "a.tsv": (b"a\t1\nb\nc\t3\nd\t4\tx\ne\t5\n", [1, 3, 5]),
    "a.csv": (b'a,1\n"b,2\nc,3\nd,4\ne"x,5\nf,6\ng,7,8\n"h\n",9\n', [1, 3, 4, 5, 6, 8]),
    "a.jsonl": (
        b'{"s": "a", "t": "1"}\n{"s": "b"}\n{"s": "c", "t": 3}\n{\n'
        + b'{"s": "d", "t": "4"}\n' * 3,
        [1, 5, 6, 7],
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_row_is_an_error_or_is_dropped(make: Make, name: str) -> None:
    content, good = BAD_ROWS[name]
    columns = {"source_column": "s", "target_column": "t"} if name == "a.jsonl" else {}
    source = PairFile.model_validate({"file": make(name, content), **columns})
    error = error_of(source)
    assert f"{name}:2: " in error.message
    assert "set data.bad_rows to skip" in (error.hint or "")
    for split in ("train", "valid"):
        reading = Reading(source, split, bad_rows="skip")
        assert [pair.line for pair in reading.pairs] == good
        dropped = [int(place.rpartition(":")[2]) for place in reading.dropped]
        assert not set(dropped) & set(good)
        assert dropped[0] == 2


def test_mostly_bad_rows_are_an_error(make: Make) -> None:
    source = PairFile(file=make("a.tsv", b"a\n" + b"b\t1\n" * 9), target_column=1)
    error = error_of(source, bad_rows="skip")
    assert "a.tsv:2: 2 columns, but the first line has 1 (9 of 10 rows are bad)" in error.message


@pytest.mark.parametrize("header", [b"source\ttarget", b"EN\tde\tid", b"id\tsrc"])
def test_header_of_a_table_without_column_names_is_an_error(make: Make, header: bytes) -> None:
    content = header + b"\n" + b"\t".join([b"a"] * len(header.split(b"\t"))) + b"\n"
    error = error_of(PairFile(file=make("a.tsv", content)))
    assert "a.tsv:1: the first line is a header" in error.message
    names = header.decode().split("\t")
    assert error.hint == f"set source_column: {names[0]} and target_column: {names[1]}"
    numbered = PairFile(file=make("a.tsv", content), source_column=1, target_column=2)
    assert len(Reading(numbered).pairs) == 2
    assert len(Reading(PairFile(file=make("b.tsv", b"Yes\tJa\nde\tde\n"))).pairs) == 2


def test_json_array_is_named(make: Make) -> None:
    source = PairFile(
        file=make("a.json", b' [\n{"s": "a", "t": "b"}]'), source_column="s", target_column="t"
    )
    assert "a.json is a JSON array, not JSON lines" in error_of(source).message


def test_csv_pair_has_the_first_line_of_its_record(make: Make) -> None:
    content = b'"a, ""b""\r\nc",1\r\nd\re,2\r\n'
    reading = Reading(PairFile(file=make("a.csv", content)))
    assert reading.texts == [('a, "b" c', "1"), ("d e", "2")]
    assert [pair.line for pair in reading.pairs] == [1, 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{'en': 1}", "a.jsonl:2: not valid JSON"),
        (b'{"en": "x"}', "no column 'de' (keys: en)"),
        (b'{"en": "x", "de": 5}', "column 'de' is a number, not text"),
        (b'{"en": "x", "de": ["y"]}', "column 'de' is a list, not text"),
        (b'["x", "y"]', "no column 'en': the line is a list"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_malformed_json_raises_data_error(make: Make, line: bytes, message: str) -> None:
    content = b'{"en": "a", "de": null}\n' + line
    source = PairFile(file=make("a.jsonl", content), source_column="en", target_column="de")
    error = error_of(source)
    assert message in error.message
    assert "a.jsonl:2" in error.message


def test_json_null_and_empty_lines_are_empty_text(make: Make) -> None:
    content = b'{"en": "a", "de": null}\n\n{"en": "b", "de": "c", "x.y": "z"}\n'
    source = PairFile(file=make("a.jsonl", content), source_column="en", target_column="de")
    assert Reading(source).texts == [("a", ""), ("", ""), ("b", "c")]


def test_malformed_parquet_raises_data_error(make: Make, tmp_path: Path) -> None:
    table = pa.table({"en": ["a", None], "de": ["b", "c"], "n": [1, 2]})
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path)

    def source(source_column: Any, target_column: Any) -> PairFile:
        return PairFile(file=str(path), source_column=source_column, target_column=target_column)

    assert Reading(source("en", "de")).texts == [("a", "b"), ("", "c")]
    assert "columns: en, de, n" in error_of(source("en", "fr")).message
    assert "column 'n' is a number, not text" in error_of(source("en", "n")).message
    assert "names, not numbers" in error_of(source(1, 2)).message
    path.write_bytes(path.read_bytes()[:-30])
    assert "not a valid Parquet file" in error_of(source("en", "de")).message


OTHER_VALUES: list[tuple[Any, pa.DataType, str]] = [
    (["x"], pa.list_(pa.string()), "column 'de' is a list, not text"),
    ({"x": "y"}, pa.struct({"x": pa.string()}), "column 'de' is a map, not text"),
    ({"x": "y"}, pa.map_(pa.string(), pa.string()), "column 'de' is a map, not text"),
    (5, pa.int32(), "column 'de' is a number, not text"),
    (0.5, pa.float64(), "column 'de' is a number, not text"),
    (True, pa.bool_(), "column 'de' is true or false, not text"),
    (None, pa.string(), "column 'de' has only null values"),
    (None, pa.null(), "column 'de' has only null values"),
]


@pytest.mark.parametrize(("value", "kind", "message"), OTHER_VALUES)
def test_other_values_raise_the_same_error_in_json_and_parquet(
    make: Make, tmp_path: Path, value: Any, kind: pa.DataType, message: str
) -> None:
    lines = "".join(json.dumps({"en": text, "de": value}) + "\n" for text in "ab").encode()
    stored = list(value.items()) if pa.types.is_map(kind) else value
    columns = {"en": pa.array(["a", "b"]), "de": pa.array([stored, stored], kind)}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    for path in (make("a.jsonl", lines), str(tmp_path / "a.parquet")):
        error = error_of(PairFile(file=path, source_column="en", target_column="de"))
        assert path in error.message
        assert message in error.message


def test_dotted_name_into_a_list_or_text_raises_data_error(make: Make, tmp_path: Path) -> None:
    lines = b'{"en": "a", "list": ["x"], "text": "x"}\n'
    table = pa.table({"en": ["a"], "list": [["x"]], "text": ["x"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    for path in (make("a.jsonl", lines), str(tmp_path / "a.parquet")):
        error = error_of(PairFile(file=path, source_column="en", target_column="list.de"))
        assert "no column 'list.de': list is a list" in error.message
        error = error_of(PairFile(file=path, source_column="en", target_column="text.de"))
        assert "no column 'text.de': text is " in error.message


def test_nulls_are_empty_and_counted_in_json_and_parquet(make: Make, tmp_path: Path) -> None:
    values = [("a", None), (None, None), ("b", "c")]
    nested = [None if pair == (None, None) else {"en": pair[0], "de": pair[1]} for pair in values]
    lines = "".join(json.dumps({"t": value}) + "\n" for value in nested).encode()
    parquet.write_table(pa.table({"t": nested}), tmp_path / "a.parquet")
    for path in (make("a.jsonl", lines), str(tmp_path / "a.parquet")):
        reading = Reading(PairFile(file=path, source_column="t.en", target_column="t.de"))
        assert reading.texts == [("a", ""), ("", ""), ("b", "c")]
        assert reading.repaired == {"null values": 3}


def test_hub_dataset_is_read_offline_or_raises_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert content_key(parts(source()), "train") == content_key(parts(source()), "train")
    assert "translation" in error_of(source("de")).message
    assert "split nowhere" in error_of(source(split="nowhere")).message
    error = error_of(source(hub="nobody/nothing"), split="valid")
    assert "nobody/nothing" in error.message
    assert "--set data.valid.source=" in (error.hint or "")


def test_hub_split_is_that_of_the_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))

    def dataset(*splits: str) -> HubDataset:
        folder = tmp_path / "-".join(splits)
        folder.mkdir()
        for split in splits:
            table = pa.table({"en": [split], "de": [split]})
            parquet.write_table(table, folder / f"{split}.parquet")
        return HubDataset(hub=str(folder), source_column="en", target_column="de")

    whole = dataset("train", "validation", "test")
    for section, split in (("train", "train"), ("valid", "validation"), ("test", "test")):
        assert Reading(whole, section).texts == [(split, split)]
    keys = [content_key(parts(whole), section)[0]["split"] for section in ("train", "valid")]
    assert keys == ["train", "validation"]
    error = error_of(dataset("train"), split="valid")
    assert "contains the split train, not validation (data.valid)" in error.message
    assert "train[:95%]" in (error.hint or "")
    error = error_of(dataset("train", "test"), split="valid")
    assert error.hint == "set split: train or test"


def test_folder_of_save_to_disk_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    import datasets

    rows = {"en": [source for source, _ in PAIRS], "de": [target for _, target in PAIRS]}
    plain = datasets.Dataset.from_dict(rows)
    plain.save_to_disk(tmp_path / "plain")
    datasets.Dataset.from_dict(rows, split="validation").save_to_disk(tmp_path / "split")
    splits = datasets.DatasetDict({"train": plain.select([0]), "validation": plain})
    splits.save_to_disk(tmp_path / "dict")

    def source(name: str, split: str = "train") -> HubDataset:
        folder = str(tmp_path / name)
        return HubDataset(hub=folder, split=split, source_column="en", target_column="de")

    assert Reading(source("plain")).texts == PAIRS
    assert Reading(source("split", "validation")).texts == PAIRS
    assert Reading(source("dict")).texts == PAIRS[:1]
    assert Reading(source("dict", "validation")).texts == PAIRS
    assert content_key(parts(source("plain")), "train") == content_key(
        parts(source("plain")), "train"
    )
    error = error_of(source("split"))
    assert "contains the split validation, not train" in error.message
    assert error.hint == "set split: validation"
    assert "{hub: FOLDER" in (error_of(PairFile(file=str(tmp_path / "plain"))).hint or "")
    (tmp_path / "plain" / "dataset_info.json").write_text("{")
    assert "cannot load the dataset" in error_of(source("plain")).message


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
def test_fuzz_text_keeps_its_lines(
    fuzz: Path, texts: list[tuple[str, str]], zipped: bool, block: int
) -> None:
    """Any text gives one pair per line, cleaned by `clean_source` and `clean_line`."""
    names = []
    for side in (0, 1):
        content = "".join(f"{pair[side]}\n" for pair in texts).encode()
        path = fuzz / f"side{side}{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(content, 1) if zipped else content)
        names.append(str(path))
    source = TextFiles(source=names[0], target=names[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmt.reading._BLOCK", block)
        try:
            found = Reading(source)
        except DataError as error:  # The text starts like a binary format.
            assert not zipped or "is " in error.message
            return
    assert found.texts == [(clean_source(s), clean_line(t)) for s, t in texts]
    assert [pair.line for pair in found.pairs] == list(range(1, len(texts) + 1))


@settings(max_examples=FUZZ_CASES)
@given(texts=TEXTS)
def test_fuzz_csv_and_json_are_read_back(fuzz: Path, texts: list[tuple[str, str]]) -> None:
    """CSV and JSON from the standard library are read back."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows(texts)
    (fuzz / "f.csv").write_bytes(buffer.getvalue().encode())
    lines = "\n".join(json.dumps({"s": s, "t": t}, ensure_ascii=False) for s, t in texts)
    (fuzz / "f.jsonl").write_bytes(lines.encode())
    expected = [(clean_source(s), clean_line(t)) for s, t in texts]
    found = Reading(PairFile(file=str(fuzz / "f.csv")))
    assert [tuple(map(_spaces, pair)) for pair in found.texts] == [
        tuple(map(_spaces, pair)) for pair in expected
    ]
    source = PairFile(file=str(fuzz / "f.jsonl"), source_column="s", target_column="t")
    assert Reading(source).texts == expected


def _spaces(text: str) -> str:
    """Merge spaces: a carriage return at the end of a CSV field becomes a space or is dropped."""
    return " ".join(text.split())


SIGNS = [b"\xef\xbb\xbf", *(bytes([sign]) for sign in b'a\t,"\n{}:\\\xff\r\0')]


@settings(max_examples=FUZZ_CASES)
@given(
    content=st.binary(max_size=60) | st.lists(st.sampled_from(SIGNS), max_size=30).map(b"".join),
    suffix=st.sampled_from(["tsv", "csv", "jsonl", "parquet", "tsv.gz"]),
    split=st.sampled_from(["train", "valid"]),
    bad_utf8=st.sampled_from(["error", "skip"]),
    bad_rows=st.sampled_from(["error", "skip"]),
)
def test_fuzz_bytes_give_clean_pairs_or_data_error(
    fuzz: Path, content: bytes, suffix: str, split: str, bad_utf8: str, bad_rows: str
) -> None:
    """Any bytes give clean pairs or a DataError that names the file."""
    path = fuzz / f"bytes.{suffix}"
    path.write_bytes(content)
    named = suffix in ("jsonl", "parquet")
    columns = {"source_column": "a", "target_column": "b"} if named else {}
    try:
        pairs = Reading(
            PairFile(file=str(path), **columns), split, bad_utf8=bad_utf8, bad_rows=bad_rows
        ).pairs
    except DataError as error:
        assert path.name in error.message
        return
    for pair in pairs:
        assert isinstance(pair, Pair)
        for text in pair[:2]:
            assert clean_line(text) == text
            text.encode()
