"""Fair comparison: every variant in every round, the same total work, medians, ranges and intervals."""

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from math import comb, inf
from statistics import median
from typing import TypeVar

from helpers import checks, ways
from helpers.clocked import Job
from helpers.show import short
from helpers.traces import Trace

T = TypeVar("T")


@dataclass(frozen=True)
class Speedup:
    """How many times faster than serial some workers were: one ratio of wall times a round."""

    way: str
    workers: int
    ratios: tuple[float, ...]

    def __repr__(self) -> str:
        """Return the figures in one line."""
        return f"<Speedup by {self.workers} {self.way}: {self.median:.3g}, {self.low:.3g} to {self.high:.3g}>"

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
    jobs: Sequence[Job],
    way_names: Sequence[str] = ("threads", "processes"),
    workers: Sequence[int] = (1, 2, 4),
    rounds: int = 5,
    seconds: float = 4.0,
) -> list[Speedup]:
    """Time the same jobs serially and with every way and number of workers; return a point for each.

    The variants take turns within a round, so that a slow moment of the computer meets all of them, and
    each ratio is taken within its round. All workers are up before the first round. It stops after
    ``rounds`` rounds, or when ``seconds`` are over and three rounds are done. Raises ValueError for arguments
    that make no sense, RuntimeError when a job fails.
    """
    _check_workers(workers)
    if rounds < 1 or not jobs or not workers:
        raise ValueError("expected at least one job, one number of workers and one round")
    began = time.perf_counter()
    ratios: dict[tuple[str, int], list[float]] = {(way, n): [] for way in way_names for n in workers}
    with ExitStack() as stack:
        pools = [stack.enter_context(ways.pool(*key)) for key in ratios]
        runs = [partial(ways.run, jobs, "serial"), *(partial(pool, jobs) for pool in pools)]
        for done in range(rounds):
            if done >= 3 and time.perf_counter() - began > seconds:
                break
            serial, *traces = (trace.raise_for_errors() for trace in _round(runs, done))
            for key, trace in zip(ratios, traces, strict=True):
                ratios[key].append(serial.wall / trace.wall)
    return [Speedup(way, n, tuple(values)) for (way, n), values in ratios.items()]


def weak_scaling(
    job: Job, way: str, workers: Sequence[int], jobs_each: int = 4, rounds: int = 5
) -> list[Speedup]:
    """Give every worker the same number of jobs, so that the work grows with the workers.

    Returns a point for each number of workers: the jobs finished per second, over those of the first
    number in the same round, times that number. This is weak scaling (Gustafson, "Reevaluating Amdahl's
    law", 1988). Raises ValueError for arguments that make no sense, RuntimeError when a job fails.
    """
    _check_workers(workers)
    if rounds < 1 or jobs_each < 1 or not workers:
        raise ValueError("expected at least one number of workers, one job each and one round")
    ratios: dict[int, list[float]] = {n: [] for n in workers}
    with ExitStack() as stack:
        runs = {n: stack.enter_context(ways.pool(way, n)) for n in workers}
        for _ in range(rounds):
            traces = {n: run([job] * (n * jobs_each)).raise_for_errors() for n, run in runs.items()}
            rates = {n: n * jobs_each / trace.wall for n, trace in traces.items()}
            for n, rate in rates.items():
                ratios[n].append(rate / rates[workers[0]] * workers[0])
    return [Speedup(way, n, tuple(values)) for n, values in ratios.items()]


def _check_workers(workers: Sequence[int]) -> None:
    if not isinstance(workers, Sequence):
        raise TypeError(f"workers: expected a list of whole numbers, got {short(workers)}")
    for number, count in enumerate(workers):
        checks.whole(**{f"workers[{number}]": count})


def _round(runs: Sequence[Callable[[], T]], number: int) -> list[T]:
    """Run all, from the last to the first in odd rounds; return the results, in the order of ``runs``.

    So no variant is always the one that finds the computer as the same other variant left it.
    """
    turn = slice(None, None, -1 if number % 2 else 1)
    return [run() for run in runs[turn]][turn]


