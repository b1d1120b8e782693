"""What a task costs on the job queue beside others that do the same work: part of python3 run.py bench.

Each takes squares as tasks, with two workers, and all have their turn in each round. Ratios are of medians
against two plain queues of a manager, as in the tutorial, so "30" is thirty times as many tasks a second.
"""

import os
import queue
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from harness import seconds

from helpers import children, engine, jobqueue
from helpers.jobqueue import functions

WORKERS, BATCH, ROUNDS = 2, 500, 5
FEW = 20  # tasks at a time, so that a run of a thousand has some for each worker to the end
GROWTH = [1000, 10_000, 100_000, 1_000_000]  # tasks, to see whether each costs the same

_tasks: "queue.Queue[Any]" = queue.Queue()
_results: "queue.Queue[Any]" = queue.Queue()


def tasks() -> "queue.Queue[Any]":
    """Return the master's queue of tasks; a function with a name, so that spawn can send it."""
    return _tasks


def results() -> "queue.Queue[Any]":
    """Return the master's queue of results."""
    return _results


class Master(BaseManager):
    """The tutorial's master: two plain queues, registered under two names."""


class Visitor(BaseManager):
    """The tutorial's worker: it knows the names only."""


Master.register("get_task_queue", callable=tasks)
Master.register("get_result_queue", callable=results)
Visitor.register("get_task_queue")
Visitor.register("get_result_queue")


def work(address: tuple[str, int], key: bytes) -> None:
    """Take numbers, tell of each, and put back texts, until there comes None."""
    visitor = Visitor(address, key)
    visitor.connect()
    inbox, outbox = visitor.get_task_queue(), visitor.get_result_queue()
    with open(os.devnull, "w") as terminal:  # noqa: PTH123, one that shows nothing, and so costs least
        for n in iter(partial(inbox.get, timeout=60), None):
            print(f"run task {n} * {n}...", file=terminal, flush=True)
            outbox.put(f"{n} * {n} = {n * n}")


@contextmanager
def plain_queues() -> Iterator[Callable[[int], None]]:
    """Start the tutorial's master and workers; hand out a function that has so many tasks done."""
    context: Any = get_context(children.default_start_method())
    with Master(("127.0.0.1", 0), b"abc", ctx=context) as master:
        workers = [context.Process(target=work, args=(master.address, b"abc")) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        inbox, outbox = master.get_task_queue(), master.get_result_queue()

        def run(count: int) -> None:
            for n in range(count):
                inbox.put(n)
            for _ in range(count):
                outbox.get()

        yield run
        for _ in workers:
            inbox.put(None)
        for worker in workers:
            worker.join()


@contextmanager
def board(
    batch: int, journal: bool = False, fsync: bool = False
) -> Iterator[tuple[Callable[[int], None], jobqueue.Master]]:
    """Start our master and workers that take ``batch`` tasks at a time; hand out the same, and the master."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "board.db") if journal else None
        with (
            jobqueue.launch_master(journal=file, fsync=fsync) as master,
            jobqueue.launch_workers(master, WORKERS, prefetch=batch),
        ):
            yield lambda count: drain(master.map("square", range(count))), master


def drain(values: Iterator[Any]) -> None:
    """Take all values and keep none."""
    deque(values, maxlen=0)


def memory(pid: int) -> int:
    """Return the bytes that a process holds in memory."""
    rss: int = psutil.Process(pid).memory_info().rss
    return rss


def compare(tiny: bool) -> None:
    """Print tasks per second, each way beside the plain queues."""
    square = functions.find("square")
    few, small, large = (20, 200, 2000) if tiny else (500, 5000, 100_000)
    context = get_context(children.default_start_method())
    with (
        plain_queues() as plain,
        board(1) as (single, _),
        board(BATCH) as (batches, _),
        board(1, journal=True) as (single_on_disk, _),
        board(BATCH, journal=True) as (batches_on_disk, _),
        board(BATCH, journal=True, fsync=True) as (batches_on_safe_disk, _),
        ProcessPoolExecutor(WORKERS, context) as pool,
        engine.launch(WORKERS) as cluster,
    ):
        calls: dict[str, tuple[Callable[[int], object], int, str]] = {
            "two plain queues": (plain, small, ""),
            "leases, one at a time": (single, small, "at least 2.6"),
            "the same, with a journal": (single_on_disk, small, ""),
            f"leases, {BATCH} at a time": (batches, large, "at least 37"),
            "the same with a journal": (batches_on_disk, large, "at least half of that"),
            "the same with its fsync": (batches_on_safe_disk, large, ""),
            "ProcessPoolExecutor": (lambda n: drain(pool.map(square, range(n))), small, ""),
            f"its map, {BATCH} at a time": (
                lambda n: drain(pool.map(square, range(n), chunksize=BATCH)), large, ""),
            "dask.distributed": (
                lambda n: cluster.client.gather(cluster.client.map(square, range(n), pure=False)), few, ""),
        }  # fmt: skip
        rates: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(ROUNDS + 1):
            for name, (call, count, _) in calls.items():
                rates[name].append(count / seconds(partial(call, count)))
    base = median(rates["two plain queues"][1:])
    print("tasks a second, and over those of two plain queues")
    for name, (_, _, target) in calls.items():
        rate = median(rates[name][1:])  # the first round warms up
        print(f"  {name:<24} {rate:9,.0f} {rate / base:7.2f}  {target}")


def growth(counts: list[int]) -> None:
    """Print what a task costs as there are more of them, a run's begin and end included, and the memory."""
    with board(FEW) as (run, master):
        run(10_000)
        one = median(seconds(partial(run, 1)) for _ in range(15))
        print(f"microseconds a task, {FEW} at a time (within 20 %; a run of one task: {one * 1e6:,.0f}),")
        print("and the master's memory after them")
        for count in counts:
            rounds = 1 if count > 100_000 else min(15, 300_000 // count)
            each = median(seconds(partial(run, count)) for _ in range(rounds)) / count
            print(f"  {count:>9,} tasks {each * 1e6:6.1f} {memory(master.pid) / 2**20:7.1f} MiB")


def waiting(count: int) -> None:
    """Print the memory that a waiting task takes at the master."""
    with jobqueue.launch_master() as master:
        before = memory(master.pid)
        batch = master.submit("square", range(count))
        while (there := master.stats().waiting) < count:  # a batch never has more than 10,000 out
            time.sleep(0.01)
        size = (memory(master.pid) - before) / there
        batch.cancel()
    print(f"bytes of the master's memory for each waiting task: {size:,.0f}")


if __name__ == "__main__":
    tiny = "--tiny" in sys.argv
    compare(tiny)
    growth([100, 1000] if tiny else GROWTH)
    waiting(1000 if tiny else 10_000)
