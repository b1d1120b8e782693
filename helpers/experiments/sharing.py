"""Shared or separate memory: who sees what a worker writes, and what is lost when two write at once.

Threads live in one process and share all that is in its memory; every process has a memory of its own. So
only threads can change something under each other's hands, and only they need a lock for it.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from helpers import checks, ways
from helpers.clocked import Job
from helpers.traces import Trace, Worker

_BARRIER_TIMEOUT = 60  # seconds that a thread waits for the others, on a very busy computer

board: list[Worker] = []  # every process that imports this module has one


def sign() -> tuple[Worker, ...]:
    """Write this worker's name on the board; return all names that are on it now."""
    board.append(Worker(os.getpid(), threading.get_native_id()))
    return tuple(board)


@dataclass(frozen=True)
class Signatures:
    """The names on the board: what each worker saw when it had signed, and what the master saw in the end."""

    trace: Trace
    seen_by_workers: tuple[tuple[Worker, ...], ...]
    seen_by_master: tuple[Worker, ...]


def signatures(way: str, workers: int = 4) -> Signatures:
    """Clear the board, let ``workers`` threads or processes sign it, and look who sees which names.

    Raises ValueError for a ``way`` that is not in ``ways.WAYS`` and for fewer workers than one, RuntimeError
    when a worker could not sign.
    """
    checks.whole(workers=workers)
    board.clear()
    trace = _run([sign] * workers, way, workers)
    return Signatures(trace, tuple(trace.values), tuple(board))


class Counter:
    """A number that several threads add to."""

    value = 0

    def add_one(self, pause: Callable[[], object]) -> None:
        """Do what ``value += 1`` does, with a pause in the middle."""
        seen = self.value  # read
        pause()  # what others write meanwhile ...
        self.value = seen + 1  # ... is overwritten here


@dataclass(frozen=True)
class Count:
    """How many ones were added to a counter, and the value that it had in the end."""

    added: int
    value: int

    @property
    def lost(self) -> int:
        """How many of the updates left no trace."""
        return self.added - self.value


def without_lock(threads: int = 4, times: int = 25) -> Count:
    """Let every thread add one, ``times`` times, and in each pause wait until all the others have read.

    All read the same number and all write the same number, so of each round one update is left. This is
    certain, with the GIL and without it: no thread passes the barrier before all have come.
    """
    checks.whole(threads=threads, times=times)
    counter, all_have_read = Counter(), threading.Barrier(threads, timeout=_BARRIER_TIMEOUT)

    def add() -> None:
        for _ in range(times):
            counter.add_one(pause=all_have_read.wait)

    return _count(add, threads, times, counter)


def with_lock(threads: int = 4, times: int = 25) -> Count:
    """Let every thread add one, ``times`` times, and hold a lock from before it reads until it has written.

    In the pause the others may run as before, and find the lock taken. So no update is lost. (A barrier in
    the pause would wait for ever: the others cannot come.)
    """
    checks.whole(threads=threads, times=times)
    counter, lock = Counter(), threading.Lock()

    def add() -> None:
        for _ in range(times):
            with lock:
                counter.add_one(pause=partial(time.sleep, 0))

    return _count(add, threads, times, counter)


def plain_plus(threads: int = 4, times: int = 50_000) -> Count:
    """Let every thread do ``value += 1``, ``times`` times, with nothing between read and write.

    What is lost depends on the interpreter. Since Python 3.10 one with the GIL switches threads only where a
    loop jumps back or a function is called (``ceval.c``), neither of which is between this read and this
    write. A free-threaded one runs the threads at the same time.
    """
    checks.whole(threads=threads, times=times)
    counter = Counter()

    def add() -> None:
        for _ in range(times):
            counter.value += 1

    return _count(add, threads, times, counter)


def _count(add: Job, threads: int, times: int, counter: Counter) -> Count:
    """Run ``add`` in all threads at once; return what the counter says of it."""
    _run([add] * threads, "threads", threads)
    return Count(threads * times, counter.value)


def _run(jobs: list[Job], way: str, workers: int) -> Trace:
    """Run the jobs; a job that failed would be taken for a lost update, so it is an error."""
    return ways.run(jobs, way, workers).raise_for_errors()
