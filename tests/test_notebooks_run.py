"""The notebooks at work: each runs from top to bottom, in time, and leaves nothing behind.

Every kernel gets a mark in its environment, which all its descendants inherit; so what is left of a run can
be found, wherever it has hidden. Kernels run without coverage, which would slow down what is timed here.
"""

import contextlib
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import psutil
import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode, v4

from helpers import machine, ways
from helpers.experiments import compiled, freethreaded

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

SLOW = float(os.environ.get("HELPERS_SLOW", "4"))  # how much slower than an idle computer this one may be
CELL, NOTEBOOK = 5 * SLOW, 25 * SLOW  # seconds
HARD = 60 * max(1.0, SLOW / 4)  # seconds after which a notebook is ended
GONE = 2.0  # seconds after a kernel's end when none of its descendants may be alive
MARK = "HELPERS_RUN"

# --- What a run leaves behind ------------------------------------------------------------------------


def environment(mark: str, temp: Path) -> dict[str, str]:
    """Return the environment of a kernel: ours, with the mark, and with a temporary folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return {**kept, MARK: mark, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temp))}


def marked(mark: str) -> list[psutil.Process]:
    """Return all processes that are alive and carry the mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.AccessDenied, psutil.NoSuchProcess, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def describe(process: psutil.Process) -> str:
    """Return what a process is, and the ports that it listens at."""
    with contextlib.suppress(psutil.Error):
        ports = [c.laddr.port for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
        return f"process {process.pid}, ports {ports}: {' '.join(process.cmdline())[:200]}"
    return f"process {process.pid}"


def left_behind(mark: str, known: frozenset[int] = frozenset(), seconds: float = GONE) -> list[str]:
    """Wait until no marked process but the known ones is alive, and describe those that stay."""
    end = time.monotonic() + seconds
    while True:
        left = [process for process in marked(mark) if process.pid not in known]
        if not left or time.monotonic() > end:
            return [describe(process) for process in left]
        time.sleep(0.05)


def files(folder: Path) -> set[str]:
    """Return all files and folders in a folder, but those in which multiprocessing keeps its sockets.

    A kernel ends its children before itself, and Jupyter ends the kernel when that takes long. It does, as
    multiprocessing's resource tracker waits to be the last; so what is for ``atexit`` may stay undone.
    """
    found = {path.relative_to(folder) for path in folder.rglob("*")}
    return {str(path) for path in found if not path.parts[0].startswith("pymp-")}


@pytest.fixture
def temp() -> Iterator[Path]:
    """Make a temporary folder with a short path: a socket's path has about a hundred characters at most."""
    folder = Path(tempfile.mkdtemp(prefix="run-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a copy of the notebooks' folder, on the same disk, without what others make there."""
    with tempfile.TemporaryDirectory(prefix=".run-", dir=ROOT) as made:
        yield shutil.copytree(FOLDER, Path(made, FOLDER.name), ignore=shutil.ignore_patterns("tmp*"))


@pytest.fixture
def mark() -> Iterator[str]:
    """Make a mark, and end all that carries it when the test is over."""
    text = uuid.uuid4().hex
    yield text
    for process in marked(text):
        with contextlib.suppress(psutil.Error):
            process.kill()


# --- Each notebook -----------------------------------------------------------------------------------


class Run:
    """One run of a notebook in its own folder: its outputs, the seconds of each cell, what went wrong."""

    def __init__(self, node: NotebookNode, folder: Path, env: dict[str, str], hard: float = HARD) -> None:
        self.node, self.seconds, self.problem = node, {}, ""
        self._now, self._began, self._end = 0, 0.0, 0.0
        client = NotebookClient(
            node,
            kernel_name="python3",
            timeout_func=lambda _cell: max(1, round(self._end - time.monotonic())),
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
            on_notebook_start=lambda notebook: setattr(self, "_end", time.monotonic() + hard),
            on_cell_execute=self._start,
            on_cell_executed=self._finish,
        )
        try:
            client.execute(env=env)
        except (CellControlSignal, DeadKernelError) as error:
            what = "the kernel died" if isinstance(error, DeadKernelError) else str(error)
            self.problem = f"cell {self._now + 1}:\n{node.cells[self._now].source}\n\n{what}"

    def _start(self, cell: NotebookNode, cell_index: int) -> None:
        self._now, self._began = cell_index, time.monotonic()

    def _finish(self, cell: NotebookNode, cell_index: int, execute_reply: Any) -> None:
        self.seconds[cell_index + 1] = time.monotonic() - self._began

    def printed(self) -> str:
        """Return all that the cells have printed."""
        return "".join(out.get("text", "") for cell in self.node.cells for out in cell.get("outputs", []))

    def times(self) -> str:
        """Return the seconds of all cells together and of the slowest."""
        longest, cell = max(((seconds, n) for n, seconds in self.seconds.items()), default=(0, 0))
        return f"{sum(self.seconds.values()):.1f} s, the slowest cell {cell}: {longest:.1f} s"


def excuses(text: str) -> list[str]:
    """Return the reasons why a claim could not be shown that are not true of this computer."""
    reasons = re.findall(r"cannot be shown here \((.*)\)[:,] ", text)
    return [reason for reason in reasons if not is_true(reason)]


def is_true(reason: str) -> bool:
    """Tell whether a claim's reason holds here; only reasons that the helpers can give are known."""
    wanted = re.match(r"needs (\d+) cores, ", reason)
    method = re.match(r"this system cannot start processes by (\w+)$", reason)
    lacks = [
        machine.lacks(cores_needed=int(wanted[1])) if wanted else "",
        machine.lacks(start_method=method[1]) if method else "",
        machine.lacks(with_gil=True),
        machine.lacks(with_gil=False),
        machine.lacks(program="curl"),
        compiled.lacks(),
        freethreaded.lacks(),
        ways.lacks("interpreters"),
    ]
    return reason in lacks


@pytest.mark.timeout(HARD + 60)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name[:2])
def test_notebook(path, folder, mark, temp, capsys):
    before = files(folder)
    run = Run(nbformat.read(path, as_version=4), folder, environment(mark, temp))
    left = left_behind(mark)
    with capsys.disabled():
        print(f"\n{path.name}: {run.times()}")
    assert not run.problem, f"{path.name} {run.problem}"
    assert not left
    assert files(folder) == before
    assert files(temp) == set()
    assert [line for line in run.printed().splitlines() if "does not hold here" in line] == []
    assert excuses(run.printed()) == []
    assert {n: seconds for n, seconds in run.seconds.items() if seconds > CELL} == {}
    assert sum(run.seconds.values()) <= NOTEBOOK


# --- The checks themselves ---------------------------------------------------------------------------


def notebook(*cells: str) -> NotebookNode:
    """Make a notebook of code cells."""
    kernel = {"name": "python3", "display_name": "Python 3"}
    return v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel})


