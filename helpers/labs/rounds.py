"""Rounds of the same work by one worker and by several, one at a time: the speed lab's model."""

import multiprocessing
from dataclasses import dataclass, field
from functools import partial

from helpers import jobs, ways
from helpers.clocked import Job
from helpers.measure import Speedup
from helpers.show import short
from helpers.traces import Trace

TOTAL = 24  # jobs of a round
SIZES = {"tiny": 300, "small": 3_000, "medium": 30_000, "large": 100_000}
"""Terms of a job's sum for pi, by what it is called."""

_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
"""How processes start: a lab runs beside the cells, and a fork copies locks that another thread may hold."""


@dataclass
class Rounds:
    """The ratios of wall times, one worker's over the others', for each way and number that was tried.

    Another size of the jobs begins anew, as its ratios are others.
    """

    size: str = "medium"
    last: Trace | None = None
    _ratios: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    def choose(self, size: str) -> None:
        """Take jobs of another size, and forget what was measured."""
        if size not in SIZES:
            raise ValueError(f"size: expected one of {', '.join(SIZES)}, got {short(size)}")
        self.size = size
        self.reset()

    def reset(self) -> None:
        """Forget what was measured."""
        self.last = None
        self._ratios.clear()

    def run(self, way: str, workers: int) -> float:
        """Run one round: by one worker, then by several; return how many times faster the several were.

        Raises ValueError for a way or a number that makes no sense, RuntimeError when a job fails.
        """
        work: list[Job] = [partial(jobs.pi_sum, SIZES[self.size])] * TOTAL
        with ways.pool(way, workers, _METHOD) as run:
            alone = ways.run(work, "serial").raise_for_errors()
            self.last = run(work).raise_for_errors()
        ratio = alone.wall / self.last.wall
        self._ratios.setdefault((way, workers), []).append(ratio)
        return ratio

    @property
    def points(self) -> list[Speedup]:
        """What was measured: a point for each way and number of workers."""
        return [Speedup(*key, tuple(ratios)) for key, ratios in sorted(self._ratios.items())]
