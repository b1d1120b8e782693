"""The rooms of helpers: what each may import, from the house and from outside, and how much that brings."""

import ast
import subprocess
import sys
from collections.abc import Set
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import helpers

HOME = Path(helpers.__file__).parent


class Room(NamedTuple):
    """What a room may import: other rooms, and packages that do not come with Python."""

    rooms: Set[str] = frozenset()
    packages: Set[str] = frozenset()


ROOMS = {
    "machine": Room(packages={"psutil"}),
    "jobs": Room(),
    "compiled": Room({"jobs"}, {"numpy", "numba"}),
    "traces": Room(),
    "programs": Room(),
    "show": Room(packages={"IPython"}),
    "claims": Room(),
    "verdicts": Room({"claims"}, {"IPython"}),
    "ways": Room({"traces"}),
    "freethreaded": Room({"programs", "traces", "ways"}),
    "measure": Room({"ways", "traces"}),
    "overhead": Room({"jobs", "measure", "ways"}),
    "decision": Room(),
    "charts": Room({"traces", "measure"}, {"matplotlib", "IPython", "numpy"}),
    "sharing": Room({"traces", "ways"}),
    "worker_costs": Room({"programs", "ways"}, {"psutil"}),
    "oversubscription": Room({"jobs", "machine", "traces", "ways", "worker_costs"}),
    "accidents": Room({"jobs", "traces", "ways", "programs"}),
    "servers": Room({"programs", "ways", "jobs"}, {"psutil", "aiosmtpd"}),
    "jobqueue": Room({"jobs", "traces", "ways", "programs"}, {"tqdm"}),
    "chaos": Room({"jobqueue", "traces"}, {"IPython", "psutil"}),
    "wiretap": Room(),
    "payloads": Room({"jobqueue"}),
    "engine": Room({"jobqueue", "traces", "ways", "programs"}, {"distributed", "psutil"}),
}
LIGHT = sorted(ROOMS.keys() - {"charts", "compiled", "engine", "show", "verdicts"})

TREES = {
    ".".join(("helpers", *file.relative_to(HOME).with_suffix("").parts)).removesuffix(".__init__"): ast.parse(
        file.read_text(encoding="utf-8"), str(file.relative_to(HOME.parent))
    )
    for file in sorted(HOME.rglob("*.py"))
}
QUEUE = [module for module in TREES if module.startswith("helpers.jobqueue")]


def imports(module):
    """Yield the full name of all that a module imports: a module of ours, or a name of someone else's."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}, line {node.lineno}: write the full name of the module"
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                yield deeper if deeper in TREES else node.module


def rooms_used(module):
    ours = (name.split(".") for name in imports(module) if name.split(".")[0] == "helpers")
    return {parts[1] for parts in ours if len(parts) > 1} - {room_of(module)}


def room_of(module):
    return module.split(".")[1] if "." in module else ""


def test_every_module_belongs_to_a_room():
    rooms = {room_of(module) for module in TREES} - {""}
    assert rooms - ROOMS.keys() == set(), "a new room: say in ROOMS what it may import"
    assert ROOMS.keys() - rooms == set(), "this room is gone: take it out of ROOMS"


def test_the_front_door_imports_nothing():
    assert list(imports("helpers")) == []


def test_the_front_door_names_only_rooms_that_there_are():
    named = [line.split()[0] for line in helpers.__doc__.splitlines() if line.startswith("    ")]
    assert len(named) == len(set(named)) > 1
    assert set(named) <= ROOMS.keys()


@pytest.mark.parametrize("module", TREES)
def test_a_module_imports_only_what_its_room_may(module):
    room = ROOMS.get(room_of(module), Room())
    upward = rooms_used(module) - room.rooms
    assert not upward, f"{module} may import of the house only {room.rooms or 'nothing'}, not {upward}"
    outside = {name.split(".")[0] for name in imports(module)} - sys.stdlib_module_names - {"helpers"}
    foreign = outside - room.packages
    assert not foreign, f"{module} may import from outside only {room.packages or 'nothing'}, not {foreign}"


def test_the_table_allows_no_circle():
    order = list(TopologicalSorter({name: room.rooms for name, room in ROOMS.items()}).static_order())
    assert set(order) == set(ROOMS)


def test_no_module_imports_itself_on_a_detour():
    """A package's front door is left out: a module inside does not import what it re-exports."""
    ours = {module: {name for name in imports(module) if name in TREES} - {module} for module in TREES}
    order = list(TopologicalSorter(ours).static_order())  # raises CycleError, which names the circle
    assert order.index("helpers.traces") < order.index("helpers.ways") < order.index("helpers.measure")


@pytest.mark.parametrize("module", QUEUE)
def test_in_the_job_queue_only_functions_knows_the_jobs(module):
    assert ("jobs" in rooms_used(module)) == (module == "helpers.jobqueue.functions")


@pytest.mark.parametrize("module", QUEUE)
def test_in_the_job_queue_only_launch_starts_programs(module):
    starters = {"programs.start", "subprocess.Popen", "subprocess.run", "multiprocessing.Process", "os.fork"}
    calls = {ast.unparse(node.func) for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)}
    assert bool(calls & starters) == (module == "helpers.jobqueue.launch"), calls & starters
    if module != "helpers.jobqueue.launch":
        assert "subprocess" not in imports(module)


@pytest.mark.parametrize("room", ["", *LIGHT])
def test_a_light_room_brings_nothing_heavy(room):
    program = f"import {'.'.join(filter(None, ('helpers', room)))}, sys; print(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert "helpers" in loaded
    too_heavy = {"matplotlib", "IPython", "ipywidgets", "numpy", "numba", "tqdm", "aiosmtpd"}
    heavy = {name.split(".")[0] for name in loaded} & too_heavy
    assert not heavy, f"import helpers.{room} also imports {heavy}"
