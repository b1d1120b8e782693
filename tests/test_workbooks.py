"""The workbooks' form: the rules for notebooks as far as they fit, and those for exercises."""

import copy
import re
from pathlib import Path

import pytest
from nbformat import NotebookNode, v4
from test_notebooks import NOTEBOOKS, ROOT, RULES, Notebook, headings, links, prose, read, tags

import run
from helpers.exercises import desk

WORKBOOKS = sorted((ROOT / "notebooks" / "workbooks").glob("*.ipynb"))
SERIES = tuple(path.name for path in WORKBOOKS)
pytestmark = pytest.mark.no_cover  # the workbooks are read here, not run
# A workbook has no claims, and a closing of its own; of its cells, solutions may all be longer.
CHAPTERS_ONLY = {"claims_checked", "closing", "neighbours", "few_lines"}
CHECK = re.compile(r'\bcheck\("(\d\d\.\w+)", [^"]+\)$')
IDS = [path.name[:2] for path in WORKBOOKS]


def notebook(path: Path) -> Notebook:
    return Notebook(path, read(path), SERIES)


def sections(node: NotebookNode) -> list[list[NotebookNode]]:
    """Return the cells of each exercise: those from a heading on whose cell has an objective."""
    found: list[list[NotebookNode]] = []
    inside = False
    for cell in node.cells:
        if cell.cell_type == "markdown" and re.search(r"^## ", prose(cell), re.MULTILINE):
            inside = "**Objective.**" in cell.source
            found += [[]] * inside
        if inside:
            found[-1] = [*found[-1], cell]
    return found


def asked(cell: NotebookNode) -> str:
    """Return the name of the exercise that a cell checks, or nothing."""
    found = CHECK.search(cell.source) if cell.cell_type == "code" else None
    return found[1] if found else ""


