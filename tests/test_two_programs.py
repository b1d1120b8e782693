"""The tutorial's two programs, mended: typed in as a user would, side by side with the article's own."""

import ast
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.managers import BaseManager
from pathlib import Path

import psutil
import pytest
from queue_helpers import GONE, HERE, SOON, gone, one_line, posix, until

from helpers.experiments import two_programs

ROOT = Path(__file__).parent.parent
MASTER, WORKER = (ROOT / "notebooks" / f"task_{name}.py" for name in ("master", "worker"))
ARTICLE = ROOT / "tests" / "article"
METHODS = multiprocessing.get_all_start_methods()
BY_METHOD = (
    "import multiprocessing, runpy, sys; multiprocessing.set_start_method(sys.argv.pop(1)); "
    "del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
)

Program = subprocess.Popen[str]
Start = Callable[..., Program]
End = tuple[int, str, str]  # an exit code, the output, the errors


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a program in a group of its own, as a terminal does; what it has started ends with the test."""
    monkeypatch.delenv("QUEUE_KEY", raising=False)
    with ExitStack() as end:

        def start(script: Path, *arguments: object, method: str = "", key: str = "") -> Program:
            command = ["-c", BY_METHOD, method, script] if method else [script]
            process = subprocess.Popen(
                [sys.executable, *map(str, [*command, *arguments])],
                env=os.environ | ({"QUEUE_KEY": key} if key else {}),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                process_group=0 if os.name == "posix" else None,
            )  # fmt: skip
            end.enter_context(process)
            end.callback(process.kill)
            return process

        yield start


def line(process: Program) -> str:
    assert process.stdout
    return process.stdout.readline().rstrip("\n")


def port_of(master: Program) -> int:
    """Return the port that a master says it has, once it has it."""
    said = line(master)
    assert re.fullmatch(r"(master: the queues are at 127\.0\.0\.1, )?port \d+", said), said
    return int(said.split()[-1])


def end_of(process: Program, within: float = SOON) -> End:
    """Return how a program ended by itself, its output and its errors. Its pipes close with its children."""
    output, errors = process.communicate(timeout=within)
    return process.returncode, output, errors


def family(master: Program) -> list[psutil.Process]:
    """Return the master's process and all that it has started."""
    process = psutil.Process(master.pid)
    return [process, *process.children(recursive=True)]


def all_gone(processes: list[psutil.Process]) -> bool:
    return until(lambda: all(gone(process) for process in processes), GONE)


def interrupt(process: Program, number: int, *, group: bool = False) -> None:
    """Send a signal, to all of its processes as a terminal's Ctrl-C does, or to it alone."""
    (os.killpg if group else os.kill)(process.pid, number)


# --- Ten tasks, ten results --------------------------------------------------------------------------


def check(master: End, worker: End) -> None:
    """Check that ten numbers went out and ten squares came home, and both ended well."""
    assert (master[0], master[2], worker[0], worker[2]) == (0, "", 0, "")
    tasks = re.findall(r"task (\d+)", master[1])
    assert len(tasks) == 10
    results = re.findall(r"result (.+)", master[1])
    assert sorted(results) == sorted(f"{n} * {n} = {int(n) ** 2}" for n in tasks)
    assert re.findall(r"(\d+) \* \1$", worker[1], re.MULTILINE) == tasks


def test_as_the_readme_says(start: Start) -> None:
    """Without any option: the port and the key are the article's."""
    with socket.socket() as probe:
        if probe.connect_ex((HERE, 5000)) == 0:
            pytest.skip("port 5000 is taken on this computer")
    master = start(MASTER)
    assert port_of(master) == 5000
    assert line(master).startswith("master: task ")
    worker = start(WORKER)
    assert end_of(worker)[::2] == (0, "")
    code, output, errors = end_of(master)
    assert (code, errors, output.count("master: result")) == (0, "", 10)


