"""`prepare_data`: the corpus on disk, its cache, and the effect of errors."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt import storage
from nmt.config import Config, TokenizerConfig
from nmt.data.preparation import PreparedData, prepare_data
from nmt.errors import ConfigError, DataError, StorageError

WORDS = ["red", "old", "small", "dog", "cat", "tree", "runs", "sees", "sleeps", "under", "by"]


class Data:
    """A folder with text files, their config, and the messages of `prepare_data`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(1)
        lines = [" ".join(rng.choice(WORDS, rng.integers(2, 8))) + f" {i}" for i in range(120)]
        self.train = [(line + ".", line.upper() + "!") for line in lines]
        self.valid = [("the red dog.", "THE RED DOG!"), ("", ""), ("a cat", "")]
        self.messages: list[str] = []

    def config(self, tokenizer: dict[str, Any] | None = None, **options: Any) -> Config:
        sources = {}
        for split, pairs in (("train", self.train), ("valid", self.valid)):
            paths = [self.folder / f"{split}.{side}" for side in ("en", "de")]
            for side, path in enumerate(paths):
                text = "".join(f"{pair[side]}\n" for pair in pairs)
                path.write_text(text, encoding="utf-8", newline="")
            sources[split] = {"source": str(paths[0]), "target": str(paths[1])}
        settings = {"type": "bpe", "vocab_size": 330, "sampling": 0.1, **(tokenizer or {})}
        return Config.model_validate(
            {"data": {**sources, **options}, "tokenizer": settings, "training": {"max_steps": 1}}
        )

    def prepare(self, config: Config | None = None, **options: Any) -> PreparedData:
        self.messages.clear()
        return prepare_data(
            config or self.config(**options),
            self.folder / "run" / "data",
            self.folder / "run" / "tokenizer",
            self.messages.append,
            lambda: None,
        )


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


def test_corpus_has_ids_texts_and_lengths_of_the_files(data: Data) -> None:
    prepared = data.prepare()
    train, tokenizer = prepared.train, prepared.tokenizer
    assert len(train) == 120
    assert train.texts(range(120)) == data.train
    ids = train.read(np.arange(120))
    for (source, target), (source_ids, target_ids) in zip(data.train, ids, strict=True):
        assert source_ids == tokenizer.source.encode(source)
        assert target_ids == tokenizer.target.encode(target)
    assert train.source_lengths.dtype == train.target_lengths.dtype == np.uint16
    assert train.source_lengths.tolist() == [len(source) for source, _ in ids]
    assert train.target_lengths.tolist() == [len(target) for _, target in ids]
    assert train.read([5, 3, 5]) == [ids[5], ids[3], ids[5]]
    assert prepared.test is None


def test_held_out_lines_are_all_kept(data: Data) -> None:
    data.valid += [(" ".join(WORDS * 200), "x"), ("red dog", "red dog"), ("", "")]
    prepared = data.prepare(drop_copies=True, drop_duplicates=True, max_tokens=20)
    assert prepared.valid.texts(range(6)) == data.valid
    assert prepared.valid.read([1, 5]) == [([], []), ([], [])]
    assert prepared.report.splits["valid"].kept == 6


def test_sampled_subwords_depend_on_the_seed_and_decode_to_the_text(data: Data) -> None:
    train = data.prepare().train
    plain = train.read(range(50))
    drawn = train.read(range(50), 7)
    assert drawn != plain
    assert train.read(range(50), 7) == drawn
    assert train.read(range(50), 8) != drawn
    decode = data.prepare().tokenizer.source.decode
    assert [(decode(s), decode(t)) for s, t in drawn] == data.train[:50]


def test_report_counts_dropped_repaired_and_leaked_pairs(data: Data) -> None:
    data.train[:4] = [("", "x"), ("red " * 300, "y"), ("a\rb\ufeff", "z"), ("dog", "dog " * 20)]
    data.train[10] = data.train[11]
    data.train[12] = ("the red dog.", "...")
    report = data.prepare(max_tokens=60, drop_duplicates=True).report.splits["train"]
    assert (report.lines, report.kept) == (120, 116)
    assert report.dropped == {"empty": 1, "too long": 1, "length ratio": 1, "duplicates": 1}
    assert report.repaired == {"carriage returns": 1, "byte order marks": 1}
    assert report.noticed["in valid or test"] == 1
    assert [p.rpartition("/")[2] for p in report.examples["too long"]] == ["train.en:2"]
    assert report.kept + report.dropped.total() == report.lines
    assert report.source.tokens > 0
    assert report.source.lengths == sorted(report.source.lengths)
    assert report.source.coverage == 1.0
    assert any(line.startswith("train: 120 pairs, 116 kept") for line in data.messages)


