"""The worlds of chapters 02 and 02b: for each claim one that confirms it, and one that does not.

The evidence is the chapter's own, from wherever it stands: the experiments are doctored, the bounds are not.
"""

import ast
import builtins
from functools import partial
from statistics import median
from types import SimpleNamespace

import nbformat
import pytest
from test_notebooks import NOTEBOOKS
from test_worlds import trace

from helpers.measure import Comparison
from helpers.traces import Span, Trace, Worker


def cells(chapter):
    """Return the code cells of a chapter as syntax trees; a file that a cell writes is none of them."""
    (path,) = (path for path in NOTEBOOKS if path.name.startswith(chapter))
    sources = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return [ast.parse(source) for source in sources if not source.startswith("%%")]


def claim(chapter, sentence):
    """Return the call that checks this sentence, and all the parts of the chapter up to it."""
    before = []
    for cell in cells(chapter):
        for part in ast.walk(cell):
            if isinstance(part, ast.Call) and len(part.args) == 3:
                says = part.args[1]
                if isinstance(says, ast.Constant) and says.value == sentence:
                    return part, [*before, *ast.walk(cell)]
        before += ast.walk(cell)
    raise AssertionError(f"{chapter} has no claim {sentence!r}")


def definitions(parts):
    """Return what each name is at last: an expression, or a function."""
    found = {}
    for part in parts:
        if isinstance(part, ast.FunctionDef):
            found[part.name] = part
        elif isinstance(part, ast.Assign):
            for target in part.targets:
                if not isinstance(target, ast.Tuple):
                    found[ast.unparse(target)] = part.value
                elif isinstance(part.value, ast.Tuple):
                    found |= zip(map(ast.unparse, target.elts), part.value.elts, strict=True)
    return found


