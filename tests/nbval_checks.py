"""What nbval does not see when it runs a notebook: dead kernels, wrong magics, seconds, leftovers, excuses.

A plugin for pytest. Every kernel gets a mark in its environment, which all its descendants inherit; so what
is left of a run can be found, wherever it has hidden. Kernels run without coverage, which would slow down
what is timed here.
"""

import contextlib
import os
import queue
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile

from helpers import machine, ways

SLOW = float(os.environ.get("HELPERS_SLOW", "4"))  # how much slower than an idle computer this one may be
CELL, NOTEBOOK = 5 * SLOW, 25 * SLOW  # seconds
HARD = max(60.0, NOTEBOOK)  # seconds after which a notebook is ended: not before it has used up its own time
TWICE = "HELPERS_TWICE" in os.environ  # run each cell twice, and then all once more, as learners do
GONE = 2.0  # seconds after a kernel's end when none of its descendants may be alive
MARK = "HELPERS_RUN"
MAY_STAY = re.compile(r"pymp-|my_\w+\.py$|__pycache__$")  # what a notebook may leave in a folder

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


def kill_marked(mark: str) -> None:
    """End all processes that carry the mark."""
    for process in marked(mark):
        with contextlib.suppress(psutil.Error):
            process.kill()


def describe(process: psutil.Process) -> str:
    """Return what a process is, and the ports that it listens at."""
    with contextlib.suppress(psutil.Error):
        ports = [c.laddr.port for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
        return f"process {process.pid}, ports {ports}: {' '.join(process.cmdline())[:200]}"
    return f"process {process.pid}"


def left_behind(mark: str, known: frozenset[int] = frozenset()) -> list[str]:
    """Wait until no marked process but the known ones is alive, and describe those that stay."""
    end = time.monotonic() + GONE
    while True:
        left = [process for process in marked(mark) if process.pid not in known]
        if not left or time.monotonic() > end:
            return [describe(process) for process in left]
        time.sleep(0.05)


def files(folder: Path) -> set[str]:
    """Return all files and folders in a folder, but those that a notebook may leave there.

    A cell may write a module for its workers, my_something.py, which git ignores, as it does the compiled
    form that Python keeps of it. multiprocessing's folders of sockets may stay, too: a kernel ends its
    children before itself, and Jupyter ends the kernel when that takes long. It does, as multiprocessing's
    resource tracker waits to be the last; so what is for ``atexit`` may stay undone.
    """
    found = {path.relative_to(folder) for path in folder.rglob("*")}
    return {str(path) for path in found if not MAY_STAY.match(path.parts[0])}


# --- What a cell says --------------------------------------------------------------------------------


def excuses(text: str) -> list[str]:
    """Return the reasons why a claim could not be shown that are not true of this computer."""
    reasons = re.findall(r"cannot be (?:shown|refuted) here \((.*)\)[:,] ", text)
    return [reason for reason in reasons if not is_true(reason)]


def is_true(reason: str) -> bool:
    """Tell whether a claim's reason holds here; only reasons that the helpers can give are known."""
    from helpers.experiments import compiled, freethreaded, thousands  # only here: Numba is slow to import

    wanted = re.match(r"needs (\d+) cores, ", reason)
    method = re.match(r"this system cannot start processes by (\w+)$", reason)
    lacks = [
        machine.lacks(cores_needed=int(wanted[1])) if wanted else "",
        machine.lacks(start_method=method[1]) if method else "",
        machine.lacks(with_gil=True),
        machine.lacks(with_gil=False),
        machine.lacks(program="curl"),
        machine.lacks(address="127.0.0.2"),
        machine.lacks(signals=True),
        machine.lacks(system="Windows"),
        compiled.lacks(),
        compiled.lacks_c(),
        compiled.lacks_threads(),
        freethreaded.lacks(),
        thousands.lacks(),
        ways.lacks("interpreters"),
    ]
    return reason in lacks


# --- Each notebook -----------------------------------------------------------------------------------


class KernelDied(Exception):
    """A kernel ended while its answer was waited for."""


class Run:
    """One run of a notebook by nbval: what was there before, and the seconds of each cell."""

    def __init__(self, notebook: IPyNbFile) -> None:
        self.notebook, self.folder = notebook, notebook.path.parent
        self.mark = uuid.uuid4().hex
        # The path is short, as a socket's path has about a hundred characters at most.
        self.temp = Path(tempfile.mkdtemp(prefix="run-"))
        self.before = files(self.folder)
        self.seconds: dict[int, float] = {}
        self.reply: dict[str, Any] = {}

    def watch(self, kernel: RunningKernel) -> None:
        """Let nbval notice at once when the kernel dies, and keep the last reply, which nbval drops."""
        get = kernel.get_message

        def get_message(stream: str, timeout: float) -> dict[str, Any]:
            end = time.monotonic() + timeout
            while True:
                try:
                    message = get(stream, timeout=max(0.0, min(0.5, end - time.monotonic())))
                except queue.Empty:
                    if not kernel.is_alive():
                        raise KernelDied from None
                    if time.monotonic() >= end:
                        raise
                else:
                    if stream == "shell":
                        self.reply = message["content"]
                    return message

        kernel.get_message = get_message

    def faults(self, cell: IPyNbCell) -> Iterator[str]:
        """Yield what is wrong with a cell that nbval has let pass."""
        if self.reply["status"] == "error" and not cell.options["check_exception"]:
            yield f"{self.reply['ename']}: {self.reply['evalue']}"
        printed = "".join(output.get("text", "") for output in cell.test_outputs)
        yield from (line for line in printed.splitlines() if "is not confirmed by this run" in line)
        yield from (f"This is not true of this computer: {reason}" for reason in excuses(printed))
        if self.seconds[cell.cell_num] > CELL:
            yield f"It took {self.seconds[cell.cell_num]:.1f} s, more than {CELL:g} s"

    def times(self) -> str:
        """Return the seconds of all cells together and of the slowest, by nbval's number."""
        longest, cell = max(((seconds, n) for n, seconds in self.seconds.items()), default=(0, 0))
        return f"{self.notebook.name}: {self.total():.1f} s, the slowest cell {cell}: {longest:.1f} s"

    def total(self) -> float:
        """Return the seconds of all cells together."""
        return sum(self.seconds.values())

    def finish(self) -> None:
        """Stop the kernel as Jupyter does, where nbval would kill it, and fail if there is anything left."""
        kernel = self.notebook.kernel
        if hasattr(kernel, "km"):  # else it did not start, or nbval gave it up
            kernel.km.shutdown_kernel()
            kernel.kc.stop_channels()
        left = [f"Left behind: {process}" for process in left_behind(self.mark)]
        kill_marked(self.mark)
        left += [f"Left in the folder of the notebook: {name}" for name in files(self.folder) ^ self.before]
        left += [f"Left in the temporary folder: {name}" for name in files(self.temp)]
        shutil.rmtree(self.temp, ignore_errors=True)
        self.notebook.config.stash.setdefault(TIMES, []).append(self.times())
        if self.total() > min(NOTEBOOK, HARD):
            left.append(f"It took {self.total():.1f} s, more than {min(NOTEBOOK, HARD):g} s")
        if left:
            pytest.fail("\n".join([self.notebook.name, *left]), pytrace=False)


RUN = pytest.StashKey[Run]()
TIMES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep nbval from starting coverage in its kernels."""
    config.option.cov_source = None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where it is asked for, have each cell run twice, and then all cells once more in the same kernel."""
    if TWICE:
        cells = [item for item in items if isinstance(item, IPyNbCell)]
        for notebook in dict.fromkeys(cell.parent for cell in cells):
            its = [cell for cell in cells if cell.parent is notebook]
            first = items.index(its[0])
            items[first : first + len(its)] = [*(cell for cell in its for _ in range(2)), *its]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Before the first cell of a notebook, have its kernel started in an environment of its own."""
    if not isinstance(item, IPyNbCell) or RUN in item.parent.stash:
        return (yield)
    run = item.parent.stash[RUN] = Run(item.parent)
    try:
        with mock.patch.dict(os.environ, environment(run.mark, run.temp), clear=True):
            result = yield
        run.watch(item.parent.kernel)
        return result
    finally:
        item.parent.addfinalizer(run.finish)  # after the last cell, whichever that is


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Time a cell, and look at what nbval has let pass."""
    if not isinstance(item, IPyNbCell):
        return (yield)
    run, option = item.parent.stash[RUN], item.config.option
    seconds = min(option.nbval_cell_timeout, max(1, round(HARD - run.total())))
    began = time.monotonic()
    try:
        with mock.patch.object(option, "nbval_cell_timeout", seconds):
            result = yield
    except KernelDied:
        item.raise_cell_error("The kernel died")
    finally:
        run.seconds[item.cell_num] = time.monotonic() - began
    if faults := list(run.faults(item)):
        item.raise_cell_error("\n".join(faults))
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long the notebooks took."""
    for line in terminalreporter.config.stash.get(TIMES, []):
        terminalreporter.write_line(line)
