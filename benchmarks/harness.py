"""What the harness costs beside the bare standard library: python3 run.py bench.

Each line is a ratio of medians, taken in turns in one run: 1.00 would be free.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from statistics import median

from helpers import children, jobs, ways

WORKERS, ROUNDS = 2, 9
JOBS = [partial(jobs.pi_sum, 100_000)] * 24
ROOMS = ("helpers", "helpers.traces", "helpers.ways", "helpers.jobs", "helpers.machine", "helpers.jobqueue")


def seconds(action: Callable[[], object]) -> float:
    """Return how many seconds an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def medians(*actions: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Return the median seconds of each action, warmed up and taken in turns."""
    times = [[seconds(action) for action in actions] for _ in range(rounds + 1)][1:]
    return [median(column) for column in zip(*times, strict=True)]


def call(job: Callable[[], object]) -> object:
    """Call a job; the function that the bare executors map."""
    return job()


@contextmanager
def bare(way: str) -> Iterator[Executor]:
    """Hand out the executor that a way is built on, with its workers up."""
    context = get_context(children.default_start_method())
    make = partial(ThreadPoolExecutor, WORKERS)
    with make() if way == "threads" else ProcessPoolExecutor(WORKERS, context) as executor:
        yield executor


def harness(way: str) -> float:
    """Return the cost of running the jobs through ``ways`` over that of the executor's own ``map``."""
    with ways.pool(way, WORKERS) as run, bare(way) as executor:
        ours, theirs = medians(lambda: run(JOBS), lambda: list(executor.map(call, JOBS)))
    return ours / theirs


def startup(way: str) -> float:
    """Return the cost of a pool with its workers up, over that of a bare executor with two answers."""

    def our_pool() -> None:
        with ways.pool(way, WORKERS):
            pass

    def bare_pool() -> None:
        with bare(way) as executor:
            list(executor.map(call, [int] * WORKERS))

    ours, theirs = medians(our_pool, bare_pool)
    return ours / theirs


def python(code: str) -> None:
    """Run some code in a new Python."""
    subprocess.run([sys.executable, "-c", code], check=True)


def report() -> None:
    """Print all of it."""
    print("jobs through the harness, over the bare executor's map (at most 1.15)")
    ours, theirs = medians(lambda: ways.run(JOBS, "serial"), lambda: list(map(call, JOBS)))
    print(f"  serial     {ours / theirs:5.2f}")
    for way in ("threads", "processes"):
        print(f"  {way:<10} {harness(way):5.2f}")
    print("workers up and ended, over the bare executor's")
    for way in ("threads", "processes"):
        print(f"  {way:<10} {startup(way):5.2f}")
    print("a new Python that imports a room, over one that imports nothing (at most 50 ms more)")
    for room in ROOMS:
        start, whole = medians(partial(python, "pass"), partial(python, f"import {room}"))
        print(f"  {room:<16} {whole / start:5.2f} {(whole - start) * 1000:4.0f} ms more")


if __name__ == "__main__":
    report()
