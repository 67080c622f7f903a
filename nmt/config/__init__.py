"""The config of an experiment: its schema here, reading and writing in `loading` and `writing`.

Importing this package loads pydantic but not the YAML parser.
"""

from nmt.config.schema import (
    BuiltinCorpus,
    Config,
    DataConfig,
    DataSource,
    DecodingConfig,
    HubDataset,
    ModelConfig,
    PairFile,
    Section,
    TextFiles,
    TokenizerConfig,
    TrainingConfig,
)

__all__ = [
    "BuiltinCorpus",
    "Config",
    "DataConfig",
    "DataSource",
    "DecodingConfig",
    "HubDataset",
    "ModelConfig",
    "PairFile",
    "Section",
    "TextFiles",
    "TokenizerConfig",
    "TrainingConfig",
]
