"""What it costs to hand a job to a worker, and what that cost, or a serial part, leaves of the speed-up."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from helpers import jobs, ways
from helpers.clocked import Job
from helpers.measure import Speedup


@dataclass(frozen=True)
class Sweep:
    """The same number of jobs of growing size: the seconds of one job, and by way those of all jobs."""

    sizes: tuple[float, ...]
    times: dict[str, tuple[float, ...]]

    def crossing(self, way: str) -> float | None:
        """Return how many seconds a job must take for this way to be as fast as serial.

        Found on a straight line between two sizes, both axes logarithmic; None if the lines do not cross
        for good within the sizes.
        """
        behind = [math.log(t / s) for t, s in zip(self.times[way], self.times["serial"], strict=True)]
        steps = list(pairwise(zip(self.sizes, behind, strict=True)))
        for (small, before), (large, after) in reversed(steps):
            if after < 0 <= before:
                return float(small * (large / small) ** (before / (before - after)))
        return None


def sweep(terms: Sequence[int], count: int = 40) -> Sweep:
    """Run ``count`` sums of each length, serially and by two processes; keep the shortest of five times.

    The shortest is the one that other programs disturbed the least. The workers are up before the clock
    starts, so that only the handing out counts.
    """
    if not terms or count < 1:
        raise ValueError("terms, count: expected at least one length and one job")
    walls: dict[str, list[float]] = {"serial": [], "processes": []}
    with ExitStack() as stack:
        runs = {way: stack.enter_context(ways.pool(way, 2)) for way in walls}
        for length in terms:
            work = [partial(jobs.pi_sum, length)] * count
            for way, run in runs.items():
                walls[way].append(min(_wall(work, run) for _ in range(5)))
    sizes = tuple(wall / count for wall in walls["serial"])
    return Sweep(sizes, {way: tuple(seconds) for way, seconds in walls.items()})


def with_serial_part(
    serial: Sequence[Job], parallel: Sequence[Job], workers: Sequence[int], rounds: int = 5
) -> list[Speedup]:
    """Let the master do some jobs alone, then processes the others; return the speed-up of the whole.

    Each ratio is the time of all jobs one after another, over the time with these workers, in one round.
    Raises ValueError for arguments that make no sense, RuntimeError when a job fails.
    """
    if not serial or not parallel or not workers or rounds < 1:
        raise ValueError("expected at least one job of each kind, one number of workers and one round")
    ratios: dict[int, list[float]] = {n: [] for n in workers}
    with ExitStack() as stack:
        one_by_one = stack.enter_context(ways.pool("serial"))
        runs = {n: stack.enter_context(ways.pool("processes", n)) for n in workers}
        for _ in range(rounds):
            alone, rest = _wall(serial, one_by_one), _wall(parallel, one_by_one)
            for n, run in runs.items():
                ratios[n].append((alone + rest) / (_wall(serial, one_by_one) + _wall(parallel, run)))
    return [Speedup("processes", n, tuple(values)) for n, values in ratios.items()]


def _wall(jobs: Sequence[Job], run: ways.Run) -> float:
    return run(jobs).raise_for_errors().wall
