"""docs/reliability.md names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
# In one table `s` stands for a file that is named in nearly every row.
NAMED = re.findall(r"`(s(?=::)|[\w/]+\.py)(?:::(\w+))?`", PAGE)
REFERENCES = sorted({("data/test_sources.py" if f == "s" else f, name) for f, name in NAMED})


@pytest.mark.parametrize(("file", "name"), REFERENCES, ids="::".join)
def test_reference(file: str, name: str) -> None:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert not name or name in functions


def test_every_promise_names_a_test() -> None:
    """Each row of a table with the column `held by`."""
    assert len(REFERENCES) > 80
    for table in PAGE.split("\n\n"):
        head, *rows = table.split("\n")
        if head.startswith("|") and "held by" in head:
            for row in rows[1:]:
                assert re.search(r"`[\w/]+(\.py|::\w+)", row.split("|")[-2]), row
