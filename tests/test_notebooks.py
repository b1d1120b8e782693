"""The notebooks' form: what can be judged without running them, one small rule for each demand.

A rule yields the number of a cell, counted from 1 (0: the notebook as a whole), and what is wrong with it.
The second half spoils a good notebook in every way that a rule forbids, so that no rule can fail to fail.
"""

import ast
import copy
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from nbformat import NotebookNode, v4

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SERIES = tuple(path.name for path in NOTEBOOKS)
pytestmark = pytest.mark.no_cover  # the chapters are read here, not run

MOST_CELLS, MOST_LINES, FEW_LINES, MOST_WORDS, MANY_WORDS = 45, 15, 3, 160, 120
TAGS = {"nbval-ignore-output", "raises-exception", "solution", "hide-input"}
OPENING = ("You will do", "You will see", "You need")
CLOSING = ("What we saw", "On your own", "Further reading")

TIME = re.compile(
    r"\b\d+([.,]\d+)?([\s-]?(ns|µs|μs|us|ms|(nano|micro|milli)?seconds?)|\ss)\b|\btook\b[^.\n]*\d"
)
WRITES_FILE = re.compile(r"\A%%writefile \S+\.py\n")  # how a cell starts that is a file
LINK = re.compile(r"""\]\(\s*<?([^)\s>]+)|\b(?:href|src)=["']([^"']+)""")
OUTSIDE = re.compile(r"[a-zA-Z][\w+.-]*:|//")  # how a link starts that leaves this folder
HERE = [str(path) for path in (Path.home(), Path(tempfile.gettempdir()), ROOT) if len(path.parts) > 1]
ANYWHERE = r"(?<![\w.])/(home|Users|root|tmp|var/folders|private)/|\b[A-Z]:[\\/]+Users\b|AppData\b"
PRIVATE = re.compile("|".join([*map(re.escape, HERE), ANYWHERE]))

Finding = tuple[int, str]


@dataclass(frozen=True)
class Notebook:
    """A notebook as it is stored, and the names of all notebooks of its series in order."""

    path: Path
    node: NotebookNode
    series: tuple[str, ...]

    def cells(self, kind: str) -> list[tuple[int, NotebookNode]]:
        """Return the cells of this kind with their numbers."""
        return [(n, cell) for n, cell in enumerate(self.node.cells, 1) if cell.cell_type == kind]

    def outputs(self) -> list[tuple[int, NotebookNode, NotebookNode]]:
        """Return every stored output with its cell and the cell's number."""
        return [(n, cell, output) for n, cell in self.cells("code") for output in cell.outputs]


@cache
def read(path: Path) -> NotebookNode:
    """Read a notebook just as it is stored: ``nbformat.read`` would mend some of its faults."""
    return v4.reads(path.read_text("utf-8"))


RULES: dict[str, Callable[[Notebook], list[str]]] = {}


def rule(check: Callable[[Notebook], Iterable[Finding]]) -> Callable[[Notebook], Iterable[Finding]]:
    """Add a rule to ``RULES``, where it returns its findings as messages."""

    def messages(notebook: Notebook) -> list[str]:
        name = notebook.path.name
        return [f"{name} cell {n}: {text}" if n else f"{name}: {text}" for n, text in check(notebook)]

    RULES[check.__name__] = messages
    return check


# --- What the rules look at --------------------------------------------------------------------------


def prose(cell: NotebookNode) -> str:
    """Return a markdown cell's text without its fenced code."""
    kept, fence = [], ""
    for line in cell.source.splitlines():
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if not fence and mark:
            fence = mark[1]
        elif not fence:
            kept.append(line)
        elif mark and mark[1].startswith(fence):
            fence = ""
    return "\n".join(kept)


def headings(notebook: Notebook) -> list[tuple[int, int, str]]:
    """Return each heading's cell, level and words."""
    return [
        (n, len(marks), text.strip())
        for n, cell in notebook.cells("markdown")
        for marks, text in re.findall(r"^ {0,3}(#{1,6})\s+(.*)$", prose(cell), re.MULTILINE)
    ]


def anchors(notebook: Notebook) -> set[str]:
    """Return what a link can name of a notebook: its headings, as JupyterLab writes them, and its ids."""
    words = {re.sub("[*`]", "", text).replace(" ", "-") for _, _, text in headings(notebook)}
    ids = {i for _, cell in notebook.cells("markdown") for i in re.findall(r'\bid="([^"]+)"', cell.source)}
    return words | ids


