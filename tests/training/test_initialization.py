"""Training from a trained model: weights, vocabulary, frozen parts, checks and exact resuming."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from test_continuation import changed
from test_resume import StoppingProgress, outcome
from tiny import text_config, tiny_config, tiny_model

from nmt import storage
from nmt.config import Config
from nmt.errors import ConfigError, DataError, NmtError, Stopped
from nmt.loading import load_model
from nmt.runs import Run
from nmt.tokenizer import UNK
from nmt.training import pipeline
from nmt.training.initialization import freeze, part_of
from nmt.training.optimizer import build_optimizer
from nmt.training.pipeline import run_training

CPU = torch.device("cpu")
NEW = {"a": "the fox ate one grape", "b": "der Fuchs aß eine Traube"}


@pytest.fixture(scope="module")
def words(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the digits corpus, and words that its vocabulary cannot write."""
    folder = tmp_path_factory.mktemp("words")
    for path in digits.iterdir():
        extra = NEW["a"] if path.suffix == ".en" else NEW["b"]
        text = path.read_text(encoding="utf-8")
        (folder / path.name).write_text(text + f"{extra}\n" * 8, encoding="utf-8")
    return folder


def config_from(start: Path, folder: Path, **training: Any) -> Config:
    """Return a config of few keys that starts from a run; one update per step."""
    config = text_config(folder, max_steps=4, valid_every=2)
    values = config.model_dump(exclude={"model", "tokenizer"})
    values["training"] |= {"init_from": str(start), **training}
    return Config.model_validate(values)


