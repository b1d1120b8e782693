"""How many tiny tasks one master hands out, the more workers ask: its threads take turns at its one GIL.

The master and its workers are in a program of their own, ``python -m helpers.experiments.ceiling``.
"""

import json
import multiprocessing
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.managers import BaseManager
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple

from helpers import checks, children, programs

_KEY = b"of this program alone"
_START = 60  # seconds that all workers may need to start, on a very busy computer


class Load(NamedTuple):
    """So many workers had all tasks done in so many seconds, and the master used so much CPU time for it."""

    workers: int
    tasks: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Tasks per second."""
        return self.tasks / self.seconds

    @property
    def cores(self) -> float:
        """Cores that the master kept busy: its CPU seconds for each second."""
        return self.cpu / self.seconds

    @property
    def ceiling(self) -> float:
        """Tasks per second if the master kept one core busy all the time."""
        return self.tasks / self.cpu


def work(address: tuple[str, int], start: Barrier) -> None:
    """Connect, wait for the others, and then square numbers until there is a None."""
    BaseManager.register("get_task_queue")
    BaseManager.register("get_result_queue")
    manager: Any = BaseManager(address, _KEY)
    manager.connect()
    tasks, results = manager.get_task_queue(), manager.get_result_queue()
    start.wait(_START)
    while (n := tasks.get()) is not None:
        results.put(n * n)


def tiny_tasks(workers: Sequence[int] = (1, 2, 4), tasks: int = 1500, *, busy: bool = False) -> list[Load]:
    """Have the same tasks done by so many workers, one number of them after the other.

    The master has two plain queues, as in the tutorial, and serves them in its own process. With ``busy``,
    another thread of it computes all the while. Raises ValueError for arguments that make no sense.
    """
    for count in workers:
        checks.whole(1, 64, workers=count)
    checks.whole(1, 10**6, tasks=tasks)
    answer = programs.ask(
        "helpers.experiments.ceiling", json.dumps(list(workers)), str(tasks), str(int(busy))
    )
    return [Load(*load) for load in answer]


# --- In the program ----------------------------------------------------------------------------------


def _measure(workers: str, tasks: str, busy: str) -> list[Load]:
    context = multiprocessing.get_context(children.default_start_method())
    given: queue.Queue[int | None] = queue.Queue()
    done: queue.Queue[int] = queue.Queue()
    manager = BaseManager(("127.0.0.1", 0), _KEY)
    manager.register("get_task_queue", callable=lambda: given)
    manager.register("get_result_queue", callable=lambda: done)
    server = manager.get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if int(busy):
        threading.Thread(target=_compute, daemon=True).start()

    def fill(count: int) -> None:
        for n in range(int(tasks)):
            given.put(n)
        for _ in range(count):
            given.put(None)

    return [_load(context, server.address, fill, count, int(tasks)) for count in json.loads(workers)]


def _load(
    context: children.Context, address: Any, fill: Callable[[int], None], count: int, tasks: int
) -> Load:
    start = context.Barrier(count + 1)
    fill(count)
    workers = [context.Process(target=_work, args=(address, start), daemon=True) for _ in range(count)]
    for worker in workers:
        worker.start()
    start.wait(_START)
    began, used = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.join()
    return Load(count, tasks, time.perf_counter() - began, time.process_time() - used)


def _work(address: tuple[str, int], start: Barrier) -> None:
    children.leave_with_parent()
    work(address, start)


def _compute() -> None:
    while True:
        sum(range(1000))


if __name__ == "__main__":
    programs.answer(_measure, *sys.argv[1:])
