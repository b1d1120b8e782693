"""The book: a site of the notebooks, looked at in a real browser, without a network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("playwright")
pytest.importorskip("sphinx_book_theme", reason="needs the packages for slides and book: python3 run.py book")

import book
import browser
from axe_playwright_python.sync_playwright import Axe
from browser import chromium
from bs4 import BeautifulSoup
from nbformat import v4
from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
CHAPTERS = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
PAGES = ["index", *(CHAPTERS if os.environ.get("HELPERS_BROWSER") == "all" else CHAPTERS[2:3])]
WORKBOOK = v4.new_notebook(
    cells=[
        v4.new_markdown_cell("# Exercises of this test\n\nWrite a loop."),
        v4.new_code_cell("the_solution = 1", metadata={"tags": ["solution"]}),
    ],
    metadata={"language_info": {"name": "python", "pygments_lexer": "ipython3"}},
)
pytestmark = [
    pytest.mark.skipif(browser.CHROMIUM is None, reason="needs a Chromium on the PATH"),
    pytest.mark.timeout(300),
]
# The contrast of the text of paragraphs with the page, as WCAG has it, and what a picture lies on.
CONTRAST = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const text = light(getComputedStyle(document.querySelector("article p")).color);
  const ground = light(getComputedStyle(document.body).backgroundColor);
  return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the site, made once, with a workbook of our own in it, and what was said."""
    folder = tmp_path_factory.mktemp("book")
    shutil.copytree(NOTEBOOKS, folder / "notebooks")
    (folder / "notebooks" / "workbooks").mkdir(exist_ok=True)
    (folder / "notebooks" / "workbooks" / "zz_try.ipynb").write_text(json.dumps(WORKBOOK))
    command = [sys.executable, ROOT / "teaching" / "book.py", "--to", folder / "site", folder / "notebooks"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    return folder / "site", done


@pytest.fixture
def shown(request):
    """Return a browser without a network, in light or dark; its pages must stay clean."""
    with chromium(scheme=getattr(request, "param", "light")) as shown:
        shown.page.context.set_offline(True)
        yield shown
        assert (shown.errors, shown.outside) == ([], [])


def test_sphinx_finds_nothing_wrong(site):
    done = site[1]
    assert (done.returncode, done.stderr) == (0, "")


def test_every_link_leads_somewhere(site):
    folder, _ = site
    paths = [path for path in folder.rglob("*.html") if "_static" not in path.parts]  # the theme's own
    soups = {path: BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in paths}
    anchors = {path.resolve(): {tag["id"] for tag in soup.find_all(id=True)} for path, soup in soups.items()}
    broken = []
    for path, soup in soups.items():
        for tag in soup.find_all(["a", "link", "script", "img"]):
            parts = urlsplit(tag.get("href") or tag.get("src") or "")
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            if parts.scheme in ("http", "https", "data"):
                assert tag.name == "a" or parts.scheme == "data", f"{path.name} needs {tag}"
            elif not target.exists():
                broken.append(f"{path.name}: {tag.get('href') or tag.get('src')}")
            elif parts.fragment and unquote(parts.fragment) not in anchors.get(target, set()):
                broken.append(f"{path.name}: {tag.get('href')}")
    assert broken == []
    assert len(soups) >= len(CHAPTERS) + 3


def test_a_page_has_what_its_notebook_shows(site):
    """Every picture with its words, every verdict."""
    for name in CHAPTERS:
        page = BeautifulSoup((site[0] / f"{name}.html").read_text("utf-8"), "html.parser").article
        cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])
                   if "hide-cell" not in cell["metadata"].get("tags", [])]  # fmt: skip
        given = "".join("".join(output.get("data", {}).get("text/html", "")) for output in outputs)
        wanted = [image["alt"] for image in BeautifulSoup(given, "html.parser").find_all("img")]
        assert [image["alt"] for image in page.find_all("img")] == wanted
        assert all(words.strip() for words in wanted)
        lines = [line for output in outputs for line in "".join(output.get("text", "")).splitlines()]
        for line in lines:
            assert line.strip() in page.text, name


def test_the_front_page_has_the_verdicts_of_the_last_chapter(site):
    page = BeautifulSoup((site[0] / "index.html").read_text("utf-8"), "html.parser").article
    rows = [row.td.text for row in page.table.find_all("tr") if row.td]
    assert {"F1", "F3b", "F25"} <= set(rows)
    assert "parts hold" in page.img["alt"]