def initial_weights(config: Config, path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a run whose learning rate is too small to change them visibly."""
    small = changed(changed(config, "training.learning_rate", 1e-12), "training.max_steps", 1)
    run = run_training(small, path)
    return dict(load_model(run, CPU).named_parameters(remove_duplicate=False))


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, atol=1e-6)


def test_run_starts_with_weights_model_and_vocabulary(
    trained: Run, digits: Path, tmp_path: Path
) -> None:
    config = config_from(trained.path, digits)
    started = initial_weights(config, tmp_path / "run")
    for name, weight in load_model(trained, CPU).named_parameters():
        assert close(started[name], weight), name
    run = Run(tmp_path / "run")
    assert run.config.model == trained.config.model
    assert run.config.tokenizer.vocab_size == trained.config.tokenizer.vocab_size
    assert run.tokenizer.source.model == trained.tokenizer.source.model


def test_checkpoint_can_be_the_start(trained: Run, digits: Path, tmp_path: Path) -> None:
    config = config_from(trained.path / "checkpoints" / "step-4", digits)
    started = initial_weights(config, tmp_path / "run")
    saved = storage.read_tensors(trained.checkpoint(4) / "model.safetensors")
    assert all(close(started[name], weight) for name, weight in saved.items())


def test_only_the_named_parts_are_taken(trained: Run, digits: Path, tmp_path: Path) -> None:
    config = config_from(trained.path, digits, init_parts=["encoder", "embeddings"])
    config = changed(config, "model.decoder_layers", 2)
    started = initial_weights(config, tmp_path / "run")
    for name, weight in load_model(trained, CPU).named_parameters():
        taken = part_of(name) != "decoder"
        # Vectors of layer normalization start as ones, and hardly move in ten steps.
        assert weight.ndim < 2 or close(started[name], weight) == taken, name


def test_models_that_do_not_fit_are_one_error(trained: Run, digits: Path, tmp_path: Path) -> None:
    config = changed(config_from(trained.path, digits), "model.d_model", 32)
    config = changed(config, "model.encoder_layers", 2)
    with pytest.raises(ConfigError) as error:
        run_training(config, tmp_path / "run")
    assert error.value.message == (
        f"the model in {trained.path / 'model'} does not fit the config:\n"
        "  model.d_model: 16 -> 32\n"
        "  model.encoder_layers: 1 -> 2"
    )


def test_another_size_for_a_kept_vocabulary_is_an_error(
    trained: Run, digits: Path, tmp_path: Path
) -> None:
    config = changed(config_from(trained.path, digits), "tokenizer.vocab_size", 50)
    config = changed(config, "tokenizer.byte_fallback", False)
    with pytest.raises(ConfigError, match=r"tokenizer.vocab_size: 40 -> 50\Z"):
        run_training(config, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "training.init_from: no run nothing"),
        ("{trained}/checkpoints/step-5", "has no checkpoint step-5"),
        ("{trained}/checkpoints/newest", "has no checkpoint newest"),
        ("{own}", "is the run folder of this training run"),
        ("{latest}", "latest is a link that each training run changes"),
    ],
)
def test_start_that_does_not_exist_is_one_error(
    trained: Run, digits: Path, tmp_path: Path, name: str, message: str
) -> None:
    latest = tmp_path / "latest"
    latest.symlink_to(trained.path)
    start = name.format(trained=trained.path, own=tmp_path / "run", latest=latest)
    with pytest.raises(ConfigError, match=message):
        run_training(config_from(Path(start), digits), tmp_path / "run")


def test_extended_vocabulary_starts_with_means(
    trained: Run, words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = changed(config_from(trained.path, words), "tokenizer.extend", 20)
    started = initial_weights(config, tmp_path / "run")
    old, new = trained.tokenizer.source, Run(tmp_path / "run").tokenizer.source
    assert old.pieces(range(len(old))) == new.pieces(range(len(old)))
    assert len(old) < len(new) <= len(old) + 20
    table = load_model(trained, CPU).get_parameter("source_embedding.weight")
    assert close(started["source_embedding.weight"][: len(old)], table)
    assert UNK in old.encode(NEW["b"]) and UNK not in new.encode(NEW["b"])
    assert new.decode(new.encode(NEW["b"])) == NEW["b"]
    unknown = new.pieces(range(len(new))).index("ß")
    assert close(started["source_embedding.weight"][unknown], table[UNK])
    assert "of them bytes or unknown" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("shared", [True, False])
def test_new_vocabulary_takes_over_rows(
    trained: Run, words: Path, tmp_path: Path, kind: str, shared: bool
) -> None:
    config = config_from(trained.path, words)
    asked = {"keep": False, "type": kind, "vocab_size": 34, "shared": shared}
    asked["byte_fallback"] = False
    values = {**config.model_dump(exclude={"model"}), "tokenizer": asked}
    started = initial_weights(Config.model_validate(values), tmp_path / "run")
    old, tokenizer = trained.tokenizer, Run(tmp_path / "run").tokenizer
    table = load_model(trained, CPU).get_parameter("source_embedding.weight")
    pieces = old.source.pieces(range(len(old.source)))
    for name, side in (("source", tokenizer.source), ("target", tokenizer.target)):
        for i, piece in enumerate(side.pieces(range(len(side)))):
            row = started[f"{name}_embedding.weight"][i]
            if piece in pieces:
                assert close(row, table[pieces.index(piece)])
            elif piece.startswith("\u2581"):
                assert close(row, table[old.source.encode(piece[1:])].mean(dim=0))


def tiny(**model: Any) -> Any:
    config = tiny_config()
    return tiny_model(
        config.model_copy(update={"model": config.model.model_copy(update=model)})
    ), config


def test_frozen_parts_are_not_in_the_optimizer() -> None:
    model, config = tiny(decoder_layers=2)
    line = freeze(model, ["encoder", "embeddings", "decoder.2"])
    assert "also the output projection, which is tied to them" in line
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained and all(name.startswith("decoder_layers.0.") for name in trained)
    optimizer = build_optimizer(model, config.training)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(trained)


def test_freezing_untied_embeddings_says_nothing_about_ties() -> None:
    model, _ = tiny(tie_embeddings=False)
    assert "tied" not in freeze(model, ["embeddings"])
    assert not model.output_weight.requires_grad


@pytest.mark.parametrize("names", [["encoder.2"], ["encoder", "decoder", "embeddings"]])
def test_impossible_freezing_is_an_error(names: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"training\.freeze"):
        freeze(tiny()[0], names)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_frozen_parts_do_not_change(
    trained: Run, digits: Path, tmp_path: Path, optimizer: str
) -> None:
    frozen = ["encoder", "embeddings"]
    config = config_from(trained.path, digits, freeze=frozen, ema=0.9, optimizer=optimizer)
    run = run_training(config, tmp_path / "run")
    after = dict(load_model(run, CPU).named_parameters())
    for name, before in load_model(trained, CPU).named_parameters():
        assert torch.equal(after[name], before) == (part_of(name) in frozen), name
    moments = storage.tensor_shapes(run.checkpoint(4) / "optimizer.safetensors")
    assert moments and all(part_of(name) == "decoder" for name in moments)


def interrupted(config: Config, path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Stop a run by a signal after some steps."""
    with monkeypatch.context() as patches:
        stops = pipeline.StopSignal
        stop = stops()
        patches.setattr(pipeline, "StopSignal", lambda: stop)
        with pytest.raises(Stopped):
            run_training(config, path, report=lambda run: StoppingProgress(run, stop, after))


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"training.freeze": ["encoder", "embeddings"], "training.optimizer": "muon"},
        {"tokenizer.extend": 10, "training.init_parts": ["encoder", "embeddings"]},
        {"tokenizer.keep": False, "tokenizer.byte_fallback": False, "tokenizer.vocab_size": 45},
    ],
    ids=lambda variant: "-".join(variant) or "all",
)
def test_resume_is_exact_without_the_start(
    trained: Run,
    words: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variant: dict[str, Any],
) -> None:
    start = tmp_path / "start"
    shutil.copytree(trained.path, start)
    config = config_from(start, words)
    for key, value in variant.items():
        config = changed(config, key, value)
    run_training(config, tmp_path / "reference")
    interrupted(config, tmp_path / "run", monkeypatch, after=1)
    shutil.rmtree(start)
    run_training(config, tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "reference")
    run_training(Run(tmp_path / "run").config, tmp_path / "run")  # It is complete.


def test_changed_start_is_noticed_before_the_first_checkpoint(
    trained: Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "start"
    shutil.copytree(trained.path, start)
    config = config_from(start, digits)
    with monkeypatch.context() as patches:
        patches.setattr(pipeline, "train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_training(config, tmp_path / "run")
    weights = storage.read_tensors(start / "model" / "model.safetensors")
    manifest = storage.read_manifest(start / "model")
    facts = {k: v for k, v in manifest.items() if k not in ("files", "name")}
    changed_weights = {name: tensor + 1 for name, tensor in weights.items()}
    storage.write_folder(start / "model", {"model.safetensors": changed_weights}, facts)
    with pytest.raises(DataError, match=r"the model in training\.init_from changed since"):
        run_training(config, tmp_path / "run")


def test_damaged_start_is_one_error(trained: Run, digits: Path, tmp_path: Path) -> None:
    start = tmp_path / "start"
    shutil.copytree(trained.path, start)
    with (start / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\xff\xff\xff\xff")
    with pytest.raises(NmtError, match="damaged"):
        run_training(config_from(start, digits), tmp_path / "run")
    assert not Run(tmp_path / "run").checkpoints()
