"""The config of an experiment. Importing its schema does not load the YAML parser."""

from nmt.config.schema import BuiltinCorpus as BuiltinCorpus
from nmt.config.schema import Config as Config
from nmt.config.schema import DataConfig as DataConfig
from nmt.config.schema import DataSource as DataSource
from nmt.config.schema import DecodingConfig as DecodingConfig
from nmt.config.schema import HubDataset as HubDataset
from nmt.config.schema import ModelConfig as ModelConfig
from nmt.config.schema import PairFile as PairFile
from nmt.config.schema import Section as Section
from nmt.config.schema import TextFiles as TextFiles
from nmt.config.schema import TokenizerConfig as TokenizerConfig
from nmt.config.schema import TrainingConfig as TrainingConfig
