"""Plain Python first: the calls of the standard library that a chapter lets its reader see, and run alone."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbformat import v4
from test_notebooks import NOTEBOOKS

from helpers import servers

# What a learner must have seen in real code after a chapter: in its cells, or in the sources that it shows.
SEEN = {
    "01": """
        threading.Thread .start() .join() threading.Lock .acquire(timeout=)|subprocess.run(timeout=)
        multiprocessing.Process .exitcode multiprocessing.Queue|multiprocessing.Pipe
        multiprocessing.get_context __name__=="__main__" concurrent.futures.ThreadPoolExecutor .map()
        concurrent.futures.ProcessPoolExecutor .submit() .result()|.exception()
        """,
    "02": """
        concurrent.futures.ThreadPoolExecutor concurrent.futures.ProcessPoolExecutor .map(chunksize=)
        sys.setswitchinterval time.thread_time numba.njit(nogil=) concurrent.futures.InterpreterPoolExecutor
        multiprocessing.shared_memory.SharedMemory
        """,
    "03": """
        asyncio.run async-def await asyncio.gather|asyncio.TaskGroup asyncio.Semaphore asyncio.to_thread
        concurrent.futures.ThreadPoolExecutor queue.Queue(maxsize=) os.fsync cProfile.Profile|cProfile
        """,
    "04": """
        multiprocessing.managers.BaseManager.register() .start() .connect() .shutdown() .get_server()
        .serve_forever queue.Empty multiprocessing.AuthenticationError __name__=="__main__"
        multiprocessing.Manager() .dict() .Lock()
        """,
    "05": """
        .lend() .heartbeat() .record() signal.signal subprocess.Popen
        sqlite3.connect pickle.dumps def-__reduce__
        """,
    "06": """
        smtplib.SMTP .send_message() email.message.EmailMessage smtplib.SMTPRecipientsRefused time.sleep
        """,
    "07": """
        distributed.LocalCluster distributed.Client .map() .gather() .submit() distributed.as_completed
        """,
}
PROGRAMS = ("04",)  # chapters whose plain Python stands in programs, which are run on their own


@cache
def cells(chapter: str) -> list[str]:
    """Return the code cells of a chapter and of its second part, such as 01 and 01b."""
    paths = [path for path in NOTEBOOKS if re.match(rf"{chapter}b?_", path.name)]
    return [
        cell.source for path in paths for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"
    ]


def code(source: str) -> str:
    """Return a cell's Python, also that of a file which it writes; nothing when it is other magic."""
    source = re.sub(r"\A%%writefile .*\n", "", source)
    return "" if source.startswith("%%") else re.sub(r"(?m)^[%!].*$", "", source)


def calls(tree: ast.AST, known: dict[str, str]) -> Iterator[str]:
    """Yield what a piece of code uses, by the full names of what ``known`` names have been imported."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                known.update({name.asname or name.name: name.name for name in names})
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names):
                known.update({name.asname or name.name: f"{module}.{name.name}" for name in names})
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef():
                yield "async-def"
            case ast.Await():
                yield "await"
            case ast.FunctionDef(name="__reduce__"):
                yield "def-__reduce__"
            case ast.If(test=ast.Compare()) if "__name__" in ast.unparse(node.test):
                yield '__name__=="__main__"'
            case ast.Call():
                for name in named(node.func, known):
                    yield f"{name}()"
                    yield from (f"{name}({word.arg}=)" for word in node.keywords)
                    if name == "queue.Queue" and node.args:
                        yield "queue.Queue(maxsize=)"
            case ast.Attribute() | ast.Name():
                yield from named(node, known)


def named(node: ast.expr, known: dict[str, str]) -> Iterator[str]:
    """Yield a function's full name, when its module is known, and ".name" for an attribute of anything."""
    text = ast.unparse(node)
    first, dot, rest = text.partition(".")
    if first in known:
        yield f"{known[first]}{dot}{rest}"
    if isinstance(node, ast.Attribute):
        yield f".{node.attr}"


