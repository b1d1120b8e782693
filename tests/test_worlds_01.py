"""The worlds in which the claims of 01 and 01b are confirmed, and those in which they are not."""

import ast
from types import SimpleNamespace as Thing

import nbformat
import pytest
from test_notebooks import NOTEBOOKS
from test_worlds import evidence

from helpers.experiments.growing_jobs import GrowingJobs
from helpers.experiments.thousands import Crowding
from helpers.experiments.webservers import Crashes, Figures
from helpers.experiments.worker_costs import IdleThreads, Limited
from helpers.measure import Comparison

CLOSE, FAR, TORN = (Comparison(ratios, 1.5) for ratios in ((1.1,) * 20, (9.0,) * 20, (1.1, 9.0) * 10))


def os(pid=99):
    return Thing(getpid=lambda: pid)


def threads(number=99):
    return Thing(get_native_id=lambda: number)


def end(*finished, code=0):
    return Thing(finished=list(finished), master_exit_code=code)


def runs(*pids):
    return {"threads": Thing(pids=set(pids))}


def measure(comparison):
    return {"measure": Thing(compare=lambda *_, bound: comparison), "by_process": None, "by_thread": None}


def crowding(comparison):
    crowding = Crowding((2, 1000), ((1.0,), (1.0,)), 1000, ((1,), (1,)), comparison)
    return {"crowding": crowding, "cheap": crowding.is_cheap}


def growing(tiny=FAR, long=CLOSE):
    """Jobs compared; ``long`` is against half as long, so a ratio of 1.1 is above it."""
    return {"growing": GrowingJobs((), {}, tiny, Comparison(long.ratios, 0.5))}


def figures(threaded):
    return {"figures": {"threaded": Figures((), threaded, 0.0), "pre-fork": Figures((), 100, 0.0)}}


def crashes(lost=(3, 3), newcomer=True, prefork=(0, 0), siblings=False):
    threaded, prefork = Crashes(lost, (), (True, newcomer)), Crashes(prefork, (), (True, siblings))
    return {"threaded": threaded, "prefork": prefork, "rows": {}, "dearer": threaded.cost > prefork.cost}


