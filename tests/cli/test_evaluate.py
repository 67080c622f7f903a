"""`nmt evaluate` with a fake translator."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import types
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from sacrebleu.significance import PairedTest
from typer.testing import CliRunner, Result

import nmt.data.preparation  # before the patches of nmt.data.sources
import nmt.data.sources
import nmt.runs
from nmt.cli import common
from nmt.cli.evaluate import evaluate
from nmt.config import BuiltinCorpus, DataConfig
from nmt.config.schema import EvaluationConfig
from nmt.errors import DataError, NmtError, UsageError

SOURCES = ["A man sleeps.", "", "Two dogs run through the snow.", "The red house is old."]
REFERENCES = ["Ein Mann schläft.", "", "Zwei Hunde laufen durch den Schnee.", "Das Haus ist alt."]
GOOD = ["Ein Mann schläft.", "", "Zwei Hunde laufen im Schnee.", "Das Haus ist alt."]


def write(path: Path, lines: list[str]) -> str:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return str(path)


def run_command(*arguments: str, fails: bool = False) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    result = CliRunner().invoke(app, list(arguments))
    if not fails and result.exception:
        raise result.exception
    return result


def error_of(*arguments: str) -> NmtError:
    exception = run_command(*arguments, fails=True).exception
    assert isinstance(exception, NmtError), repr(exception)
    return exception


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(Path("test.en"), SOURCES)
    write(Path("test.de"), REFERENCES)
    write(Path("out.de"), GOOD)
    return tmp_path


class FakeTranslator:
    """A translator with fixed translations, which are worse for beam size 1."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def translate(self, sentences: list[str], warn: Callable[[int, str], None]) -> list[str]:
        for i, sentence in enumerate(sentences):
            if sentence.startswith("Two"):
                warn(i, "too long")
        if self.settings["beam_size"] == 1:
            return ["Haus"] * len(sentences)
        return [GOOD[SOURCES.index(sentence)] for sentence in sentences]

    def facts(self) -> dict[str, Any]:
        return {"beam_size": self.settings["beam_size"] or 5, "engine": "a fake"}


class Pair(NamedTuple):
    source: str
    target: str
    part: int = 0