@dataclass(frozen=True)
class Comparison:
    """How many times as long a baseline took as a variant, one ratio a round, and on which side of a bound.

    ``error`` is the share of comparisons in which ``above`` may be wrong, at the most; ``seconds`` is the
    time there was.
    """

    ratios: tuple[float, ...]
    bound: float
    error: float = 0.001
    seconds: float = 3.0

    def __repr__(self) -> str:
        """Return the figures in one line."""
        where = {True: "above", False: "below", None: "not decided against"}[self.above]
        return (
            f"<Comparison: {self.median:.3g}, {self.low:.3g} to {self.high:.3g} in "
            f"{len(self.ratios)} rounds, {where} {self.bound:g}>"
        )

    @property
    def median(self) -> float:
        """The middle ratio."""
        return median(self.ratios)

    @property
    def low(self) -> float:
        """The lower end of the interval for the true median; 0 as long as the rounds are too few for one."""
        rank = _rank(len(self.ratios), self.error)
        return sorted(self.ratios)[rank - 1] if rank else 0.0

    @property
    def high(self) -> float:
        """The upper end of that interval; infinite as long as the rounds are too few for one."""
        rank = _rank(len(self.ratios), self.error)
        return sorted(self.ratios)[-rank] if rank else inf

    @property
    def above(self) -> bool | None:
        """Whether the true median lies above the bound; None when the interval contains the bound."""
        if self.low <= self.bound <= self.high:
            return None
        return self.low > self.bound

    @property
    def undecided(self) -> str:
        """Why there is no verdict, for the ``needs`` of a claim; "" when there is one."""
        return f"not decided on this machine within {self.seconds:g} s" if self.above is None else ""


@cache
def _rank(rounds: int, error: float) -> int:
    """Return the rank, from either end, of the ratios at which the interval ends; 0: too few for one.

    It is the largest k with (n + 1) C(n, k - 1) / 2**n <= error, n being the number of rounds. To look
    again after every round is paid for by the factor n + 1: the probability that the true median is outside
    the interval in any round at all is at most ``error``. No distribution is assumed, only that a ratio
    above the median is as likely as one below, whatever the rounds before it. This is H. Robbins,
    "Statistical methods related to the law of the iterated logarithm" (Annals of Mathematical Statistics
    41, 1970), for the tosses of a fair coin.
    """
    return bisect_right(range(rounds // 2), error, key=lambda k: (rounds + 1) * comb(rounds, k) / 2**rounds)


def compare(
    baseline: Callable[[], Trace | float],
    variant: Callable[[], Trace | float],
    bound: float,
    *,
    seconds: float = 3.0,
    error: float = 0.001,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Find out whether a baseline takes more than ``bound`` times as long as a variant, or less.

    Both are functions without arguments that return a trace or seconds. Each runs once to warm up, then
    once a round, taking turns at being first, until the interval for the median ratio lies on one side of
    the bound, or ``seconds`` are over. There are always as many rounds as a verdict needs at the least, 14
    for an error of 1 in 1000; so a round should take less than a fifteenth of the time. Raises ValueError
    or TypeError for arguments that make no sense, RuntimeError when a job fails.
    """
    _check_compare(bound, error, baseline=baseline, variant=variant)
    end = clock() + seconds
    runs = [partial(_seconds, "baseline", baseline), partial(_seconds, "variant", variant)]
    _round(runs, 1)  # the warm-up
    ratios: list[float] = []
    while True:
        slow, quick = _round(runs, len(ratios))
        ratios.append(slow / quick)
        comparison = Comparison(tuple(ratios), bound, error, seconds)
        if comparison.above is not None or (comparison.high < inf and clock() >= end):
            return comparison


def _check_compare(bound: float, error: float, **functions: object) -> None:
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(f"{name}: expected a function without arguments, got {short(function)}")
    if not 0 < bound < inf:
        raise ValueError(f"bound: expected a ratio above 0, got {short(bound)}")
    if not 0 < error < 1:
        raise ValueError(f"error: expected a probability between 0 and 1, got {short(error)}")


def _seconds(name: str, run: Callable[[], Trace | float]) -> float:
    """Run a function that returns a trace or seconds; return the seconds. ``name`` is for the errors."""
    result = run()
    if isinstance(result, Trace):
        try:
            result = result.raise_for_errors().wall
        except RuntimeError as error:
            raise RuntimeError(f"{name}: {error}") from None
    if not isinstance(result, (int, float)) or not 0 < result < inf:
        raise ValueError(f"{name}: expected a function that returns a Trace or seconds, got {short(result)}")
    return result


def again(experiment: Callable[[], T], good: Callable[[T], bool], seconds: float = 3.0) -> T:
    """Run an experiment until its result is good or the time is over; return the last result.

    For what a computer can show but not at every moment, such as two idle cores. At least one run.
    """
    end = time.perf_counter() + seconds
    result = experiment()
    while not good(result) and time.perf_counter() < end:
        result = experiment()
    return result