@pytest.mark.parametrize(
    ("train", "valid", "options", "warned"),
    [
        (slice(None), slice(None), {}, True),
        (slice(None), slice(0, 50), {}, True),
        (slice(0, 115), slice(None), {}, True),
        (slice(0, 60), slice(None), {}, False),
        (slice(0, 60), slice(60, None), {}, False),
        (slice(None), slice(0, 50), {"drop_leaked": True}, False),
    ],
    ids=["equal", "part", "nearly", "half", "disjoint", "dropped"],
)
def test_validation_set_equal_to_training_set_prints_warning(
    data: Data, train: slice, valid: slice, options: dict[str, Any], warned: bool
) -> None:
    data.train, data.valid = data.train[train], data.train[valid]
    for _ in range(2):  # The second time, the data is read from the cache.
        data.prepare(**options)
        warnings = [line for line in data.messages if line.startswith("warning: ")]
        assert len(warnings) == warned
        if warned:
            assert "sentences of the validation set are also in the training set" in warnings[0]
            assert "data.valid" in warnings[0]


def test_invalid_utf8_is_counted_as_read_and_dropped(data: Data) -> None:
    config = data.config(bad_utf8="skip")
    path = data.folder / "train.en"
    path.write_bytes(b"\xff\n" + path.read_bytes().partition(b"\n")[2])
    report = data.prepare(config).report.splits["train"]
    assert (report.lines, report.kept) == (120, 119)
    assert report.dropped == {"invalid UTF-8": 1}


# --- The cache ------------------------------------------------------------------------------


def modification_times(data: Data) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in (data.folder / "run").rglob("*") if p.is_file()}


def test_second_preparation_reads_the_cache(data: Data) -> None:
    first = data.prepare()
    before = modification_times(data)
    second = data.prepare()
    assert modification_times(data) == before
    assert second.train.fingerprint == first.train.fingerprint
    assert second.report == first.report
    assert data.messages == [first.report.summary()]


def test_changed_data_is_prepared_again(data: Data) -> None:
    first = data.prepare()
    data.train[50] = ("one other line", "X")
    second = data.prepare()
    assert second.train.fingerprint != first.train.fingerprint
    assert second.valid.fingerprint == first.valid.fingerprint
    assert second.train.texts([50]) == [("one other line", "X")]
    assert second.tokenizer.source.model == first.tokenizer.source.model
    third = data.prepare(max_tokens=12)
    assert len(third.train) < 120


