"""The fuzz tests of the suite with more cases ($NMT_FUZZ), as rows of the table."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

CASES = int(os.environ.get("NMT_FUZZ", "5000"))
FUZZ = {  # name: test, and its cases per case of $NMT_FUZZ
    "random config": (
        "tests/config/test_config.py::test_any_config_loads_or_raises_a_readable_error",
        1,
    ),
    "random parallel text": ("tests/data/test_sources.py::test_fuzz_text_keeps_its_lines", 1),
    "random CSV and JSON": ("tests/data/test_sources.py::test_fuzz_csv_and_json_are_read_back", 1),
    "random bytes as a table": (
        "tests/data/test_sources.py::test_fuzz_bytes_give_clean_pairs_or_data_error",
        1,
    ),
    "random text to the tokenizer": ("tests/test_tokenizer.py::test_fuzz_round_trip", 1),
    "random text to translate": (
        "tests/decoding/test_translator.py::test_fuzz_gives_one_line_per_sentence",
        1,
    ),
    "random bytes to nmt translate": ("tests/cli/test_translate.py::test_fuzz_bytes", 1),
    "random values in a run folder": ("tests/training/test_hostile_run.py::test_fuzz_values", 0.04),
}


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", FUZZ)
def test_fuzz_passes_more_cases(what: str, record_fault: Callable[[str, int, int], None]) -> None:
    """A test ends at the first case that fails, so at most one case is lost."""
    test, share = FUZZ[what]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--timeout=3000", test],
        env={**os.environ, "NMT_FUZZ": str(CASES)},
        capture_output=True,
        text=True,
        check=False,
    )
    passed = done.returncode == 0 and re.search(r"\b1 passed", done.stdout) is not None
    cases = int(CASES * share)
    record_fault(what, cases, cases - (not passed))
    assert passed, done.stdout[-5000:]
