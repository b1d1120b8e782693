"""Start masters and workers as programs on this computer, talk to the master, and end them.

This is the one module that knows a process's number. It runs just the commands that a user would type.
"""

import contextlib
import json
import os
import queue
import subprocess
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Self

from helpers import checks, programs
from helpers.jobqueue import functions
from helpers.jobqueue.board import Board
from helpers.jobqueue.client import Client
from helpers.jobqueue.errors import QueueError
from helpers.jobqueue.key import KEY_VARIABLE, risks


def launch_master(
    host: str = "127.0.0.1",
    port: int = 0,
    key: str | None = None,
    *,
    lease: float = 5.0,
    attempts: int = 3,
    retry_delay: float = 0.1,
) -> "Master":
    """Start a master in a program of its own and wait until it accepts connections.

    ``key`` is a new random one unless given. A worker that sends no heartbeat for ``lease`` seconds loses
    its tasks to others; a task is tried ``attempts`` times, after ``retry_delay`` seconds, twice as many,
    and so on. Raises ValueError for figures that make no sense and QueueError when the master cannot serve,
    and warns of an address or a key that is dangerous.
    """
    Board(lease, attempts, retry_delay)  # raises for what a board cannot be made of
    key = key or os.urandom(32).hex()
    options = {"host": host, "port": port, "lease": lease, "attempts": attempts, "retry-delay": retry_delay}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    program = programs.start(
        "helpers.jobqueue.master", *arguments, "--until-stdin-closes", env={KEY_VARIABLE: key}
    )
    line = programs.first_line(program)
    if not line.startswith("{"):
        programs.stop(program)
        raise QueueError(line or "the master ended before it was ready")
    for risk in risks(host, key.encode()):
        warnings.warn(risk, stacklevel=2)
    return Master(program, key.encode(), **json.loads(line))


def launch_workers(
    master: Client, count: int = 1, *, plain: bool = False, prefetch: int = 1, function: str | None = None
) -> "Workers":
    """Start ``count`` workers of this master and wait until all are connected.

    Each takes ``prefetch`` tasks at a time, of one ``function`` if it is given. ``plain`` ones square the
    numbers in the plain queue until there are no more, and leave. Raises ValueError for other arguments, and
    QueueError with the worker's own words when one cannot connect.
    """
    checks.whole(count=count, prefetch=prefetch)
    options = ["--plain"] if plain else [f"--prefetch={prefetch}"]
    if function is not None:
        functions.check_name(function)
        options.append(f"--function={function}")
    workers = Workers(master, options)
    workers.add(count)
    return workers


def try_worker(host: str, port: int, key: str) -> tuple[int, str]:
    """Start a worker to square numbers, wait until it has left, and return its exit code and output."""
    program = _start_worker(host, port, key.encode(), ["--plain"])
    try:
        output = programs.output(program)
    finally:
        code = programs.stop(program)
    return code, output.strip()


def _start_worker(host: str, port: int, key: bytes, options: list[str]) -> subprocess.Popen[str]:
    where = ["--host", host, "--port", str(port), "--until-stdin-closes"]
    return programs.start("helpers.jobqueue.worker", *where, *options, env={KEY_VARIABLE: key.decode()})


class Master(Client):
    """A running master that we started.

    Use it in a ``with`` block, or end it by ``stop()``. It ends with this program in any case.
    """

    def __init__(self, program: subprocess.Popen[str], key: bytes, host: str, port: int, pid: int) -> None:
        """Take over a program that is ready; for ``launch_master``."""
        self._program = program
        self._end = weakref.finalize(self, programs.stop, program, close=False)
        super().__init__(host, port, key)

    def __enter__(self) -> Self:
        """Return the master itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the master."""
        self.stop()

    def stop(self) -> None:
        """End the master; nothing happens when it has already ended."""
        self._end()

    def kill(self) -> None:
        """Kill the master as by ``kill -9``, for lessons about what follows."""
        self._program.kill()
        self._program.wait()


class Workers:
    """Running workers. Use them in a ``with`` block, or end them by ``stop()``; they never outlive us."""

    def __init__(self, master: Client, options: list[str]) -> None:
        """Be ready to ``add`` workers of this master with these options; for ``launch_workers``."""
        self._master, self._options = master, options
        self._programs: list[subprocess.Popen[str]] = []
        self._output: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._talking = 0
        self._end = weakref.finalize(self, _stop_all, self._programs)

    def __enter__(self) -> Self:
        """Return the workers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the workers."""
        self.stop()

    @property
    def pids(self) -> list[int]:
        """The numbers of the worker processes that are alive."""
        return [program.pid for program in self._programs if program.poll() is None]

    @property
    def exit_codes(self) -> list[int | None]:
        """Each worker's exit code, None while it is alive."""
        return [program.poll() for program in self._programs]

    def lines(self) -> Iterator[str]:
        """Yield what the workers print, line by line as it comes, until all have left."""
        while self._talking:
            line = self._output.get()
            if line is None:
                self._talking -= 1
            else:
                yield line

    def add(self, count: int = 1) -> None:
        """Start ``count`` more workers, like the others, and wait until they are connected.

        Raises QueueError with the worker's own words when one cannot connect, or after ``stop``.
        """
        checks.whole(count=count)
        if not self._end.alive:
            raise QueueError("these workers have been stopped: launch new ones")
        where, key = (self._master.host, self._master.port), self._master.key
        started = [_start_worker(*where, key, self._options) for _ in range(count)]
        try:
            for program in started:
                line = programs.first_line(program)
                if not line.startswith("connected"):
                    raise QueueError(line or "a worker ended before it was connected")
        except BaseException:
            _stop_all(started)
            raise
        self._programs += started
        self._talking += count
        for program in started:
            threading.Thread(target=_collect, args=(program, self._output), daemon=True).start()

    def kill_one(self) -> int:
        """Kill one worker as by ``kill -9`` and return its number. Raises QueueError when none is alive."""
        for program in self._programs:
            if program.poll() is None:
                program.kill()
                program.wait()
                return program.pid
        raise QueueError("no worker is alive: launch some first")

    def stop(self) -> None:
        """End all workers; nothing happens for those that have left."""
        self._end()


def _collect(program: subprocess.Popen[str], output: "queue.SimpleQueue[str | None]") -> None:
    """Read a worker's output as it comes, so that it never waits for a reader."""
    for line in program.stdout or ():
        output.put(line.rstrip("\n"))
    program.wait()
    output.put(None)


def _stop_all(started: list[subprocess.Popen[str]]) -> None:
    for program in started:  # tell all before waiting for one
        if program.stdin:
            with contextlib.suppress(OSError):
                program.stdin.close()
    for program in started:
        programs.stop(program, close=False)
