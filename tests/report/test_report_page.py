"""The page of a report: what each section contains, for whole, killed and damaged runs."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pages import Text, page_of, sections
from run_folders import write_run_folder
from tiny import text_config

from nmt import storage
from nmt.config.writing import dump_config
from nmt.errors import UsageError
from nmt.evaluation.report import System, WorstSentence
from nmt.report.examples import examples_over_time
from nmt.report.facts import facts_of
from nmt.report.page import marked
from nmt.report.testing import attention_command, find_differences
from nmt.runs import Run
from nmt.training.pipeline import run_training


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Run:
    shutil.copytree(trained.path, tmp_path / "copy")
    return Run(tmp_path / "copy")


def test_page_has_a_section_for_each_question(page: str, trained: Run) -> None:
    found = sections(page)
    names = ["result", "curves", "examples", "worst", "data", "config", "environment", "reproduce"]
    assert [*found] == ["", *names]
    links = [values["href"] for tag, values in Text(page).tags if tag == "a"]
    assert links == [f"#{name}" for name in names]


def test_first_lines_say_what_was_trained_and_the_result(page: str, trained: Run) -> None:
    head = sections(page)[""]
    assert "Training report first Transformer (1 + 1 layers, width 16," in head
    assert "trained on 200 sentence pairs" in head
    assert "Training finished at step 40 after" in head
    record = trained.records("test")[-1]
    assert re.search(rf"chrF\+\+ {record['chrf']:.2f} [-\d.]+ to [\d.]+", head)
    assert "Test set, 12 sentences, with 95 % intervals" in head


def test_scores_equal_those_of_the_run_and_have_intervals(page: str, trained: Run) -> None:
    text = sections(page)["result"]
    record = trained.records("test")[-1]
    for title, key in (("BLEU", "bleu"), ("chrF++", "chrf"), ("TER", "ter")):
        assert re.search(rf"{re.escape(title)} {record[key]:.2f} [-\d.]+ to [\d.]+", text)
    assert "Scores by source length source words sentences BLEU 0–5" in text
    assert "nrefs:1|bs:1000|seed:12345" in text


def test_curves_have_captions_with_the_measured_values(page: str, trained: Run) -> None:
    text = sections(page)["curves"]
    for title in ("Loss", "Validation BLEU", "Learning rate", "Speed", "Gradient norm"):
        assert title in text
    losses = [record["nll"] for record in trained.records("valid")]
    assert f"({min(losses):.3f})" in text
    assert f"The training loss ends at {trained.records('train')[-1]['nll']:.3f}." in text
    assert page.count('role="img"') == 5 + page.count('aria-label="encoder-decoder attention')


def test_examples_are_the_sentences_that_training_shows(trained: Run) -> None:
    """The log of training has the source and the reference of each example."""
    [facts] = facts_of([trained])
    found = examples_over_time(facts)
    log = trained.log_file.read_text()
    sources = re.findall(r"  source     (.+)", log)
    references = re.findall(r"  reference  (.+)", log)
    assert len(found) == 3
    assert [example.source for example in found] == sources[:3]
    assert [example.reference for example in found] == references[:3]
    now = trained.records("valid")[-1]["examples"]
    assert [example.stages[-1].text for example in found] == now


def test_examples_of_several_sets_are_the_sentences_that_training_shows(multilingual: Run) -> None:
    [facts] = facts_of([multilingual])
    log = multilingual.log_file.read_text()
    found = examples_over_time(facts)
    assert [example.source for example in found] == re.findall(r"  source     (.+)", log)[:2]


def test_equal_translations_of_consecutive_validations_are_one_stage(copy: Run) -> None:
    texts = ["a", "a", "b", *map(str, range(20)), "c", "c"]
    steps = range(10, 10 * len(texts) + 1, 10)
    records = [
        {"event": "valid", "step": step, "examples": [text]}
        for step, text in zip(steps, texts, strict=True)
    ]
    copy.metrics_file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    [example] = examples_over_time(facts_of([copy])[0])
    assert example.stages[0] == (10, 20, "a")
    assert example.stages[-1] == (240, 250, "c")
    assert (len(example.stages), example.left_out) == (8, 15)
    # There is another number of sentences than in the validation set's own examples.
    assert example.source is None


def test_worst_sentences_have_their_attention_and_its_command(page: str) -> None:
    text = sections(page)["worst"]
    assert text.count("chrF++ ") >= 2
    assert page.count('aria-label="encoder-decoder attention') == 2
    assert text.count("nmt attention") == 2
    assert "--output attention.html" in text


def test_data_config_environment_and_checksums_are_on_the_page(page: str, trained: Run) -> None:
    found = sections(page)
    assert "pairs read 200 12 12 kept 200 12 12" in found["data"]
    assert "valid_every: 20" in found["config"].partition("Whole config")[0]
    assert "label_smoothing" not in found["config"].partition("Whole config")[0]
    assert "label_smoothing: 0.1" in found["config"]
    assert f"torch {torch.__version__}" in found["environment"]
    fingerprints = json.loads(trained.fingerprints_file.read_text())
    weights = storage.read_manifest(trained.model_folder)["files"]["model.safetensors"]
    for sum_ in (fingerprints["train"]["sha256"], weights["sha256"]):
        assert sum_ in found["reproduce"]
    assert "The random seed is 1" in found["reproduce"]
    assert f"nmt train --config {trained.config_file}" in found["reproduce"]


def test_page_makes_no_request_and_has_no_script(page: str, comparison: str) -> None:
    for text in (page, comparison):
        found = Text(text)
        assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in found.tags}
        for _, values in found.tags:
            for name, value in values.items():
                assert not name.startswith("on")
                if name in ("href", "src") or name.endswith(":href"):
                    assert str(value).startswith("#")
        assert "url(http" not in text
        assert "@import" not in text


def test_ids_are_unique(comparison: str) -> None:
    ids = [values["id"] for _, values in Text(comparison).tags if "id" in values]
    assert len(ids) == len(set(ids))


def test_comparison_has_both_runs_the_paired_test_and_the_changed_keys(comparison: str) -> None:
    found = sections(comparison)
    assert "first against second" in found[""]
    assert re.search(
        r"(first is significantly|No significant difference|metrics disagree)", found[""]
    )
    assert "score first 95 % interval second 95 % interval difference p" in found["result"]
    assert "by paired bootstrap" in found["result"]
    assert "The configs differ in 2 keys." in found["config"]
    assert "training.learning_rate 0.03 0.02 training.seed 1 2" in found["config"]
    assert "The same data as in the other run." in found["data"]


def test_comparison_by_randomization_has_no_intervals(trained: Run, other: Run) -> None:
    text = sections(page_of(trained, other, worst=0, paired="ar"))["result"]
    assert "score first second difference p" in text
    assert "by paired approximate randomization" in text


def test_runs_with_equal_folder_names_are_called_by_their_paths(trained: Run, copy: Run) -> None:
    twin = copy.path.parent / "twin" / "first"
    shutil.copytree(copy.path, twin)
    names = [facts.name for facts in facts_of([trained, Run(twin)])]
    assert names == [str(trained.path), str(twin)]


def test_several_sets_have_their_own_scores_and_a_mean(multilingual: Run) -> None:
    found = sections(page_of(multilingual, worst=1))
    assert "Test set, 24 sentences, mean of 2 sets" in found[""]
    record = multilingual.records("test")[-1]
    assert f"chrF++ {record['chrf']:.2f}" in found[""]
    for name, one in record["sets"].items():
        assert name in found["result"]
        assert f"chrF++ {one['chrf']:.2f}" in found["result"]
    sentence = WorstSentence(1, 0.0, "one 'two'", ["eins"], "zwei")
    command = attention_command(multilingual, sentence, "de", None)
    assert command.startswith("nmt attention \"one 'two'\" --target zwei --model ")
    assert command.endswith(" --to de --output attention.html")


def test_command_for_attention_takes_a_sentence_that_begins_with_a_dash(tmp_path: Path) -> None:
    run = Run(tmp_path)
    sentence = WorstSentence(1, 0.0, "- one", ["eins"], "- zwei")
    assert attention_command(run, sentence, None, None) == (
        f'nmt attention --target "- zwei" --model {tmp_path} --output attention.html -- "- one"'
    )
    long = replace(sentence, source="one " * 1000)
    assert attention_command(run, long, None, None) == ""


def test_run_of_other_languages_cannot_be_compared(multilingual: Run, copy: Run) -> None:
    values = copy.config.model_dump()
    values["data"] |= {"source_language": "fr", "target_language": "de"}
    copy.config_file.write_text(dump_config(type(copy.config).model_validate(values)))
    with pytest.raises(UsageError, match=r"translates fr-de, but the test set of .* has de-en"):
        page_of(multilingual, Run(copy.path))


def test_another_test_set_of_the_other_run_is_noted(trained: Run, digits: Path, copy: Run) -> None:
    values = copy.config.model_dump()
    values["data"]["test"] = values["data"]["valid"]
    copy.config_file.write_text(dump_config(type(copy.config).model_validate(values)))
    text = sections(page_of(trained, Run(copy.path)))["result"]
    assert f"{copy.path} has another test set in its config. Both runs were scored on" in text


def test_killed_run_is_reported_with_its_best_checkpoint(copy: Run) -> None:
    shutil.rmtree(copy.model_folder)
    lines = [line for line in copy.metrics_file.read_text().splitlines() if '"test"' not in line]
    copy.metrics_file.write_text("\n".join([*lines, '{"event": "train", "st']))
    found = sections(page_of(copy))
    assert "Training stopped at step 40 after" in found[""]
    assert "no final model yet, so these are the scores of its best checkpoint" in found["result"]
    assert copy.weights_folder.name in found["result"]


def test_run_without_a_test_set_is_scored_on_the_validation_set(
    digits: Path, tmp_path: Path
) -> None:
    config = text_config(digits, max_steps=4)
    config = config.model_copy(update={"data": config.data.model_copy(update={"test": None})})
    run = run_training(config, tmp_path / "run")
    found = sections(page_of(run))
    assert "Validation set, 12 sentences" in found[""]
    assert "because the config has no test set" in found["result"]


def test_rnn_is_reported(digits: Path, tmp_path: Path) -> None:
    values = text_config(digits, max_steps=4).model_dump()
    values["model"] |= {"architecture": "rnn"}
    config = type(text_config(digits)).model_validate(values)
    found = sections(page_of(run_training(config, tmp_path / "run")))
    assert "RNN (1 + 1 layers" in found[""]
    assert (
        "There is no attention map: this model has no encoder-decoder attention." in found["worst"]
    )
    assert "nmt attention" not in found["worst"]


def test_report_without_translations_has_the_stored_scores(trained: Run) -> None:
    found = sections(page_of(trained, translate=False))
    assert f"chrF++ {trained.records('test')[-1]['chrf']:.2f}" in found[""]
    assert "Test set, as stored by the run" in found[""]
    assert "Nothing was translated: a reason." in found["result"]
    assert "worst" not in found


def test_run_without_weights_data_and_history_says_what_is_missing(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run", (), finished=False)
    shutil.rmtree(run.tokenizer_folder)
    found = sections(page_of(run, translate=False))
    assert "Training stopped at step 0" in found[""]
    assert "metrics.jsonl is missing or empty" in found["curves"]
    assert "The run stores no examples" in found["examples"]
    assert "The run folder has no report on its data" in found["data"]
    assert "The run has no checkpoint yet" in found["environment"]


def test_records_of_earlier_versions_and_without_bleu_are_drawn(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run")
    found = sections(page_of(run, translate=False))
    assert (
        "The best value is 30.00 at step 20; 1 later validation did not improve it."
        in found["curves"]
    )
    run.metrics_file.write_text('{"event": "valid", "step": 5, "nll": 2.5}\n')
    found = sections(page_of(run, translate=False))
    assert "The validation loss is lowest at the last validation (2.500)." in found["curves"]
    assert "Validation BLEU" not in found["curves"]


def test_scores_that_are_not_numbers_are_left_out(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run")
    run.metrics_file.write_text(
        '{"event": "valid", "step": 5, "nll": 2.5, "bleu": NaN, "chrf": 30.0}\n'
    )
    head = sections(page_of(run, translate=False))[""]
    assert "chrF++ 30.00" in head
    assert "BLEU" not in head


def test_curve_of_training_alone_has_no_key(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "run")
    run.metrics_file.write_text(
        '{"event": "train", "step": 5, "nll": 2.5, "tokens_per_second": 9.0}\n'
    )
    page = page_of(run, translate=False)
    assert 'class="keys"' not in page
    assert "90\u00a0% of the logged values" in page
    assert "\\xa0" not in page


@pytest.mark.parametrize("name", [".", "run/checkpoints/.."])
def test_command_of_a_run_in_the_working_folder_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run = write_run_folder(tmp_path / "run")
    monkeypatch.chdir(run.path if name == "." else tmp_path)
    text = sections(page_of(Run(Path(name)), translate=False))["reproduce"]
    assert f"--run-dir {run.path}-again" in text


def test_error_that_ended_training_is_on_the_page(tmp_path: Path) -> None:
    log = "error: the loss is not finite; the last good checkpoint is step-00000030"
    run = write_run_folder(tmp_path / "run", finished=False, log=log)
    head = sections(page_of(run, translate=False))[""]
    assert "The run is diverged at step 30: the loss is not finite" in head


EVIL = "</style></script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\x1b[31m"


def test_markup_in_texts_is_shown_as_text(copy: Run) -> None:
    valid = copy.records("valid")[-1]
    record = {**valid, "step": 99, "examples": [EVIL, "\u202eabc", ""], "tokenizer": EVIL}
    with copy.metrics_file.open("a") as file:
        file.write(f"{json.dumps(record)}\n")
    copy.fingerprints_file.write_text(json.dumps({EVIL: {"sha256": EVIL, "pairs": 3}}))
    target = copy.path.with_name("evil <b>&'name")
    copy.path.rename(target)
    page = page_of(Run(target))
    found = Text(page)
    assert not {"script", "img", "b><"} & {tag for tag, _ in found.tags}
    assert "\x1b" not in page
    assert "<script>alert(1)</script>" in found.sections["examples"]
    assert "evil <b>&'name" in found.sections[""]
    directions = [values.get("dir") for tag, values in found.tags if tag == "dd"]
    assert directions.count("auto") > 10


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("a b c", "a b c", "a b c"),
        ("a x c", "a b c", "a <mark>x</mark> c"),
        ("a", "a b", "a"),
        ("", "a", ""),
        ("<b> x", "<b> y", "&lt;b&gt; <mark>x</mark>"),
        ("我爱他", "我爱你", "我爱<mark>他</mark>"),
        ("日本 語", "日本語", "日本 語"),
        ("a <b>", None, "a &lt;b&gt;"),
    ],
)
def test_words_that_differ_from_the_reference_are_marked(
    text: str, reference: str | None, expected: str
) -> None:
    assert marked(text, reference) == expected


def test_long_sentences_are_cut(copy: Run) -> None:
    record = {**copy.records("valid")[-1], "step": 99, "examples": ["long " * 9000] * 3}
    copy.metrics_file.write_text(f"{json.dumps(record)}\n")
    text = sections(page_of(copy, translate=False))["examples"]
    assert 3 * 300 < text.count("long") < 3 * 500
    assert text.count("long …") == 3


def test_table_of_many_validations_has_the_best_and_the_last(copy: Run) -> None:
    lines = [
        {"event": "valid", "step": step, "nll": 0.5 if step == 1234 else 1.0}
        for step in range(1, 2001)
    ]
    copy.metrics_file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    text = sections(page_of(copy, translate=False))["curves"]
    assert "Table of 101 validations out of 2,000" in text
    assert "1,234 (best)" in text
    assert " 2,000 " in text.partition("step epoch")[2]


def test_sentences_that_differ_most_are_sorted_by_gain() -> None:
    ours = System("a", ["one two", "x", "same", "three four"])
    theirs = System("b", ["one one", "five six", "same", "y"])
    found = find_differences(["s"] * 4, ["one two", "five six", "same", "three four"], ours, theirs)
    assert [one.hypothesis for one in found] == ["three four", "one two", "x"]
    assert [one.gain > 0 for one in found] == [True, True, False]


@pytest.mark.parametrize("log_every", [1, 50])
def test_page_of_a_long_run_is_below_one_megabyte(copy: Run, log_every: int) -> None:
    """4,000 updates, and for log_every 1 even 20,000, with a validation every 100."""
    lines = []
    for step in range(1, (20_000 if log_every == 1 else 4_000) + 1):
        place = {"step": step, "epoch": 1 + step // 400, "seconds": float(step)}
        if step % log_every == 0:
            noise = (step * 7919 % 1000) / 1000
            values = {
                "nll": 6 / (1 + step / 500) + noise,
                "grad_norm": 0.5 + noise,
                "learning_rate": 1e-3 / step**0.5,
                "tokens_per_second": 9000 + 999 * noise,
            }
            lines.append({"event": "train", **place, **values, "skipped": 0})
        if step % 100 == 0:
            scores = {"nll": 2.0, "perplexity": 7.4, "bleu": step / 1000, "chrf": 40.0}
            lines.append({"event": "valid", **place, **scores, "examples": [f"{step} " * 60] * 3})
    copy.metrics_file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    before = time.process_time()
    page = page_of(copy, translate=False)
    assert len(page.encode()) < 400_000
    assert time.process_time() - before < 10
