"""For each claim of 04 and 04b, a world in which it is confirmed, and some in which it is not."""

import ast
import builtins
import re
from types import SimpleNamespace

import nbformat
import pytest
from test_notebooks import NOTEBOOKS
from test_worlds import evidence, trace

from helpers.experiments.ceiling import Load
from helpers.experiments.payloads import Comparison
from helpers.experiments.two_programs import Process, Run
from helpers.measure import Comparison as Race
from helpers.traces import Span, Trace, Worker

NUMBERS = range(100, 110)
TASKS = [f"master: task {n}" for n in NUMBERS]
TAKEN = [f"worker: {n} * {n}" for n in NUMBERS]
RESULTS = [f"master: result {n} * {n} = {n * n}" for n in NUMBERS]
GOOD = Run([*TASKS, *TAKEN, *RESULTS, "worker: no more tasks"])
LATE = Run([*TASKS, *RESULTS, *TAKEN, "worker: no more tasks"])
FEW = Run([*TASKS, *TAKEN, *RESULTS[:9], "master: a result is missing"])
WRONG = Run([*TASKS, *TAKEN, *RESULTS[:9], "master: result 109 * 109 = 1"])
FELL = Run([*TASKS, *RESULTS, "NameError: name 'Queue' is not defined"])
NOBODY = "ConnectionRefusedError"


def processes(*listening):
    names = ["master", "started by the master", "worker"]
    return [Process(who, pid, who in listening) for pid, who in enumerate(names)]


def sent(content, path, same=True):
    digests = {"content": ["a", "b"], "path": ["a", "b"] if same else ["a", "c"]}
    return Comparison([10**4, 10**8], {"content": content, "path": path}, {}, digests)


SENT = sent([11_000, 10**8 + 1], [1000, 1000])


def load(rate):
    return Load(2, rate, 1.0, 0.5)


