"""Text of others as it may stand in a message."""

from __future__ import annotations

KeyPath = tuple[str | int, ...]
"""Names of sections and keys, and numbers of elements of lists, from the outside in."""


def dotted(path: KeyPath) -> str:
    """`data.train.0.source`."""
    return printable(".".join(str(part) for part in path))


def printable(text: str, limit: int = 80) -> str:
    """The text on one line, without characters that a terminal would act on, shortened in the
    middle: of a long path the end says most."""
    if len(text) > limit:
        half = (limit - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def quoted(text: str) -> str:
    """The same between quotation marks."""
    return f'"{printable(text)}"'
