"""The tutorial's two programs, run as in two terminals: what they say, and who listens.

Scripts are named as in a command, so by default they are looked for in the current folder. They run by this
Python, at 127.0.0.1 and a free port.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import NamedTuple

import psutil

from helpers import checks, programs

_HOST = "127.0.0.1"
_TIMEOUT = 60  # seconds for a program that ends by itself, on a very busy computer
_BY = "import multiprocessing as m, runpy; m.set_start_method({!r}); runpy.run_path({!r}, None, '__main__')"
_ERROR = re.compile(r"^[\w.]+(?:Error|Empty)\b.*|An attempt .*", re.MULTILINE)


def errors(script: str, start_method: str) -> list[str]:
    """Run a script by this start method until it ends, and return those of its lines that name an error.

    Raises FileNotFoundError for a script that is not there.
    """
    if not Path(script).is_file():
        raise FileNotFoundError(f"script: expected a file in {Path.cwd().name}, got {script}")
    command = [sys.executable, "-c", _BY.format(start_method, script)]
    env = os.environ | programs.PLAIN
    said = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, env=env).stderr
    return _ERROR.findall(said)


def output(script: str) -> str:
    """Run a script until it ends, and return what it printed. Raises CalledProcessError when it fails."""
    command = [sys.executable, script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)
    return done.stdout.strip()


class Run(NamedTuple):
    """The lines of a master and a worker, in the order in which they were printed."""

    lines: list[str]

    def __str__(self) -> str:
        """Return the lines, the worker's to the right of the master's."""
        return "\n".join(" " * 44 * line.startswith("worker") + line for line in self.lines)

    @property
    def tasks(self) -> list[int]:
        """The numbers that the master put in."""
        return [int(line.split()[-1]) for line in self.lines if line.startswith("master: task ")]

    @property
    def results(self) -> list[str]:
        """The texts that came home."""
        begin = "master: result "
        return [line.removeprefix(begin) for line in self.lines if line.startswith(begin)]

    @property
    def lags(self) -> dict[int, int]:
        """How many lines after the worker's on a task, by its number, the master's on its result stands.

        Only tasks are there that have both.
        """
        taken = {n: f"worker: {n} * {n}" for n in self.tasks}
        home = {n: f"master: result {n} * {n} = {n * n}" for n in self.tasks}
        return {
            n: self.lines.index(home[n]) - self.lines.index(taken[n])
            for n in self.tasks
            if {home[n], taken[n]} <= set(self.lines)
        }


def together(master: Sequence[str] = ("task_master.py",), worker: Sequence[str] = ("task_worker.py",)) -> Run:
    """Run a master and, once it has said where it is, a worker, until both have ended.

    Both are commands, a script and its own arguments; host and port are added. They print into one pipe,
    which keeps the order of their lines.
    """
    out, into = os.pipe()
    started = [_popen([*master, _HOST, "0"], into)]
    try:
        with os.fdopen(out, encoding="utf-8") as pipe:
            first = pipe.readline().strip()
            started.append(_popen([*worker, _HOST, first.split(" ")[-1]], into))
            os.close(into)
            return Run([first, *(line.strip() for line in pipe)])
    finally:
        for process in started:
            process.wait()


def _popen(command: list[str], into: int) -> "subprocess.Popen[bytes]":
    # Python would write a line and its end apart where it is told to keep nothing back.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | programs.PLAIN
    command = [sys.executable, *command]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=into, stderr=into, env=env)


@contextmanager
def waiting_master(seconds: float = 30) -> Iterator[tuple[programs.Program, int]]:
    """Run a master, which waits so many seconds for a result, as long as the block; yield it and its port."""
    checks.seconds(0, 3600, seconds=seconds)
    with _running("task_master.py", _HOST, "0", str(seconds)) as master:
        yield master, int(master.line("master: the queues are at").split()[-1])


@contextmanager
def waiting_worker(port: int) -> Iterator[programs.Program]:
    """Run a worker of the master at this port as long as the block, once it is connected; yield it."""
    with _running("task_worker.py", _HOST, str(port)) as worker:
        worker.line("worker: connected")
        yield worker


@contextmanager
def _running(*command: str) -> Iterator[programs.Program]:
    program = programs.run([sys.executable, *command])
    try:
        yield program
    finally:
        if program.exit_code is None:
            os.kill(program.pid, signal.SIGTERM)
        program.stop()


class Process(NamedTuple):
    """Who a process is, its number, and if it listens at the port in question."""

    who: str
    pid: int
    listens: bool


def processes(port: int, **pids: int) -> list[Process]:
    """Return the processes of these numbers, by who they are, and all that they have started."""
    found = []
    for who, pid in pids.items():
        parent = psutil.Process(pid)
        found.append(Process(who, pid, _listens(parent, port)))
        for child in parent.children(recursive=True):
            found.append(Process(f"started by the {who}", child.pid, _listens(child, port)))
    return found


def _listens(process: psutil.Process, port: int) -> bool:
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in process.net_connections())


def refused(host: str, port: int, key: bytes) -> str:
    """Try to connect to a manager; return the name of the error, "" if there was none."""
    try:
        BaseManager((host, port), key).connect()
    except Exception as error:
        return type(error).__name__
    return ""