def seen(sources: list[str]) -> set[str]:
    """Return all that these cells use, and the functions whose sources they show."""
    known: dict[str, str] = {}
    found: set[str] = set()
    for source in sources:
        tree = ast.parse(code(source))
        found |= set(calls(tree, known))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "show.source":
                found |= set(calls(ast.parse(shown(ast.unparse(node.args[0]), known)), dict(known)))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "show.program":
                program = NOTEBOOKS[0].parent / ast.literal_eval(node.args[0])
                found |= set(calls(ast.parse(program.read_text("utf-8")), {}))
    return found


def shown(expression: str, known: dict[str, str]) -> str:
    """Return the source that ``show.source(expression)`` shows, as far as it can be parsed alone."""
    first, _, rest = expression.partition(".")
    where, _, what = known[first].rpartition(".")
    thing = getattr(__import__(where, fromlist=[what]), what) if where else __import__(known[first])
    for name in filter(None, rest.split(".")):
        thing = getattr(thing, name)
    return inspect.cleandoc("\n" + inspect.getsource(thing))


def lacking(chapter: str, sources: list[str]) -> list[str]:
    """Return what a chapter's list has and these cells have not; of alternatives, one is enough."""
    found = seen(sources)
    return [wanted for wanted in SEEN[chapter].split() if not set(wanted.split("|")) & found]


@pytest.mark.parametrize("chapter", SEEN)
def test_a_chapter_shows_the_plain_calls_that_its_reader_came_for(chapter):
    assert lacking(chapter, cells(chapter)) == []


def test_a_call_that_is_taken_away_is_missed():
    program = "from threading import Thread as T\nt = T(target=print)\nt.start()\nt.join()"
    assert not {"threading.Thread", ".start()", ".join()"} & set(lacking("01", [program]))
    assert {".join()", "threading.Lock"} <= set(lacking("01", [program.replace("t.join()", "")]))


def test_what_is_only_in_prose_or_in_a_comment_is_not_seen():
    assert "threading.Thread" in lacking("01", ['"""threading.Thread"""', "# threading.Thread()"])


# --- Alone -------------------------------------------------------------------------------------------

PLAIN = [path for path in NOTEBOOKS if path.name[:2] in SEEN.keys() - set(PROGRAMS)]


GIVEN = "url"  # the address of a server, which a learner alone would have of their own


def alone(path: Path, url: str) -> nbformat.NotebookNode:
    """Return a notebook of those cells that need nothing of ``helpers``, nor of what was made with it.

    Of a cell that imports, the lines stay that import something else. ``url`` is that of a slow server.
    """
    first = f"import os, sys\nsys.modules['helpers'] = None\n{GIVEN} = {url!r}\nos.environ['no_proxy'] = '*'"
    kept, ours = [v4.new_code_cell(first)], set()
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            lines = ast.parse(code(cell.source)).body
            of_helpers = {
                alias.asname or alias.name for line in lines if imports(line, True) for alias in line.names
            }
            names = [node for line in lines for node in ast.walk(line) if isinstance(node, ast.Name)]
            if of_helpers:
                ours |= of_helpers
                cell.source = "\n".join(ast.unparse(line) for line in lines if imports(line, False))
            ours.discard(GIVEN)
            is_file = cell.source.startswith("%%writefile")  # whose names are its own
            if {node.id for node in names} & ours and not (is_file and not of_helpers):
                ours |= {node.id for node in names if isinstance(node.ctx, ast.Store)} - {"_"}
                ours |= {line.name for line in lines if isinstance(line, ast.FunctionDef | ast.ClassDef)}
            else:
                kept.append(cell)
    return v4.new_notebook(cells=kept)


def imports(line: ast.stmt, helpers: bool) -> bool:
    """Tell whether a line imports something of ``helpers``, or of anything else."""
    return isinstance(line, ast.Import | ast.ImportFrom) and ("helpers" in ast.unparse(line)) is helpers


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_plain_cells_run_where_there_are_no_helpers(path, tmp_path):
    with servers.slow() as url:
        notebook = alone(path, url)
        assert len(notebook.cells) > 3, "there are plain cells"
        nbclient.execute(notebook, cwd=tmp_path, timeout=60, kernel_name="python3")