@pytest.fixture
def runs(texts: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Fake runs "a" (with a test set) and "b" (without), and return the settings of loaded runs."""
    loaded: dict[str, Any] = {}

    def find_run(name: str | None) -> Any:
        if name == "/nonexistent":
            raise UsageError("no run /nonexistent", "runs in runs: a, b")
        name = Path(name or "a").name
        valid = BuiltinCorpus(builtin="phrasebook", split="valid")
        test = BuiltinCorpus(builtin="phrasebook", split="test")
        data = DataConfig(train=[valid], valid=[valid], test=[test] if name == "a" else None)
        config = types.SimpleNamespace(data=data, evaluation=EvaluationConfig())
        path = Path("runs") / name
        return types.SimpleNamespace(path=path, config=config, weights_folder=path / "model")

    def load_translator(
        model: str, device: str, threads: None, settings: dict[str, Any], *direction: None
    ) -> Any:
        loaded[model] = settings
        return FakeTranslator(settings)

    def read_split(data: DataConfig, split: str) -> list[Pair]:
        assert [source.split for source in getattr(data, split)] == [split]
        return [Pair(*pair) for pair in zip(SOURCES, REFERENCES, strict=True)]

    monkeypatch.setattr(nmt.data.sources, "read_split", read_split)
    monkeypatch.setattr(nmt.runs, "find_run", find_run)
    monkeypatch.setattr(common, "load_translator", load_translator)
    return loaded


def test_file_is_scored(texts: Path) -> None:
    result = run_command("--hypothesis", "out.de", "--reference", "test.de", "--worst", "1")
    assert result.stdout.startswith("out.de on test.de, 4 sentences\n")
    assert "line 3, chrF++" in result.stdout
    assert "reference words" in result.stdout
    assert result.stderr == ""


def test_baseline_can_come_from_standard_input_or_a_pipe(
    texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo("pipe")
    content = Path("out.de").read_bytes()
    writer = threading.Thread(target=Path("pipe").write_bytes, args=[content])
    writer.start()
    with Path("out.de").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=file))
        for against, name in (("-", "standard input"), ("pipe", "pipe")):
            evaluate(reference=[Path("test.de")], hypothesis=Path("out.de"), against=against)
            assert f"B: {name}\n" in capsys.readouterr().out
    writer.join()


def test_standard_input_cannot_be_two_texts(texts: Path) -> None:
    error = error_of("--hypothesis", "-", "--reference", "-")
    assert error.message == "standard input is given twice"


def test_a_file_against_itself_differs_by_chance(texts: Path) -> None:
    arguments = ["--hypothesis", "out.de", "--reference", "test.de", "--against", "out.de"]
    for test in ("bs", "ar"):
        text = run_command(*arguments, "--paired", test).stdout
        assert "BLEU (+0.00, p = 1.000)" in text
        assert "p = 0.0" not in text


def test_json_has_scores_with_several_references(texts: Path) -> None:
    arguments = ["--hypothesis", "out.de", "--reference", "test.de", "--reference", "out.de"]
    found = json.loads(run_command(*arguments, "--source", "test.en", "--json").stdout)
    assert found["data"] == "test.de, out.de"
    assert found["scores"][0]["value"] == pytest.approx(100)
    assert "nrefs:2" in found["scores"][0]["signature"]
    assert found["length_of"] == "source"


def test_lowercase_ignores_case(texts: Path) -> None:
    write(texts / "lower.de", [line.lower() for line in REFERENCES])
    arguments = ["--hypothesis", "lower.de", "--reference", "test.de", "--json"]
    mixed = json.loads(run_command(*arguments).stdout)
    lower = json.loads(run_command(*arguments, "--lowercase").stdout)
    assert mixed["scores"][0]["value"] < 100
    assert [s["name"] for s in lower["scores"]] == ["BLEU lower-case", "chrF++", "TER"]
    assert lower["scores"][1]["value"] == pytest.approx(100)


def test_settings_of_the_search_are_reported(runs: dict[str, Any]) -> None:
    text = run_command("--split", "valid", "--against", "runs/b", "--beam-size", "1").stdout
    assert text.split("\n")[1] == "decoded with beam size 1, engine a fake"
    assert "\nB was decoded with beam size 1, engine a fake\n" in text
    report = json.loads(run_command("--json").stdout)
    assert report["decoding"] == {"beam_size": 5, "engine": "a fake"}
    scored = run_command("--hypothesis", "out.de", "--reference", "test.de").stdout
    assert "decoded with" not in scored


def test_bare_prints_only_bleu(runs: dict[str, Any]) -> None:
    full = json.loads(run_command("--json").stdout)
    bare = run_command("--bare").stdout
    assert bare == f"{full['scores'][0]['value']:.2f}\n"
    write(Path("upper.de"), [line.upper() for line in REFERENCES])
    scored = ("--hypothesis", "upper.de", "--reference", "test.de", "--bare")
    assert run_command(*scored, "--lowercase").stdout == "100.00\n"
    assert run_command(*scored).stdout != "100.00\n"
    assert "--bare prints one number" in error_of("--bare", "--json").message


def test_test_set_is_translated_and_saved(texts: Path, runs: dict[str, Any]) -> None:
    result = run_command("--save", "saved.de", "--length-penalty", "0.6")
    assert result.stdout.startswith("runs/a on the test split of runs/a, 4 sentences\n")
    assert "model: runs/a\n" in result.stderr
    assert "warning: line 3: too long" in result.stderr
    assert (texts / "saved.de").read_bytes() == (texts / "out.de").read_bytes()
    assert runs["runs/a"] == {"beam_size": None, "length_penalty": 0.6, "batch_tokens": None}
    again = run_command("--hypothesis", "saved.de", "--reference", "test.de", "--source", "test.en")
    assert again.stdout.partition("\n\n")[2] == result.stdout.partition("\n\n")[2]


def test_default_split_is_the_test_set_or_the_validation_set(runs: dict[str, Any]) -> None:
    assert "the valid split of runs/b" in run_command("--model", "b").stdout
    assert "the valid split of runs/a" in run_command("-m", "a", "--split", "valid").stdout
    assert "no data.test" in error_of("-m", "b", "--split", "test").message


def test_source_file_is_translated_and_scored(runs: dict[str, Any]) -> None:
    arguments = ["--source", "test.en", "--reference", "test.de", "--model", "b"]
    assert run_command(*arguments).stdout.startswith("runs/b on test.de,")


def test_hypothesis_of_a_split_is_scored_without_model(runs: dict[str, Any]) -> None:
    result = run_command("--hypothesis", "out.de")
    assert result.stdout.startswith("out.de on the test split of runs/a,")
    assert not runs


@pytest.mark.parametrize("test", ["bs", "ar"])
def test_against_compares_with_a_file_or_a_run(
    texts: Path, runs: dict[str, Any], test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PairedTest._DEFAULT_SAMPLES, "ar", 200)
    result = run_command("--against", "out.de", "--paired", test)
    assert "A: runs/a\nB: out.de\n" in result.stdout
    assert "No significant difference between runs/a and out.de" in result.stdout
    result = run_command("--hypothesis", "test.de", "--against", "b", "--beam-size", "1")
    assert "B: runs/b\n" in result.stdout
    assert "test.de is significantly better than runs/b" in result.stdout
    assert list(runs) == ["runs/a", "runs/b"]


def test_tokenized_text_prints_warning(texts: Path) -> None:
    write(texts / "tok.de", ["Ein Mann schläft .", "", "Zwei Hunde .", "Das Haus ist alt ."])
    result = run_command("--hypothesis", "tok.de", "--reference", "test.de")
    assert "tok.de looks tokenized" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--split test --reference test.de", "--split and --reference"),
        ("--source test.en", "--source needs --reference"),
        ("--reference test.de", "nothing to translate"),
        ("--reference test.de --hypothesis out.de -m a", "--model cannot be combined"),
        ("--reference test.de --hypothesis out.de --save x", "--save has nothing to write"),
        ("--reference test.de --hypothesis out.de --against b", "it needs sources"),
        ("--against /nonexistent", "--against /nonexistent is neither a file nor a run"),
        (
            "--reference test.de --hypothesis out.de --against /nonexistent",
            "--against /nonexistent is neither a file nor a run",
        ),
    ],
)
def test_invalid_combination_of_options_raises_usage_error(
    runs: dict[str, Any], arguments: str, message: str
) -> None:
    error = error_of(*arguments.split())
    assert isinstance(error, UsageError)
    assert message in error.message


@pytest.mark.parametrize("option", ["--hypothesis", "--source", "--against", "--reference"])
def test_unequal_line_counts_raise_data_error(texts: Path, option: str) -> None:
    write(texts / "short", REFERENCES[:-1])
    arguments = ["--reference", "test.de", "--hypothesis", "out.de"]
    arguments += [option, "short"]  # Only --reference may be repeated; of others, the last counts.
    error = error_of(*arguments)
    assert isinstance(error, DataError)
    for part in ("short", "3", "test.de", "4"):
        assert part in error.message


def chinese(folder: Path) -> list[str]:
    """Write a reference, and a translation with half of its sentences; return the arguments."""
    write(folder / "ref.zh", ["红猫跳。", "旧房子很大。", "今天天气好。", "我买了一本书。"])
    write(folder / "out.zh", ["红猫跳。", "旧房子很小。", "昨天下雨了。", "我买了一本书。"])
    return ["--reference", "ref.zh", "--hypothesis", "out.zh"]


def test_references_without_spaces_are_scored_by_character(texts: Path) -> None:
    arguments = chinese(texts)
    result = run_command(*arguments)
    assert "written without spaces: BLEU uses the tokenizer char" in result.stderr
    assert "BLEU (char): nrefs:1|" in result.stdout
    assert "tok:char" in result.stdout
    assert "TER is left out" in result.stdout
    same = run_command("--reference", "ref.zh", "--hypothesis", "ref.zh", "--json")
    assert json.loads(same.stdout)["scores"][0]["value"] == pytest.approx(100)


def test_tokenize_option_overrides_the_choice(texts: Path) -> None:
    result = run_command(*chinese(texts), "--tokenize", "zh", "--json")
    scores = json.loads(result.stdout)["scores"]
    assert result.stderr == ""
    assert [score["tokenizer"] for score in scores] == ["zh", "zh", None]
    assert "tok:zh" in scores[0]["signature"]
    command = [sys.executable, "-m", "sacrebleu", "ref.zh", "-i", "out.zh", "-tok", "zh", "-b"]
    expected = subprocess.run([*command, "-w", "8"], capture_output=True, check=True, text=True)
    assert f"{scores[0]['value']:.8f}" == expected.stdout.strip()
    assert 0 < scores[0]["value"] < 100


@pytest.mark.parametrize(("hypothesis", "reference"), [("out", "odd"), ("odd", "test")])
def test_unicode_form_and_invisible_characters_do_not_change_scores(
    texts: Path, hypothesis: str, reference: str
) -> None:
    odd = [unicodedata.normalize("NFD", line) for line in REFERENCES]
    write(texts / "odd.de", ["\ufeff" + odd[0], *odd[1:-1], "Das Haus ist\u00ad alt."])

    def scored(*names: str) -> Any:
        files = (f"{name}.de" for name in names)
        options = zip(("--hypothesis", "--reference"), files, strict=True)
        return run_command(*itertools.chain(*options), "--json")

    found = json.loads(scored(hypothesis, reference).stdout)
    plain = scored(hypothesis.replace("odd", "test"), reference.replace("odd", "test"))
    expected = json.loads(plain.stdout)
    assert found["scores"] == expected["scores"]
    assert (found["changed_lines"], expected["changed_lines"]) == (2, 0)
    text = run_command("--hypothesis", "odd.de", "--reference", "test.de").stdout
    assert "2 lines changed before scoring" in text


def test_empty_files_raise_error(texts: Path) -> None:
    write(texts / "none", [])
    assert "none has no lines" in error_of("--reference", "none", "--hypothesis", "none").message


def test_scoring_a_file_imports_no_torch(texts: Path) -> None:
    program = (
        "import sys; from pathlib import Path as P; from nmt.cli.evaluate import evaluate\n"
        "evaluate(hypothesis=P('out.de'), reference=[P('test.de')], against='test.de')\n"
        "print(sorted({'torch', 'datasets', 'sentencepiece', 'pydantic'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    assert result.stdout.endswith("\n[]\n")


def test_help_shows_an_example() -> None:
    assert "Example: nmt evaluate" in run_command("--help").stdout
