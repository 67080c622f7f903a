"""The documentation site: it builds without a warning, and its config reference is complete."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def test_every_page_builds_without_a_warning(tmp_path: Path) -> None:
    """Sphinx warns of a link without target, a heading without its anchor and a page in no list."""
    pytest.importorskip("sphinx")
    command = [sys.executable, "-m", "sphinx", "-n", "-q", DOCS, tmp_path / "site"]
    built = subprocess.run(command, capture_output=True, text=True, check=True)
    assert built.stderr == ""
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+https?:", page)  # It loads nothing from outside.


def test_config_reference_is_up_to_date() -> None:
    """If this test fails, run python scripts/write_configuration.py > docs/configuration.md."""
    script = runpy.run_path("scripts/write_configuration.py")
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == script["page"]()