PAIRS = {
    "ours": (MASTER, [HERE, 0], WORKER, [HERE]),
    "the article's worker": (MASTER, [HERE, 0], ARTICLE / "worker.py", []),
    "the article's master": (ARTICLE / "master.py", [0], WORKER, [HERE]),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pair", PAIRS)
def test_each_start_method(start: Start, pair: str, method: str) -> None:
    first, options, second, where = PAIRS[pair]
    own = first.parent == ARTICLE  # it takes the start method itself
    master = start(first, *options, *[method] * own, method="" if own else method)
    port = port_of(master)
    processes = family(master)
    worker = start(second, *where, port, method=method)
    ends = [end_of(master), end_of(worker)]
    if pair == "the article's master":  # which leaves with the tenth result, and does not wait for workers
        assert ends[1][0] == 0 or one_line(ends[1][2], "worker: the master has gone")
        ends[1] = (0, ends[1][1], "")
    check(*ends)
    assert len(processes) > 1, "the queues are in a process of their own"
    assert all_gone(processes)


# --- Left alone --------------------------------------------------------------------------------------


def visit(port: int) -> BaseManager:
    """Return a visitor who knows the task queue's name."""

    class Visitor(BaseManager):
        pass

    Visitor.register("get_task_queue")
    visitor = Visitor((HERE, port), b"abc")
    visitor.connect()
    return visitor


@pytest.mark.parametrize("method", METHODS)
def test_a_master_without_workers_says_so(start: Start, method: str) -> None:
    code, output, errors = end_of(start(MASTER, HERE, 0, 0.1, method=method))
    assert (code, output.count("\n")) == (1, 11)
    assert one_line(errors, "master: a result is missing", "worker")


def test_a_task_that_was_taken_and_never_done_is_missed(start: Start) -> None:
    master = start(MASTER, HERE, 0, 1)
    port = port_of(master)
    tasks = visit(port).get_task_queue()  # type: ignore[attr-defined]
    tasks.get(timeout=SOON)
    worker = start(WORKER, HERE, port)
    code, output, errors = end_of(master)
    assert (code, output.count("result")) == (1, 9)
    assert one_line(errors, "master: a result is missing", "killed with a task in hand")
    end_of(worker)


def test_a_killed_worker_is_missed(start: Start) -> None:
    master = start(MASTER, HERE, 0, 1)
    worker = start(WORKER, HERE, port_of(master))
    assert line(worker).startswith("worker: connected")
    worker.kill()
    code, _, errors = end_of(master)
    assert (code, errors) == (0, "") or one_line(errors, "master: a result is missing")


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_master_leaves_nobody_behind(start: Start, method: str) -> None:
    master = start(MASTER, HERE, 0, method=method)
    port = port_of(master)
    processes = family(master)
    tasks = visit(port).get_task_queue()  # type: ignore[attr-defined]
    for _ in range(10):  # so that the worker waits for a task
        tasks.get(timeout=SOON)
    worker = start(WORKER, HERE, port)
    assert line(worker).startswith("worker: connected")
    master.kill()
    assert all_gone(processes)
    code, output, errors = end_of(worker)
    if code:  # else there was no task for a second before the queues' process had gone
        assert (code, output) == (1, "")
        assert one_line(errors, "worker: the master has gone")


# --- Ctrl-C ------------------------------------------------------------------------------------------

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@posix
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("group", [True, False], ids=["all", "alone"])
def test_a_master_that_is_stopped(start: Start, number: int, group: bool, method: str) -> None:
    master = start(MASTER, HERE, 0, method=method)
    port_of(master)
    processes = family(master)
    interrupt(master, number, group=group)
    code, _, errors = end_of(master)
    assert code == 1
    assert errors == "master: stopped\n"
    assert all_gone(processes)


@posix
@pytest.mark.parametrize("number", SIGNALS)
def test_a_worker_that_is_stopped(start: Start, number: int) -> None:
    master = start(MASTER, HERE, 0)
    port = port_of(master)
    tasks = visit(port).get_task_queue()  # type: ignore[attr-defined]
    for _ in range(10):  # so that the worker waits for a task
        tasks.get(timeout=SOON)
    worker = start(WORKER, HERE, port)
    assert line(worker).startswith("worker: connected")
    interrupt(worker, number)
    code, output, errors = end_of(worker)
    assert (code, output, errors) == (1, "", "worker: stopped\n")
    interrupt(master, number)
    end_of(master)


@posix
@pytest.mark.parametrize("method", METHODS)
def test_a_master_that_is_stopped_at_any_moment_ends(start: Start, method: str) -> None:
    masters = []
    for n in range(6):
        masters.append(start(MASTER, HERE, 0, method=method))
        time.sleep(0.05 * n)
        interrupt(masters[-1], signal.SIGINT)
    for master in masters:
        end_of(master)


# --- A wrong key, address or port --------------------------------------------------------------------


def test_a_wrong_key(start: Start) -> None:
    master = start(MASTER, HERE, 0, key="a better one")
    port = port_of(master)
    code, output, errors = end_of(start(WORKER, HERE, port))
    assert (code, output) == (1, "")
    assert one_line(errors, f"worker: the master at {HERE}, port {port} refuses this key")
    assert end_of(start(WORKER, HERE, port, key="a better one"))[0] == 0
    assert end_of(master)[0] == 0


@pytest.mark.parametrize("host", [HERE, "127.0.0.2", "no.such.host.example"])
def test_where_no_master_is(start: Start, host: str) -> None:
    if host == "127.0.0.2" and not sys.platform.startswith("linux"):
        pytest.skip("elsewhere nobody says that this address is nobody's")
    with socket.socket() as nobody:
        nobody.bind((HERE, 0))
        port = nobody.getsockname()[1]
        code, output, errors = end_of(start(WORKER, host, port))
    assert (code, output) == (1, "")
    assert one_line(errors, f"worker: no master at {host}, port {port}")


def test_a_master_has_one_address(start: Start) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("a second address of this computer that needs no set-up")
    master = start(MASTER, HERE, 0)
    _, _, errors = end_of(start(WORKER, "127.0.0.2", port_of(master)))
    assert one_line(errors, "worker: no master at 127.0.0.2", "refused")
    interrupt(master, signal.SIGINT)
    end_of(master)


@pytest.mark.parametrize("method", METHODS)
def test_a_port_that_is_taken(start: Start, method: str) -> None:
    with socket.create_server((HERE, 0)) as other:
        port = other.getsockname()[1]
        code, output, errors = end_of(start(MASTER, HERE, port, method=method))
    assert (code, output) == (1, "")
    assert one_line(errors, f"master: no queues at {HERE} {port}")


@pytest.mark.parametrize("wrong", [["no.such.host.example"], [HERE, "x"], [HERE, 99999], [HERE, 0, "soon"]])
def test_wrong_options(start: Start, wrong: list[object]) -> None:
    for script in (MASTER, WORKER)[: 1 if len(wrong) == 3 else 2]:
        code, _, errors = end_of(start(script, *wrong))
        assert (code, one_line(errors)) == (1, True), errors


# --- As they are written -----------------------------------------------------------------------------


@pytest.mark.parametrize("script", [MASTER, WORKER], ids=lambda path: path.stem)
def test_one_screen_of_the_standard_library(script: Path) -> None:
    text = script.read_text("utf-8")
    assert sum(map(bool, text.splitlines())) <= 50  # and a few blank ones
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or node.names[0].name]
    }
    assert imported <= sys.stdlib_module_names


def test_errors_are_found_where_colours_are_asked_for(monkeypatch):
    """As Jupyter does; Python 3.13 and later have them in their errors."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.chdir(MASTER.parent)
    assert "ickl" in two_programs.errors("exhibits/first_master.py", "spawn")[-1]
    run = two_programs.together(worker=["exhibits/first_worker.py"])
    assert any(line.startswith("NameError") for line in run.lines)