def links(cell: NotebookNode) -> list[str]:
    """Return the targets of a markdown cell's links and pictures that are in this checkout."""
    targets = ["".join(groups) for groups in LINK.findall(prose(cell))]
    return [unquote(target) for target in targets if not OUTSIDE.match(target)]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def tree(cell: NotebookNode) -> ast.Module:
    """Return a code cell as a syntax tree, an empty one when it is not plain Python."""
    try:
        return ast.parse(WRITES_FILE.sub("", cell.source))
    except SyntaxError:
        return ast.Module([], [])


def names(node: ast.AST) -> set[str]:
    """Return every dotted name in a piece of code, such as "claims.check"."""
    return {ast.unparse(part) for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)}


def definitions(cell: NotebookNode) -> set[str]:
    """Return the names of the functions and classes that a cell makes."""
    parts = list(ast.walk(tree(cell)))
    made = [p for p in parts if isinstance(p, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    assigned = [p for p in parts if isinstance(p, ast.Assign) and isinstance(p.value, ast.Lambda)]
    return {part.name for part in made} | {ast.unparse(part.targets[0]) for part in assigned}


def calls_of_ways(cell: NotebookNode) -> list[ast.Call]:
    """Return the calls of a function of ``ways``, also those by ``partial``, that are not in a ``try``."""
    parts = list(ast.walk(tree(cell)))
    tried = {part for outer in parts if isinstance(outer, ast.Try) for part in ast.walk(outer)}
    calls = [part for part in parts if isinstance(part, ast.Call) and part not in tried]
    return [c for c in calls if any(ast.unparse(part).startswith("ways.") for part in [c.func, *c.args])]


def texts(output: NotebookNode) -> list[str]:
    """Return all text of an output but pictures, and a traceback, which is neither compared nor ours."""
    views = [view for kind, view in output.get("data", {}).items() if kind.startswith("text/")]
    return [output.get("text", ""), output.get("evalue", ""), *(re.sub('base64,[^"]*', "", v) for v in views)]


class Pictures(HTMLParser):
    """The alt texts of all pictures in some HTML, empty for one that has none."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.alts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.alts.append((dict(attrs).get("alt") or "").strip())


def alts(output: NotebookNode) -> list[str]:
    """Return the alt texts of an output's pictures."""
    return Pictures(output.get("data", {}).get("text/html", "")).alts


# --- The rules: the file -----------------------------------------------------------------------------


@rule
def valid(notebook: Notebook) -> Iterator[Finding]:
    """A notebook is valid nbformat 4.5, and no two cells have the same id."""
    node = notebook.node
    if (node.nbformat, node.nbformat_minor) != (4, 5):
        yield 0, f"nbformat {node.nbformat}.{node.nbformat_minor}, expected 4.5"
    ids = [cell.get("id") for cell in node.cells]
    for n, identity in enumerate(ids, 1):
        if identity is None or identity in ids[: n - 1]:
            yield n, f"id {identity!r} is missing or another cell's"
    try:
        with warnings.catch_warnings(action="ignore"):
            nbformat.validate(copy.deepcopy(node))
    except nbformat.ValidationError as error:
        yield 0, f"not valid: {str(error).splitlines()[0]}"


@rule
def metadata(notebook: Notebook) -> Iterator[Finding]:
    """The kernel is python3; neither the state of widgets nor the times of a run are stored."""
    kernel = notebook.node.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield 0, f"kernelspec {kernel!r}, expected 'python3'"
    if "widgets" in notebook.node.metadata:
        yield 0, "state of widgets is stored"
    for n, cell in enumerate(notebook.node.cells, 1):
        for key in {"execution", "ExecuteTime"} & set(cell.metadata):
            yield n, f"times of a run are stored ({key})"


@rule
def few_cells(notebook: Notebook) -> Iterator[Finding]:
    """A chapter has no more cells than a class can go through."""
    if len(notebook.node.cells) > MOST_CELLS:
        yield 0, f"{len(notebook.node.cells)} cells, at most {MOST_CELLS}"


@rule
def known_tags(notebook: Notebook) -> Iterator[Finding]:
    """A cell has no tag but the known ones, and no comment that tells nbval what a tag would."""
    for n, cell in enumerate(notebook.node.cells, 1):
        for tag in tags(cell):
            if tag not in TAGS:
                yield n, f"tag {tag!r}, known are {', '.join(sorted(TAGS))}"
        if re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source):
            yield n, "a comment for nbval, expected a tag"


# --- The rules: the prose ----------------------------------------------------------------------------


@rule
def heading_levels(notebook: Notebook) -> Iterator[Finding]:
    """There is one heading of level 1, in the first cell, and no level is skipped."""
    found = headings(notebook)
    if [n for n, level, _ in found if level == 1] != [1]:
        yield 0, "expected just one heading of level 1, in the first cell"
    for (_, before, _), (n, level, text) in pairwise(found):
        if level > before + 1:
            yield n, f"heading {text!r} of level {level} follows level {before}"


@rule
def led_by_prose(notebook: Notebook) -> Iterator[Finding]:
    """Prose leads to every code cell, or to the one just before it."""
    before = ["code", "code"]
    for n, cell in enumerate(notebook.node.cells, 1):
        if cell.cell_type == "code" and "markdown" not in before:
            yield n, "no prose leads to this code, nor to the cell before it"
        before = [before[1], cell.cell_type]


@rule
def opening(notebook: Notebook) -> Iterator[Finding]:
    """Before the first code stands, bold or as headings, what the reader will do, will see, and needs."""
    first_code = next((n for n, _ in notebook.cells("code")), len(notebook.node.cells) + 1)
    text = "\n".join(prose(cell) for n, cell in notebook.cells("markdown") if n < first_code)
    found = re.findall(r"\*\*([^*]+)\*\*|^#+\s+(.*)$", text, re.MULTILINE)
    for words in OPENING:
        if not any(words in bold + heading for bold, heading in found):
            yield 0, f"the opening lacks {words!r}, bold or as a heading"


@rule
def closing(notebook: Notebook) -> Iterator[Finding]:
    """The headings of the closing are there, in order."""
    found = [text for _, _, text in headings(notebook) if text in CLOSING]
    if found != list(CLOSING):
        yield 0, f"the closing has the headings {found}, expected {list(CLOSING)}"


@rule
def neighbours(notebook: Notebook) -> Iterator[Finding]:
    """The last markdown cell links to the notebook before and the one after, in this order."""
    here = notebook.series.index(notebook.path.name)
    expected = [*notebook.series[max(0, here - 1) : here], *notebook.series[here + 1 : here + 2]]
    n, last = notebook.cells("markdown")[-1]
    found = [name for name in (target.partition("#")[0] for target in links(last)) if name in expected]
    if found != expected:
        yield n, f"links to {found} of its neighbours, expected {expected}"


@rule
def links_lead_somewhere(notebook: Notebook) -> Iterator[Finding]:
    """A link within this checkout leads to a file that is there, and to a part that the notebook has."""
    for n, cell in notebook.cells("markdown"):
        for target in links(cell):
            name, _, part = target.partition("#")
            path = notebook.path.parent / name
            if not path.exists():
                yield n, f"link to {target}, which is not there"
            elif part and path.suffix in ("", ".ipynb"):
                node = read(path) if name else notebook.node
                if part not in anchors(Notebook(path, node, notebook.series)):
                    yield n, f"link to {target}, where no heading is called so"


@rule
def no_measured_time(notebook: Notebook) -> Iterator[Finding]:
    """Prose holds no measured time: the next run, or the reader's computer, gives another."""
    for n, cell in notebook.cells("markdown"):
        for found in TIME.finditer(prose(cell)):
            yield n, f"a time in prose: {found[0]!r}"


@rule
def few_words(notebook: Notebook) -> Iterator[Finding]:
    """No markdown cell is long; many words are a warning."""
    for n, cell in notebook.cells("markdown"):
        words = len(prose(cell).split())
        if words > MOST_WORDS:
            yield n, f"{words} words, at most {MOST_WORDS}"
        elif words > MANY_WORDS:
            warnings.warn(f"{notebook.path.name} cell {n}: {words} words, better {MANY_WORDS}", stacklevel=2)


# --- The rules: the code -----------------------------------------------------------------------------


@rule
def few_lines(notebook: Notebook) -> Iterator[Finding]:
    """Half of the code cells have three lines or fewer, none has many; blank lines do not count."""
    sizes = {n: sum(map(bool, map(str.strip, c.source.splitlines()))) for n, c in notebook.cells("code")}
    for n, lines in sizes.items():
        if lines > MOST_LINES:
            yield n, f"{lines} lines, at most {MOST_LINES}"
    small = sum(lines <= FEW_LINES for lines in sizes.values())
    if 2 * small < len(sizes):
        yield (
            0,
            f"{small} of {len(sizes)} code cells have {FEW_LINES} lines or fewer, expected half of them",
        )


@rule
def plain_python(notebook: Notebook) -> Iterator[Finding]:
    """Code is plain Python: no commands of a shell or of IPython, and no semicolon that hides an output.

    A cell may be a file that workers import, written by ``%%writefile``.
    """
    for n, cell in notebook.cells("code"):
        source = WRITES_FILE.sub("", cell.source)
        lines = [line.strip() for line in source.splitlines() if line.strip()]
        for line in lines:
            if line.startswith(("!", "%")):
                yield n, f"a command, not Python: {line}"
        if lines and lines[-1].endswith(";"):
            yield n, "the last line ends with a semicolon"
        if not tree(cell).body and "raises-exception" not in tags(cell):
            yield n, "empty, or not Python"


@rule
def in_its_room(notebook: Notebook) -> Iterator[Finding]:
    """What belongs to a room of helpers is not done in a cell."""
    for n, cell in notebook.cells("code"):
        used = names(tree(cell))
        imported = {
            f"{getattr(part, 'module', '')}.{alias.name}".strip(".")
            for part in ast.walk(tree(cell))
            if isinstance(part, ast.Import | ast.ImportFrom)
            for alias in part.names
        }
        for name in sorted(used | imported):
            if name == "multiprocessing.Pool" or name.split(".")[0] == "matplotlib":
                yield n, f"{name} in a cell, expected a function of helpers"


@rule
def importable_work(notebook: Notebook) -> Iterator[Finding]:
    """A process must import its work, so with "processes" ``ways`` is given nothing that a cell made.

    Within ``try`` it may be: there the error is the lesson.
    """
    made: set[str] = set()
    for n, cell in notebook.cells("code"):
        made |= definitions(cell)
        if not any(
            isinstance(part, ast.Constant) and part.value == "processes" for part in ast.walk(tree(cell))
        ):
            continue
        for call in calls_of_ways(cell):
            if any(isinstance(part, ast.Lambda) for part in ast.walk(call)):
                yield n, "ways is given a lambda, expected a function of helpers"
            for name in sorted(made & names(call)):
                yield n, f"ways is given {name}, made in a cell, expected a function of helpers"


@rule
def claims_checked(notebook: Notebook) -> Iterator[Finding]:
    """From chapter 1 on there is a verdict, or all are shown; nbval compares each with the stored one."""
    given = {"claims.check", "verdicts.table"}
    cells = [(n, cell) for n, cell in notebook.cells("code") if given & names(tree(cell))]
    if not cells and not notebook.path.name.startswith("00"):
        yield 0, "claims.check is never called"
    for n, cell in cells:
        if "nbval-ignore-output" in tags(cell):
            yield n, "claims.check in a cell whose output is not compared"


# --- The rules: the outputs --------------------------------------------------------------------------


@rule
def run_in_order(notebook: Notebook) -> Iterator[Finding]:
    """The stored outputs are those of one run from the top; nbval compares only cells that were run."""
    for count, (n, cell) in enumerate(notebook.cells("code"), 1):
        if cell.execution_count != count:
            yield n, f"execution count {cell.execution_count}, expected {count}"


@rule
def no_errors(notebook: Notebook) -> Iterator[Finding]:
    """No error is stored but where it is the lesson."""
    for n, cell, output in notebook.outputs():
        if output.output_type == "error" and "raises-exception" not in tags(cell):
            yield n, f"{output.ename} is stored, and the cell has no tag raises-exception"


@rule
def pictures(notebook: Notebook) -> Iterator[Finding]:
    """A picture is an ``<img>`` with an alt text, and has its finding as plain text for nbval to compare.

    As image/png it would have no alt text in JupyterLab. What is stored shows its finding.
    """
    for n, _, output in notebook.outputs():
        data = output.get("data", {})
        plain = data.get("text/plain", "")
        yield from (
            (n, f"a picture as {kind}, expected an <img>") for kind in data if kind.startswith("image/")
        )
        found = alts(output)
        if not all(found):
            yield n, "a picture without alt text"
        if found and not plain.startswith("picture: "):
            yield n, "a picture whose plain text does not start with 'picture: '"
        if plain.startswith(("picture: Not shown by this run", "picture: Not decided by this run")):
            yield n, "a picture of a run that did not show its finding"


@rule
def nothing_private(notebook: Notebook) -> Iterator[Finding]:
    """No output, and no picture's alt text, holds a path of somebody's home or temporary folder."""
    for n, _, output in notebook.outputs():
        for text in texts(output):
            if found := PRIVATE.search(text):
                yield n, f"a path of somebody's computer: {text[found.start() :][:60]!r}"


# --- The notebooks -----------------------------------------------------------------------------------


def test_series_is_complete():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert tuple(re.findall(r"\]\(notebooks/([^/]+?\.ipynb)\)", readme)) == SERIES
    numbers = [name.partition("_")[0] for name in SERIES]  # a chapter in two parts has a second with a b
    whole = [number for number in numbers if not number.endswith("b")]
    assert whole == [f"{n:02}" for n in range(len(whole))]
    assert {number.removesuffix("b") for number in numbers} == set(whole)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name.partition("_")[0])
