"""Parts of a Markdown page: numbers, tables, and functions of the source code."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]


def code_of(path: str, name: str) -> str:
    """Return a function without its docstring.

    path: file in the repository; name: such as `MultiHeadAttention.project`.
    """
    text = (ROOT / path).read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        node = next(
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.ClassDef | ast.FunctionDef) and child.name == part
        )
    assert isinstance(node, ast.FunctionDef)
    first = node.body[0]
    body = first.end_lineno if ast.get_docstring(node) else first.lineno - 1
    lines = text.split("\n")
    shown = lines[node.lineno - 1 : first.lineno - 1] + lines[body : node.end_lineno]
    return textwrap.dedent("\n".join(shown)).strip("\n")


def listed(path: str, name: str) -> str:
    """Return a link to the file of a function, and its code."""
    return f"[`{path}`: `{name}`](../{path})\n\n```python\n{code_of(path, name)}\n```"


class Code:
    """Replaces `{code:PATH NAME ...}` in a format string by the code of the functions."""

    def __format__(self, spec: str) -> str:
        path, *names = spec.split()
        return "\n\n".join(listed(path, name) for name in names)


class Listing(NamedTuple):
    path: str
    name: str
    code: str


def listings(page: str) -> list[Listing]:
    """Return the code blocks of a page that `listed` made."""
    pattern = r"\[`(.+?)`: `(.+?)`\]\(\.\./\1\)\n\n```python\n(.*?)\n```"
    return [Listing(*found) for found in re.findall(pattern, page, re.DOTALL)]


def number(value: float | Tensor, digits: int = 2) -> str:
    """Return a rounded number, never -0.00."""
    text = f"{value:.{digits}f}".replace("inf", "∞")
    return text.removeprefix("-") if not text.strip("-0.") else text


def vector(values: Tensor, count: int = 4) -> str:
    """Return the first numbers of a vector."""
    return ", ".join([*map(number, values[:count]), "..."])


def shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"


def piece(text: str) -> str:
    return f"`{text}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Return a table whose first `left` columns are aligned to the left."""
    aligned = ["---"] * left + ["---:"] * (len(head) - left)
    lines = [[cell.replace("|", r"\|") for cell in row] for row in (head, aligned, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def matrix(corner: str, rows: Sequence[str], columns: Sequence[str], values: Tensor) -> str:
    """Return a table of values (rows, columns), with the largest of each row in bold."""
    lines = []
    for name, row in zip(rows, values, strict=True):
        cells = list(map(number, row))
        cells[int(row.argmax())] = f"**{cells[int(row.argmax())]}**"
        lines.append([piece(name), *cells])
    return table([corner, *map(piece, columns)], lines)
