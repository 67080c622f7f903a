"""Training from a trained model: its weights, its vocabulary, and parts that stay fixed."""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import embedding_bag

from nmt import storage
from nmt.config.loading import replaced
from nmt.errors import ConfigError, NmtError
from nmt.loading import load_model
from nmt.runs import Run, find_start, runs_folder, validated_weights
from nmt.tokenizer.making import rows_from

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from torch import Tensor

    from nmt.config import Config
    from nmt.model import EncoderDecoder
    from nmt.tokenizer import Tokenizer

PARTS = ("encoder", "decoder", "embeddings")
KEPT = (
    *("type", "vocab_size", "shared", "character_coverage", "byte_fallback"),
    *("source_normalization", "target_normalization"),
)
"""Keys of `tokenizer` that describe a kept vocabulary."""
FREE_KEYS = {
    *("dropout", "attention_dropout", "activation_dropout", "word_dropout"),
    *("attention_kernel", "attention_window", "tie_embeddings"),
}
"""Keys of `model` that may have other values for the same weights."""


class StartingModel:
    """The model that training.init_from names. Its files are read on use."""

    def __init__(self, name: str, own: Run) -> None:
        """Raise ConfigError if `own`, the run to train, is the run of the model."""
        path = Path(name)
        self._checkpoint = path.name if path.parent.name == "checkpoints" else None
        self._run_name = path.parents[1] if self._checkpoint else path
        places = (self._run_name, runs_folder() / self._run_name)
        if own.path.resolve() in [place.resolve() for place in places]:
            raise ConfigError(
                f"training.init_from: {name} is the run folder of this training run",
                "choose another --run-dir",
            )

    @classmethod
    def of(cls, config: Config, own: Run) -> StartingModel | None:
        name = config.training.init_from
        return None if name is None else cls(name, own)

    @functools.cached_property
    def run(self) -> Run:
        try:
            return find_start(self._run_name)
        except NmtError as error:
            raise ConfigError(f"training.init_from: {error.message}", error.hint) from error

    @functools.cached_property
    def weights(self) -> Path:
        """The verified weights. Raises ConfigError if there are none, StorageError for damage."""
        if self._checkpoint is None:
            return self.run.weights()
        found = {path.name: path for path in self.run.checkpoints()}
        padded = re.sub(r"\d+", lambda digits: digits[0].zfill(8), self._checkpoint)
        if (folder := found.get(padded)) is None:
            raise ConfigError(
                f"training.init_from: {self.run.path} has no checkpoint {self._checkpoint}",
                f"choose one of its checkpoints: {', '.join(found) or 'none'}",
            )
        storage.verify(folder)
        return validated_weights(folder)

    @property
    def sha256(self) -> str:
        """Checksum of the weights, in hexadecimal."""
        manifest = storage.read_manifest(self.weights.parent)
        return str(manifest["files"][self.weights.name]["sha256"])

    @property
    def tokenizer(self) -> Tokenizer:
        return self.run.tokenizer

    def complete(self, config: Config) -> Config:
        """Return the config with the values of this model for keys that the config does not set.

        Raises ConfigError if a set key differs from the model or from the kept vocabulary.
        """
        model, found = self.run.config.model, self.weights.parent
        parts = config.training.init_parts or PARTS
        keys = [key for key in type(model).model_fields if _decides(key, parts)]
        if wrong := _changed(model, config.model, keys):
            raise ConfigError(
                f"the model in {found} does not fit the config:\n{_listed('model', wrong)}",
                "remove these keys from the config, or name the parts that fit in "
                "training.init_parts",
            )
        unset = type(model).model_fields.keys() - config.model.model_fields_set
        completed = {"model": replaced(config.model, **model.model_dump(include=unset))}
        if config.tokenizer.keep and not config.tokenizer.model:
            completed["tokenizer"] = self._kept(config)
        return replaced(config, **completed)

    def _kept(self, config: Config) -> Any:
        old = self.run.config.tokenizer.model_dump(include={*KEPT})
        old["vocab_size"] = len(self.tokenizer.source)
        kept = config.tokenizer.model_copy(update=old)
        if wrong := _changed(kept, config.tokenizer, KEPT):
            raise ConfigError(
                f"the vocabulary of {self.run.path} is kept, but the config asks for another one:\n"
                f"{_listed('tokenizer', wrong)}",
                "remove these keys from the config, or set tokenizer.keep: false to train a new "
                "vocabulary",
            )
        return kept

    def initialize(
        self, model: EncoderDecoder, tokenizer: Tokenizer, parts: Sequence[str] | None
    ) -> None:
        """Copy the weights into `model`, which has the vocabularies of `tokenizer`.

        `parts`: None for all. An embedding of a piece that this model lacks becomes the mean of the
        pieces that write its text. Raises StorageError.
        """
        trained = load_model(self.run, torch.device("cpu"), self.weights)
        old = dict(trained.named_parameters(remove_duplicate=False))
        rows = {
            side: rows_from(getattr(self.tokenizer, side), getattr(tokenizer, side))
            for side in ("source", "target")
        }
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if (part := part_of(name)) in (parts or PARTS):
                    side = "source" if name.startswith("source") else "target"
                    is_table = part == "embeddings"
                    parameter.copy_(_means(old[name], rows[side]) if is_table else old[name])


