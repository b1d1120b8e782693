"""Fair comparison: every variant in every round, the same total work, medians and ranges."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

from helpers import ways

T = TypeVar("T")


@dataclass(frozen=True)
class Speedup:
    """How many times faster than serial some workers were: one ratio of wall times a round."""

    way: str
    workers: int
    ratios: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle ratio."""
        return median(self.ratios)

    @property
    def low(self) -> float:
        """The smallest ratio."""
        return min(self.ratios)

    @property
    def high(self) -> float:
        """The largest ratio."""
        return max(self.ratios)


def speedups(
    jobs: Sequence[ways.Job],
    way_names: Sequence[str] = ("threads", "processes"),
    workers: Sequence[int] = (1, 2, 4),
    rounds: int = 5,
    seconds: float = 4.0,
) -> list[Speedup]:
    """Time the same jobs serially and with every way and number of workers; return a point for each.

    The variants take turns within a round, so that a slow moment of the computer meets all of them, and
    each ratio is taken within its round. All workers are up before the first round. It stops after
    ``rounds`` rounds, or when ``seconds`` are over and three rounds are done.
    """
    if rounds < 1 or not jobs or not workers:
        raise ValueError("expected at least one job, one number of workers and one round")
    began = time.perf_counter()
    ratios: dict[tuple[str, int], list[float]] = {(way, n): [] for way in way_names for n in workers}
    with ExitStack() as stack:
        runs = {key: stack.enter_context(ways.pool(*key)) for key in ratios}
        for done in range(rounds):
            if done >= 3 and time.perf_counter() - began > seconds:
                break
            serial = ways.run(jobs, "serial").wall
            for key, run in runs.items():
                ratios[key].append(serial / run(jobs).wall)
    return [Speedup(way, n, tuple(values)) for (way, n), values in ratios.items()]


def weak_scaling(
    job: ways.Job, way: str, workers: Sequence[int], jobs_each: int = 4, rounds: int = 5
) -> list[Speedup]:
    """Give every worker the same number of jobs, so that the work grows with the workers.

    Returns a point for each number of workers: the jobs finished per second, over those of the first
    number in the same round, times that number. This is weak scaling (Gustafson, "Reevaluating Amdahl's
    law", 1988).
    """
    if rounds < 1 or jobs_each < 1 or not workers:
        raise ValueError("expected at least one number of workers, one job each and one round")
    ratios: dict[int, list[float]] = {n: [] for n in workers}
    with ExitStack() as stack:
        runs = {n: stack.enter_context(ways.pool(way, n)) for n in workers}
        for _ in range(rounds):
            rates = {n: n * jobs_each / run([job] * (n * jobs_each)).wall for n, run in runs.items()}
            for n, rate in rates.items():
                ratios[n].append(rate / rates[workers[0]] * workers[0])
    return [Speedup(way, n, tuple(values)) for n, values in ratios.items()]


def again(experiment: Callable[[], T], good: Callable[[T], bool], seconds: float = 3.0) -> T:
    """Run an experiment until its result is good or the time is over; return the last result.

    For what a computer can show but not at every moment, such as two idle cores. At least one run.
    """
    end = time.perf_counter() + seconds
    result = experiment()
    while not good(result) and time.perf_counter() < end:
        result = experiment()
    return result


def start_costs(rounds: int = 5) -> dict[str, list[float]]:
    """Start a thread, and a process by each start method of this system, and wait until it has ended.

    Returns the seconds that each took, a list for each kind, taken in turns. A program of its own does it,
    with one thread and little memory: forking a notebook's kernel, which has many threads, is not safe. A
    start method that needs a server has it running before the first round.
    """
    if not isinstance(rounds, int) or rounds < 1:
        raise ValueError(f"rounds: expected a whole number of at least 1, got {rounds!r}")
    program = f"from helpers import measure; measure.print_start_costs({rounds})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"the program that times the starts failed:\n{done.stderr}")
    costs: dict[str, list[float]] = json.loads(done.stdout)
    return costs


def print_start_costs(rounds: int) -> None:
    """Do what ``start_costs`` says, here, and print the result as one line of JSON."""
    kinds: dict[str, Callable[..., Any]] = {"thread": threading.Thread}
    for method in multiprocessing.get_all_start_methods():
        kinds[method] = multiprocessing.get_context(method).Process  # type: ignore[attr-defined]
    costs: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds + 1):
        for kind, make in kinds.items():
            began = time.perf_counter()
            worker = make(target=os.getpid)  # the least a worker can do; the child imports nothing for it
            worker.start()
            worker.join()
            if number:  # round 0 is the warm-up
                costs[kind].append(time.perf_counter() - began)
    print(json.dumps(costs))
