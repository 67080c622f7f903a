"""A run with both directions of a pair, and a tagged source with a higher weight."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from tiny import both_directions_config

from nmt import cli, storage
from nmt.config import DecodingConfig
from nmt.decoding.directions import Directions
from nmt.decoding.translator import Translator
from nmt.decoding.workers import TranslatorPool
from nmt.errors import ConfigError, DataError, UsageError
from nmt.inspection.alignment import word_attention
from nmt.inspection.attention import translation_maps
from nmt.loading import load_model
from nmt.runs import Run
from nmt.training.pipeline import run_training
from nmt.training.progress import Progress


@pytest.fixture(scope="module")
def translator(multilingual: Run) -> Translator:
    return Translator.load(multilingual, "cpu")


def weights_of(run: Run) -> str:
    checksum: str = storage.verify(run.model_folder)["files"]["model.safetensors"]["sha256"]
    return checksum


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    times = {"seconds", "validation_seconds", "tokens_per_second"}
    return {key: record[key] for key in record.keys() - times}


def test_records_have_each_set_and_the_mean(multilingual: Run) -> None:
    for event in ("valid", "test"):
        record = multilingual.records(event)[-1]
        assert [*record["sets"]] == ["en-de", "de-en"]
        values = [one["chrf"] for one in record["sets"].values()]
        assert record["chrf"] == pytest.approx(sum(values) / 2)
    losses = [record["nll"] for record in multilingual.records("valid")]
    state = json.loads((multilingual.checkpoints()[0] / "state.json").read_text())
    assert [-score for _, score, _ in state["scores"]] == losses


def test_drawn_pairs_are_counted_by_source(multilingual: Run) -> None:
    drawn = [record["drawn"] for record in multilingual.records("train")]
    assert all(len(counts) == 4 for counts in drawn)
    assert drawn == sorted(drawn)
    mixture = json.loads(multilingual.fingerprints_file.read_text())["mixture"]
    assert mixture == {"sizes": [200] * 4, "per_epoch": [200, 300] * 2}
    last = zip(drawn[-1], mixture["per_epoch"], strict=True)
    assert all(0 < count <= most for count, most in last)


def test_killed_run_resumes_exactly(multilingual: Run, digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    child = os.fork()
    if child == 0:
        steps = 0

        def die(progress: Progress, tokens: int) -> None:
            nonlocal steps
            steps += 1
            if steps == 7:
                os.kill(os.getpid(), signal.SIGKILL)

        Progress.step = die  # type: ignore[method-assign]
        try:
            run_training(both_directions_config(digits), path)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert [folder.name for folder in Run(path).checkpoints()] == ["step-00000004"]
    run = run_training(both_directions_config(digits), path)
    assert weights_of(run) == weights_of(multilingual)
    for event in ("train", "valid", "test"):
        records = [map(without_times, one.records(event)) for one in (run, multilingual)]
        assert [*records[0]] == [*records[1]]


def test_changed_mixture_is_an_error(multilingual: Run, digits: Path, tmp_path: Path) -> None:
    shutil.copytree(multilingual.path, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "model")
    config = both_directions_config(digits)
    heavier = [config.data.train[0], config.data.train[1].model_copy(update={"weight": 3.0})]
    with pytest.raises(DataError, match=r"how data\.train is mixed"):
        run_training(both_directions_config(digits, train=heavier), tmp_path / "copy")
    with pytest.raises(ConfigError, match=r"data\.temperature: 1\.0 -> 2\.0"):
        run_training(both_directions_config(digits, temperature=2.0), tmp_path / "copy")


def test_translation_needs_a_language_of_the_model(translator: Translator) -> None:
    with pytest.raises(UsageError, match="several target languages: de, en"):
        translator.translate(["one"])
    with pytest.raises(UsageError, match="does not translate into fr, but into: de, en"):
        translator.translate(["one"], target_language="fr")
    with pytest.raises(UsageError, match="has no tag <y>; its tags: <x>"):
        translator.translate(["one"], target_language="de", tag="<y>")
    assert translator.translate("one two", target_language="DE") == translator.into("de").translate(
        "one two"
    )


def test_tags_are_before_the_source_once(translator: Translator) -> None:
    vocabulary = translator.tokenizer.source
    directed = translator.into("de", "<x>")
    assert vocabulary.pieces(directed.tags) == ["<2de>", "<x>"]
    maps = translation_maps(directed, "one two", "eins zwei")["subword"]
    assert maps.source_pieces[:2] == ["<2de>", "<x>"]
    assert not {"<2de>", "<x>", "<2en>"} & {*maps.source_pieces[2:]}
    assert (directed.splitter.source_language, directed.splitter.target_language) == ("en", "de")
    scores = [translator.into(to).score([("one two", "eins zwei")]) for to in ("de", "en")]
    assert scores[0] != scores[1]


def test_alignment_leaves_out_tags(multilingual: Run, translator: Translator) -> None:
    model = load_model(multilingual, translator.program.device)
    pairs = [("one two", "eins zwei drei")]
    [found] = word_attention(model, multilingual.tokenizer, pairs, 50, ["<2de>", "<x>"])
    assert found is not None
    assert found.weights.shape[-2:] == (3, 3)


def test_workers_translate_into_the_language(multilingual: Run, translator: Translator) -> None:
    sentences = ["one two three", "four"]
    decoding: DecodingConfig = multilingual.config.decoding
    with TranslatorPool(multilingual, decoding, 1, 1, "de", "<x>") as pool:
        found = pool.translate(sentences, lambda *_: None)
    assert found == translator.into("de", "<x>").translate(sentences)


def run_command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["nmt", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_model_with_tags_that_is_trained_further_in_one_direction_needs_no_language(
    digits: Path, translator: Translator
) -> None:
    one_way = both_directions_config(digits, both_directions=False).data
    directions = Directions.of(one_way)
    further = Translator(
        translator.program, translator.tokenizer, translator.decoding, 50, directions=directions
    )
    assert further.tags == []
    assert further.translate("one two") is not None


def test_evaluate_compares_with_a_run_without_named_languages(
    multilingual: Run, trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", str(multilingual.path), "--against", str(trained.path), "--json"]
    code, text, error = run_command(capsys, "evaluate", *words)
    assert code == 0, error
    assert len(json.loads(text)["sets"]) == 2


def test_commands_know_the_directions(
    multilingual: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(multilingual.path)]
    code, _, error = run_command(capsys, "translate", *model, "one")
    assert code == 2
    assert "several target languages: de, en" in error
    code, text, _ = run_command(capsys, "translate", *model, "--to", "de", "one")
    assert (code, text.count("\n")) == (0, 1)
    code, text, _ = run_command(capsys, "evaluate", *model, "--json")
    values = json.loads(text)
    recorded = multilingual.records("test")[-1]
    assert values["mean"]["chrf"] == pytest.approx(recorded["chrf"])
    assert len(values["sets"]) == 2
    code, text, _ = run_command(capsys, "info", str(multilingual.path))
    assert "train.en (en-de) <2de> <x>" in text
    assert "de-en" in text