def test_leftovers_are_found(mark, temp, tmp_path):
    program = "import socket, time; s = socket.create_server(('', 0)); print(s, flush=True); time.sleep(99)"
    start = f"subprocess.Popen([sys.executable, '-c', {program!r}], stdout=-1, start_new_session=True)"
    cells = [
        f"import subprocess, sys, tempfile\nchild = {start}",
        "child.stdout.readline(); open('left.txt', 'w').close(); tempfile.mkstemp('.key'); print(child.pid)",
    ]
    run = Run(notebook(*cells), tmp_path, environment(mark, temp))
    left = left_behind(mark, seconds=0.5)
    child = psutil.Process(int(run.printed()))
    assert [text for text in left if text.startswith(f"process {child.pid}, ports ")]
    assert re.search(r"ports \[\d+\]", "".join(left))
    assert files(tmp_path) == {"left.txt"}
    assert len(files(temp)) == 1
    child.kill()
    assert left_behind(mark) == []


def test_times_are_recorded(mark, temp, tmp_path):
    run = Run(notebook("1", "import time; time.sleep(0.5)"), tmp_path, environment(mark, temp))
    assert run.problem == ""
    assert run.seconds[1] < run.seconds[2] >= 0.5
    assert "the slowest cell 2: " in run.times()


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import os; os._exit(1)", "the kernel died"),
        ("while True: 1", "timed out"),
    ],
)
def test_bad_cells_are_named(bad, problem, mark, temp, tmp_path):
    hard = 3 if "while" in bad else HARD
    run = Run(notebook("1", bad, "2"), tmp_path, environment(mark, temp), hard)
    assert run.problem.startswith(f"cell 2:\n{bad}\n")
    assert problem in run.problem
    assert left_behind(mark) == []


