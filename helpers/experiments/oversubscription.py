"""More processes at work than there are cores: the same total work, and what it costs to take turns.

The measurement is a program of its own, ``python -m helpers.experiments.oversubscription MOST ROUNDS``, which
ends with everything it started when the notebook's kernel is gone.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from helpers import checks, children, clocked, jobs, machine, programs
from helpers.traces import Trace

_START = 1.0  # seconds that starting all the processes may take, about
_WORK = 0.05  # seconds of work for each core by each crowd in a round, about


@dataclass(frozen=True)
class Crowd:
    """The same total work done by a number of processes at once; one figure for each round.

    ``seconds`` is wall time, and ``speed`` the speed relative to that of as many processes as cores in the
    same round. ``share`` is the part of the time, from when they were given their shares of the work until
    they had done them, in which the processes had a core. ``switches`` counts how often the system took the
    core from one of them (involuntary context switches); it is empty on Windows, which does not count them.
    """

    processes: int
    seconds: tuple[float, ...]
    speed: tuple[float, ...]
    share: tuple[float, ...]
    switches: tuple[int, ...]


def crowds(most: int = 64, rounds: int = 15) -> list[Crowd]:
    """Do the same total work with as many processes as cores, four times as many, sixteen times, ... .

    There are at most ``most`` processes, and fewer where to start that many would take over a second, but
    always a crowd of four times the cores. All are up before the first round; the crowds take turns within a
    round, from the largest to the smallest in every other. Fifteen rounds are enough for a
    ``measure.Comparison`` of their figures. Raises ValueError for ``most`` or ``rounds`` below 1,
    RuntimeError when the program fails.
    """
    checks.whole(most=most, rounds=rounds)
    return [
        Crowd(processes, **{name: tuple(values) for name, values in figures.items()})
        for processes, figures in programs.ask("helpers.experiments.oversubscription", str(most), str(rounds))
    ]


# --- In the program ----------------------------------------------------------------------------------

_Figures = dict[str, list[Any]]


def _crowds(most: str, rounds: str) -> list[tuple[int, _Figures]]:
    context: children.Context = multiprocessing.get_context(children.default_start_method())
    if "forkserver" in multiprocessing.get_all_start_methods():
        context.set_forkserver_preload(["helpers.experiments.oversubscription"])
    with ExitStack() as stack:
        workers, sizes = _start_workers(context, stack, int(most))
        terms = _terms_for(_WORK * sizes[0]) // sizes[-1] * sizes[-1]  # every size divides it
        runs: dict[int, list[Trace]] = {size: [] for size in sizes}
        for number in range(int(rounds)):
            for size in reversed(sizes) if number % 2 else sizes:
                runs[size].append(_run(workers[:size], terms // size))
    return [(size, _figures(traces, runs[sizes[0]])) for size, traces in runs.items()]


def _start_workers(
    context: children.Context, stack: ExitStack, most: int
) -> tuple[list[Connection], list[int]]:
    """Start as many processes as cores, then four times as many, and so on while there is time for it.

    Returns the pipes to them all, and the sizes of the crowds.
    """
    end = time.perf_counter() + _START
    sizes = [machine.cores()]
    workers = _start(context, stack, sizes[0])
    took = 0.0
    while len(sizes) == 1 or (4 * sizes[-1] <= most and time.perf_counter() + 4 * took < end):
        began = time.perf_counter()
        workers += _start(context, stack, 3 * sizes[-1])
        took = time.perf_counter() - began
        sizes.append(4 * sizes[-1])
    return workers, sizes


def _start(context: children.Context, stack: ExitStack, number: int) -> list[Connection]:
    """Start that many processes at once, and wait until all have answered."""
    pipes = [stack.enter_context(children.serving(context, _do_shares)) for _ in range(number)]
    for pipe in pipes:
        pipe.send((1, time.perf_counter()))
    for pipe in pipes:
        pipe.recv()
    return pipes


def _terms_for(seconds: float) -> int:
    """Return how many terms of pi one core adds in that time."""
    return int(50_000 * seconds / min(_time_sum(50_000) for _ in range(3)))


def _time_sum(terms: int) -> float:
    began = time.perf_counter()
    jobs.pi_sum(terms)
    return time.perf_counter() - began


def _run(workers: list[Connection], terms: int) -> Trace:
    """Give each of the workers its share, and wait for all."""
    for pipe in workers:
        pipe.send((terms, time.perf_counter()))
    spans = tuple(pipe.recv() for pipe in workers)
    trace = Trace("processes", spans, tuple(span.worker for span in spans), os.getpid())
    return trace.raise_for_errors()


def _do_shares(pipe: Connection) -> None:
    """Do each share of the work; tell when, and how often the core was taken away meanwhile."""
    for terms, given in iter(pipe.recv, None):
        before = _switches()
        span = clocked.timed(0, partial(_share, terms), given)
        pipe.send(replace(span, value=_switches() - before))


def _share(terms: int) -> None:
    jobs.pi_sum(terms)  # without ``tick``: samples would be work too, and more of it for a small share


def _switches() -> int:
    """Return how often the system has taken the core from this process; 0 on Windows."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _figures(runs: Sequence[Trace], as_many_as_cores: Sequence[Trace]) -> _Figures:
    """Return the figures of a crowd by name, one for each round."""
    return {
        "seconds": [run.wall for run in runs],
        "speed": [few.wall / run.wall for few, run in zip(as_many_as_cores, runs, strict=True)],
        "share": [run.cpu / sum(span.finished - span.given for span in run.spans) for run in runs],
        "switches": [] if sys.platform == "win32" else [sum(run.values) for run in runs],
    }


if __name__ == "__main__":
    programs.answer(_crowds, *sys.argv[1:])
