"""The rooms of helpers: what each module imports, from the house and from outside, and how much that brings.

There are four ranks: instruments, systems, experiments, labs. A room imports its own rank and those below.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import helpers

HOME = Path(helpers.__file__).parent
pytestmark = pytest.mark.no_cover  # the code is read here, not run

# Each module, what it imports of the house (a dot: of its own room), and behind the bar what Python lacks.
TABLE = """
machine: checks children ways | psutil
jobs: checks show
checks: show
programs:
children:
traces:
clocked: traces
measure: checks clocked show traces ways
claims: show
show: | IPython
neighbours: | psutil
ways: .pools
ways.pools: checks children clocked show traces .cores .interpreters .loop
ways.cores:
ways.interpreters:
ways.loop:
charts: .bars .board .curves .mails .runs .sizes .speed .style .tiles .waits
charts.words: show
charts.style: show | IPython matplotlib
charts.blocks: .style traces | matplotlib
charts.bars: .style .words | matplotlib
charts.board: .blocks .style .words traces | matplotlib
charts.curves: .style .words show | matplotlib
charts.mails: .style .words | matplotlib
charts.runs: .blocks .style .words traces | matplotlib
charts.sizes: .style .words | matplotlib
charts.speed: .style .words measure show | matplotlib
charts.tiles: .style .words show | matplotlib
charts.waits: .style .words show | matplotlib

jobqueue: .batch .board .client .errors .launch
jobqueue.errors:
jobqueue.key: .errors
jobqueue.transport: .errors
jobqueue.listener: .transport
jobqueue.clocks:
jobqueue.board:
jobqueue.journal: .board .errors
jobqueue.shared: .board .errors .journal
jobqueue.server: .errors .listener .protocol .shared .transport clocked
jobqueue.protocol: .errors .listener .transport
jobqueue.functions: jobs show
jobqueue.reports: clocked traces
jobqueue.channel: .errors .transport
jobqueue.batch: .channel .clocks .errors .functions .reports clocked show traces
jobqueue.client: .batch .board .channel .key .protocol .reports traces | tqdm
jobqueue.launch: .board .client .errors .functions .key checks programs show
jobqueue.master: .board .errors .journal .key .server .shared programs
jobqueue.session: .board .channel .clocks .errors .functions .reports clocked show
jobqueue.worker: .channel .errors .functions .key .protocol .session clocked programs show
servers: .client .launch .mailserver
servers.client: checks
servers.launch: checks programs | psutil
servers.mailserver: checks programs
servers.waiting: programs
servers.worker: children jobs
servers.master: children programs .worker
servers.smtp: programs | aiosmtpd
engine: .certificates .cluster .runs
engine.certificates: .tls_repair | distributed
engine.tls_repair: | tornado
engine.leave: programs | distributed
engine.cluster: checks .certificates .leave programs | distributed psutil
engine.runs: clocked jobqueue.functions traces | distributed
engine.__main__: .certificates jobqueue.functions | distributed

experiments:
experiments.accidents: children jobs programs traces
experiments.ceiling: checks children programs
experiments.chaos: jobqueue traces | IPython psutil
experiments.compiled: checks jobs | numba numpy
experiments.dead_workers: children jobs programs
experiments.decision: checks
experiments.freethreaded: clocked programs traces
experiments.overhead: clocked jobs measure ways
experiments.growing_jobs: checks children jobs measure
experiments.limits: checks show | psutil
experiments.oversubscription: checks children clocked jobs machine programs traces
experiments.payloads: checks jobqueue measure show .wiretap
experiments.pythons: children claims .verdicts | IPython
experiments.thousands: checks experiments.compiled machine measure programs
experiments.two_programs: checks programs | psutil
experiments.verdicts: claims | IPython
experiments.webapp: checks programs
experiments.wiretap:
experiments.webservers: checks measure servers
experiments.worker_costs: checks children machine programs | psutil

