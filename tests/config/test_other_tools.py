"""The names of other tools: they lead to keys and options that exist."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import typer

from nmt import cli
from nmt.config import Config
from nmt.config.loading import load_config
from nmt.config.other_tools import TABLE, meant_keys, meant_options, plain
from nmt.errors import ConfigError

KEYS = {
    f"{name}.{key}"
    for name, field in Config.model_fields.items()
    for key in field.annotation.model_fields  # type: ignore[union-attr]
}


def options(command: object) -> set[str]:
    inner = getattr(command, "commands", {}).values()
    own = {name for parameter in command.params for name in parameter.opts}  # type: ignore[attr-defined]
    return own.union(*map(options, inner))


def error_of(override: str) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        load_config(Path("demo"), [override])
    return error.value


def test_every_key_and_option_of_the_table_exists() -> None:
    known = options(typer.main.get_command(cli.app))
    for row in TABLE:
        assert set(row.keys.split()) <= KEYS | set(Config.model_fields)
        assert set(row.options.split()) <= known
        assert row.keys or row.options
        assert any(row[2:]), row


def test_names_that_equal_those_of_nmt_are_left_out() -> None:
    for row in TABLE:
        own = {key.rpartition(".")[2] for key in row.keys.split()}
        theirs = {plain(name) for names in row[2:] for name in names.split()}
        assert not own & theirs, row


def test_page_lists_the_table() -> None:
    """If this test fails, run python scripts/write_other_tools.py > docs/other-tools.md."""
    script = runpy.run_path("scripts/write_other_tools.py")
    assert Path("docs/other-tools.md").read_text(encoding="utf-8") == script["page"]()


@pytest.mark.parametrize(
    ("name", "key", "tool"),
    [
        ("layers", "model.encoder_layers", "OpenNMT-py"),
        ("rnn_size", "model.d_model", "OpenNMT-py"),
        ("word_vec_size", "model.d_model", "OpenNMT-py"),
        ("lr", "training.learning_rate", "fairseq"),
        ("max_update", "training.max_steps", "fairseq"),
        ("max-tokens", "training.batch_tokens", "fairseq"),
        ("mini-batch", "training.batch_tokens", "Marian"),
        ("enc-depth", "model.encoder_layers", "Marian"),
        ("early-stopping", "training.patience", "Marian"),
        ("epochs", "training.max_epochs", "JoeyNMT"),
        ("transformer-model-size", "model.d_model", "Sockeye"),
        ("num_train_epochs", "training.max_epochs", "Hugging Face"),
    ],
)
def test_key_of_another_tool_has_a_hint_in_any_section(name: str, key: str, tool: str) -> None:
    for prefix in ("", "model.", "training."):
        error = error_of(f"{prefix}{name}=1")
        assert f'did you mean "{key}"' in error.message
        assert key in str(error.hint)
        assert tool in str(error.hint)


def test_own_key_with_dashes_or_in_another_section_is_suggested() -> None:
    assert 'did you mean "training.label_smoothing"?' in error_of("label-smoothing=0").message
    message = error_of("training.max_tokens=4096").message
    assert 'did you mean "training.batch_tokens" or "data.max_tokens"?' in message


def test_unknown_names_mean_nothing() -> None:
    assert meant_keys("no-such-name") == []
    assert meant_options("--no-such-name") == []
    assert meant_options("-src") == ["--input", "--source"]
