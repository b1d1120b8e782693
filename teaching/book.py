"""Make a site of the notebooks, as they are stored: nothing is run, and nothing of it asks the network.

    python teaching/book.py --to FOLDER NOTEBOOKS

The front page has the table of all verdicts, from the outputs of the last chapter. A page is its notebook
with small changes, made in a copy: what a cell gave as Markdown or as source becomes text of the page;
solutions are folded; the links to the previous and the next chapter give way to the site's own.
"""

import argparse
import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import v4
from sphinx.application import Sphinx
from sphinx.util.console import nocolor
from sphinx.util.docutils import docutils_namespace, patch_docutils

ROOT = Path(__file__).parent.parent
TEMPLATES = Path(__file__).parent / "templates"
TITLE = "Threads or processes?"
NEIGHBOURS = re.compile(r"^(?:Previous|Next): .*$", re.MULTILINE)
NAMED = re.compile(r"\[(\d\d\w? [^\]]+)\]\((?:\.\./)?([\w/]+)\.ipynb\)")
FRONT = """# {title}

{about}

{picture}

Each link in the table leads to the experiment behind a verdict. To run it, rather than read it, start
`python3 run.py lab` in the folder of the series.

{table}

```{{toctree}}
:hidden:
:caption: Chapters

{chapters}
```
"""
WORKBOOKS = """
```{{toctree}}
:hidden:
:caption: Workbooks

{workbooks}
```
"""
LAB = "*This lab runs in JupyterLab, not on a page: `python3 run.py lab` opens it.*"
UNSPOKEN = ' aria-label="Toggle hidden content"'
SETTINGS = {
    "project": TITLE,
    "extensions": ["myst_nb"],
    "nb_execution_mode": "off",
    "nb_ipywidgets_js": {},
    "myst_enable_extensions": [],
    "myst_heading_anchors": 3,
    "myst_heading_slug_func": "book.slug",
    "html_theme": "sphinx_book_theme",
    "html_title": TITLE,
    "html_sidebars": {"**": ["navbar-logo.html", "search-field.html", "sbt-sidebar-nav.html"]},
    "html_copy_source": False,
    "html_show_search_summary": False,  # It fetches pages, which browsers refuse to do for files.
    "html_show_sphinx": False,
    "html_show_copyright": False,
    "html_static_path": [str(TEMPLATES / "book.css")],
    "html_css_files": ["book.css"],
    "html_context": {"default_mode": "auto"},  # light or dark, as the reader's system is
    "html_theme_options": {
        "navbar_persistent": [],  # The search stands in the side bar.
        "show_toc_level": 2,
        "use_download_button": False,
        "use_fullscreen_button": False,
    },
}


def slug(heading: str) -> str:
    """Return the anchor of a heading, as JupyterLab makes it, so that one link serves both."""
    return heading.strip().replace(" ", "-")


def convert(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook as the site shows it."""
    cells = []
    for cell in notebook["cells"]:
        tags = cell["metadata"].setdefault("tags", [])
        if cell["cell_type"] == "markdown":
            cell["source"] = NEIGHBOURS.sub("", "".join(cell["source"]))
        elif "solution" in tags:
            tags.append("hide-cell")
            prompts = {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide the solution"}
            cell["metadata"]["mystnb"] = prompts
        texts = list(as_text(cell))
        if cell["cell_type"] == "code" and re.search(r"^labs\.", "".join(cell["source"]), re.MULTILINE):
            texts.append(LAB)
        cells.append(cell)
        cells += [v4.new_markdown_cell(text) for text in texts]
    return {**notebook, "cells": cells}


def as_text(cell: dict[str, Any]) -> Iterator[str]:
    """Take the outputs that are text of the page out of a cell, and yield them in Markdown."""
    for output in list(cell.get("outputs", [])):
        data = output.get("data", {})
        if "text/markdown" in data:
            yield "".join(data["text/markdown"])
        elif 'class="highlight"' in "".join(data.get("text/html", "")):
            yield f"```python\n{''.join(data['text/plain'])}\n```"
        else:
            continue
        cell["outputs"].remove(output)


def front_page(verdicts: dict[str, Any], pages: list[str], names: dict[str, str]) -> str:
    """Return the page with what the series is, its verdicts and the order of all pages."""
    readme = (ROOT / "README.md").read_text("utf-8").split("\n\n")
    outputs = [output.get("data", {}) for cell in verdicts["cells"] for output in cell.get("outputs", [])]
    picture = next("".join(data["text/html"]) for data in outputs if "text/html" in data)
    table = next("".join(data["text/markdown"]) for data in outputs if "text/markdown" in data)
    entries = {name: f"{names[name]} <{name}>" if name in names else name for name in pages}
    chapters = "\n".join(entry for name, entry in entries.items() if "/" not in name)
    workbooks = "\n".join(entry for name, entry in entries.items() if "/" in name)
    front = FRONT.format(title=TITLE, about=readme[1], picture=picture, table=table, chapters=chapters)
    return front + (WORKBOOKS.format(workbooks=workbooks) if workbooks else "")


def write_source(notebooks: Path, folder: Path) -> None:
    """Write all that the site is made of to a folder."""
    paths = sorted(notebooks.glob("*.ipynb")) + sorted(notebooks.glob("workbooks/*.ipynb"))
    stored = {path: json.loads(path.read_text("utf-8")) for path in paths}
    texts = "".join("".join(cell["source"]) for one in stored.values() for cell in one["cells"])
    names = {name: title for title, name in NAMED.findall(texts)}
    pages = [path.relative_to(notebooks).with_suffix("").as_posix() for path in paths]
    last = next(one for path, one in stored.items() if path.stem == "08_verdicts")
    for path in notebooks.rglob("*.py"):  # Pages link to them.
        (folder / path.relative_to(notebooks)).parent.mkdir(exist_ok=True)
        shutil.copy(path, folder / path.relative_to(notebooks))
    (folder / "index.md").write_text(front_page(last, pages, names), "utf-8")
    for name, one in zip(pages, stored.values(), strict=True):
        page = folder / f"{name}.ipynb"
        page.parent.mkdir(exist_ok=True)
        page.write_text(json.dumps(convert(one)), "utf-8")


def build(source: Path, to: Path) -> str:
    """Build the site and return what Sphinx warns of."""
    warnings = io.StringIO()
    nocolor()
    with tempfile.TemporaryDirectory() as cache, patch_docutils(), docutils_namespace():
        site = Sphinx(
            source,
            None,
            to,
            cache,
            "html",
            SETTINGS,
            status=None,
            warning=warnings,
            freshenv=True,
            parallel=2,
        )
        site.build()
    for page in to.rglob("*.html"):  # Let a screen reader say the words that are there.
        page.write_text(page.read_text("utf-8").replace(UNSPOKEN, ""), "utf-8")
    return warnings.getvalue().replace(f"{source}/", "")


def main() -> int:
    """Write the site; the exit code is 1 if something in it is not as it should be, such as a broken link."""
    parser = argparse.ArgumentParser(description="Make a site of notebooks.")
    parser.add_argument("--to", type=Path, required=True, help="the folder for the site")
    parser.add_argument("notebooks", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_source(given.notebooks, Path(folder))
        warnings = build(Path(folder), given.to)
    print(warnings, end="", file=sys.stderr)
    print(given.to / "index.html")
    return int(bool(warnings))


if __name__ == "__main__":
    sys.exit(main())