@pytest.mark.parametrize("name", RULES)
def test_form(name, path):
    found = RULES[name](Notebook(path, read(path), SERIES))
    if found:
        pytest.fail("\n".join(found), pytrace=False)


# --- The rules themselves ----------------------------------------------------------------------------

FIRST = "# Good\n\n**You will do** this. **You will see:** that.\n\n\n**You need** little."
LAST = (
    "## What we saw\n\n```python\n# no heading, 5 ms\n```\n\n## On your own\n\n## Further reading\n\n"
    "[before](00_before.ipynb) | [after](02_after.ipynb#A-part) | [web](https://example.org/missing)"
)
TITLE, IMPORT, PART, CHECK, LEAD, CHART, END = range(7)  # the good notebook's cells


@pytest.fixture
def good(tmp_path):
    """Return a notebook without a fault, the middle one of a series of three."""
    (tmp_path / "00_before.ipynb").touch()
    after = v4.new_notebook(cells=[v4.new_markdown_cell("# A *part*")])
    (tmp_path / "02_after.ipynb").write_text(nbformat.writes(after), "utf-8")
    verdict = v4.new_output("stream", text="F10 holds: two take turns\n")
    picture = v4.new_output("display_data", IMAGE | {"text/plain": "picture: Two take turns"})
    cells = [
        v4.new_markdown_cell(FIRST),
        v4.new_code_cell("import os\n\n\nfrom helpers import claims\nos.getpid() > 0", execution_count=1),
        v4.new_markdown_cell("## A part\n\nTwo workers, 8 jobs, since the 1990s; see [above](#Good)."),
        v4.new_code_cell('claims.check("F10", "two take turns", True)', execution_count=2, outputs=[verdict]),
        v4.new_markdown_cell("Look."),
        v4.new_code_cell("charts.timeline(trace)", execution_count=3, outputs=[picture]),
        v4.new_markdown_cell(LAST),
    ]
    kernel = {"name": "python3", "display_name": "Python 3"}
    node = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    return Notebook(tmp_path / "01_good.ipynb", node, ("00_before.ipynb", "01_good.ipynb", "02_after.ipynb"))


