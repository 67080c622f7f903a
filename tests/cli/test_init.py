"""`nmt init`, and `nmt train` with data files."""

from __future__ import annotations

import gzip
import os
import random
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from nmt import cli
from nmt.config.loading import load_config
from nmt.data.cache import read_cache
from nmt.runs import Run
from nmt.storage import read_manifest

ENGLISH = "zero one two three four five six seven eight nine ten"
GERMAN = "null eins zwei drei vier fünf sechs sieben acht neun zehn"
SMALL = (
    *("max_steps=2", "warmup_steps=1", "valid_every=2", "rdrop_after=1", "average_checkpoints=1"),
    *("threads=1", "batch_tokens=200"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder: 200 pairs in train.en and train.de, 12 in valid.* and test.*."""
    rng = random.Random(1)
    words = list(zip(ENGLISH.split(), GERMAN.split(), strict=True))
    for split, count in (("train", 200), ("valid", 12), ("test", 12)):
        rows = [rng.choices(words, k=rng.randint(6, 9)) for _ in range(count)]
        for number, side in enumerate(("en", "de")):
            text = "".join(" ".join(pair[number] for pair in row) + "\n" for row in rows)
            (tmp_path / f"{split}.{side}").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def nmt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs a command and returns its exit code and standard error."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["nmt", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(str(caught.value.code)), capsys.readouterr().err

    return run


def lines(path: str | Path) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def test_init_writes_a_commented_config_that_trains(
    folder: Path, nmt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # These take longer than the training run.
    monkeypatch.setattr("nmt.training.progress.Progress._open_board", lambda self, step: None)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    code, shown = nmt("init", "train.en", "train.de", "--device", "cpu")
    assert code == 0
    assert "200 in train.en and train.de" in shown
    assert "source  en (from the file or column name)" in shown
    assert shown.endswith("next: nmt train en-de.yaml\n")
    text = Path("en-de.yaml").read_text()
    assert "d_model: 128  # 200 pairs, cpu" in text
    assert "only 22 different words" in text
    config = load_config(Path("en-de.yaml"))
    assert config.data.source_language == "en"
    values = [*(f"training.{value}" for value in SMALL), "model.d_model=16", "decoding.beam_size=1"]
    code, shown = nmt("train", "en-de.yaml", *(f"--set={value}" for value in values))
    assert code == 0, shown
    run = Run(folder / "runs" / "en-de")
    assert read_manifest(run.model_folder)["step"] == 2
    held_out = {*lines("en-de-held-out/valid.en"), *lines("en-de-held-out/test.en")}
    cached = read_cache(run.data_folder, run.tokenizer)
    assert cached
    assert (
        cached.report.splits["train"].kept
        == sum(line not in held_out for line in lines("train.en"))
        == 180
    )


def test_init_does_not_overwrite_without_force(folder: Path, nmt: Any) -> None:
    assert nmt("init", "train.en", "train.de", "-o", "my.yaml")[0] == 0
    Path("my.yaml").write_text("mine")
    code, shown = nmt("init", "train.en", "train.de", "-o", "my.yaml")
    assert (code, Path("my.yaml").read_text()) == (2, "mine")
    assert "my.yaml already exists" in shown
    assert "--force" in shown
    before = lines("my-held-out/test.de")
    assert nmt("init", "train.en", "train.de", "-o", "my.yaml", "--force")[0] == 0
    assert lines("my-held-out/test.de") == before
    assert load_config(Path("my.yaml")).training.max_steps
    Path("my.yaml").unlink()
    assert "my-held-out already exists" in nmt("init", "train.en", "train.de", "-o", "my.yaml")[1]


def test_next_command_can_be_pasted(folder: Path, nmt: Any) -> None:
    code, shown = nmt("init", "train.en", "train.de", "-o", "it's my plan.yaml")
    assert code == 0
    assert shlex.split(shown.splitlines()[-1])[1:] == ["nmt", "train", "it's my plan.yaml"]
    assert shlex.split(lines("it's my plan.yaml")[2])[1:] == ["nmt", "train", "it's my plan.yaml"]
    assert "nmt init 'a b;c.en' \"a b.de\"" in nmt("train", "--dry-run", "a b;c.en", "a b.de")[1]


def test_names_that_are_not_utf8_are_kept(folder: Path, nmt: Any) -> None:
    names = [os.fsdecode(b"tr\xe9.en"), os.fsdecode(b"tr\xe9.de")]
    for name in names:
        Path(name).write_bytes(Path(f"train{name[-3:]}").read_bytes())
    path = os.fsdecode(b"tr\xe9.yaml")
    code, shown = nmt("init", *names, "-o", path)
    assert code == 0, shown
    assert load_config(Path(path)).data.train[0].model_dump() == {
        "source": names[0],
        "target": names[1],
    }


@pytest.mark.parametrize("columns", [40, 80])
def test_messages_fit_the_terminal(
    folder: Path, nmt: Any, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("nmt.terminal.is_terminal", lambda stream: True)
    code, shown = nmt("init", "train.en", "train.de", "-o", "a-longer-name.yaml")
    assert code == 0
    assert max(map(len, shown.splitlines())) <= columns


def test_train_with_data_files_writes_a_config_once(
    folder: Path, nmt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[Any, Path]] = []
    monkeypatch.setattr(
        "nmt.training.pipeline.run_training", lambda config, path, _: trained.append((config, path))
    )
    code, shown = nmt("train", "train.en", "train.de")
    assert code == 0
    assert "wrote en-de.yaml" in shown
    assert "using en-de.yaml" in nmt("train", "train.en", "train.de")[1]
    assert nmt("train", "en-de.yaml")[0] == 0
    assert [path for _, path in trained] == [Path("runs/en-de")] * 3
    assert trained[0][0] == trained[1][0] == trained[2][0]
    for side in ("en", "de"):
        Path(f"other.{side}").write_bytes(Path(f"train.{side}").read_bytes())
    code, shown = nmt("train", "other.en", "other.de")
    assert code == 2
    assert "en-de.yaml exists and is a config for other data" in shown


def test_given_parts_are_not_set_aside(folder: Path, nmt: Any) -> None:
    parts = ["--valid", "valid.en", "--valid", "valid.de", "--test", "test.en", "--test", "test.de"]
    code, shown = nmt("init", "train.en", "train.de", *parts)
    assert code == 0, shown
    data = load_config(Path("en-de.yaml")).data
    assert data.test
    assert data.valid[0].model_dump() == {"source": "valid.en", "target": "valid.de"}
    assert data.test[0].model_dump() == {"source": "test.en", "target": "test.de"}
    assert not Path("en-de-held-out").exists()


def test_config_states_the_real_size_of_groups(folder: Path, nmt: Any) -> None:
    # Each group has three pairs, so that a part of five pairs has only three.
    Path("g.tsv").write_text("".join(f"a{i // 3}\tb{i}\n" for i in range(102)))
    code, shown = nmt("init", "g.tsv", "--source-language=en", "--target-language=de")
    assert code == 0, shown
    assert len(lines("en-de-held-out/test.en")) == 3
    assert "test:  # 3 random pairs" in Path("en-de.yaml").read_text()
    assert "test    3 random pairs" in shown


def test_compressed_files_are_read(folder: Path, nmt: Any) -> None:
    for side in ("en", "de"):
        Path(f"c.{side}.gz").write_bytes(gzip.compress(Path(f"train.{side}").read_bytes()))
    assert nmt("init", "c.en.gz", "c.de.gz")[0] == 0
    assert lines("en-de-held-out/valid.en")
    config = load_config(Path("en-de.yaml"))
    assert config.data.train[0].model_dump() == {"source": "c.en.gz", "target": "c.de.gz"}


@pytest.mark.parametrize(
    ("name", "row", "columns", "options"),
    [
        ("p.tsv", "{0}\t{1}", (1, 2), []),
        ("p.tsv", "{2}\t{0}\t{1}", (2, 3), []),
        ("id.tsv", "{2}\t{0}\t{1}", ("en", "de"), []),
        ("id.csv", "{2},{0},{1}", ("en", "de"), []),
        ("id.csv", "{2},{0},{1}", ("de", "en"), ["--source-language=de", "--target-language=en"]),
        (
            "p.jsonl",
            '{{"id": "{2}", "translation": {{"de": "{1}", "en": "{0}"}}}}',
            ("translation.en", "translation.de"),
            ["--source-language=en", "--target-language=de"],
        ),
        ("p.jsonl", '{{"tgt": "{1}", "src": "{0}", "x": "{2}"}}', ("src", "tgt"), []),
        (
            "p.jsonl",
            '{{"a": "{0}", "b": "{1}", "c": "{2}"}}',
            ("b", "a"),
            ["--source-column=b", "--target-column=a"],
        ),
    ],
)
def test_columns_of_one_file_are_found(
    folder: Path, nmt: Any, name: str, row: str, columns: Any, options: list[str]
) -> None:
    rows = enumerate(zip(lines("train.en"), lines("train.de"), strict=True))
    written = [row.format(*pair, number) for number, pair in rows]
    if name.startswith("id."):
        written.insert(0, row.format("en", "de", "id"))
    Path(name).write_text("\n".join(written), encoding="utf-8")
    code, shown = nmt("init", name, "-o", "my.yaml", *options)
    assert code == 0, shown
    source: Any = load_config(Path("my.yaml")).data.train[0]
    assert (source.file, source.source_column, source.target_column) == (name, *columns)


def test_columns_of_parquet_are_found(folder: Path, nmt: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    pairs = [
        {"en": en, "de": de} for en, de in zip(lines("train.en"), lines("train.de"), strict=True)
    ]
    parquet.write_table(pa.table({"id": range(len(pairs)), "translation": pairs}), "p.parquet")
    assert nmt("init", "p.parquet")[0] == 0
    source: Any = load_config(Path("en-de.yaml")).data.train[0]
    assert (source.source_column, source.target_column) == ("translation.en", "translation.de")


def test_settings_of_a_run_are_kept(folder: Path, nmt: Any) -> None:
    run = folder / "runs" / "old"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(
        "data: {train: {builtin: phrasebook}, valid: {builtin: phrasebook}}\n"
        "model: {d_model: 64}\ntraining: {max_steps: 7, precision: fp32, threads: 3}\n"
    )
    (run / "lock").touch()
    code, shown = nmt("init", "train.en", "train.de", "--from", "old")
    assert code == 0, shown
    config = load_config(Path("en-de.yaml"))
    assert (config.model.d_model, config.training.max_steps) == (64, 7)
    assert "model:  # as in the earlier run" in Path("en-de.yaml").read_text()
    assert (config.training.precision, config.training.threads) == ("auto", None)
    assert config.data.train[0].model_dump() == {"source": "train.en", "target": "train.de"}


@pytest.mark.parametrize(
    ("files", "code", "message"),
    [
        (["none.en", "train.de"], 4, "cannot read none.en: No such file"),
        (["train.en", "train.en"], 2, "source and target are the same file: train.en"),
        (["train.en", "valid.de"], 4, "train.en has 200 lines but valid.de has 12"),
        (["empty.en", "empty.de"], 4, "0 usable pairs, but at least 100 are needed"),
        (["valid.en", "valid.de"], 4, "usable pairs"),
        (["train.en"], 2, "cannot read train.en as parallel data"),
        (["a.tsv", "b.tsv", "c.tsv"], 2, "as parallel data"),
        (["names.jsonl"], 2, "which columns are source and target (columns: a, b, c)"),
        (["names.jsonl", "--source-column=a"], 2, "which columns are source and target"),
        (["train.en", "train.de", "--source-language=../en"], 2, "not a BCP 47 language tag"),
        (["train.en", "train.de", "-o", "no/my.yaml"], 5, "cannot write no/my.yaml: No such file"),
        (["bad.jsonl"], 4, "bad.jsonl:1: not valid JSON"),
        (["train.en", "train.de", "-o", "."], 2, ". is a folder"),
        (["train.en", "train.de", "-o", "runs", "--force"], 2, "runs is a folder"),
        (["train.en", "train.de", "-o", "train.de", "--force"], 2, "is both input and output"),
        (["train.en", "train.de", "--source-column=1"], 2, "text files have no columns"),
    ],
)
def test_unsuitable_files_are_errors(
    folder: Path, nmt: Any, files: list[str], code: int, message: str
) -> None:
    Path("runs").mkdir()
    Path("empty.en").touch()
    Path("empty.de").touch()
    Path("names.jsonl").write_text('{"a": "x", "b": "y", "c": "z"}\n')
    Path("bad.jsonl").write_text("x\n")
    before = sorted(folder.iterdir())
    got, shown = nmt("init", *files)
    assert (got, message in shown) == (code, True), shown
    assert "hint: " in shown or code == 4
    assert sorted(folder.iterdir()) == before


def test_train_needs_a_config_or_data(nmt: Any) -> None:
    for arguments in ([], ["a.yaml", "--config", "a.yaml"]):
        code, shown = nmt("train", *arguments)
        assert code == 2
        assert "give a config or parallel data" in shown
