"""The report in a browser: themes, widths, keyboard, print, accessibility, and no request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(params=["page", "comparison"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the files of two reports: on one run, and on two runs."""
    path = tmp_path / "report.html"
    path.write_text(request.getfixturevalue(request.param), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_readable_and_accessible(browser: Any, file: Path, width: int, scheme: str) -> None:
    """It has no console error, request, axe violation or sideways scrolling, also when unfolded."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    problems: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    for unfolded in (False, True):
        if unfolded:
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    assert problems == []
    assert requests == [file.as_uri()]
    ink = page.evaluate("getComputedStyle(document.querySelector('figure svg')).color")
    assert ink == page.evaluate("getComputedStyle(document.body).color")
    assert (max(map(int, ink[4:-1].split(","))) > 128) == (scheme == "dark")
    context.close()


def test_keyboard_reaches_the_contents_and_unfolds_details(browser: Any, file: Path) -> None:
    page = browser.new_page()
    page.goto(file.as_uri())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#result")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('details').open")
    page.close()


def test_printed_page_shows_folded_parts_on_white(browser: Any, file: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(file.as_uri())
    config = page.locator("#config details pre").first
    assert not config.is_visible()
    page.emulate_media(media="print")
    assert config.bounding_box()["height"] > 100
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    pdf = page.pdf(format="A4", print_background=True)
    assert pdf.startswith(b"%PDF")
    assert 3 <= pdf.count(b"/Type /Page\n") <= 20
    page.close()