def source(cell: int, text: str) -> Callable[[NotebookNode], None]:
    """Give a cell another source."""
    return lambda node: node.cells[cell].update(source=text)


def added(cell: int, text: str) -> Callable[[NotebookNode], None]:
    """Add text to a cell's source."""
    return lambda node: node.cells[cell].update(source=node.cells[cell].source + text)


def without(cell: int, text: str) -> Callable[[NotebookNode], None]:
    """Take text out of a cell's source."""
    return lambda node: node.cells[cell].update(source=node.cells[cell].source.replace(text, ""))


def tagged(cell: int, tag: str) -> Callable[[NotebookNode], None]:
    return lambda node: node.cells[cell].metadata.update(tags=[tag])


def output(cell: int, kind: str, data: object = None, **rest: object) -> Callable[[NotebookNode], None]:
    """Give a cell another output."""
    return lambda node: node.cells[cell].update(outputs=[v4.new_output(kind, data, **rest)])


IMAGE = {"text/html": '<img src="data:image/png;base64,iV/tmp/BO" alt="Two take turns.">'}
NO_ALT, HOME = ({"text/html": f'<img alt="{alt}">', "text/plain": "picture: x"} for alt in ("", "/home/me/x"))

SPOILT = [
    ("valid", lambda node: node.update(nbformat_minor=4), "nbformat 4.4"),
    ("valid", lambda node: node.cells[LEAD].update(id=node.cells[TITLE].id), "cell 5: id"),
    ("valid", lambda node: node.cells[LEAD].pop("id"), "cell 5: id None"),
    ("valid", lambda node: node.cells[LEAD].update(outputs=[]), "not valid"),
    ("metadata", lambda node: node.metadata.kernelspec.update(name="mine"), "'mine', expected 'python3'"),
    ("metadata", lambda node: node.metadata.update(widgets={}), "state of widgets"),
    ("metadata", lambda node: node.cells[CHECK].metadata.update(execution={}), "cell 4: times of a run"),
    ("few_cells", lambda node: node.cells.extend(node.cells * 8), f"63 cells, at most {MOST_CELLS}"),
    ("known_tags", tagged(CHECK, "nbval-skip"), "cell 4: tag 'nbval-skip'"),
    ("known_tags", added(CHECK, "\n# NBVAL_SKIP"), "cell 4: a comment for nbval"),
    ("heading_levels", added(PART, "\n\n# Another"), "just one heading of level 1"),
    ("heading_levels", without(TITLE, "# "), "just one heading of level 1"),
    ("heading_levels", source(PART, "#### Deep"), "cell 3: heading 'Deep' of level 4"),
    ("led_by_prose", lambda node: [node.cells.pop(LEAD), node.cells.pop(PART)], "cell 4: no prose"),
    ("led_by_prose", lambda node: node.cells.pop(TITLE), "cell 1: no prose"),
    ("opening", source(TITLE, "# Good\n\n**You will do** x. You will see **x**"), "lacks 'You will see'"),
    ("closing", without(END, "## On your own"), "['What we saw', 'Further reading']"),
    ("neighbours", without(END, "[after](02_after.ipynb#A-part)"), "cell 7: links to ['00_before.ipynb']"),
    ("neighbours", source(END, "[after](02_after.ipynb) [before](00_before.ipynb)"), "cell 7: links to"),
    ("links_lead_somewhere", added(LEAD, "\n[x](09_missing.ipynb)"), "cell 5: link to 09_missing.ipynb"),
    ("links_lead_somewhere", added(LEAD, '\n<img src="missing.png">'), "cell 5: link to missing.png"),
    ("links_lead_somewhere", added(LEAD, "\n[x](02_after.ipynb#Missing)"), "no heading is called so"),
    ("links_lead_somewhere", added(LEAD, "\n[x](#Missing)"), "no heading is called so"),
    *(("no_measured_time", added(LEAD, f" It is {time} here."), f"a time in prose: {time!r}")
      for time in ("5 ms", "1.5 s", "0,3 seconds", "40µs", "2-second")),
    ("no_measured_time", added(LEAD, " It took about 3."), "'took about 3'"),
    ("few_words", added(LEAD, " word" * 160), "cell 5: 161 words, at most 160"),
    ("few_lines", source(CHECK, "x = 1\n" * 16), "cell 4: 16 lines, at most 15"),
    ("few_lines", lambda node: [source(i, "x = 1\n\n" * 4)(node) for i in (CHECK, CHART)], "1 of 3 code"),
    ("plain_python", source(CHECK, "x = 1\n  !ls"), "cell 4: a command, not Python: !ls"),
    ("plain_python", source(CHECK, "%timeit x"), "cell 4: a command, not Python: %timeit x"),
    ("plain_python", source(CHECK, "x = 1;"), "cell 4: the last line ends with a semicolon"),
    ("plain_python", source(CHECK, "x ="), "cell 4: empty, or not Python"),
    ("in_its_room", source(CHECK, "from multiprocessing import Pool"), "cell 4: multiprocessing.Pool"),
    ("in_its_room", source(CHECK, "with multiprocessing.Pool(2) as pool:\n    pass"), "multiprocessing.Pool"),
    ("in_its_room", source(CHECK, "import matplotlib.pyplot as plt"), "cell 4: matplotlib.pyplot"),
    ("in_its_room", source(CHECK, "from matplotlib import pyplot"), "cell 4: matplotlib.pyplot"),
    ("importable_work", source(CHECK, 'ways.run([lambda: 1], "processes")'), "cell 4: ways is given a"),
    ("importable_work", source(CHECK, 'class C:\n    x = 1\npartial(ways.run, [C], "processes")'),
     "cell 4: ways is given C, made"),
    ("importable_work", lambda node: [source(CHECK, "def f():\n    pass")(node),
                                      source(CHART, '[ways.run([f], way) for way in ["processes"]]')(node)],
     "cell 6: ways is given f"),
    ("claims_checked", source(CHECK, "1"), "claims.check is never called"),
    ("claims_checked", tagged(CHECK, "nbval-ignore-output"), "cell 4: claims.check in a cell"),
    ("run_in_order", lambda node: node.cells[CHECK].update(execution_count=None), "cell 4: execution count"),
    ("run_in_order", lambda node: node.cells[CHART].update(execution_count=7), "cell 6: execution count 7"),
    ("no_errors", output(CHECK, "error", ename="ValueError", evalue="x", traceback=[]), "cell 4: ValueError"),
    ("pictures", output(CHART, "display_data", {"image/svg+xml": "<svg/>"}), "a picture as image/svg+xml"),
    ("pictures", output(CHART, "display_data", IMAGE | {"image/png": "iVBO"}), "a picture as image/png"),
    ("pictures", output(CHART, "display_data", NO_ALT), "cell 6: a picture without alt text"),
    ("pictures", output(CHART, "display_data", IMAGE | {"text/plain": "<Figure>"}), "does not start with"),
    *(("pictures", output(CHART, "display_data", IMAGE | {"text/plain": f"picture: Not {word} by this run"}),
       "a picture of a run that did not show") for word in ("shown", "decided")),
    ("nothing_private", output(CHECK, "stream", text=f"in {tempfile.gettempdir()}"), "cell 4: a path"),
    ("nothing_private", output(CHECK, "execute_result", {"text/plain": "'/tmp/x'"}), "cell 4: a path"),
    ("nothing_private", output(CHECK, "stream", text="C:\\Users\\me"), "cell 4: a path"),
    ("nothing_private", output(CHART, "display_data", HOME), "'/home/me/x\""),
]  # fmt: skip


