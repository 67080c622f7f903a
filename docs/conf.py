"""Settings of sphinx for the documentation site, which `make docs` writes to build/docs."""

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "nmt"
author = "the nmt authors"
extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["results", "images"]
nitpicky = True
highlight_language = "text"  # of blocks without a language

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
copybutton_prompt_text = "$ "

html_theme = "furo"
html_title = "nmt"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False  # Browsers do not let a page of a local file read other files.
html_show_sphinx = False
html_show_copyright = False

PICTURE = re.compile(
    r'<picture>.*?srcset="(.*?)".*?src="(.*?)" alt="(.*?)".*?</picture>', re.DOTALL
)


def fit_included_file(app: Sphinx, path: Path, page: str, content: list[str]) -> None:
    """Make links of README.md and CONTRIBUTING.md start in docs/, and pictures follow the theme."""
    text = PICTURE.sub(r"![\3](\1){.only-dark}\n![\3](\2){.only-light}", content[0])
    content[0] = re.sub(r"\]\((?!https?:|#)", "](../", text)


def setup(app: Sphinx) -> None:
    """Register the change of included files."""
    app.connect("include-read", fit_included_file)
