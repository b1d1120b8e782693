"""Slides: which rules make them of a chapter, and how they look in a real browser, without a network."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("playwright")
pytest.importorskip("sphinx_revealjs", reason="needs the packages for slides and book: python3 run.py slides")

import browser
import slides
from axe_playwright_python.sync_playwright import Axe
from browser import chromium
from nbformat import v4

ROOT = Path(__file__).parent.parent
EVERY = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHAPTERS = EVERY if os.environ.get("HELPERS_BROWSER") == "all" else EVERY[2:3]
SIZES = [(1280, 720), (1920, 1080)]
PICTURE = v4.new_output(
    "display_data", {"text/html": '<img src="data:," alt="a line">', "text/plain": "picture"}
)
in_browser = [
    pytest.mark.skipif(browser.CHROMIUM is None, reason="needs a Chromium on the PATH"),
    pytest.mark.timeout(300),
]
# What is wrong with the slide that is shown: text or a picture beyond its edge, small type, no alt text.
LOOK = """() => {
  const slide = Reveal.getCurrentSlide(), edge = slide.getBoundingClientRect(), wrong = [];
  const beyond = (box) => box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1
    || box.bottom > edge.bottom + 1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1;
  if (slide.scrollHeight > slide.clientHeight) wrong.push("too high");
  if (slide.scrollWidth > slide.clientWidth) wrong.push("too wide");
  const all = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  while (all.nextNode()) {
    const text = all.currentNode, range = document.createRange();
    if (!text.data.trim() || text.parentElement.closest("aside")) continue;
    range.selectNodeContents(text);
    if (beyond(range.getBoundingClientRect())) wrong.push("beyond its slide: " + text.data);
    const size = parseFloat(getComputedStyle(text.parentElement).fontSize) * Reveal.getScale();
    if (size < innerHeight / 40) wrong.push("small: " + text.data);
  }
  for (const image of slide.querySelectorAll("img")) {
    if (beyond(image.getBoundingClientRect())) wrong.push("a picture beyond its slide");
    if (!image.complete || image.naturalWidth < 100) wrong.push("a picture that is not there");
    if (!image.alt.trim()) wrong.push("no alt text");
    if (image.getBoundingClientRect().width < innerWidth / 2) wrong.push("a small picture");
  }
  return wrong;
}"""


def deck(*cells) -> list[slides.Slide]:
    """Return the slides of some cells."""
    return slides.Deck([dict(cell) for cell in cells]).slides


def code(source: str, *outputs, **metadata):
    """Return a cell of code."""
    return v4.new_code_cell(source, outputs=list(outputs), metadata=metadata)


def said(text: str):
    """Return the output of a cell that prints."""
    return v4.new_output("stream", text=text)


TITLE = v4.new_markdown_cell("# What is it?\n\nOne sentence.")
SECTION = v4.new_markdown_cell("## It is so\n\nA lead.")
ASKING = v4.new_markdown_cell("## It is so\n\nA lead.\n\n**Predict.** Is it so?")


def kinds(found: list[slides.Slide]) -> list[str]:
    return [slide.kind for slide in found]


def test_a_heading_starts_a_slide_with_its_first_words():
    first, second = deck(TITLE, SECTION)
    assert (first.kind, first.title, first.opens) == ("title", "What is it?", True)
    assert (second.kind, second.title, second.opens) == ("section", "It is so", True)
    assert "A lead." in second.body[0]


def test_the_question_comes_before_the_code_and_the_finding_not_before_its_picture():
    found = deck(TITLE, ASKING, code("look()", PICTURE), v4.new_markdown_cell("So it is."))
    assert kinds(found) == ["title", "predict", "code", "picture"]
    assert [slide.title for slide in found[1:]] == ["Predict", "", "It is so"]
    assert found[1].opens
    assert "Is it so?" in "".join(found[1].body)
    assert "So it is." in found[3].spoken


def test_a_picture_has_a_slide_of_its_own_and_keeps_its_alt_text():
    *_, shown = deck(TITLE, SECTION, code("look()", said("ok"), PICTURE))
    assert shown.kind == "picture"
    assert shown.body == ['<img src="data:," alt="a line">']


def test_prose_beyond_its_first_words_is_for_the_speaker():
    long = "One sentence of seven words stands here. " * 8
    found = deck(TITLE, SECTION, v4.new_markdown_cell(f"{long}\n\nMore."), code("1 + 1", said("2")))
    shown = re.sub("<.*?>", "", found[-1].body[0])
    assert 30 < len(shown.split()) <= slides.WORDS
    assert len((shown + found[-1].spoken).split()) > 55
    assert "More." in found[-1].spoken


def test_bold_words_are_not_cut_and_a_number_ends_no_sentence():
    kept = "It took 3.5 s, **twice. As much** as before."
    assert slides.split_prose([kept]) == (kept, [])


def test_prose_that_leads_nowhere_has_a_slide():
    found = deck(TITLE, SECTION, code("1", said("1")), v4.new_markdown_cell("So it is."), SECTION)
    assert kinds(found) == ["title", "section", "code", "statement", "section"]


def test_imports_set_up_and_what_is_tagged_are_not_shown():
    set_up, imports = code("cores = 2"), code("import queue\nfrom time import sleep")
    hidden = code("secret = 1", said("seen"), tags=["hide-input"])
    found = deck(TITLE, set_up, SECTION, imports, code("x = 1", tags=["hide-cell"]), hidden)
    assert kinds(found) == ["title", "section", "output"]
    assert "seen" in found[-1].body[0]


def test_output_appears_beside_its_code_or_on_slides_of_its_own_in_order():
    short = deck(TITLE, SECTION, code("print(1)", said("1")))
    assert [("fragment" in part, kind) for part, kind in zip(short[-1].body, "ab", strict=True)] == [
        (False, "a"), (True, "b"),
    ]  # fmt: skip
    lines = "".join(f"line {n}\n" for n in range(25))
    found = deck(TITLE, SECTION, code("loop()", said(lines)))
    assert kinds(found)[2:] == ["code", "output", "output"]
    assert re.findall(r"line (\d+)", "".join(found[3].body + found[4].body)) == [str(n) for n in range(25)]


def test_long_lists_and_tables_go_over_several_slides():
    items = "\n".join(f"- Item {n} has some ten words of text in it, more or less." for n in range(12))
    rows = "\n".join(f"| {n} | text |" for n in range(20))
    found = deck(TITLE, v4.new_markdown_cell(f"## A list\n\n{items}\n\n| a | b |\n|---|---|\n{rows}"))
    page = "".join(part for slide in found for part in slide.body)
    assert len(found) == 1 + 3 + 3
    assert page.count("<li>") == 12
    assert page.count("<tr>") == 20 + 3
    assert {slide.title for slide in found[1:]} == {"A list"}


def test_metadata_of_a_cell_win():
    def asked(kind: str) -> dict[str, dict[str, str]]:
        return {"slideshow": {"slide_type": kind}}

    found = deck(
        TITLE,
        v4.new_markdown_cell("Whole. Text. " * 30, metadata=asked("slide")),
        code("import queue", metadata=None, **asked("fragment")),
        v4.new_markdown_cell("Say this.", metadata=asked("notes")),
        v4.new_markdown_cell("Nobody sees this.", metadata=asked("skip")),
        v4.new_markdown_cell("Below.", metadata=asked("subslide")),
        v4.new_markdown_cell("As well.", metadata=asked("-")),
    )
    assert [slide.opens for slide in found] == [True, True, False]
    assert "".join(found[1].body).count("Whole") == 30
    assert "fragment" in found[1].body[1]
    assert "Say this." in found[1].spoken
    assert [re.sub("<.*?>", "", part).strip() for part in found[2].body] == ["Below.", "As well."]


def test_an_error_is_its_last_line():
    error = v4.new_output("error", ename="ValueError", evalue="too small", traceback=["many", "lines"])
    assert "ValueError: too small" in deck(TITLE, SECTION, code("f()", error))[-1].body[1]


def test_links_to_files_are_plain_text_and_others_stay():
    page = slides.without_links('<a href="01.ipynb#x">01</a>, <a href="https://docs.python.org">Python</a>')
    assert page == '01, <a href="https://docs.python.org">Python</a>'


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the folder with the slides, made once."""
    folder = tmp_path_factory.mktemp("slides")
    command = [sys.executable, ROOT / "teaching" / "slides.py", "--to", folder, *CHAPTERS]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def show(pages, request):
    """Return a function that opens slides with the network off; the page must stay clean."""
    width, height = getattr(request, "param", SIZES[0])
    with chromium(width, height) as shown:
        shown.page.context.set_offline(True)

        def show(chapter: Path):
            shown.page.goto((pages / f"{chapter.stem}.html").as_uri())
            shown.page.wait_for_function("Reveal.isReady()")
            return shown.page

        yield show
        assert (shown.errors, shown.outside) == ([], [])


