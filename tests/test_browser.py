"""The labs as a learner meets them: in JupyterLab, in a real browser, by mouse and by keyboard alone."""

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("playwright")

import browser
from browser import Browser, chromium, jupyterlab, write
from nbval_checks import GONE, MARK, kill_marked, left_behind
from test_notebooks import NOTEBOOKS

pytestmark = [
    pytest.mark.skipif(browser.CHROMIUM is None, reason="needs a Chromium on the PATH"),
    pytest.mark.timeout(300),
]

STEPS = "from helpers import labs\nlabs.step_by_step()"
QUEUE = "from helpers import labs\nlabs.queue_lab()"
SLEEP = "import time\nprint('it', 'sleeps', flush=True)\ntime.sleep(15)\nprint('it', 'slept')"


@contextmanager
def served(folder: Path, subshells: bool) -> Iterator[tuple[Path, str]]:
    """Start a JupyterLab on a new folder; nothing of it may stay."""
    folder.mkdir()
    mark = uuid.uuid4().hex
    try:
        with jupyterlab(folder, subshells=subshells, **{MARK: mark}) as address:
            yield folder, address
        assert left_behind(mark) == [], f"alive {GONE} s after the end"
    finally:
        kill_marked(mark)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Return a folder for notebooks, and the address of a JupyterLab on it."""
    with served(tmp_path_factory.mktemp("lab") / "notebooks", subshells=True) as place:
        yield place


@pytest.fixture(scope="module")
def lab_without_subshells(tmp_path_factory):
    """Return the same for one whose widgets wait for the cells to end, as in other front ends."""
    with served(tmp_path_factory.mktemp("lab") / "notebooks", subshells=False) as place:
        yield place


@contextmanager
def opened(place: tuple[Path, str], *cells: str) -> Iterator[Browser]:
    """Open a new notebook of these cells and run them; its page must stay clean."""
    folder, address = place
    name = f"{uuid.uuid4().hex}.ipynb"
    write(folder / name, *cells)
    with chromium() as page:
        page.open(address, name)
        page.run_all()
        yield page
        assert (page.errors, page.outside) == ([], [])


def status(page: Browser) -> str:
    """Return what the lab says in words."""
    return page.page.get_by_role("status").first.inner_text()


def says(page: Browser, words: str) -> str:
    """Wait until the lab says this in words, a pattern; return all that it says then."""
    found = page.page.get_by_role("status").filter(has_text=re.compile(words)).first
    found.wait_for()
    return str(found.inner_text())


def counts(page: Browser) -> tuple[int, ...]:
    """Return the tasks waiting, in work, done, set aside and put, as the page shows them."""
    found = re.search(
        r"(\d+) waiting, (\d+) in work, (\d+) done, (\d+) set aside, of (\d+) tasks put",
        says(page, "tasks put"),
    )
    assert found
    return tuple(map(int, found.groups()))


@pytest.mark.parametrize("place", ["lab", "lab_without_subshells"])
def test_a_lost_update_and_a_deadlock_are_made_with_the_mouse(place, request):
    with opened(request.getfixturevalue(place), STEPS) as page:
        for number in (1, 2, 1, 2, 1, 2):
            step(page, number)
        assert "One update is lost." in says(page, "Both have added one")
        page.page.get_by_label("They use").select_option("two locks, taken crosswise")
        says(page, "You are the scheduler")
        for number in (1, 2, 1, 2):
            step(page, number)
        says(page, "Deadlock")
        assert page.button("Thread 1: next step").is_disabled()
        page.button("Start again").click()
        says(page, "You are the scheduler")


def step(page: Browser, number: int) -> None:
    """Press the button of a thread, and wait until its next step has been run."""
    done = page.page.locator("li", has_text="✓")
    before = done.count()
    waits = page.page.locator("li", has_text="waits").count()
    page.button(f"Thread {number}: next step").click()
    end = time.monotonic() + 30
    while done.count() == before and page.page.locator("li", has_text="waits").count() == waits:
        assert time.monotonic() < end
        page.page.wait_for_timeout(20)


def test_a_lost_update_is_made_with_the_keyboard_alone(lab):
    with opened(lab, STEPS) as page:
        page.button("Thread 1: next step").focus()
        for number in (1, 2, 1, 2, 1, 2):
            done = page.page.locator("li", has_text="✓").count()
            page.page.keyboard.press("Space")
            page.page.wait_for_function("n => document.querySelectorAll('li span').length > n", arg=done)
            page.page.keyboard.press("Tab" if number == 1 else "Shift+Tab")
        assert "One update is lost." in says(page, "Both have added one")


@pytest.mark.parametrize("place", ["lab", "lab_without_subshells"])
def test_a_control_answers_while_the_kernel_is_busy(place, request):
    with opened(request.getfixturevalue(place), STEPS, SLEEP) as page:
        page.page.get_by_text("it sleeps").wait_for()
        step(page, 1)
        if place == "lab":  # without subshells, what is clicked waits for the cell to end, and is not lost
            assert not page.page.get_by_text("it slept").is_visible()


def test_tasks_survive_the_kill_of_a_worker_and_of_the_master(lab):
    with opened(lab, QUEUE) as page:
        page.button("Put 100 tasks").click()
        says(page, r"[1-9]\d* done")
        page.button("Kill it").click()
        page.page.get_by_text("worker 1 killed").wait_for()
        page.button("Kill the master").click()
        says(page, "The master is down")
        assert sum(counts(page)[:4]) == counts(page)[4] == 100
        page.button("Start the master again").click()
        says(page, "The master is up")
        page.button("Add a worker").click()
        says(page, "100 done")
        assert counts(page) == (0, 0, 100, 0, 100)


def test_the_record_is_rewound_with_the_keyboard(lab):
    with opened(lab, QUEUE) as page:
        page.button("Put 100 tasks").click()
        says(page, r"[1-9]\d* done")
        page.button("End the lab").click()
        page.page.locator("button:disabled", has_text="Put 100 tasks").wait_for()
        handle = page.page.get_by_role("slider").last
        handle.focus()
        page.page.keyboard.press("Home")
        says(page, "0 done, 0 set aside, of 0 tasks put")


def test_what_goes_wrong_is_said_below_the_lab(lab):
    with opened(lab, QUEUE) as page:
        says(page, "The master is up")
        page.button("Start the master again").click()
        page.page.get_by_role("alert").filter(
            has_text="QueueError: the master is up: kill it first"
        ).wait_for()


def test_two_labs_at_once_do_not_disturb_each_other(lab):
    with opened(lab, STEPS, QUEUE) as page:
        page.button("Put 100 tasks").click()
        says(page, r"[1-9]\d* done")
        for number in (1, 1, 1, 2, 2, 2):
            step(page, number)
        says(page, "the counter says 2")
        says(page, "100 done")


def test_a_lab_that_is_closed_in_the_middle_leaves_nothing(lab):
    """What is left when its kernel is shut down is looked for at the end of the module."""
    with opened(lab, QUEUE) as page:
        page.button("Put 100 tasks").click()
        says(page, r"[1-9]\d* done")
        page.menu("Kernel", "Shut Down Kernel")
        page.page.get_by_text("| Idle").wait_for(state="hidden")


# --- Chapters ----------------------------------------------------------------------------------------

CHAPTERS = [path.name for path in NOTEBOOKS]
SOME = CHAPTERS if os.environ.get("HELPERS_BROWSER") == "all" else CHAPTERS[:1]


@pytest.fixture(scope="module")
def series(lab):
    """Return the address of a JupyterLab on a copy of the chapters, and their folder."""
    folder, address = lab
    return shutil.copytree(NOTEBOOKS[0].parent, folder / "series"), address


@pytest.mark.parametrize("name", SOME)
def test_a_chapter_is_run_from_the_menu(series, name):
    folder, address = series
    with chromium() as page:
        page.open(address, f"series/{name}")
        page.run_all()
        page.wait_until_run()
        page.menu("File", "Save Notebook")
        page.page.get_by_text("Saving completed").wait_for()
        assert (page.errors, page.outside) == ([], [])
    cells = [cell for cell in nbformat.read(folder / name, 4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    allowed = [cell for cell in cells if "raises-exception" in cell.metadata.get("tags", [])]
    failed = [cell for cell in cells if any(output.output_type == "error" for output in cell.outputs)]
    assert [cell.source for cell in failed if cell not in allowed] == []