def value(part, known, world):
    """Return what an expression comes to in a world, where it is not given by what the chapter says."""
    bound = {
        node.id for node in ast.walk(part) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    bound |= {node.arg for node in ast.walk(part) if isinstance(node, ast.arg)}
    names = {node.id for node in ast.walk(part) if isinstance(node, ast.Name)} - bound - set(dir(builtins))
    for name in sorted(names - world.keys()):
        world[name] = value(known[name], known, world)
    if isinstance(part, ast.FunctionDef):
        exec(ast.unparse(part), world)
        return world[part.name]
    return eval(ast.unparse(part), world)


def evidence(chapter, sentence, **world):
    """Return what the evidence for a sentence comes to in a world."""
    call, parts = claim(chapter, sentence)
    return value(
        call.args[2], definitions(parts), {"measure": MEASURE, "median": median, "partial": partial, **world}
    )


MEASURE = SimpleNamespace(
    again=lambda run, good, seconds=3: run(),
    compare=lambda slow, quick, bound, seconds=3: Comparison((slow() / quick(),) * 20, bound),
    Comparison=Comparison,
)


def takes(seconds):
    """Return an experiment that always takes so long, whatever it is given."""
    return lambda *_: seconds


def two(cpu):
    """Return a run of a second by two threads, each of which had a core for so much of it."""
    who = [Worker(1, 1), Worker(1, 2)]
    spans = tuple(Span(n, who[n], 0.0, 0.0, 1.0, 1.0, cpu) for n in range(2))
    return Trace("threads", spans, tuple(who), 1, window=0.002)


IN_TURNS, SIDE_BY_SIDE = two(0.5), two(1.0)
NOW_AND_THEN = [IN_TURNS, SIDE_BY_SIDE, IN_TURNS]  # one run in three, and "at most" is wrong


def crowds(speed=1.0, share=1.0):
    return [None, SimpleNamespace(speed=(speed,) * 15, share=(share,) * 15)]


def languages(**seconds):
    return {"runs": {name: takes(taken) for name, taken in seconds.items()}}


C_IS = partial(languages, Python=0.1, NumPy=0.01, Numba=0.001)
CAN = {"no_core": "", "cannot": "", "locked": ""}

WORLDS = [  # the claim, a world in which it is true, and one in which it is not
    ("02_", "digits of pi keep a core busy", {"computing": trace(1)}, {"computing": trace(0.6)}),
    ("02_", "a fetch waits for most of its time", {"waiting": trace(0.1)}, {"waiting": trace(0.6)}),
    ("02_", "two threads keep one core busy at most", {"runs": [IN_TURNS] * 3}, {"runs": NOW_AND_THEN}),
    ("02_", "two processes can keep two cores busy",
     {"by_two": lambda: SIDE_BY_SIDE}, {"by_two": lambda: IN_TURNS}),
    ("02_", "two threads with longer turns keep to one core",
     {"slow": [IN_TURNS] * 3}, {"slow": NOW_AND_THEN}),
    ("02_", "as many processes as cores beat half as many",
     {"work": [], "fewer": takes(2.0), "as_many": takes(1.0)},
     {"work": [], "fewer": takes(1.05), "as_many": takes(1.0)}),
    ("02_", "twice as many as cores gain less than a tenth",
     {"work": [], "more": takes(1.0), "as_many": takes(1.0)},
     {"work": [], "more": takes(0.85), "as_many": takes(1.0)}),
    ("02_", "four times as many as cores wait for half of their time or more",
     {"crowds": crowds(share=0.3)}, {"crowds": crowds(share=0.9)}),
    ("02_", "far more than that keep four fifths of the throughput",
     {"crowds": crowds(0.9)}, {"crowds": crowds(0.7)}),
    ("02_", "tiny jobs take two processes longer than one worker",
     {"one_by_one": takes(2.0), "alone": takes(1.0)}, {"one_by_one": takes(0.9), "alone": takes(1.0)}),
    ("02_", "tiny jobs in chunks take less than half as long",
     {"one_by_one": takes(9.0), "in_chunks": takes(1.0)},
     {"one_by_one": takes(1.5), "in_chunks": takes(1.0)}),
    ("02b", "machine code with the GIL keeps to one core",
     {"kept": [IN_TURNS] * 3}, {"kept": NOW_AND_THEN}),
    ("02b", "two threads that let go can fill two cores", {"free": SIDE_BY_SIDE}, {"free": IN_TURNS}),
    ("02b", "one call can be the work of several threads",
     {"share": 0.5}, {"share": 0.99}),
    ("02b", "two threads without a GIL can fill two cores",
     {"there": lambda: SIDE_BY_SIDE, **CAN}, {"there": lambda: IN_TURNS, **CAN}),
    ("02b", "two interpreters can fill two cores",
     {"several": lambda: SIDE_BY_SIDE, **CAN}, {"several": lambda: IN_TURNS, **CAN}),
    ("02b", "Python takes ten times as long as Numba", C_IS(), languages(Python=0.1, Numba=0.02)),
    ("02b", "Python takes ten times as long as C", C_IS(C=0.001), C_IS(C=0.02)),
    ("02b", "NumPy takes longer than C", C_IS(C=0.001), C_IS(C=0.01)),
    ("02b", "C saves less than a third of Numba's time", C_IS(C=0.0009), C_IS(C=0.0005)),
    ("02b", "a large array takes half as long by name as by pickle, or less",
     {"pairs": [(5.0, 1.0)] * 15}, {"pairs": [(1.5, 1.0)] * 15}),
]  # fmt: skip


@pytest.mark.parametrize(("chapter", "sentence", "true", "false"), WORLDS, ids=lambda w: str(w)[:40])
def test_a_claim_is_confirmed_by_its_world_and_not_by_another(chapter, sentence, true, false):
    assert evidence(chapter, sentence, **true) is True
    assert evidence(chapter, sentence, **false) is False


@pytest.mark.parametrize("chapter", ["02_", "02b"])
def test_every_claim_has_its_worlds(chapter):
    calls = [part for cell in cells(chapter) for part in ast.walk(cell) if isinstance(part, ast.Call)]
    checks = [call.args for call in calls if ast.unparse(call.func) == "claims.check"]
    assert {says.value for _, says, _ in checks} == {says for name, says, *_ in WORLDS if name == chapter}


TORN = (0.5, 2.0) * 10


@pytest.mark.parametrize(
    ("chapter", "sentence", "world"),
    [
        ("02_", "far more than that keep four fifths of the throughput",
         {"crowds": [SimpleNamespace(speed=TORN)]}),
        ("02b", "a large array takes half as long by name as by pickle, or less",
         {"pairs": [(times, 1.0) for times in (1.0, 3.0) * 10]}),
        ("02b", "C saves less than a third of Numba's time", languages(Python=0.1)),
    ],
)  # fmt: skip
def test_what_is_not_decided_is_no_evidence_either_way(chapter, sentence, world):
    assert evidence(chapter, sentence, **world) is None
