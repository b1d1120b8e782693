"""Start servers as programs on this machine, on a free port, look at them from outside, and end them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

from helpers import checks, programs

KINDS = ("pre-fork", "threaded", "hybrid")


@dataclass(frozen=True)
class Memory:
    """Bytes of memory that some processes hold together, and how they were counted.

    Processes share pages, above all those that were forked. "PSS" divides a shared page among those that
    share it, so the sum is right; "USS" leaves it out, so the sum is the least it can be; "RSS" counts it in
    full for each of them, so the sum is the most it can be.
    """

    bytes: int
    counted: str


@dataclass(frozen=True)
class Server:
    """A running server: where it is, its processes, its memory."""

    url: str
    _program: programs.Program = field(repr=False)

    @property
    def pids(self) -> set[int]:
        """Its processes: master, workers, and those that ``multiprocessing`` needs to start workers."""
        return {process.pid for process in _family(self._program)}

    def memory(self) -> Memory:
        """Return what all its ``pids`` hold together: PSS on Linux, USS on Windows, RSS on macOS.

        macOS lets nobody look closer at the memory of another process.
        """
        family = _family(self._program)
        for counted in ("PSS", "USS"):
            with suppress(psutil.AccessDenied, AttributeError):
                return Memory(_total(family, "memory_full_info", counted.lower()), counted)
        return Memory(_total(family, "memory_info", "rss"), "RSS")


@contextmanager
def slow(delay: float = 0.05) -> Iterator[str]:
    """Start a server that answers each request after ``delay`` seconds; hand out its URL, and end it.

    A request for ``?wait=SECONDS`` is answered after so many, 0 to 10, and one for ``/cpu`` at once, with the
    seconds of CPU time that the server has used. Raises ValueError for a delay that is negative or over ten
    seconds, RuntimeError when it does not start.
    """
    checks.seconds(0, 10, delay=delay)
    with _started("helpers.servers.waiting", "--delay", str(delay)) as server:
        yield server.url


def lasting(delay: float = 0.05) -> str:
    """Return the URL of a server as ``slow`` starts it, which lasts as long as this Python.

    It is started by the first call, or by the next one should it have died; so a cell that is run again finds
    it where it was. Raises what ``slow`` does.
    """
    checks.seconds(0, 10, delay=delay)
    with _lock:
        program, url = _lasting.get(delay, (None, ""))
        if program is None or program.exit_code is not None:
            program, url = _ready("helpers.servers.waiting", "--delay", str(delay))
            _lasting[delay] = program, url
        return url


_lasting: dict[float, tuple[programs.Program, str]] = {}  # by delay; they leave when our end of a pipe closes
_lock = threading.Lock()


@contextmanager
def serving(kind: str, workers: int = 4) -> Iterator[Server]:
    """Start a server of one of the ``KINDS`` that has ``workers`` at the same time; hand it out, and end it.

    A "pre-fork" server has worker processes with one thread each, a "threaded" one has all its threads in
    one worker process, and a "hybrid" one has two worker processes that share the number of threads. Each
    has a master that starts a worker process anew when one has died. An answer costs half a millisecond or
    so of sums, and a wait of ``?wait=SECONDS``. A request for /crash crashes the process that takes it.

    Raises ValueError for another kind or a number of workers that is not even or not 2 to 32, and
    RuntimeError when the server does not start.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    if type(workers) is not int or workers % 2 or not 2 <= workers <= 32:
        raise ValueError(f"workers: expected an even number from 2 to 32, got {workers!r}")
    processes = {"pre-fork": workers, "threaded": 1, "hybrid": 2}[kind]
    threads = str(workers // processes)
    with _started("helpers.servers.master", "--processes", str(processes), "--threads", threads) as server:
        yield server


@contextmanager
def _started(module: str, *arguments: str) -> Iterator[Server]:
    """Run a server's program, and end it with all that came from it."""
    program, url = _ready(module, *arguments)
    try:
        yield Server(url, program)
    finally:
        family = _family(program)
        program.stop()
        _await_end(family)


def _ready(module: str, *arguments: str) -> tuple[programs.Program, str]:
    """Start a server's program; it prints its URL when it is ready, or else why it is not."""
    program = programs.start(module, *arguments)
    try:
        return program, program.line("http")
    except programs.ProgramFailed as error:
        program.stop()
        raise RuntimeError(f"the server did not start: {error}") from None
    except BaseException:
        program.stop()
        raise


def _family(program: programs.Program) -> list[psutil.Process]:
    """Return those that are alive of a program's process and the ones that came from it."""
    if program.exit_code is not None:
        return []
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(program.pid)
        return [p for p in (process, *process.children(recursive=True)) if _is_alive(p)]
    return []


def _await_end(family: list[psutil.Process]) -> None:
    """Wait until all have followed their master, and kill those that have not after ``GRACE``."""
    end = time.monotonic() + programs.GRACE
    while alive := [process for process in family if _is_alive(process)]:
        for process in alive if time.monotonic() > end else []:
            with suppress(psutil.Error):  # it has just ended
                process.kill()
        time.sleep(0.01)


def _is_alive(process: psutil.Process) -> bool:
    """Tell whether a process has not ended; a zombie, whose exit code is still to be asked for, has."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _total(family: list[psutil.Process], method: str, name: str) -> int:
    total = 0
    for process in family:
        with suppress(psutil.NoSuchProcess):  # it has just ended; a zombie, too, holds nothing
            total += getattr(getattr(process, method)(), name)
    return total
