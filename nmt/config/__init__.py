"""The config of an experiment. Importing its schema does not load the YAML parser."""

from nmt.config.data import BuiltinCorpus as BuiltinCorpus
from nmt.config.data import DataConfig as DataConfig
from nmt.config.data import DataSource as DataSource
from nmt.config.data import HubDataset as HubDataset
from nmt.config.data import PairFile as PairFile
from nmt.config.data import TextFiles as TextFiles
from nmt.config.schema import Config as Config
from nmt.config.schema import DecodingConfig as DecodingConfig
from nmt.config.schema import ModelConfig as ModelConfig
from nmt.config.schema import TokenizerConfig as TokenizerConfig
from nmt.config.schema import TrainingConfig as TrainingConfig
from nmt.config.section import Section as Section
