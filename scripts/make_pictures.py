"""Make the pictures of README.md from a training run: its terminal, the attention page, the report.

    python scripts/make_pictures.py runs/demo

If RUN does not exist, the script trains configs/demo.yaml in it (minutes on one idle core) and
keeps the output of the terminal in RUN/terminal.txt. The script needs Chromium.

docs/images/pictures.json has a checksum of each file that a picture depends on;
tests/test_pictures.py fails if one of them has changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import termios
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SOURCES = {
    "readme-training": ["configs/demo.yaml", "nmt/training/lines.py", "nmt/bars.py"],
    "readme-attention": ["nmt/inspection/page.html", "nmt/inspection/page.py"],
    "readme-report": ["nmt/report/report.html", "nmt/report/report.css", "nmt/charts.py"],
}
COLUMNS = 100
SENTENCE = "Anna, did you call your brother yesterday?"
FONTS = 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace'
THEMES = {
    "light": TerminalTheme((246, 248, 250), (31, 35, 40), [(31, 35, 40)] * 8),
    "dark": TerminalTheme((22, 27, 34), (230, 237, 243), [(230, 237, 243)] * 8),
}


def nmt(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "nmt", *arguments]


def train_in_terminal(run: str) -> None:
    """Train the demo; write what a terminal received to RUN/terminal.txt."""
    terminal, inner = pty.openpty()
    termios.tcsetwinsize(inner, (40, COLUMNS))
    process = subprocess.Popen(
        nmt("train", "configs/demo.yaml", "--run-dir", run),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(inner)
    output = b""
    with suppress(OSError):  # Linux reports the end of the output as an error.
        while chunk := os.read(terminal, 65536):
            output += chunk
    if process.wait():
        sys.exit(output.decode())
    Path(run, "terminal.txt").write_bytes(output)


def terminal_picture(run: str, theme: TerminalTheme) -> str:
    """Return an SVG of the terminal just before the third validation."""
    output = Path(run, "terminal.txt").read_bytes().decode()
    shown = re.match(r"(.*?valid \|){2}.*?(?=\rvalidation: )", output, re.DOTALL)
    assert shown, f"{run}/terminal.txt has fewer than three validations"
    lines = [line.split("\r")[-1] for line in shown[0].replace("\r\n", "\n").split("\n")]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    console.print(f"$ nmt train configs/demo.yaml --run-dir {run}", markup=False)
    for line in lines:
        console.print(Text.from_ansi(line))
    # An SVG in an <img> loads no fonts.
    code_format = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    code_format = code_format.replace("Fira Code, monospace", FONTS)
    return console.export_svg(
        title="nmt train", theme=theme, code_format=code_format, unique_id="nmt"
    )


def page_picture(browser: Any, page: Path, theme: str, size: tuple[int, int]) -> bytes:
    """Return a PNG of the top of a page, with two pixels per CSS pixel."""
    width, height = size
    view = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=theme, device_scale_factor=2
    )
    view.goto(page.as_uri())
    view.evaluate("document.querySelector('#result')?.remove()")  # The curves come higher.
    picture = Image.open(io.BytesIO(view.screenshot())).convert("RGB")
    view.close()
    small = io.BytesIO()
    picture.quantize(128, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    os.chdir(ROOT)
    run = sys.argv[1]
    if not Path(run).exists():
        train_in_terminal(run)
    for theme, colors in THEMES.items():
        (IMAGES / f"readme-training-{theme}.svg").write_text(terminal_picture(run, colors))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = {
            "readme-attention": (Path(folder, "attention.html"), (1100, 690)),
            "readme-report": (Path(folder, "report.html"), (1100, 880)),
        }
        attention, report = (str(page) for page, _ in pages.values())
        subprocess.run(
            nmt("attention", SENTENCE, "--model", run, "--words", "-o", attention), check=True
        )
        subprocess.run(nmt("report", run, "-o", report), check=True)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (page, size) in pages.items():
            for theme in THEMES:
                picture = page_picture(browser, page, theme, size)
                (IMAGES / f"{name}-{theme}.png").write_bytes(picture)
        browser.close()
    sums = {
        name: {file: hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files}
        for name, files in SOURCES.items()
    }
    (IMAGES / "pictures.json").write_text(json.dumps(sums, indent=1) + "\n")


if __name__ == "__main__":
    main()