labs: .queue_lab .speed_lab .step_lab
labs.frame: | IPython ipywidgets
labs.steps: show
labs.step_lab: .frame .steps | ipywidgets
labs.rounds: clocked jobs measure show traces ways
labs.speed_lab: .frame .rounds charts machine ways | ipywidgets
labs.crew: checks jobqueue jobqueue.reports show | psutil
labs.queue_lab: .crew .frame | ipywidgets
exercises: .desk .predictions
exercises.predictions: show | IPython ipywidgets
exercises.desk: .leftovers show
exercises.leftovers: clocked
exercises.probes:
exercises.of_01: .desk .probes show
exercises.of_02: .desk children show
exercises.of_03: .desk .probes show
exercises.of_04: .desk .leftovers children show
exercises.of_05: .desk show
exercises.of_06: .desk servers show
exercises.of_07: .desk .probes show | dask distributed
"""
# From the top; all others are instruments.
RANKS = [{"labs", "exercises"}, {"experiments"}, {"jobqueue", "servers", "engine"}]
LIGHT = ["machine", "jobs", "checks", "programs", "children", "traces", "clocked", "ways", "measure",
         "claims", "show", "jobqueue", "servers", "experiments.accidents", "experiments.ceiling",
         "experiments.chaos", "experiments.decision", "experiments.freethreaded", "experiments.limits",
         "experiments.payloads", "experiments.thousands", "experiments.two_programs", "experiments.webapp",
         "experiments.webservers", "exercises"]  # fmt: skip


def read(table: str) -> dict[str, tuple[set[str], set[str]]]:
    modules = {}
    for module, _, names in (line.partition(":") for line in table.split("\n") if line):
        house, _, outside = names.partition("|")
        room = module.split(".")[0]
        modules[module] = {f"{room}{n}" if n[0] == "." else n for n in house.split()}, set(outside.split())
    return modules


MODULES = read(TABLE)

TREES = {
    ".".join(file.relative_to(HOME).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
        file.read_text(encoding="utf-8"), str(file.relative_to(HOME.parent))
    )
    for file in sorted(HOME.rglob("*.py"))
    if file != HOME / "__init__.py"
}
QUEUE = [module for module in TREES if module.startswith("jobqueue")]


def imports(module: str) -> tuple[set[str], set[str]]:
    """Return the modules of ours that a module imports, also for its types alone, and packages of others."""
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}, line {node.lineno}: write the full name of the module"
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            ours = {name for name in deeper if name.removeprefix("helpers.") in TREES}
            found |= ours | ({node.module} if ours != deeper else set())
    house = {name.removeprefix("helpers.") for name in found if name.startswith("helpers.")}
    return house, {name.split(".")[0] for name in found} - sys.stdlib_module_names - {"helpers"}


def rank(module: str) -> int:
    return next((n for n, rooms in enumerate(RANKS) if module.split(".")[0] in rooms), len(RANKS))


def test_the_table_has_every_module():
    assert TREES.keys() - MODULES.keys() == set(), "a new module: say in TABLE what it imports"
    assert MODULES.keys() - TREES.keys() == set(), "this module is gone: take it out of TABLE"


@pytest.mark.parametrize("module", TREES)
def test_a_module_imports_what_the_table_says(module):
    assert imports(module) == MODULES.get(module), "if this is meant, change TABLE"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_upward(module):
    assert [other for other in MODULES[module][0] if rank(other) < rank(module)] == []


@pytest.mark.parametrize("depth", [1, 2], ids=["rooms", "modules"])
def test_there_is_no_circle(depth):
    """A room's front door only re-exports, so among modules it is left out."""

    def name(module: str) -> str:
        return ".".join(module.split(".")[:depth])

    graph = {}
    for module, (house, _) in MODULES.items():
        if depth == 1 or "." in module or not (HOME / module).is_dir():
            graph.setdefault(name(module), set()).update({name(other) for other in house} - {name(module)})
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize("module", [module for module in TREES if (HOME / module / "__init__.py").is_file()])
def test_a_front_door_only_re_exports(module):
    kinds = (ast.Expr, ast.ImportFrom, ast.Assign)
    assert [type(node) for node in TREES[module].body if not isinstance(node, kinds)] == []
    assert [ast.unparse(n.targets[0]) for n in TREES[module].body if isinstance(n, ast.Assign)] in (
        [],
        ["__all__"],
    )


