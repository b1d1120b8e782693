"""What is stored is exemplary: the alt texts of pictures hold what was measured, and fit their lessons."""

import html
import re
from collections.abc import Callable

import nbformat
import pytest
from test_notebooks import NOTEBOOKS


def alt(chapter: str, title: str) -> str:
    """Return the alt text of a chapter's one picture whose title holds these words."""
    (path,) = (path for path in NOTEBOOKS if path.name.startswith(chapter))
    outputs = [out for cell in nbformat.read(path, 4).cells for out in cell.get("outputs", [])]
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    found = [html.unescape(text) for page in pages for text in re.findall(r'<img [^>]*alt="([^"]*)"', page)]
    (text,) = (text for text in found if title in text.partition(". ")[0])
    return text


def took(alt: str, name: str) -> float:
    """Return the seconds that a run of this name took."""
    number, unit = re.search(rf"\b{name}: \d+ jobs? on \d+ workers? took ([\d.]+) (s|ms)\b", alt).groups()
    return float(number) / (1000 if unit == "ms" else 1)


def share(alt: str, name: str) -> int:
    """Return the percentage of its time that a run's jobs had a core."""
    return int(re.search(rf"\b{name}: \d+ jobs.*?CPU time was (\d+)% of the jobs' time", alt)[1])


LESSONS: list[tuple[str, str, Callable[[str], bool]]] = [
    ("00_", "workers share", lambda a: took(a, "processes") < 0.8 * took(a, "serial")),
    ("01_", "four threads share one", lambda a: took(a, "processes") < 0.8 * took(a, "threads")),
    ("01_", "four threads share one", lambda a: share(a, "processes") > 1.2 * share(a, "threads")),
    ("02_", "two threads take turns", lambda a: took(a, "processes") < 0.7 * took(a, "serial")),
    ("02_", "two threads take turns", lambda a: took(a, "threads") > 0.8 * took(a, "serial")),
    ("02_", "two threads take turns", lambda a: share(a, "processes") >= 85 > 65 > share(a, "threads")),
    ("02_", "Digits take the CPU", lambda a: int(re.search(r"digits of pi: (\d+)%", a)[1]) >= 90),
    ("03_", "Fifty fetches at once", lambda a: took(a, "fifty threads") < 3 * took(a, "one fetch")),
]  # fmt: skip


@pytest.mark.parametrize(("chapter", "title", "fits"), LESSONS)
def test_a_stored_picture_shows_its_lesson(chapter, title, fits):
    text = alt(chapter, title)
    assert fits(text), text


def test_a_picture_from_a_busy_computer_is_noticed():
    """As one was stored: two processes slower than one worker, and hardly on a core."""
    text = (
        "serial: 4 jobs on 1 worker took 265 ms, at most 1 at once. CPU time was 99% of the jobs' time. "
        "processes: 4 jobs on 2 workers took 286 ms, at most 2 at once. CPU time was 26% of the jobs' time."
    )
    assert (took(text, "serial"), took(text, "processes")) == (0.265, 0.286)
    assert (share(text, "serial"), share(text, "processes")) == (99, 26)
    assert not LESSONS[0][2](text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_prints_nothing_but_blanks(path):
    """As one did whose output is not compared: the error in which it looked for words had colours."""
    cells = nbformat.read(path, 4).cells
    printed = [(cell.source, out.text) for cell in cells for out in cell.get("outputs", []) if "text" in out]
    assert [source for source, text in printed if not text.strip()] == []
