"""The command `nmt data check`: a report on the data of a config."""

from __future__ import annotations

import json as json_module
import sys
import tempfile
from functools import partial
from pathlib import Path

from nmt.cli import common


def check(
    config: common.ConfigFile, overrides: common.Overrides = None, json: common.OneObject = False
) -> None:
    """Prepare the data of a config as `nmt train` does, and report on it; no files are kept.

    The report counts kept, dropped and repaired pairs, duplicates, test sentences in the training
    set, targets that the vocabulary changes, lengths in tokens, and the coverage of the vocabulary.

    Example: nmt data check --config configs/multi30k-en-de.yaml
    """
    from nmt.config.loading import load_config
    from nmt.data.preparation import prepare_data

    loaded = load_config(config, overrides or ())

    say = partial(print, file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="nmt-data-") as folder:
        tokenizer = Path(folder) / "tokenizer"
        report = prepare_data(loaded, Path(folder), tokenizer, say, lambda: None).report
    if json:
        print(json_module.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        print(report.table())
