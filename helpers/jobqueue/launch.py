"""Start masters and workers as programs on this computer, talk to the master, and end them.

This is the one module that knows a process's number. It runs just the commands that a user would type.
"""

import json
import os
import queue
import threading
import warnings
import weakref
from collections.abc import Iterator, Sequence
from typing import Self

from helpers import checks, programs
from helpers.jobqueue import functions
from helpers.jobqueue.board import Board
from helpers.jobqueue.client import Client
from helpers.jobqueue.errors import QueueError
from helpers.jobqueue.key import KEY_VARIABLE, as_key, risks
from helpers.show import short


def launch_master(
    host: str = "127.0.0.1",
    port: int = 0,
    key: str | bytes | None = None,
    *,
    lease: float = 5.0,
    attempts: int = 3,
    retry_delay: float = 0.1,
    journal: str | os.PathLike[str] | None = None,
    fsync: bool = False,
) -> "Master":
    """Start a master in a program of its own and wait until it accepts connections.

    ``key`` is a new random one unless given. A worker that sends no heartbeat for ``lease`` seconds loses
    its tasks to others; a task is tried ``attempts`` times, after ``retry_delay`` seconds, twice as many,
    and so on. With ``journal``, a file, the board outlives its master, and with ``fsync`` a power cut, too.
    Raises ValueError for figures that make no sense and QueueError when the master cannot serve, and warns of
    an address or a key that is dangerous.
    """
    Board(lease, attempts, retry_delay)  # raises for what a board cannot be made of
    key = as_key(key) if key else os.urandom(32).hex().encode()
    options = {"host": host, "port": port, "lease": lease, "attempts": attempts, "retry-delay": retry_delay}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    if journal is not None:
        arguments += [f"--journal={os.fspath(journal)}", *["--fsync"] * fsync]
    program = programs.start("helpers.jobqueue.master", *arguments, "--until-stdin-closes", env=_with(key))
    try:
        where = json.loads(program.line("{"))
    except programs.ProgramFailed as error:
        program.stop()
        raise QueueError(f"no master was started: {error}") from None
    for risk in risks(host, key):
        warnings.warn(risk, stacklevel=2)
    return Master(program, key, where["host"], where["port"])


def launch_workers(
    master: Client,
    count: int = 1,
    *,
    plain: bool = False,
    prefetch: int = 1,
    function: str | None = None,
    allow: Sequence[str] = (),
    reconnect: float = 0,
) -> "Workers":
    """Start ``count`` workers of this master and wait until all are connected.

    Each takes ``prefetch`` tasks at a time, of one ``function`` if it is given. Tasks may name functions of
    the modules in ``allow``, as "module:function"; the modules are looked for in the current folder first. A
    worker whose master is lost waits ``reconnect`` seconds for it to come back. ``plain`` ones square the
    numbers in the plain queue until there are no more, and leave. Raises TypeError or ValueError for other
    arguments, and QueueError with the worker's own words when one cannot connect.
    """
    if not isinstance(master, Client):
        raise TypeError(f"master: expected a master or a client of one, got {short(master)}")
    if isinstance(allow, str):
        raise TypeError(f"allow: expected a list of names of modules, got {short(allow)}")
    checks.whole(count=count, prefetch=prefetch)
    options = ["--plain"] if plain else [f"--prefetch={prefetch}", f"--reconnect={reconnect}"]
    options += [f"--allow={module}" for module in allow]
    if function is not None:
        functions.check_name(function)
        options.append(f"--function={function}")
    workers = Workers(master, options)
    workers.add(count)
    return workers


def try_worker(host: str, port: int, key: str | bytes) -> tuple[int, str]:
    """Start a worker to square numbers, wait until it has left, and return its exit code and output."""
    program = _start_worker(host, port, as_key(key), ["--plain"])
    try:
        output = program.output()
    finally:
        code = program.stop()
    return code, output.strip()


def _start_worker(host: str, port: int, key: bytes, options: list[str]) -> programs.Program:
    where = ["--host", host, "--port", str(port), "--until-stdin-closes"]
    return programs.start("helpers.jobqueue.worker", *where, *options, env=_with(key))


def _with(key: bytes) -> dict[str, str]:
    """Return the variable that tells a program the key."""
    if b"\0" in key:
        raise ValueError("key: expected one without null bytes, which a variable cannot hold")
    return {KEY_VARIABLE: key.decode("utf-8", "surrogateescape")}


class Master(Client):
    """A running master that we started.

    Use it in a ``with`` block, or end it by ``stop()``. It ends with this program in any case.
    """

    def __init__(self, program: programs.Program, key: bytes, host: str, port: int) -> None:
        """Take over a program that is ready; for ``launch_master``."""
        self._program = program
        self._end = weakref.finalize(self, program.stop)
        super().__init__(host, port, key)

    def __exit__(self, *_: object) -> None:
        """Stop the master."""
        self.stop()

    def stop(self) -> None:
        """End the master; nothing happens when it has already ended."""
        self.close()
        self._end()

    def kill(self) -> None:
        """Kill the master as by ``kill -9``, for lessons about what follows."""
        self._program.kill()


class Workers:
    """Running workers. Use them in a ``with`` block, or end them by ``stop()``; they never outlive us."""

    def __init__(self, master: Client, options: list[str]) -> None:
        """Be ready to ``add`` workers of this master with these options; for ``launch_workers``."""
        self._master, self._options = master, options
        self._programs: list[programs.Program] = []
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
        return [program.pid for program in self._programs if program.exit_code is None]

    @property
    def exit_codes(self) -> list[int | None]:
        """Each worker's exit code, None while it is alive."""
        return [program.exit_code for program in self._programs]

    def lines(self) -> Iterator[str]:
        """Yield what the workers print, line by line as it comes, until all have left."""
        output: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        talking = list(self._programs)
        for program in talking:
            threading.Thread(target=_collect, args=(program, output), daemon=True).start()
        for _ in talking:
            yield from iter(output.get, None)

    def add(self, count: int = 1) -> None:
        """Start ``count`` more workers, like the others, and wait until they are connected.

        Raises QueueError with the worker's own words when one cannot connect, or after ``stop``.
        """
        checks.whole(count=count)
        if not self._end.alive:
            raise QueueError("these workers have been stopped: launch new ones")
        where, key = (self._master.host, self._master.port), self._master.key
        started: list[programs.Program] = []
        try:
            for _ in range(count):
                started.append(_start_worker(*where, key, self._options))
            for program in started:
                program.line("connected")
        except programs.ProgramFailed as error:
            _stop_all(started)
            raise QueueError(str(error)) from None
        except BaseException:
            _stop_all(started)
            raise
        self._programs += started

    def kill_one(self) -> int:
        """Kill one worker as by ``kill -9`` and return its number. Raises QueueError when none is alive."""
        for program in self._programs:
            if program.exit_code is None:
                program.kill()
                return program.pid
        raise QueueError("no worker is alive: launch some first")

    def stop(self) -> None:
        """End all workers; nothing happens for those that have left. What they have in hand is given back."""
        self._end()


def _collect(program: programs.Program, output: "queue.SimpleQueue[str | None]") -> None:
    """Pass on what a worker says as it comes."""
    for line in program.lines():
        output.put(line)
    program.wait()
    output.put(None)


def _stop_all(started: list[programs.Program]) -> None:
    for program in started:  # tell all before waiting for one
        program.close_input()
    for program in started:
        program.stop()