@pytest.mark.parametrize("shown", ["light", "dark"], indirect=True)
def test_pages_are_clean_and_pictures_readable_in_light_and_dark(site, shown, request):
    page, theme = shown.page, request.node.callspec.params["shown"]
    ground = {"light": "rgba(0, 0, 0, 0)", "dark": "rgb(255, 255, 255)"}[theme]
    for name in PAGES:
        page.goto((site[0] / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert page.evaluate(CONTRAST) >= 7
        for image in page.locator("article img").all():
            style = image.evaluate(
                "(one) => [one.naturalWidth > 100, getComputedStyle(one).filter,"
                " getComputedStyle(one).backgroundColor]"
            )
            assert style == [True, "none", ground]
            box = image.bounding_box()
            assert 0 <= box["x"] < box["x"] + box["width"] <= 1280


@pytest.mark.parametrize("shown", ["light", "dark"], indirect=True)
def test_axe_finds_no_serious_fault(site, shown):
    for name in [*PAGES, "workbooks/zz_try", "search"]:
        shown.page.goto((site[0] / f"{name}.html").as_uri())
        found = Axe().run(shown.page, options={"preload": False}).response["violations"]
        assert [one["help"] for one in found if one["impact"] in ("serious", "critical")] == [], name


def follow(page: Page, link: str) -> None:
    """Click a link and wait for its page."""
    address = page.locator(link).evaluate("(one) => one.href")
    page.locator(link).click()
    page.wait_for_url(address)


def test_next_leads_through_the_whole_book_and_previous_back(site, shown):
    page = shown.page
    page.goto((site[0] / "index.html").as_uri())
    seen = []
    while page.locator("a.right-next").count():
        follow(page, "a.right-next")
        seen.append(Path(urlsplit(page.url).path).stem)
    assert [name for name in seen if name in CHAPTERS] == CHAPTERS
    assert seen[-1] == "zz_try"
    follow(page, "a.left-prev")
    assert Path(urlsplit(page.url).path).stem == seen[-2]


def test_search_finds_a_word_and_leads_there(site, shown):
    page = shown.page
    page.goto((site[0] / "index.html").as_uri())
    field = page.locator(".bd-sidebar-primary input[type=search]").first
    field.fill("exercises")
    field.press("Enter")
    page.locator("#search-results a", has_text="Exercises of this test").first.click()
    page.get_by_role("heading", name="Exercises of this test").wait_for()


def test_a_verdict_leads_to_its_experiment(site, shown):
    page = shown.page
    page.goto((site[0] / "index.html").as_uri())
    link = page.locator("article table a").first
    words = link.get_attribute("title")
    link.click()
    page.get_by_role("heading", name=words).wait_for()
    assert page.get_by_role("heading", name=words).bounding_box()["y"] < 300


def test_a_solution_is_folded_until_it_is_asked_for(site, shown):
    page = shown.page
    page.goto((site[0] / "workbooks" / "zz_try.html").as_uri())
    solution = page.get_by_text("the_solution")
    assert not solution.is_visible()
    assert page.locator("summary").first.get_attribute("aria-label") is None  # which would hide its words
    page.get_by_text("Show a solution").first.click()
    solution.wait_for()


def test_source_and_markdown_become_text_of_the_page_and_labs_say_where_they_run():
    shown = {"text/html": '<div class="highlight">f</div>', "text/plain": "def f(): pass"}
    outputs = [v4.new_output("display_data", shown), v4.new_output("display_data", {"text/markdown": "*m*"})]
    cells = [v4.new_code_cell("show()", outputs=outputs), v4.new_code_cell("labs.queue_lab()")]
    cells.append(v4.new_markdown_cell("The end.\n\nNext: [01 One](01_one.ipynb)"))
    first, source, markdown, lab, hint, last = book.convert(v4.new_notebook(cells=cells))["cells"]
    assert first["outputs"] == []
    assert source["source"] == "```python\ndef f(): pass\n```"
    assert markdown["source"] == "*m*"
    assert (lab["cell_type"], hint["source"]) == ("code", book.LAB)
    assert last["source"].strip() == "The end."
