"""The files and functions named in docs/architecture.md exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
REFERENCES = sorted(set(re.findall(r"`((?:nmt|tests)/[\w/]+\.py)(?::([\w.]+))?`", PAGE)))


@cache
def definitions(path: str) -> set[str]:
    """Return the qualified names of the functions, classes and methods in a file."""

    def inside(node: ast.AST, prefix: str) -> set[str]:
        names = set()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names |= {prefix + child.name} | inside(child, f"{prefix}{child.name}.")
        return names

    return inside(ast.parse((ROOT / path).read_text(encoding="utf-8")), "")


@pytest.mark.parametrize(("path", "name"), REFERENCES)
def test_referenced_name_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert not name or name in definitions(path)


def test_page_lists_every_textbook_part() -> None:
    parts = re.findall(r"^\| (?:\d+\. )?([^|]+?) \|", PAGE, re.MULTILINE)
    assert len(REFERENCES) > 30
    for part in (
        "Input embedding",
        "Positional encoding",
        "Q, K, V",
        "Scaling",
        "Softmax",
        "Heads",
        "Concatenation and W_O",
        "Add & norm",
        "Feed-forward",
        "Masked self-attention",
        "Encoder-decoder attention",
        "Output projection",
        "Training loss",
        "Beam search",
    ):
        assert part in parts


def test_definitions_contain_only_existing_names() -> None:
    known = definitions("nmt/model/attention.py")
    assert "MultiHeadAttention.forward" in known
    assert "MultiHeadAttention.backward" not in known
