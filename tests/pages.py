"""Pages of reports, and the text of their sections."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from nmt.report.facts import facts_of
from nmt.report.page import report_page
from nmt.report.testing import evaluate_runs
from nmt.runs import Run


def page_of(*runs: Run, translate: bool = True, worst: int = 2, paired: Any = "bs") -> str:
    """Return the page of one run, or of two."""
    facts = facts_of(runs)
    tested = None
    if translate:
        tested = evaluate_runs(facts, paired, worst, lambda _: None, lambda *_: None)
    return report_page(facts, tested, "" if translate else "Nothing was translated: a reason.")


class Text(HTMLParser):
    """The visible text of each section, and all tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sections = {"": ""}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._section = ""
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        self._hidden = tag in ("style", "script")
        if tag == "section":
            self._section = str(values["id"])
            self.sections[self._section] = ""

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False
        if tag not in ("mark", "bdi", "code"):
            self.sections[self._section] += " "

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.sections[self._section] += data


def sections(page: str) -> dict[str, str]:
    return {name: " ".join(text.split()) for name, text in Text(page).sections.items()}
