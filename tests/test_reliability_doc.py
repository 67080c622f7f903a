"""The tests named in docs/reliability.md exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
# One table abbreviates the file that is named in nearly every row to `s`.
NAMED = re.findall(r"`(s(?=::)|[\w/]+\.py)(?:::(\w+))?`", PAGE)
REFERENCES = sorted({("data/test_sources.py" if f == "s" else f, name) for f, name in NAMED})


@pytest.mark.parametrize(("file", "name"), REFERENCES, ids="::".join)
def test_referenced_test_exists(file: str, name: str) -> None:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert not name or name in functions


def test_every_row_names_a_test() -> None:
    """Check each row of the tables with the column `tested by`."""
    assert len(REFERENCES) > 80
    for table in PAGE.split("\n\n"):
        head, *rows = table.split("\n")
        if head.startswith("|") and "tested by" in head:
            for row in rows[1:]:
                assert re.search(r"`[\w/]+(\.py|::\w+)", row.split("|")[-2]), row