def part_of(name: str) -> str:
    """Return the part of PARTS that a parameter belongs to."""
    if name.split(".")[0] in ("source_embedding", "target_embedding", "output_projection"):
        return "embeddings"
    return "encoder" if name.startswith(("encoder", "source")) else "decoder"


def freeze(model: EncoderDecoder, names: Sequence[str]) -> str:
    """Exclude parts and layers from training; return a line that says which.

    names: see training.freeze. Raises ConfigError for a layer that does not exist, and if nothing
    remains to train.
    """
    parameters = dict(model.named_parameters())
    frozen: set[str] = set()
    for name in names:
        part, _, layer = name.partition(".")
        beginning = f"{part}_layers.{int(layer) - 1}." if layer else ""
        chosen = {n for n in parameters if part_of(n) == part and n.startswith(beginning)}
        if not chosen:
            raise ConfigError(
                f"training.freeze: {name} does not exist in this model",
                f"choose a layer from 1 to model.{part}_layers",
            )
        frozen |= chosen
    if frozen == parameters.keys():
        raise ConfigError("training.freeze leaves nothing to train", "freeze fewer parts")
    for name in frozen:
        parameters[name].requires_grad_(False)
    count = sum(parameters[name].numel() for name in frozen)
    total = sum(parameter.numel() for parameter in parameters.values())
    tied = "output_projection.weight" not in parameters
    note = " (also the output projection, which is tied to them)" if tied else ""
    listed = ", ".join(f"{name}{note if name == 'embeddings' else ''}" for name in names)
    return f"frozen: {listed}: {count:,} of {total:,} parameters"


def _means(table: Tensor, rows: list[list[int]]) -> Tensor:
    """Return the mean of each list of rows of a table, (len(rows), d_model)."""
    ends = torch.tensor([0, *map(len, rows)]).cumsum(0)
    return embedding_bag(torch.tensor([*itertools.chain(*rows)]), table, ends[:-1], mode="mean")


def _decides(key: str, parts: Sequence[str]) -> bool:
    """Return whether the weights of one of the parts depend on a key of `model`."""
    if key in FREE_KEYS:
        return False
    if key in ("encoder_layers", "decoder_layers"):
        return key.removesuffix("_layers") in parts
    return key == "d_model" or bool({*parts} - {"embeddings"})


def _changed(old: Any, new: Any, keys: Any) -> dict[str, tuple[Any, Any]]:
    """Return the (old, new) values of the keys that `new` sets to another value."""
    pairs = {k: (getattr(old, k), getattr(new, k)) for k in keys if k in new.model_fields_set}
    return {key: values for key, values in pairs.items() if values[0] != values[1]}


def _listed(section: str, changes: dict[str, tuple[Any, Any]]) -> str:
    return "\n".join(f"  {section}.{key}: {old} -> {new}" for key, (old, new) in changes.items())
