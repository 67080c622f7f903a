"""Measure the alignment error rate of every layer and head on the built-in corpus.

Layer, head and decoder state are chosen on the validation split. Report their test error rate.

    python scripts/experiments/alignment_error.py runs/demo [--pairs 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

from nmt.devices import resolve_device
from nmt.inspection.alignment import STATES, Choice, alignment_errors
from nmt.loading import load_model
from nmt.phrasebook import generate
from nmt.runs import find_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run folder")
    parser.add_argument(
        "--pairs", type=int, default=1000, help="maximum number of pairs per split [1000]"
    )
    parser.add_argument("--json", type=Path, help="write all error rates to FILE", metavar="FILE")
    arguments = parser.parse_args()

    run = find_run(arguments.run)
    model, tokenizer = load_model(run, resolve_device("auto")), run.tokenizer
    max_tokens = run.config.data.max_tokens
    valid, test = (
        alignment_errors(
            model, tokenizer, itertools.islice(generate(split), arguments.pairs), max_tokens
        )
        for split in ("valid", "test")
    )
    best = min(valid, key=valid.__getitem__)
    print_table(test)
    print(f"\nchosen on the validation split: {best}")
    print(f"alignment error rate: validation {valid[best]:.1%}, test {test[best]:.1%}")
    for state in STATES:
        choice = min((c for c in valid if c.state == state), key=valid.__getitem__)
        print(f"best with the state that {state}: {choice}: test {test[choice]:.1%}")
    if arguments.json:
        rows = [{**c._asdict(), "valid": valid[c], "test": test[c]} for c in valid]
        arguments.json.write_text(json.dumps({"best": best._asdict(), "rows": rows}, indent=1))


def print_table(errors: dict[Choice, float]) -> None:
    """Print test error rates in percent: one line per layer and state, one column per head."""
    heads = list(dict.fromkeys(choice.head for choice in errors))
    print("alignment error rate on test, %")
    print(f"{'layer':<6}{'state':<10}" + "".join(f"{head!s:>7}" for head in heads))
    for layer in dict.fromkeys(choice.layer for choice in errors):
        for state in STATES:
            cells = (f"{100 * errors[Choice(layer, head, state)]:7.1f}" for head in heads)
            print(f"{layer:<6}{state:<10}{''.join(cells)}")


if __name__ == "__main__":
    main()