def printed(cell: NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def faults(cells: list[NotebookNode]) -> list[str]:
    """Return what is wrong with the form of an exercise."""
    found = []
    solutions = [cell for cell in cells if "solution" in tags(cell)]
    own = [cell for cell in cells if cell.cell_type == "code" and cell not in solutions]
    names = [asked(cell) for cell in own if asked(cell)]
    if len(own) < 2 or len(names) != 1 or not asked(own[-1]):
        found.append("expected a starter, and after it one check")
    elif not printed(own[-1]).startswith("Not attempted yet: "):
        found.append(f"the starter's check says {printed(own[-1])!r}")
    if not solutions or [asked(cell) for cell in solutions if asked(cell)] != names:
        found.append("expected a solution with a check of its own")
    elif not printed(solutions[-1]).startswith("Correct: "):
        found.append(f"the solution's check says {printed(solutions[-1])!r}")
    if solutions and solutions != cells[-len(solutions) :]:
        found.append("the solution is not the last")
    for cell in solutions:
        if not cell.metadata.get("jupyter", {}).get("source_hidden") or "hide-input" not in tags(cell):
            found.append("a solution is not folded")
    for cell in own:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            found.append("what is no solution is folded")
    hints = [cell for cell in cells if cell.cell_type == "markdown" and "hint(" in cell.source]
    if not any(f'hint("{name}")' in cell.source for cell in hints for name in names):
        found.append("no word of the hint")
    if any("hint(" in cell.source for cell in own):
        found.append("a hint is given away")
    for cell in [*own, *solutions]:
        if asked(cell) and "nbval-ignore-output" in tags(cell):
            found.append("a check whose output is not compared")
    return found


def test_each_chapter_from_01_to_07_has_a_workbook():
    assert tuple(f"{chapter}_workbook.ipynb" for chapter in desk.CHAPTERS) == SERIES
    readme = (ROOT / "README.md").read_text("utf-8")
    assert tuple(re.findall(r"\]\(notebooks/workbooks/(.+?\.ipynb)\)", readme)) == SERIES


def test_run_py_refreshes_them_after_the_chapters():
    assert run.chapters_and_workbooks() == [*NOTEBOOKS, *WORKBOOKS]


@pytest.mark.parametrize("path", WORKBOOKS, ids=IDS)
@pytest.mark.parametrize("name", sorted(set(RULES) - CHAPTERS_ONLY))
def test_a_rule_for_all_notebooks(name, path):
    assert RULES[name](notebook(path)) == []


@pytest.mark.parametrize("path", WORKBOOKS, ids=IDS)
def test_what_is_not_folded_is_short(path):
    node = copy.deepcopy(read(path))
    assert [text for text in RULES["few_lines"](notebook(path)) if "at most" in text] == []
    node.cells = [cell for cell in node.cells if "solution" not in tags(cell)]
    assert RULES["few_lines"](Notebook(path, node, SERIES)) == []


@pytest.mark.parametrize("path", WORKBOOKS, ids=IDS)
def test_the_form_of_each_exercise(path):
    exercises = sections(read(path))
    assert 3 <= len(exercises) <= 6
    assert {cells[0].source.splitlines()[0]: faults(cells) for cells in exercises if faults(cells)} == {}


@pytest.mark.parametrize("path", WORKBOOKS, ids=IDS)
def test_a_workbook_has_all_exercises_of_its_chapter_and_no_others(path):
    chapter = path.name[:2]
    desk._known(next(asked(cell) for cell in read(path).cells if asked(cell)))
    there = [asked(cell) for cells in sections(read(path)) for cell in cells if asked(cell)]
    known = {name for name in desk.EXERCISES if name.startswith(f"{chapter}.")}
    assert sorted(there) == sorted([*known, *known])
    everywhere = [asked(cell) for cell in read(path).cells if asked(cell)]
    assert everywhere == there, "a check outside of an exercise"


@pytest.mark.parametrize("path", WORKBOOKS, ids=IDS)
def test_a_workbook_says_how_long_it_takes(path):
    first = prose(read(path).cells[0])
    found = re.search(r"It takes about (\d+) minutes", first)
    assert found
    assert 20 <= int(found[1]) <= 40


@pytest.mark.parametrize("path", WORKBOOKS, ids=IDS)
def test_a_workbook_leads_back_to_its_chapter_and_on(path):
    chapter = path.name[:2]
    parts = [f"../{other.name}" for other in NOTEBOOKS if re.match(rf"{chapter}b?_", other.name)]
    after = next(other.name for other in NOTEBOOKS if other.name.startswith(f"{int(chapter) + 1:02}_"))
    cells = [cell for cell in read(path).cells if cell.cell_type == "markdown"]
    assert set(parts) <= set(links(cells[0])), "the opening leads to each part of the chapter"
    assert {parts[0], f"../{after}"} <= set(links(cells[-1]))
    before = SERIES.index(path.name) - 1
    if before >= 0:
        assert SERIES[before] in links(cells[-1])


@pytest.mark.parametrize("path", WORKBOOKS, ids=IDS)
def test_files_that_cells_write_are_removed_by_the_last_cell(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    written = [cell.source.split()[1] for cell in code if cell.source.startswith("%%writefile")]
    assert [name for name in written if not re.fullmatch(r"my_\w+\.py", name)] == [], ".gitignore names these"
    if written:
        last = code[-1].source
        assert all(name in last for name in written) or '.glob("my_*.py")' in last
        assert "__pycache__" in last


def test_a_workbook_has_no_heading_twice():
    for path in WORKBOOKS:
        words = [text for _, _, text in headings(notebook(path))]
        assert len(words) == len(set(words))


# --- The form itself ---------------------------------------------------------------------------------


@pytest.fixture
def good():
    """Return the cells of an exercise without a fault."""
    folded = {"tags": ["solution", "hide-input"], "jupyter": {"source_hidden": True}}
    says = lambda text: [v4.new_output("stream", text=text)]  # noqa: E731
    return [
        v4.new_markdown_cell("## A lock\n\n**Objective.** Lose nothing."),
        v4.new_code_cell("def add(lock):\n    pass"),
        v4.new_code_cell('check("01.lock", add)', outputs=says("Not attempted yet: nobody\n")),
        v4.new_markdown_cell('Stuck? `hint("01.lock")`'),
        v4.new_code_cell(
            'def solved(lock):\n    pass\n\n\ncheck("01.lock", solved)',
            metadata=folded,
            outputs=says("Correct: yes\n"),
        ),
    ]


SPOILT = [
    (lambda cells: cells.pop(1), "expected a starter, and after it one check"),
    (lambda cells: cells.pop(2), "expected a starter, and after it one check"),
    (lambda cells: cells[2].update(outputs=[]), "the starter's check says ''"),
    (lambda cells: cells[4].update(outputs=cells[2].outputs), "the solution's check says 'Not attempted"),
    (lambda cells: cells.pop(4), "expected a solution with a check of its own"),
    (lambda cells: cells[4].update(source="pass"), "expected a solution with a check of its own"),
    (lambda cells: cells[4].update(source='check("01.order", solved)'), "expected a solution with a check"),
    (lambda cells: cells[4].metadata.pop("jupyter"), "a solution is not folded"),
    (lambda cells: cells[4].metadata.tags.remove("hide-input"), "a solution is not folded"),
    (
        lambda cells: cells[1].metadata.update(jupyter={"source_hidden": True}),
        "what is no solution is folded",
    ),
    (lambda cells: cells.pop(3), "no word of the hint"),
    (lambda cells: cells[1].update(source='hint("01.lock")'), "a hint is given away"),
    (lambda cells: cells.append(cells.pop(3)), "the solution is not the last"),
    (lambda cells: cells[2].metadata.update(tags=["nbval-ignore-output"]), "output is not compared"),
]


def test_a_good_exercise_has_no_fault(good):
    assert faults(good) == []
    assert sections(v4.new_notebook(cells=[v4.new_markdown_cell("# Title"), *good])) == [good]


@pytest.mark.parametrize(("spoil", "words"), SPOILT, ids=[words for _, words in SPOILT])
def test_a_spoilt_exercise_is_found(good, spoil, words):
    spoil(good)
    assert any(words in fault for fault in faults(good)), faults(good)