@pytest.mark.parametrize("show", SIZES, indirect=True, ids=["1280x720", "1920x1080"])
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
class TestInABrowser:
    pytestmark = in_browser

    def test_nothing_is_cut_off_small_or_without_words(self, show, chapter):
        page = show(chapter)
        pictures, seen, wrong = [], set(), {}
        while True:
            where = page.evaluate("Reveal.getSlidePastCount()")
            if where not in seen:
                pictures += page.evaluate(
                    "Array.from(Reveal.getCurrentSlide().querySelectorAll('img'), one => one.alt)"
                )
            seen.add(where)
            if found := page.evaluate(LOOK):
                wrong[where] = found
            if page.evaluate("Reveal.isLastSlide() && !Reveal.availableFragments().next"):
                break
            page.keyboard.press("Space")
        assert wrong == {}
        assert len(seen) == page.evaluate("Reveal.getTotalSlides()") > 10
        cells = json.loads(chapter.read_text("utf-8"))["cells"]
        shown = ["".join(output.get("data", {}).get("text/html", "")) for cell in cells
                 for output in cell.get("outputs", [])]  # fmt: skip
        assert len(pictures) == sum("<img" in one for one in shown)


class TestKeys:
    pytestmark = in_browser

    def test_axe_finds_no_serious_fault_on_the_first_slides(self, show):
        page = show(CHAPTERS[0])
        for _ in range(10):
            found = Axe().run(page, options={"preload": False}).response["violations"]
            assert [one["help"] for one in found if one["impact"] in ("serious", "critical")] == []
            page.keyboard.press("Space")

    def test_keys_lead_on_back_and_to_both_ends(self, show):
        page = show(CHAPTERS[0])

        def after(key: str) -> int:
            page.keyboard.press(key)
            return int(page.evaluate("Reveal.getSlidePastCount()"))

        total = page.evaluate("Reveal.getTotalSlides()")
        assert [after(key) for key in ("ArrowRight", "PageDown", "ArrowLeft", "PageUp")] == [1, 2, 1, 0]
        assert [after(key) for key in ("End", "Home")] == [total - 1, 0]
        page.keyboard.press("Escape")
        assert page.evaluate("Reveal.isOverview()")
        page.keyboard.press("Escape")
        assert not page.evaluate("Reveal.isOverview()")

    def test_the_speaker_sees_notes_and_leads_from_there(self, show):
        page = show(CHAPTERS[0])
        with page.context.expect_page() as opened:
            page.keyboard.press("s")
        notes = opened.value
        words = page.evaluate("document.querySelector('aside.notes').innerText.trim().slice(0, 20)")
        notes.get_by_text(words or "-").first.wait_for()
        notes.keyboard.press("Space")
        page.wait_for_function("Reveal.getSlidePastCount() === 1")


class TestProjector:
    pytestmark = in_browser

    def test_jupyterlab_for_a_projector_is_a_notebook_in_large_type(self, tmp_path):
        browser.write(tmp_path / "one.ipynb", "1 + 1")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = [f"--ServerApp.root_dir={tmp_path}", "--ServerApp.token=", f"--ServerApp.port={port}"]
        command = [sys.executable, ROOT / "run.py", "lab", "--projector", "--no-browser", *options]
        pipe = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as server:
            try:
                browser.wait_for_port(port, server)
                with chromium(*SIZES[0]) as shown:
                    page = shown.page
                    page.goto(f"http://127.0.0.1:{port}/lab/tree/one.ipynb")
                    cell = page.locator(".jp-Cell .cm-content").first
                    cell.wait_for()
                    assert cell.evaluate("(one) => getComputedStyle(one).fontSize") == "24px"
                    assert cell.bounding_box()["width"] > 1100
                    assert page.url.endswith("/doc/tree/one.ipynb")
                    assert not page.locator(".jp-SideBar:visible").count()
                    assert shown.outside == []
            finally:
                server.terminate()
                server.wait(30)