def test_fingerprint_depends_only_on_the_content(
    data: Data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = data.prepare()
    monkeypatch.setattr("nmt.data.cleaning._CHUNK_PAIRS", 7)
    moved = prepare_data(
        data.config(), tmp_path / "b", tmp_path / "run" / "tokenizer", lambda _: None, lambda: None
    )
    assert moved.train.fingerprint == first.train.fingerprint
    indices = np.random.default_rng(1).integers(0, 120, 300)
    assert moved.train.read(indices) == first.train.read(indices)
    assert moved.train.texts(indices) == first.train.texts(indices)
    assert moved.train.read(indices, 3) == first.train.read(indices, 3)


@pytest.mark.parametrize("name", ["train.arrow", "valid.arrow", "cache.json"])
@pytest.mark.parametrize("how", ["flip", "truncate", "remove", "empty"])
def test_damaged_cache_is_rebuilt(data: Data, name: str, how: str) -> None:
    first = data.prepare()
    path = data.folder / "run" / "data" / name
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[len(content) // 3] ^= 4
        path.write_bytes(content)
    elif how == "truncate":
        path.write_bytes(content[:-10])
    elif how == "remove":
        path.unlink()
    else:
        path.write_bytes(b"")
    second = data.prepare()
    assert second.train.fingerprint == first.train.fingerprint
    assert second.train.texts(range(120)) == data.train
    assert second.report.to_dict() == first.report.to_dict()


def test_damaged_tokenizer_raises_storage_error(data: Data) -> None:
    data.prepare()
    path = data.folder / "run" / "tokenizer" / "shared.model"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match=r"shared\.model is damaged"):
        data.prepare()


class SimulatedError(Exception):
    pass


def test_data_is_correct_after_an_error_at_any_file_operation(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = data.config()
    count = 0
    while True:
        left = count

        def operation(name: str, path: Path) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise SimulatedError

        with monkeypatch.context() as patch:
            patch.setattr(storage, "operation", operation)
            try:
                data.prepare(config)
                break
            except SimulatedError:
                count += 1
    assert count >= 8
    assert data.prepare(config).train.texts(range(120)) == data.train
    assert not list((data.folder / "run" / "data").glob(".tmp-*"))


def test_data_is_correct_after_a_stop(data: Data) -> None:
    config = data.config()
    for allowed in range(5):
        calls = iter(range(allowed))

        def check_stop(calls: Any = calls) -> None:
            if next(calls, None) is None:
                raise SimulatedError

        run = data.folder / "run"
        with pytest.raises(SimulatedError):
            prepare_data(config, run / "data", run / "tokenizer", lambda _: None, check_stop)
    assert len(data.prepare(config).train) == 120


# --- Errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "pairs", "message"),
    [
        ("train", [], "data.train has no pairs"),
        (
            "train",
            [("", "x"), ("y", "")],
            "data.train has no pairs: 2 read, all dropped: empty (2)",
        ),
        ("valid", [], "data.valid has no pairs"),
    ],
)
def test_empty_set_raises_data_error(data: Data, split: str, pairs: Any, message: str) -> None:
    setattr(data, split, pairs)
    with pytest.raises(DataError) as caught:
        data.prepare()
    assert caught.value.message == message


def test_training_set_of_too_long_pairs_raises_data_error(data: Data) -> None:
    with pytest.raises(DataError, match=r"too long \(120\)"):
        data.prepare(max_tokens=1)


def test_too_large_vocabulary_raises_config_error(data: Data) -> None:
    with pytest.raises(ConfigError, match="largest possible size is"):
        data.prepare(tokenizer={"vocab_size": 5000})


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_pairs_are_prepared(data: Data, count: int) -> None:
    data.train = data.train[:count]
    assert len(data.prepare(tokenizer={"vocab_size": 290}).train) == count


def test_default_vocabulary_is_reduced_and_reported(data: Data) -> None:
    config = data.config()
    default = TokenizerConfig(type="bpe")
    prepared = data.prepare(config.model_copy(update={"tokenizer": default}))
    size = len(prepared.tokenizer.source)
    assert 290 < size < default.vocab_size
    assert (
        f"tokenizer: reduced vocab_size to {size}, the largest size for this text" in data.messages
    )


def test_case_copies_are_encoded_and_counted(data: Data) -> None:
    prepared = data.prepare(case_copies=1.0)
    report = prepared.report.splits["train"]
    assert (report.lines, report.case_copies, report.kept) == (120, 240, 360)
    texts = prepared.train.texts(range(360))
    assert texts[:120] == data.train
    assert texts[120] == tuple(text.upper() for text in data.train[0])
    assert prepared.report.splits["valid"].case_copies == 0
    assert data.prepare().report.splits["train"].kept == 120


def test_targets_that_the_vocabulary_changes_are_counted_with_an_example(data: Data) -> None:
    data.train[3:7] = [
        ("m²", "ein m² mehr"),
        ("x", "20 m²的房间"),
        ("x", "e\u0301"),
        ("y", "这本书，很贵"),
    ]
    data.valid = [("", ""), ("x", "RED 猫")]
    kind = "target changed by the vocabulary"
    rules = {"target_normalization": "nfkc", "byte_fallback": False, "vocab_size": 100}
    splits = data.prepare(tokenizer=rules).report.splits
    assert splits["train"].noticed[kind] == 3
    assert splits["train"].examples[kind] == [
        f"{data.folder}/train.de:4 (m² -> m2)",
        f"{data.folder}/train.de:5 (m² -> m2)",
        f"{data.folder}/train.de:7 (书， -> 书,)",
    ]
    assert splits["valid"].examples[kind] == [f"{data.folder}/valid.de:2 (猫 -> ⁇)"]
    shutil.rmtree(data.folder / "run" / "tokenizer")
    splits = data.prepare(tokenizer={"target_normalization": "none"}).report.splits
    assert kind not in splits["train"].noticed | splits["valid"].noticed


def test_invisible_characters_are_counted(data: Data) -> None:
    data.train[0] = ("read\u00ading\u200f", "le\u200bsen\u200f")
    prepared = data.prepare()
    assert prepared.report.splits["train"].repaired == {"invisible characters": 2}
    assert prepared.train.texts([0]) == [("reading", "lesen\u200f")]


def test_separate_vocabularies_encode_their_own_side(data: Data) -> None:
    prepared = data.prepare(tokenizer={"shared": False, "vocab_size": 300})
    source, target = data.train[3]
    found = prepared.train.read([3])[0]
    assert found[0] == prepared.tokenizer.source.encode(source)
    assert found[1] == prepared.tokenizer.target.encode(target)
    drawn = prepared.train.read([3], 1)[0]
    assert prepared.tokenizer.target.decode(drawn[1]) == target


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/proc").exists(), reason="needs /proc")
def test_unwritable_folder_raises_storage_error(data: Data) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        prepare_data(
            data.config(), Path("/proc/nmt"), data.folder / "t", lambda _: None, lambda: None
        )


def test_sampled_subwords_stay_within_max_tokens(data: Data) -> None:
    usual = data.prepare(tokenizer={"sampling": 0.9}, max_tokens=100)
    longest = int(max(usual.train.source_lengths.max(), usual.train.target_lengths.max()))
    bounded = data.prepare(tokenizer={"sampling": 0.9}, max_tokens=longest).train
    rows = np.arange(len(bounded))
    free = usual.train.read(rows, sampling_seed=1)
    found = bounded.read(rows, sampling_seed=1)
    too_long = [max(map(len, pair)) > longest for pair in free]
    assert 0 < sum(too_long) < len(rows)
    stored = bounded.read(rows)
    for pair, sampled, whole, cut in zip(found, free, stored, too_long, strict=True):
        assert pair == (whole if cut else sampled)


def test_long_held_out_pairs_are_counted_and_encoded_up_to_a_bound(data: Data) -> None:
    data.valid += [("a cat " * 100_000, "A CAT!"), ("a cat.", "A CAT " * 40)]
    prepared = data.prepare(max_tokens=30)
    report = prepared.report.splits["valid"]
    assert report.noticed["too long"] == 2
    assert [place.rpartition("/")[2] for place in report.examples["too long"]] == [
        "valid.en:4",
        "valid.de:5",
    ]
    assert report.kept == len(prepared.valid) == 5
    assert prepared.valid.texts([3])[0][0] == data.valid[3][0].strip()
    assert prepared.valid.source_lengths.max() <= 64 * 30
    assert prepared.valid.within(30).tolist() == [0, 1, 2]


def test_validation_set_of_too_long_pairs_raises_data_error(data: Data) -> None:
    data.valid = [("a cat " * 40, "A CAT!")]
    with pytest.raises(DataError, match=r"all pairs of data.valid have more than 30 tokens"):
        data.prepare(max_tokens=30)


def test_dropped_copies_of_a_repeated_source_are_announced(data: Data) -> None:
    config = data.config(drop_duplicates=True)
    twice = config.data.model_copy(update={"train": [*config.data.train] * 2})
    data.prepare(config.model_copy(update={"data": twice}))
    assert "several times, but data.drop_duplicates keeps one copy" in data.messages[0]
    data.prepare(config)
    assert not any("several times" in message for message in data.messages)


def test_bad_rows_are_counted_with_their_places(data: Data) -> None:
    config = data.config(bad_rows="skip")
    table = data.folder / "valid.tsv"
    table.write_text("a dog.\tA DOG!\nodd\na cat.\tA CAT!\n")
    options = {**config.model_dump()["data"], "valid": {"file": str(table)}}
    report = data.prepare(data.config(**options)).report.splits["valid"]
    assert (report.lines, report.kept) == (3, 2)
    assert report.dropped == {"bad rows": 1}
    assert report.examples["bad rows"] == [f"{table}:2"]
