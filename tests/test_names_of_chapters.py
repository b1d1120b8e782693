"""Any cell can be run again after all others: what it reads of another cell is made in that one alone."""

import ast
import builtins
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from test_notebooks import NOTEBOOKS

CHAPTERS = [path for path in NOTEBOOKS if path.name.startswith(("05", "06", "07"))]


def names(source: str) -> tuple[set[str], set[str]]:
    """Return what a cell reads of other cells, and what it makes that others can read."""
    tree = ast.parse("" if source.startswith("%%") else source)
    nodes = list(ast.walk(tree))
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {name for node in nodes for name in own(node)}
    return read - bound - set(dir(builtins)), {name for line in tree.body for name in made_by(line)}


def own(node: ast.AST) -> list[str]:
    """Return the names that a piece of code binds: variables, parameters, functions, imports."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name.split(".")[0] for alias in aliases]
    return []


def made_by(line: ast.stmt) -> set[str]:
    """Return what a line makes that is still there when the cell is over."""
    if isinstance(line, ast.FunctionDef | ast.ClassDef):
        return {line.name}
    hidden = {
        id(part)
        for node in ast.walk(line)
        if isinstance(node, ast.Lambda | ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp)
        for part in ast.walk(node)
    }
    return {name for node in ast.walk(line) if id(node) not in hidden for name in own(node)}


def shared(sources: list[str]) -> list[str]:
    """Return the names that a cell reads of another and that several cells make."""
    cells = [names(source) for source in sources]
    makers = Counter(name for _, made in cells for name in made)
    return sorted({name for read, _ in cells for name in read if makers[name] > 1})


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.name.partition("_")[0])
def test_what_a_cell_reads_of_others_is_made_in_one(path: Path) -> None:
    cells = nbformat.read(path, 4).cells
    assert shared([cell.source for cell in cells if cell.cell_type == "code"]) == []


def test_a_name_that_is_made_twice_is_found():
    assert shared(["n = 1", "print(n)", "n = 2"]) == ["n"]
    assert shared(["n = 1", "print(n)", "[n for n in range(3)]", "def f(n):\n    return n"]) == []
    assert shared(["n = 1", "n = 2\nprint(n)", "n = 3"]) == []