def test_every_rule_is_tried():
    assert {name for name, _, _ in SPOILT} == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_good_notebook(good, name):
    assert RULES[name](good) == []


@pytest.mark.parametrize(("name", "spoil", "message"), SPOILT, ids=[name for name, _, _ in SPOILT])
def test_spoilt_notebook(good, name, spoil, message):
    spoil(good.node)
    found = RULES[name](good)
    assert [text for text in found if message in text], found


def test_ends_of_the_series_have_one_neighbour(good):
    source(END, "[after](02_after.ipynb)")(good.node)
    series = ("01_good.ipynb", "02_after.ipynb")
    assert RULES["neighbours"](Notebook(good.path, good.node, series)) == []
    source(END, "[before](00_before.ipynb)")(good.node)
    series = ("00_before.ipynb", "01_good.ipynb")
    assert RULES["neighbours"](Notebook(good.path, good.node, series)) == []


def test_errors_that_are_the_lesson(good):
    output(CHECK, "error", ename="ValueError", evalue="x", traceback=[])(good.node)
    tagged(CHECK, "raises-exception")(good.node)
    assert RULES["no_errors"](good) == []


def test_functions_that_no_process_gets(good):
    source(CHECK, 'f = lambda: 1\nways.run([f], "threads")')(good.node)
    source(CHART, 'again(partial(ways.run, jobs, "processes"), f)')(good.node)
    assert RULES["importable_work"](good) == []
    source(CHART, 'try:\n    ways.run([f], "processes")\nexcept TypeError:\n    pass')(good.node)
    assert RULES["importable_work"](good) == []


def test_many_words_are_a_warning(good):
    added(LEAD, " word" * 130)(good.node)
    with pytest.warns(UserWarning, match="cell 5: 131 words, better 120"):
        assert RULES["few_words"](good) == []


def test_start_needs_no_claim(good):
    source(CHECK, "1")(good.node)
    first = Notebook(good.path.with_name("00_before.ipynb"), good.node, good.series)
    assert RULES["claims_checked"](first) == []
