"""The command `nmt data check`: a report on the data of a config."""

from __future__ import annotations

import json as json_module
import sys
import tempfile
from pathlib import Path

from nmt.cli import common


def check(
    config: common.ConfigFile, overrides: common.Overrides = None, json: common.OneObject = False
) -> None:
    """Read, clean and tokenize the data of a config as `nmt train` does, and report the results.

    The report has, per split, the number of pairs read, kept, dropped by reason and repaired by
    kind, duplicates, test sentences that also occur in the training set, lengths in tokens, and the
    share of text that the vocabulary covers. No files are kept.

    Example: nmt data check --config configs/multi30k-en-de.yaml
    """
    from nmt.config.loading import load_config
    from nmt.data.preparation import prepare_data

    loaded = load_config(config, overrides or ())

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="nmt-data-") as folder:
        tokenizer = Path(folder) / "tokenizer"
        report = prepare_data(loaded, Path(folder), tokenizer, say, lambda: None).report
    if json:
        print(json_module.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        print(report.table())
