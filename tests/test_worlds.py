"""The world in which a claim of a chapter is not confirmed: its own evidence, with doctored data."""

import ast
from types import SimpleNamespace

import nbformat
import pytest
from test_notebooks import NOTEBOOKS

from helpers.traces import Span, Trace, Worker


def evidence(chapter, sentence, **world):
    """Return what the evidence for this sentence comes to in a world, by the chapter's own expressions."""
    (path,) = (path for path in NOTEBOOKS if path.name.startswith(chapter))
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code" and f'"{sentence}"' in cell.source:
            lines = ast.parse(cell.source).body
            (call,) = (
                node for line in lines for node in ast.walk(line)
                if isinstance(node, ast.Call) and len(node.args) == 3
                and getattr(node.args[1], "value", None) == sentence
            )  # fmt: skip
            wanted = {node.id for node in ast.walk(call.args[2]) if isinstance(node, ast.Name)}
            for line in lines:
                if isinstance(line, ast.Assign) and {ast.unparse(t) for t in line.targets} & (
                    wanted - world.keys()
                ):
                    exec(ast.unparse(line), world)
            return eval(ast.unparse(call.args[2]), world)
    raise AssertionError(f"{chapter} has no claim {sentence!r}")


def trace(cpu, workers=1):
    """Return a run of four jobs of a second each, in which a job had a core for so much of it."""
    who = [Worker(number, number) for number in range(workers)]
    spans = tuple(Span(n, who[n % workers], n, n, n + 1, n + 1, cpu) for n in range(4))
    return Trace("processes", spans, tuple(who), 99)


def spans(*jobs):
    return [SimpleNamespace(job=job) for job in jobs]


WORLDS = [  # the claim, a world in which it is true, and one in which it is not
    ("00", "both workers did some of the work", {"shared": trace(1, 2)}, {"shared": trace(1)}),
]  # fmt: skip


@pytest.mark.parametrize(("chapter", "sentence", "true", "false"), WORLDS, ids=lambda w: str(w)[:30])
def test_a_claim_is_confirmed_by_its_world_and_not_by_another(chapter, sentence, true, false):
    assert evidence(chapter, sentence, **true) is True
    assert evidence(chapter, sentence, **false) is False