def test_excuses_must_be_true():
    more, fewer = machine.cores() + 1, max(1, machine.cores() - 1)
    have = f"this process may use {machine.cores()}"
    lines = [f"needs {more} cores, {have}", f"needs {fewer} cores, {have}", "no wish"]
    printed = "".join(f"F10 cannot be shown here ({reason}): it works\n" for reason in lines)
    assert excuses(printed) == lines[1:]
    assert excuses("F10 cannot be shown here (this system cannot start processes by magic): x") == []
    assert excuses("F10 cannot be shown here (this system cannot start processes by spawn): x") != []


# --- A kernel that is killed or interrupted ----------------------------------------------------------

PREPARE = """
import os
from helpers import jobqueue, jobs, ways
assert len(ways.run([jobs.pi_sum] * 2, "processes", workers=2).spans) == 2
master = jobqueue.launch_master()
workers = jobqueue.launch_workers(master, 2)
"""
WAYS = 'ways.run([jobs.pi_sum] * {}, "processes", workers=2)'
MAP = 'list(master.map("pi_sum", [400000] * {}))'


@pytest.fixture
def kernel(mark, temp) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """Start a kernel that has started processes by ``ways``, a master and two workers."""
    manager, client = start_new_kernel(kernel_name="python3", env=environment(mark, temp), cwd=str(FOLDER))
    try:
        assert client.execute_interactive(PREPARE, timeout=60)["content"]["status"] == "ok"
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def cpu(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds that processes have used so far."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.cpu_times().user
    return total


def start_work(client: BlockingKernelClient, code: str, mark: str, kernel_pid: int) -> str:
    """Run code in the kernel, wait until its descendants are at work, and return the message's id."""
    used = cpu([process for process in marked(mark) if process.pid != kernel_pid])
    message = client.execute(code, stop_on_error=False)  # else what is sent just after may be aborted, too
    end = time.monotonic() + 30
    while cpu([process for process in marked(mark) if process.pid != kernel_pid]) < used + 0.5:
        assert time.monotonic() < end, f"nothing is at work: {list(map(describe, marked(mark)))}"
        time.sleep(0.05)
    return message


def pid_of(client: BlockingKernelClient) -> int:
    reply = client.execute_interactive("", user_expressions={"pid": "os.getpid()"}, timeout=30)
    return int(reply["content"]["user_expressions"]["pid"]["data"]["text/plain"])


def answer(client: BlockingKernelClient, message: str, seconds: float) -> dict[str, Any]:
    """Wait for the reply to a message; fail when there is none in time."""
    end = time.monotonic() + seconds
    with contextlib.suppress(queue.Empty):
        while (left := end - time.monotonic()) > 0:
            reply = client.get_shell_msg(timeout=left)
            if reply["parent_header"].get("msg_id") == message:
                return reply["content"]
    pytest.fail(f"no answer within {seconds} s")


def test_killed_kernel_takes_all_with_it(kernel, mark):
    _, client = kernel
    pid = pid_of(client)
    start_work(client, WAYS.format(200), mark, pid)
    assert len(marked(mark)) >= 6  # kernel, master, two workers of it, two of ways
    psutil.Process(pid).kill()
    assert left_behind(mark) == []


@pytest.mark.parametrize("code", [WAYS, MAP], ids=["ways", "jobqueue"])
def test_interrupted_cell_returns_and_can_run_again(kernel, mark, code):
    manager, client = kernel
    known = frozenset(process.pid for process in marked(mark))
    message = start_work(client, code.format(200), mark, pid_of(client))
    manager.interrupt_kernel()
    content = answer(client, message, GONE)
    assert (content["status"], content.get("ename")) == ("error", "KeyboardInterrupt")
    assert left_behind(mark, known) == []
    reply = client.execute_interactive(f"assert len(workers.pids) == 2\n{code.format(4)}", timeout=60)
    assert reply["content"]["status"] == "ok", reply["content"]


# --- nbval with this project's settings --------------------------------------------------------------

VERDICT = "F10 holds: it works"
LACKS = "from helpers import claims; claims.check('F10', 'it works', True, needs='needs 2 cores, has 1')"
FAILS = "from helpers import claims; claims.check('F10', 'it works', False, measured=3)"
COMPARED = {  # the code of a cell, the text that is stored, and whether nbval must let it pass
    "same": (f"print({VERDICT!r})", VERDICT, True),
    "changed": ("print('F10 holds: it fails')", VERDICT, False),
    "silent": ("x = 1", VERDICT, False),
    "lacking": (LACKS, VERDICT, True),
    "lacking another": (LACKS, "F10 holds: it fails", False),
    "not holding": (FAILS, VERDICT, False),
    "error": (f"print({VERDICT!r})\n1 / 0", VERDICT, False),
}
ENDLESS = notebook("while True: pass", "1")
DEAD = notebook("import os; os._exit(1)", "1")


@pytest.fixture(scope="module")
def validated(tmp_path_factory) -> dict[tuple[str, int], tuple[str, str]]:
    """Run nbval as pyproject.toml sets it up, and return what it says of each cell of each notebook."""
    folder = tmp_path_factory.mktemp("nbval")
    compared = notebook(*(code for code, _, _ in COMPARED.values()))
    for cell, (_, stored, _) in zip(compared.cells, COMPARED.values(), strict=True):
        cell.update(execution_count=1, outputs=[v4.new_output("stream", text=f"{stored}\n")])
    for name, node in {"compared": compared, "endless": ENDLESS, "dead": DEAD}.items():
        nbformat.write(node, folder / f"{name}.ipynb")
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-p", "no:cacheprovider"]
    command += ["--nbval-cell-timeout=2", f"--junitxml={report}", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1, done.stdout + done.stderr
    return outcomes(report)


def outcomes(report: Path) -> dict[tuple[str, int], tuple[str, str]]:
    """Return each cell's outcome and nbval's words from a report, by notebook and number from 0."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        notebook, cell = case.attrib["classname"].split(".")[-2], int(case.attrib["name"].split()[1])
        words = [problem.get("message") or "" for problem in case]
        found[notebook, cell] = (case[0].tag if len(case) else "passed", "".join(words))
    return found


@pytest.mark.parametrize("name", COMPARED)
def test_nbval_compares(validated, name):
    _, _, passes = COMPARED[name]
    cell = list(COMPARED).index(name)
    assert validated["compared", cell][0] == ("passed" if passes else "failure")


def test_nbval_ends_an_endless_cell(validated):
    assert validated["endless", 0][0] == "failure"
    assert "Timeout of 2 seconds exceeded" in validated["endless", 0][1]


def test_nbval_notices_a_dead_kernel(validated):
    assert validated["dead", 0][0] == "failure"
    assert validated["dead", 1][0] != "passed"
