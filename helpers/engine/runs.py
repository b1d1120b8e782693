"""A run on Dask as a trace, to lay it beside ours; and what a task costs, whoever it is given to."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from distributed import Client, Future, as_completed

from helpers import clocked
from helpers.jobqueue import functions
from helpers.traces import Span, Trace, Worker


def run(client: Client, function: str, arguments: Iterable[Any], timeout: float = 60) -> Trace:
    """Run a function of ``functions`` on each argument, and return the trace, as a master's ``run`` does.

    Raises what ``spans`` raises, and ValueError for no arguments.
    """
    return trace(spans(client, function, arguments, timeout))


def spans(client: Client, function: str, arguments: Iterable[Any], timeout: float = 60) -> Iterator[Span]:
    """Do the same, and yield the span of each task as it ends. From the first ``next`` on, all are given out.

    The workers must be on this computer, whose clock it is. Raises ValueError for a function of another name,
    TimeoutError when not all is done within ``timeout`` seconds.
    """
    jobs = [partial(functions.find(function), argument) for argument in arguments]
    given = time.perf_counter()
    # pure=False: do each, even if an equal one has been done.
    futures = client.map(clocked.timed, range(len(jobs)), jobs, [given] * len(jobs), pure=False)
    numbers = {future: number for number, future in enumerate(futures)}
    ended = as_completed(futures, with_results=True, raise_errors=False, timeout=timeout, loop=client.loop)
    for future, span in ended:
        number, now = numbers[future], time.perf_counter()
        back = _failed(future, number, given, now) if future.status == "error" else _back(span, now)
        future.release()  # else the death of its worker, which keeps the result, would have it done again
        yield back


def trace(spans: Iterable[Span]) -> Trace:
    """Make a trace of all spans of a run; it knows the workers that had a task, and no others."""
    ordered = tuple(sorted(spans, key=lambda span: span.job))
    workers = {span.worker for span in ordered if span.worker.pid}
    return Trace("processes", ordered, tuple(sorted(workers, key=lambda worker: worker.pid)), os.getpid())


def _back(span: Span, now: float) -> Span:
    return replace(span, returned=now)


def _failed(future: Future, number: int, given: float, now: float) -> Span:
    """Return the span of a task that was given up: nobody knows when it was at work."""
    error = future.exception()
    return Span(number, Worker(0, 0), given, now, now, now, 0.0, error=f"{type(error).__name__}: {error}")


def per_task(calls: dict[str, Callable[[], object]], tasks: int, rounds: int = 5) -> dict[str, list[float]]:
    """Return the seconds for each of the ``tasks`` that every call does, one figure a round.

    All take turns within a round, after one that is not counted. Raises ValueError for no tasks or rounds.
    """
    if tasks < 1 or rounds < 1:
        raise ValueError(f"tasks, rounds: expected at least one of each, got {tasks!r} and {rounds!r}")
    costs: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if number:
                costs[name].append((time.perf_counter() - began) / tasks)
    return costs
