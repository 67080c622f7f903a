"""Config files: values by YAML 1.2, and errors with position, key, value and allowed values."""

from __future__ import annotations

import os
import random
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config import Config, DataConfig, Section
from nmt.config.data import SOURCE_KINDS
from nmt.config.loading import load_config, load_run_config, replaced
from nmt.config.writing import dump_config
from nmt.errors import ConfigError, StorageError
from nmt.text import shorten

FUZZ_EXAMPLES = int(os.environ.get("NMT_FUZZ", "500"))
ROOT = Path(__file__).parents[2]
CONFIGS = sorted(Path("configs").glob("*.yaml"))
BASE = """\
data:
  train: {source: a.en, target: a.de}
  valid: {builtin: phrasebook}
training:
  max_steps: 10
"""
HUB = BASE.replace(
    "{source: a.en, target: a.de}",
    "{hub: x/y, config: de-en, source_column: en, target_column: de}",
)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes) -> Path:
        path = Path("de-en.yaml")
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def error_of(path: Path, *overrides: str) -> str:
    """Load a config that must raise ConfigError, and return the message and hint."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return f"{caught.value.message}\n{caught.value.hint or ''}"


# --- Values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_config_dumps_and_loads_to_an_equal_config(path: Path, write: Any) -> None:
    config = load_config(ROOT / path)
    for defaults in (True, False):
        assert load_config(write(dump_config(config, defaults=defaults))) == config


@pytest.mark.parametrize(
    ("line", "section", "key", "value"),
    [
        ("learning_rate: 1e-4", "training", "learning_rate", 1e-4),
        ("learning_rate: 1", "training", "learning_rate", 1.0),
        ("seed: 012", "training", "seed", 12),
        ("seed: 0o17", "training", "seed", 15),
        ("seed: 0x1F", "training", "seed", 31),
        ("seed: +3", "training", "seed", 3),
        ("compile: True", "training", "compile", True),
        ("patience: ~", "training", "patience", None),
        ("patience:", "training", "patience", None),
        ('schedule: "cosine"', "training", "schedule", "cosine"),
    ],
)
def test_scalar_has_its_yaml_1_2_value(
    write: Any, line: str, section: str, key: str, value: Any
) -> None:
    config = load_config(write(f"{BASE}  {line}\n"))
    found = getattr(getattr(config, section), key)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("word", ["no", "yes", "on", "12:30", "2026-11-23", "~/x", "$HOME/a", "="])
def test_unquoted_word_is_text(write: Any, word: str) -> None:
    config = load_config(write(BASE.replace("a.en", word)))
    assert config.data.train[0].source == word  # type: ignore[union-attr]


@pytest.mark.parametrize("change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n")])
def test_bom_and_crlf_do_not_change_the_config(write: Any, change: Any) -> None:
    assert load_config(write(change(BASE))) == load_config(write(BASE))


# --- Errors ---------------------------------------------------------------------------------

ERRORS = {
    "unknown key": (
        BASE + "  warmup_step: 3\n",
        'unknown key "warmup_step" in de-en.yaml:6:3 (training.warmup_step); '
        'did you mean "warmup_steps"?\n',
    ),
    "replaced key": (
        BASE + "tokenizer: {normalization: nfkc}\n",
        'unknown key "normalization" in de-en.yaml:6:13 (tokenizer.normalization)\n'
        "use tokenizer.source_normalization and tokenizer.target_normalization",
    ),
    "key of another section": (BASE + "  dropout: 0.1\n", 'did you mean "model.dropout"?'),
    "unlike any key": (BASE + "  zzzzz: 1\n", "use one of the keys of training: batch_tokens,"),
    "unknown section": (BASE + "modle: {}\n", 'in de-en.yaml:6:1 (modle); did you mean "model"?'),
    "duplicate key": (
        BASE + "  max_steps: 11\n",
        'duplicate key "max_steps" in de-en.yaml:6:3; first defined in de-en.yaml:5:3',
    ),
    "not a number": (
        BASE.replace("10", "ten"),
        'wrong value "ten" in de-en.yaml:5:14 (training.max_steps); '
        "it must be a whole number at least 1 and at most 1000000000 or null",
    ),
    "true for a number": (BASE + "  seed: true\n", "wrong value true in de-en.yaml:6:9"),
    "fraction for a whole number": (BASE + "  seed: 1.5\n", "wrong value 1.5"),
    "not finite": (BASE + "  learning_rate: 1e400\n", "wrong value .inf"),
    "infinite": (BASE + "  weight_decay: .inf\n", "must be a number at least 0"),
    "NaN": (BASE + "  beta1: .nan\n", "at least 0 and below 1"),
    "out of range": (
        BASE + "model:\n  dropout: 1.5\n",
        "wrong value 1.5 in de-en.yaml:7:12 (model.dropout); "
        "it must be a number at least 0 and below 1",
    ),
    "5000 digits": (BASE + f"  seed: {'9' * 5000}\n", "wrong value .inf in de-en.yaml:6:9"),
    "no such choice": (
        BASE + "tokenizer: {type: word}\n",
        'wrong value "word" in de-en.yaml:6:19 (tokenizer.type); it must be bpe or unigram',
    ),
    "time for a word": (BASE + "  precision: 12:30\n", "it must be auto or fp32 or bf16"),
    "null for required": (
        BASE.replace("{builtin: phrasebook}", "null"),
        "wrong value null in de-en.yaml:3:10 (data.valid); it must be a source of pairs",
    ),
    "missing section": ("training: {max_steps: 1}\n", 'missing key "data" in de-en.yaml (data)'),
    "value for a section": (BASE + "model: 3\n", "it must be a section with keys like"),
    "heads do not divide": (
        BASE + "model:\n  d_model: 100\n  heads: 3\n",
        "d_model (100) must be a multiple of heads (3) in de-en.yaml:6:1 (model)",
    ),
    "vocabulary without room for bytes": (
        BASE + "tokenizer:\n  vocab_size: 260\n",
        "byte_fallback needs a vocab_size above 260 (256 bytes and the control ids), "
        "but vocab_size is 260 in de-en.yaml:6:1 (tokenizer)",
    ),
    "shortest output above the longest": (
        BASE + "decoding:\n  min_length: 50\n  max_length: 5\n",
        "min_length (50) is greater than max_length (5) in de-en.yaml:6:1 (decoding)",
    ),
    "training without end": (
        BASE.replace("max_steps: 10", "seed: 1"),
        "one of max_steps, max_epochs and patience must end the training in de-en.yaml:4:1",
    ),
    "half a source": (
        BASE.replace(", target: a.de", ""),
        'missing key "target" in de-en.yaml:2:3 (data.train.target)',
    ),
    "misspelled source": (BASE.replace("target", "tarhet"), 'did you mean "target"?'),
    "no kind of source": (
        BASE.replace("{builtin: phrasebook}", "{q: 3}"),
        "data.valid in de-en.yaml:3:3 is not a source of pairs\n"
        "use {source: FILE, target: FILE}, {file: FILE}, {hub: NAME,",
    ),
    "word for a source": (BASE.replace("{builtin: phrasebook}", "a.tsv"), 'wrong value "a.tsv"'),
    "no sources": (BASE.replace("{builtin: phrasebook}", "[]"), "wrong value (a list)"),
    "source in a list": (
        BASE.replace("{builtin: phrasebook}", "[{builtin: phrasebook}, {hub: a, spilt: b}]"),
        'unknown key "spilt" in de-en.yaml:3:43 (data.valid.1.spilt); did you mean "split"?',
    ),
    "column number from 0": (
        BASE.replace("{builtin: phrasebook}", "{file: a.tsv, source_column: 0}"),
        "wrong value 0 in de-en.yaml:3:39 (data.valid.source_column); "
        "it must be text or a whole number at least 1 and at most 1000000000",
    ),
    "unknown corpus": (BASE.replace("phrasebook", "novel"), "it must be phrasebook"),
    "empty": ("", 'missing key "data" in de-en.yaml'),
    "only comments": ("# nothing\n", 'missing key "training"'),
    "list at the root": ("- a\n", "de-en.yaml must contain sections"),
    "word at the root": ("hello\n", "de-en.yaml must contain sections"),
    "tab": ("data:\n\ttrain: x\n", "tab in the indentation in de-en.yaml:2:1"),
    "NUL": ("a: \0\n", "character U+0000 is not allowed in de-en.yaml:1:4"),
    "escape": ("a: 1\nb: \x1b[2J\n", "character U+001B is not allowed in de-en.yaml:2:4"),
    "not UTF-8": (b"a: 1\nb: \xff\n", "not valid UTF-8 in de-en.yaml:2 (byte 8 of the file)"),
    "UTF-16": ("a: 1".encode("utf-16"), "(byte 0 of the file)\nsave the file as UTF-8"),
    "5000 brackets": ("a: " + "[" * 5000, "nested more than 50 levels deep in de-en.yaml:1:"),
    "500 levels": ("".join(" " * i + "a:\n" for i in range(500)), "nested more than 50 levels"),
    "alias": ("a: &x 1\nb: *x\n", "anchors and aliases (&, *) are not allowed in de-en.yaml:1:4"),
    "merge key": (BASE + "model: {<<: {heads: 1}}\n", 'unknown key "<<" in de-en.yaml:6:9'),
    "code": (
        "a: !!python/object/apply:os.system [ls]\n",
        'tag "tag:yaml.org,2002:python/object/apply:os.system" is not allowed',
    ),
    "include": ("a: !include /etc/passwd\n", 'tag "!include" is not allowed'),
    "key that is a list": ("? [a]\n: 1\n", "a key must be a plain word, in de-en.yaml:1:3"),
    "two documents": ("a: 1\n---\nb: 1\n", "a second document (---) starts in de-en.yaml:2:1"),
    "invalid YAML": ("a: b: c\n", "not valid YAML: mapping values are not allowed here"),
    "unclosed": ("a: [1,\n", "not valid YAML"),
    "impossible character": ('a: "\\U00110000"\n', "not valid YAML in de-en.yaml"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_error_has_location_and_fix(write: Any, case: str) -> None:
    text, expected = ERRORS[case]
    assert expected in error_of(write(text))


def test_misspelled_key_and_wrong_value_of_the_meant_key_are_both_reported(write: Any) -> None:
    message = error_of(write(BASE.replace("10", "ten") + "  max_step: 3\n"))
    assert 'wrong value "ten" in de-en.yaml:5:14' in message
    assert 'did you mean "max_steps"?' in message


def test_misspelled_required_key_is_reported_once(write: Any) -> None:
    message = error_of(write(BASE.replace("training:", "trainin:")))
    assert (
        message == 'unknown key "trainin" in de-en.yaml:4:1 (trainin); did you mean "training"?\n'
    )


def test_several_errors_are_reported_in_the_order_of_the_file(write: Any) -> None:
    text = BASE + "  sede: 1\n  beta1: 2\nmodel: {norm: none}\n"
    lines = re.findall(r"de-en\.yaml:(\d+)", error_of(write(text)))
    assert lines == ["6", "7", "8"]


def test_at_most_ten_errors_are_reported(write: Any) -> None:
    text = BASE + "".join(f"  zz{i}: 1\n" for i in range(15))
    assert "and 5 more" in error_of(write(text))


def test_control_characters_in_values_are_escaped(write: Any) -> None:
    message = error_of(write(BASE + '  precision: "\\e[2J\\ud800' + "x" * 500 + '"\n'))
    assert r"\x1b[2J" in message
    assert len(message) < 300


def test_file_that_cannot_be_read_raises_config_error(tmp_path: Path, write: Any) -> None:
    write(BASE)
    assert "did you mean de-en.yaml?" in error_of(Path("de-em.yaml"))
    message = error_of(tmp_path / "no" / "x.yaml")
    assert "does not exist\ncheck the path: there is no folder" in message
    assert "cannot read config file" in error_of(tmp_path)
    assert r"cannot read config file a\x00b" in error_of(Path("a\0b"))


def test_key_with_one_wrong_letter_has_a_suggestion(write: Any) -> None:
    """Each key with at least four letters is tested with a wrong letter at a random position."""
    rng = random.Random(1)
    for name in ("tokenizer", "model", "training", "decoding"):
        section = Config.model_fields[name].annotation
        assert isinstance(section, type)
        assert issubclass(section, Section)
        for key in section.model_fields:
            index = rng.randrange(len(key))
            wrong = key[:index] + "q" + key[index + 1 :]
            if len(key) > 3:
                message = error_of(write(BASE), f"{name}.{wrong}=1")
                assert f'did you mean "{key}"?' in message


# --- Overrides ------------------------------------------------------------------------------


def test_overrides_replace_and_add(write: Any) -> None:
    path = write(BASE)
    config = load_config(
        path, ["training.max_steps=20", "model.d_model=64", "training.learning_rate=1e-4"]
    )
    assert config.training.max_steps == 20
    assert config.model.d_model == 64
    assert config.training.learning_rate == 1e-4
    assert load_config(path, ["training.patience=null"]).training.patience is None
    assert load_config(path, ["model={d_model: 32, heads: 2}"]).model.heads == 2


@pytest.mark.parametrize(
    "value",
    [
        "my file #1.en",
        "#1.en",
        "a: b",
        "- a",
        "*x",
        "&x",
        "!x",
        "| a",
        "'a' #1",
        '"a',
        "[1] b",
        "a=",
    ],
)
def test_text_of_an_override_is_not_yaml(write: Any, value: str) -> None:
    source = load_config(write(BASE), [f"data.train.source={value}"]).data.train[0]
    assert source.model_dump()["source"] == value


@pytest.mark.parametrize("value", ['"a #1"', "'a #1'"])
def test_quotes_around_an_override_are_removed(write: Any, value: str) -> None:
    source = load_config(write(BASE), [f"data.train.source={value}"]).data.train[0]
    assert source.model_dump()["source"] == "a #1"


LOCAL = {"source": "x.en", "target": "x.de"}


@pytest.mark.parametrize("prefix", ["data.train", "data.train.0"])
@pytest.mark.parametrize(
    "base", [HUB, BASE, BASE.replace("{source", "[{source").replace("a.de}", "a.de}]")]
)
def test_local_files_replace_a_source_of_another_kind(write: Any, base: str, prefix: str) -> None:
    overrides = [f"{prefix}.{key}={value}" for key, value in LOCAL.items()]
    for order in (overrides, overrides[::-1]):
        train = load_config(write(base), order).data.train
        assert [source.model_dump() for source in train] == [LOCAL]


def test_override_of_the_same_kind_of_source_keeps_the_other_keys(write: Any) -> None:
    train = load_config(write(HUB), ["data.train.split=train[:10]"]).data.train[0]
    assert train.model_dump() == {
        "hub": "x/y",
        "config": "de-en",
        "split": "train[:10]",
        "source_column": "en",
        "target_column": "de",
    }


def test_overrides_change_and_add_sources(write: Any) -> None:
    path = write(HUB)
    for order in (["data.train.source_column=3", "data.train.file=a.tsv"],):
        for overrides in (order, order[::-1]):
            train = load_config(path, overrides).data.train[0]
            assert train.model_dump() == {"file": "a.tsv", "source_column": 3, "target_column": 2}
    test = load_config(path, ["data.test.source=t.en", "data.test.target=t.de"]).data.test
    assert test is not None
    assert test[0].model_dump() == {"source": "t.en", "target": "t.de"}
    two = "data.valid=[{file: a.tsv}, {builtin: phrasebook}]"
    config = load_config(path, [two, "data.valid.1.split=test", "data.valid.0.target_column=5"])
    assert config.data.valid[0].model_dump()["target_column"] == 5
    assert config.data.valid[1].model_dump() == {"builtin": "phrasebook", "split": "test"}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("training.warmup_step=4", "in --set training.warmup_step=4 (training.warmup_step); did"),
        ("training.max_steps=ten", 'wrong value "ten" in --set training.max_steps=ten'),
        ("training.max_steps.x=1", "training.max_steps is a value, not a section"),
        ("training", "--set training is not KEY=VALUE"),
        ("=3", "--set =3 is not KEY=VALUE"),
        ("a..b=3", "is not KEY=VALUE"),
        ("training.seed=[1", 'wrong value "[1" in --set training.seed=[1 (training.seed)'),
        ("training.seed=[a: b: c]", "not valid YAML"),
        ("training.seed=[*x]", "anchors and aliases"),
        ("training.seed=[!!int 3]", "tag"),
        ("training.seed=3 # more", 'wrong value "3 # more"'),
        ("data.train.1.source=x", 'unknown key "1" in --set data.train.1.source=x (data.train.1)'),
        ("data.train.source=", "wrong value null in --set data.train.source= (data.train.source)"),
        ("training.seed=\ud800", r'wrong value "\ud800" in --set training.seed=\ud800'),
        ("model.heads=3", "must be a multiple of heads (3) in --set model.heads=3 (model)"),
        ("data=1", "it must be a section with keys like train, valid, test"),
        ("data.train.sorce=x", 'did you mean "source"?'),
    ],
)
def test_wrong_override_is_named_in_the_error(write: Any, override: str, expected: str) -> None:
    assert expected in error_of(write(BASE), override)


def test_index_beyond_a_list_of_sources_is_an_error(write: Any) -> None:
    path = write(BASE.replace("{builtin: phrasebook}", "[{file: a}, {file: b}]"))
    assert "data.valid is a list of length 2" in error_of(path, "data.valid.2.file=c")
    assert "data.valid is a list of length 2" in error_of(path, "data.valid.file=c")


# --- Limits ---------------------------------------------------------------------------------


def test_token_limits_come_from_the_data_and_decoding_sections(write: Any) -> None:
    config = load_config(write(BASE), ["data.max_tokens=300", "decoding.max_length=200"])
    assert (config.max_source_tokens, config.max_target_tokens) == (300, 200)


def test_learned_positions_limit_tokens_to_one_less_than_positions(write: Any) -> None:
    learned = ["model.positions=learned", "model.max_positions=100", "decoding.max_length=200"]
    config = load_config(write(BASE), [*learned, "data.max_tokens=99"])
    assert (config.max_source_tokens, config.max_target_tokens) == (99, 99)
    message = error_of(write(BASE), *learned, "data.max_tokens=100")
    assert "learned positions hold 99 tokens (model.max_positions - 1)" in message
    assert "but data.max_tokens is 100" in message
    limits = ["data.max_tokens=99", "decoding.min_length=100"]
    assert "but decoding.min_length is 100" in error_of(write(BASE), *learned, *limits)


def test_minimum_length_beyond_the_maximum_is_an_error(write: Any) -> None:
    lengths = ["decoding.min_length=150", "decoding.max_length=140"]
    assert "min_length (150) is greater than max_length (140) in" in error_of(write(BASE), *lengths)
    learned = ["model.positions=learned", "model.max_positions=300", "decoding.max_length=400"]
    assert load_config(write(BASE), [*learned, "decoding.min_length=299"])
    message = error_of(write(BASE), *learned, "decoding.min_length=300")
    assert "learned positions hold 299 tokens (model.max_positions - 1)" in message
    assert "but decoding.min_length is 300" in message


def test_replaced_values_are_validated(write: Any) -> None:
    config = load_config(write(BASE))
    decoding = replaced(config.decoding, beam_size=7, max_length=9)
    assert (decoding.beam_size, decoding.max_length) == (7, 9)
    assert decoding.patience == config.decoding.patience
    assert replaced(config, decoding=decoding).data == config.data
    for key, value in (("beam_size", 0), ("beam_size", "2"), ("length_penalty", -1.0)):
        with pytest.raises(ConfigError, match=f"{key} is {value!r}; it must be a"):
            replaced(config.decoding, **{key: value})


# --- Dumping --------------------------------------------------------------------------------

TEXT = st.text(max_size=20) | st.sampled_from(
    ["no", "1e3", "~", "12", "- a", "#", "a: b", "\u2028"]
)
SOURCES = st.one_of(
    st.fixed_dictionaries({"source": TEXT, "target": TEXT}),
    st.fixed_dictionaries({"file": TEXT, "source_column": TEXT | st.integers(1, 9)}),
    st.fixed_dictionaries({"hub": TEXT, "source_column": TEXT, "target_column": TEXT}),
    st.fixed_dictionaries(
        {"builtin": st.just("phrasebook"), "split": st.sampled_from([None, "test"])}
    ),
)


@settings(max_examples=100)
@given(
    train=st.lists(SOURCES, min_size=1, max_size=3),
    rate=st.floats(1e-300, 1e6),
    dropout=st.floats(0, 1, exclude_max=True),
    steps=st.integers(1, 10**9),
)
def test_dumped_config_loads_to_an_equal_config(
    tmp_path_factory: pytest.TempPathFactory, train: Any, rate: float, dropout: float, steps: int
) -> None:
    config = Config.model_validate(
        {
            "data": {"train": train, "valid": [{"builtin": "phrasebook"}]},
            "model": {"dropout": dropout},
            "training": {"learning_rate": rate, "max_steps": steps, "packing": "off"},
        }
    )
    path = tmp_path_factory.mktemp("dump") / "config.yaml"
    for defaults in (True, False):
        path.write_text(dump_config(config, defaults=defaults), encoding="utf-8")
        assert load_config(path) == config
        assert load_run_config(path) == config


def test_damaged_config_of_a_run_is_a_storage_error(write: Any) -> None:
    for text in ("", "data: [", b"\xff"):
        with pytest.raises(StorageError, match="damaged config of a run"):
            load_run_config(write(text))
    with pytest.raises(StorageError, match="No such file"):
        load_run_config(Path("nowhere.yaml"))


def test_run_config_that_is_not_a_small_regular_file_is_a_storage_error(write: Any) -> None:
    with pytest.raises(StorageError, match="at most"):
        load_run_config(write("#" * 300_000))
    os.mkfifo("pipe.yaml")
    with pytest.raises(StorageError, match="not a regular file"):
        load_run_config(Path("pipe.yaml"))


def test_reference_config_lists_every_key_with_its_default() -> None:
    """If this test fails, run python scripts/write_reference_config.py > configs/reference.yaml."""
    script = runpy.run_path("scripts/write_reference_config.py")
    text = Path("configs/reference.yaml").read_text(encoding="utf-8")
    assert text == script["reference"]()
    config = load_config(Path("configs/reference.yaml"))
    assert {type(source) for source in config.data.train} == set(SOURCE_KINDS.values())
    changed = config.model_dump(exclude_defaults=True)
    assert changed.keys() == {"data", "training"}
    assert changed["data"].keys() == {"train", "valid"}
    assert changed["training"].keys() == {"max_steps"}
    for section in (*SOURCE_KINDS.values(), DataConfig, *(type(part) for _, part in config)):
        for key in section.model_fields:
            assert re.search(rf"^[ -]*{key}:", text, re.MULTILINE)


# --- Fuzzing --------------------------------------------------------------------------------

NASTY_WORDS = """no 1e-4 012 12:30 2026-11-23 .nan .inf 1e400 -1 true null ~ '' [] {} [[]] {a:1}
&x *x !!int <<: !include | > - ? : %YAML @ ` " ' # 1_000 0x"""
NASTY = [
    *NASTY_WORDS.split(),
    *("\t", "\0", "\ufeff", "\u2028", "\ud800", "\x1b[2J", "a: b", "%YAML 1.1\n---\n", "\r"),
    "9" * 60,
]
WORDS = sorted(
    {w for path in CONFIGS for w in re.findall(r"[\w./-]+", path.read_text(encoding="utf-8"))}
)


@st.composite
def mutated_configs(draw: st.DrawFn) -> str:
    """Return a small config with one to five changed characters, words or lines."""
    text = draw(st.sampled_from([BASE, HUB, Path("configs/demo.yaml").read_text("utf-8")]))
    junk = st.sampled_from(NASTY) | st.sampled_from(WORDS) | st.text(max_size=5)
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["insert", "delete", "value", "line", "swap", "indent"]))
        lines = text.split("\n")
        row = draw(st.integers(0, len(lines) - 1))
        at = draw(st.integers(0, len(text)))
        if kind == "insert":
            text = text[:at] + draw(junk) + text[at:]
            continue
        if kind == "delete":
            text = text[:at] + text[at + draw(st.integers(1, 8)) :]
            continue
        if kind == "value":
            lines[row] = re.sub(r":.*", lambda _: ": " + draw(junk), lines[row], count=1)
        elif kind == "line":
            lines.insert(row, draw(st.sampled_from(lines)))
        elif kind == "swap":
            lines[row], lines[0] = lines[0], lines[row]
        else:
            lines[row] = " " * draw(st.integers(0, 6)) + lines[row]
        text = "\n".join(lines)
    return text


KEYS = [
    "data.train",
    "data.train.0",
    "data.valid.source",
    "data.test.file",
    "model",
    "training.seed",
]
OVERRIDES = st.builds(
    lambda key, value: f"{key}={value}",
    st.sampled_from(KEYS) | st.sampled_from(WORDS),
    st.sampled_from(NASTY) | st.sampled_from(WORDS) | st.text(max_size=10),
)


@settings(max_examples=FUZZ_EXAMPLES)
@given(text=mutated_configs(), overrides=st.lists(OVERRIDES, max_size=2))
def test_any_config_loads_or_raises_a_readable_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, overrides: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        config = load_config(path, overrides)
    except ConfigError as error:
        words = f"{error.message}{error.hint or ''}"
        assert words.replace("\n", "").isprintable()
        assert "fuzz.yaml" in words or "--set" in words
        assert len(words) < 5000
    else:
        path.write_text(dump_config(config), encoding="utf-8")
        assert load_config(path) == config


@settings(max_examples=100)
@given(st.text())
def test_shortened_text_is_printable(text: str) -> None:
    shown = shorten(text)
    assert shown.isprintable()
    assert len(shown) <= 800
