"""Interpreters as workers (Python 3.14 and later): threads that have an interpreter, and a GIL, each."""

import sys
import threading
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any


def executor(workers: int) -> tuple[Executor, "Meeting"]:
    """Return an executor with so many interpreters, and the meeting by which they wait for each other."""
    if sys.version_info >= (3, 14):
        from concurrent.futures import InterpreterPoolExecutor
        from concurrent.interpreters import create_queue

        pool = InterpreterPoolExecutor(workers, initializer=_find_modules, initargs=(sys.path,))
        return pool, Meeting(workers, create_queue())
    raise NotImplementedError("interpreters came with Python 3.14")


def _find_modules(path: list[str]) -> None:
    """Prepare a worker interpreter: it finds modules where its master does."""
    sys.path[:] = path


@dataclass(frozen=True)
class Meeting:
    """A barrier for interpreters, which share no objects except queues of a kind of their own."""

    workers: int
    arrivals: Any

    def wait(self, seconds: float) -> int:
        """Wait until as many have come as there are workers, again and again; return how many came so far."""
        end = time.perf_counter() + seconds
        self.arrivals.put(None)
        come: int = self.arrivals.qsize()
        expected = -(-come // self.workers) * self.workers
        while self.arrivals.qsize() < expected:
            if time.perf_counter() > end:
                raise threading.BrokenBarrierError
            time.sleep(0.001)
        return come