def waits(workers):
    """Return a run of four jobs, of which so many overlap."""
    who = [Worker(number, number) for number in range(workers)]
    spans = tuple(
        Span(n, who[n % workers], n // workers, n // workers, n // workers + 1, n // workers + 1, 0.0)
        for n in range(4)
    )
    return Trace("processes", spans, tuple(who), 99)


WORLDS = [  # the chapter, its claim, a world in which it is true, and those in which it is not
    ("04_", "by spawn, the first form does not start with lambdas",
     {"first": {"spawn": ["_pickle.PicklingError: Can't pickle"]}},
     [{"first": {"spawn": ["_queue.Empty"]}}, {"first": {"spawn": []}}]),
    ("04_", "by spawn, it does not start without a guard either",
     {"named": ["RuntimeError: ", "An attempt has been made"]}, [{"named": ["_queue.Empty"]}]),
    ("04_", "ten numbers went out and their squares came home", {"run": GOOD},
     [{"run": FEW}, {"run": WRONG}, {"run": Run([])}]),
    ("04_", "the worker stopped when there were no more tasks", {"run": GOOD}, [{"run": FEW}, {"run": FELL}]),
    ("04_", "it printed each task before the master its result", {"run": GOOD},
     [{"run": LATE}, {"run": FEW}, {"run": WRONG}]),
    ("04_", "in its first form it ended with a NameError, all work done", {"late": FELL},
     [{"late": GOOD}, {"late": Run(FELL.lines[:-1])}, {"late": Run(FELL.lines[-3:])}]),
    ("04_", "the queues' port is a third process's", {"found": processes("started by the master")},
     [{"found": processes("master")}, {"found": processes("master", "started by the master")},
      {"found": processes("worker")}]),
    ("04_", "after start, a task in the raw queue reaches nobody",
     {"start": "tasks seen: 0, served by this process: False"},
     [{"start": "tasks seen: 1, served by this process: False"}]),
    ("04_", "behind get_server, the raw queue is the one that is served",
     {"server": "tasks seen: 1, served by this process: True"},
     [{"server": "tasks seen: 0, served by this process: True"}]),
    ("04_", "only behind get_server does the master serve them",
     {"start": "tasks seen: 0, served by this process: False",
      "server": "tasks seen: 1, served by this process: True"},
     [{"start": "served by this process: True", "server": "served by this process: True"},
      {"start": "served by this process: False", "server": "served by this process: False"}]),
    ("04_", "a worker makes no queue, where the master makes both",
     {"made": {"2 queues made by task_master.py", "0 queues made by task_worker.py"}},
     [{"made": {"2 queues made by task_master.py", "2 queues made by task_worker.py"}}, {"made": set()}]),
    ("04_", "a call of get here returned what was put there", {"got": 3, "put": 3}, [{"got": 4, "put": 3}]),
    ("04_", "a queue is known by its registered name and no other",
     {"got": 3, "put": 3, "said": "KeyError: 'get_lost_queue'"},
     [{"got": 3, "put": 3, "said": "<queue>"}, {"got": 4, "put": 3, "said": "KeyError: 'get_lost_queue'"}]),
    ("04_", "with the key one is let in, with another one is refused",
     {"let_in": True, "answer": "digest sent was rejected"},
     [{"let_in": True, "answer": ""}, {"let_in": False, "answer": "digest sent was rejected"}]),
    ("04_", "at another address than the master's nobody answers",
     {"right": "", "elsewhere": NOBODY, "nobody": NOBODY},
     [{"right": "", "elsewhere": "", "nobody": NOBODY},
      {"right": NOBODY, "elsewhere": NOBODY, "nobody": NOBODY}]),
    ("04_", "nor at another port, nor when the master has ended",
     {"right": "", "port_one": NOBODY, "ended": NOBODY, "nobody": NOBODY},
     [{"right": "", "port_one": "", "ended": NOBODY, "nobody": NOBODY},
      {"right": "", "port_one": NOBODY, "ended": "", "nobody": NOBODY}]),
    ("04_", "a result that does not come ends the master's wait", {"missed": FEW},
     [{"missed": GOOD}, {"missed": Run([*TASKS, "EOFError"])}]),
    ("04b_", "each task was printed once, in its turn",
     {"printed": ["working on 1 * 1", "working on 2 * 2"], "numbers": [1, 2]},
     [{"printed": ["working on 2 * 2", "working on 1 * 1"], "numbers": [1, 2]},
      {"printed": ["working on 1 * 1"], "numbers": [1, 2]}]),
    ("04b_", "one worker put back all squares, in order, and left",
     {"results": ["3 * 3 = 9"], "numbers": [3], "workers": SimpleNamespace(exit_codes=[0])},
     [{"results": ["3 * 3 = 8"], "numbers": [3], "workers": SimpleNamespace(exit_codes=[0])},
      {"results": ["3 * 3 = 9"], "numbers": [3], "workers": SimpleNamespace(exit_codes=[None])}]),
    ("04b_", "one worker does all tasks, one after the other", {"one": trace(1)}, [{"one": waits(2)}]),
    ("04b_", "two workers are two processes, at work at the same moment", {"two": waits(2)},
     [{"two": trace(1, 2)}, {"two": waits(1)}, {"two": waits(4)}]),
    ("04b_", "four workers have four tasks under way at once", {"traces": {1: waits(1), 4: waits(4)}},
     [{"traces": {1: waits(1), 4: waits(2)}}]),
    ("04b_", "a master that computes holds up its workers", {"quiet": load(5000), "beside": load(100)},
     [{"quiet": load(5000), "beside": load(4000)}]),
    ("04b_", "an addition to a dict elsewhere is two calls, and can be lost",
     {"counts": {"plain": 400, "with lock": 0}},
     [{"counts": {"plain": 600, "with lock": 0}}]),
    ("04b_", "with the manager's lock round both calls none was lost",
     {"counts": {"plain": 0, "with lock": 600}},
     [{"counts": {"plain": 0, "with lock": 599}}]),
    ("04b_", "with the content, all of the file passes", {"sent": SENT},
     [{"sent": sent([11_000, 10**7], [1000, 1000])}]),
    ("04b_", "with the path, little passes whatever the file holds", {"sent": SENT},
     [{"sent": sent([11_000, 10**8 + 1], [1000, 10**8])}]),
    ("04b_", "either way, the digest is the same", {"sent": SENT},
     [{"sent": sent([1, 1], [1, 1], same=False)}]),
    ("04b_", "a large file is hashed sooner where it lies", {"race": Race((3.0,) * 20, 1.2)},
     [{"race": Race((1.0,) * 20, 1.2)}]),
    ("04b_", "two commands are enough to spread work", {"answers": [9, 16]}, [{"answers": [9]}]),
]  # fmt: skip
CASES = [(chapter, sentence, world, True) for chapter, sentence, world, _ in WORLDS] + [
    (chapter, sentence, world, False) for chapter, sentence, _, worlds in WORLDS for world in worlds
]


def with_what_follows(chapter, world):
    """Add to a world what the chapter's assignments make of it and of nothing else."""
    (path,) = (path for path in NOTEBOOKS if path.name.startswith(chapter))
    world = dict(world)
    code = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    for line in (line for source in code for line in ast.parse(source).body):
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            names = [node for node in ast.walk(line.value) if isinstance(node, ast.Name)]
            made = {node.id for node in names if isinstance(node.ctx, ast.Store)}  # in a comprehension
            used = {node.id for node in names} - made - vars(builtins).keys()
            if used and used <= world.keys() and line.targets[0].id not in world:
                exec(ast.unparse(line), {}, world)
    return world


@pytest.mark.parametrize(("chapter", "sentence", "world", "true"), CASES, ids=lambda x: str(x)[:30])
def test_a_claim_is_confirmed_by_its_world_and_not_by_others(chapter, sentence, world, true):
    assert bool(evidence(chapter, sentence, **with_what_follows(chapter, world))) is true


def test_a_race_that_is_not_decided_is_no_evidence_either_way():
    torn = Race((1.0, 3.0) * 10, 1.2)
    assert evidence("04b_", "a large file is hashed sooner where it lies", race=torn) is None


def test_every_claim_has_its_worlds():
    said = set()
    for path in NOTEBOOKS:
        if path.name.startswith(("04_", "04b_")):
            for cell in nbformat.read(path, 4).cells:
                if cell.cell_type == "code":
                    said |= set(re.findall(r'claims\.check\(\s*"F\w+",\s*"(.+?)"', cell.source))
    assert said == {sentence for _, sentence, _, _ in WORLDS}
