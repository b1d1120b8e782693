"""Jobs that grow, by a thread and by a process that are there already: when is one as quick as the other?"""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median

from helpers import checks, children, jobs, measure


@dataclass(frozen=True)
class GrowingJobs:
    """Jobs of several sizes by a thread and by a process that are there already: hand-over, work, result.

    ``alone`` are the seconds of each size of job by itself, and ``times`` the median seconds by each way.
    ``tiny`` compares the smallest by a process with the smallest by a thread: above twice as long, or below;
    ``long`` the largest by a thread with the largest by a process: above half as long, or below.
    """

    alone: tuple[float, ...]
    times: dict[str, tuple[float, ...]]
    tiny: measure.Comparison
    long: measure.Comparison


def timed(sizes: Sequence[int] = (1, 1000, 10_000, 100_000, 400_000)) -> GrowingJobs:
    """Give sums of so many terms to a pool of one thread and to one of one process, one at a time.

    Raises ValueError for sizes that are none.
    """
    for number, terms in enumerate(sizes):
        checks.whole(**{f"sizes[{number}]": terms})
    context: children.Context = multiprocessing.get_context(children.default_start_method())
    with (
        ThreadPoolExecutor(1) as threads,
        ProcessPoolExecutor(1, context, initializer=children.leave_with_parent) as processes,
    ):
        pools: dict[str, Executor] = {"threads": threads, "processes": processes}
        for pool in pools.values():
            _time_job(pool, 1)  # a warm-up, which waits until the worker is there
        rounds = [[[_time_job(pool, n) for pool in pools.values()] for n in sizes] for _ in range(9)]
        times = {
            way: tuple(median(each[size][place] for each in rounds) for size in range(len(sizes)))
            for place, way in enumerate(pools)
        }
        alone = tuple(min(_seconds(partial(jobs.pi_sum, n)) for _ in range(5)) for n in sizes)
        tiny, long = (
            {way: partial(_time_job, pool, n) for way, pool in pools.items()} for n in (sizes[0], sizes[-1])
        )
        return GrowingJobs(
            alone,
            times,
            measure.compare(tiny["processes"], tiny["threads"], 2.0, seconds=1.0),
            measure.compare(long["threads"], long["processes"], 0.5, seconds=2.5),
        )


def _time_job(pool: Executor, terms: int) -> float:
    return _seconds(lambda: pool.submit(jobs.pi_sum, terms).result())


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began