def calls_on_the_unknown(tree: ast.Module) -> Iterator[str]:
    """Yield each use of an attribute of a parameter that may be anything, also where it is kept in self.

    Such a call is an arrow that no import shows: an object that is handed over can be of a room above.
    """
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        unknown = {
            a.arg for a in arguments if a.annotation and ast.unparse(a.annotation) in ("Any", "object")
        }
        for node in ast.walk(function):
            called = isinstance(node, ast.Attribute)
            kept = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
            if (called or kept) and isinstance(node.value, ast.Name) and node.value.id in unknown:
                yield f"{function.name}, line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("module", TREES)
def test_an_object_that_is_handed_over_has_a_type(module):
    assert list(calls_on_the_unknown(TREES[module])) == []


def test_a_hidden_circle_is_found():
    """As a batch once had one: it called the client that had made it."""
    hidden = "class Batch:\n def __init__(self, master: Any): self.line = master.line()\n"
    kept = "class Batch:\n def __init__(self, master: Any): self.master = master\n"
    assert len(list(calls_on_the_unknown(ast.parse(hidden)))) == 1
    assert len(list(calls_on_the_unknown(ast.parse(kept)))) == 1
    assert list(calls_on_the_unknown(ast.parse(hidden.replace("Any", "RemoteBoard")))) == []


def test_the_front_door_describes_every_room():
    named = [line.split()[0] for line in helpers.__doc__.splitlines() if line.startswith("    ")]
    assert len(named) == len(set(named))
    rooms = {module.split(".")[0] for module in MODULES}
    experiments = {module.split(".")[1] for module in MODULES if module.startswith("experiments.")}
    inside = {module.split(".")[1] for module in TREES if module.startswith(("jobqueue.", "labs."))}
    assert rooms | experiments <= set(named) <= rooms | experiments | inside
    for front_door, tree in TREES.items():
        if (HOME / front_door).is_dir() and front_door != "experiments":
            inside = {module.split(".")[1] for module in TREES if module.startswith(f"{front_door}.")}
            assert [name for name in inside if name not in ast.get_docstring(tree)] == []


@pytest.mark.parametrize("module", QUEUE)
def test_in_the_job_queue_only_functions_knows_the_jobs(module):
    assert ("jobs" in MODULES[module][0]) == (module == "jobqueue.functions")


@pytest.mark.parametrize("module", QUEUE)
def test_in_the_job_queue_only_launch_starts_programs(module):
    starters = {"programs.start", "subprocess.Popen", "subprocess.run", "multiprocessing.Process", "os.fork"}
    calls = {ast.unparse(node.func) for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)}
    assert bool(calls & starters) == (module == "jobqueue.launch"), calls & starters


PRIVATE = {  # of CPython or Tornado, and the one module that uses it, which has a contract test
    "listener_client": "jobqueue.protocol",
    "answer_challenge": "jobqueue.transport",
    "deliver_challenge": "jobqueue.transport",
    "accepter": "jobqueue.server",
    "handle_request": "jobqueue.server",
    "_processes": "children",
    "_threads_queues": "exercises.leftovers",
    "close_fd": "engine.tls_repair",
}


@cache
def words(module: str) -> set[str]:
    """Return all words of a module's code, without those of its comments."""
    return set(re.findall(r"\w+", ast.unparse(TREES[module])))


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_part_of_others_is_used_in_one_module(name):
    assert [module for module in TREES if name in words(module)] == [PRIVATE[name]]


@pytest.mark.parametrize("room", ["", *LIGHT])
def test_a_light_room_brings_nothing_heavy(room):
    program = f"import {'.'.join(filter(None, ('helpers', room)))}, sys; print(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert "helpers" in loaded
    too_heavy = {"matplotlib", "IPython", "ipywidgets", "numpy", "numba", "tqdm", "aiosmtpd", "distributed"}
    too_heavy |= {"asyncio", "smtplib", "http", "logging"} if room == "jobqueue" else {"asyncio"}
    assert {name.split(".")[0] for name in loaded} & too_heavy == set()