WORLDS = [  # the claim, a world in which it is true, and one in which it is not
    ("01_", "four workers are four processes", {"crew": {1, 2, 3, 4}}, {"crew": {1, 2, 3}}),
    ("01_", "the master is none of them", {"crew": {1}, "os": os()}, {"crew": {1, 99}, "os": os()}),
    ("01_", "four threads live in one process",
     {"runs": runs(99), "os": os()}, {"runs": runs(99, 98), "os": os()}),
    ("01_", "the main thread is none of them",
     {"threads": {1, 2}, "threading": threads()}, {"threads": {1, 99}, "threading": threads()}),
    ("01_", "what a thread writes, its master sees", {"by_thread": ["I was here"]}, {"by_thread": []}),
    ("01_", "threads that write at once lose updates", {"free": 1000}, {"free": 4000}),
    ("01_", "a lock mends that", {"locked": 4000}, {"locked": 3999}),
    ("01_", "the siblings of a killed process finish", {"killed": end(1, 3)}, {"killed": end(3)}),
    ("01_", "its master goes on", {"killed": end()}, {"killed": end(code=1)}),
    ("01_", "no thread survives a crash in one of them", {"crashed": end()}, {"crashed": end(1)}),
    ("01_", "a crash ends the process of all of them", {"crashed": end(code=-11)}, {"crashed": end()}),
    ("01_", "an exception ends only the thread that raised it",
     {"raised": end(1, 3)}, {"raised": end(1, 3, code=1)}),
    ("01_", "ProcessPoolExecutor notices a dead worker",
     {"executor": Thing(noticed=True)}, {"executor": Thing(noticed=False)}),
    ("01_", "multiprocessing.Pool does not notice it",
     {"pool": Thing(noticed=False)}, {"pool": Thing(noticed=True)}),
    ("01_", "plain workers outlive a killed master", {"orphaned": end(1, 2)}, {"orphaned": end(2)}),
    ("01_", "daemon workers outlive it as well", {"orphaned": end(1, 2)}, {"orphaned": end(1)}),
    ("01_", "a master's exit ends its daemon workers", {"left": end(1, 3)}, {"left": end(1, 2, 3)}),

    ("01b_", "a fork takes less than a tenth of a second", {"fork": 0.01}, {"fork": 0.2}),
    ("01b_", "any process costs several times as much as a thread",
     {"least": {"thread": 1, "fork": 5, "spawn": 9}, "thread": 1},
     {"least": {"thread": 1, "fork": 2, "spawn": 9}, "thread": 1}),
    ("01b_", "a process costs many times a thread",
     {"spawned": 90, "thread": 1}, {"spawned": 9, "thread": 1}),
    ("01b_", "spawn, its stand-in, is dearer than fork",
     {"spawned": 9, "fork": 1}, {"spawned": 2, "fork": 1}),
    ("01b_", "a forked lock stays locked in the child",
     {"said": b"child: False parent: True\n"}, {"said": b"child: True parent: True\n"}),
    ("01b_", "an idle process needs several times the memory of a thread",
     {"memory": {"thread": 1, "spawn": 9}}, {"memory": {"thread": 1, "spawn": 2}}),
    ("01b_", "as many threads start as were asked for",
     {"idle": IdleThreads(9, 6, 6, {})}, {"idle": IdleThreads(9, 6, 5, {})}),
    ("01b_", "forking ends at the limit on open files, as computed",
     {"limited": Limited(30, 29, "")}, {"limited": Limited(30, 14, "")}),
    ("01b_", "a thousand need less than half again the CPU time", crowding(CLOSE), crowding(FAR)),
    ("01b_", "a whole job takes less time by a thread than by a process",
     measure(Comparison((9,) * 20, 1)), measure(Comparison((0.9,) * 20, 1))),
    ("01b_", "for a long job a process takes less than twice as long",
     growing(), growing(long=Comparison((0.3,) * 20, 1))),
    ("01b_", "for a tiny one it takes more than twice as long", growing(), growing(tiny=CLOSE)),
    ("01b_", "threads need less memory, and little more time",
     figures(50) | {"leaner": True, "compared": FAR}, {"leaner": False, "compared": FAR}),
    ("01b_", "in the stand-in, too, threads need less memory", figures(50), figures(101)),
    ("01b_", "in the stand-in, too, they need little more time", {"compared": FAR}, {"compared": CLOSE}),
    ("01b_", "no crash cost the pool of processes another request", crashes(), crashes(prefork=(0, 1))),
    ("01b_", "a crash costs a server of threads the requests of others", crashes(), crashes(lost=(0, 0))),
    ("01b_", "a server of threads is away until started anew",
     crashes(), crashes(newcomer=False)),
    ("01b_", "a sibling of the crashed process can answer", crashes(), crashes(siblings=True)),
]  # fmt: skip


@pytest.mark.parametrize(("chapter", "sentence", "true", "false"), WORLDS, ids=lambda w: str(w)[:40])
def test_a_claim_is_confirmed_by_its_world_and_not_by_another(chapter, sentence, true, false):
    assert evidence(chapter, sentence, **true) is True
    assert evidence(chapter, sentence, **false) is False


@pytest.mark.parametrize(
    ("sentence", "torn"),
    [
        ("a thousand need less than half again the CPU time", crowding(TORN)),
        (
            "a whole job takes less time by a thread than by a process",
            measure(Comparison((0.9, 9.0) * 10, 1)),
        ),
        (
            "for a long job a process takes less than twice as long",
            growing(long=Comparison((0.3, 1.1) * 10, 1)),
        ),
        ("for a tiny one it takes more than twice as long", growing(tiny=TORN)),
        ("in the stand-in, too, they need little more time", {"compared": TORN}),
        ("threads need less memory, and little more time", {"leaner": True, "compared": TORN}),
    ],
)
def test_a_time_that_is_not_decided_is_no_evidence_either_way(sentence, torn):
    assert evidence("01b_", sentence, **torn) is None


@pytest.mark.parametrize("chapter", ["01_", "01b_"])
def test_every_claim_has_its_worlds(chapter):
    (path,) = (path for path in NOTEBOOKS if path.name.startswith(chapter))
    sentences = {
        call.args[1].value
        for cell in nbformat.read(path, 4).cells
        if cell.cell_type == "code" and "claims.check" in cell.source
        for call in ast.walk(ast.parse(cell.source))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "claims.check"
    }
    assert sentences == {sentence for name, sentence, *_ in WORLDS if name == chapter}
