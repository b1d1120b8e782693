"""From what a job is like to who should do it: a rule of thumb, and its reason."""

from dataclasses import dataclass

from helpers import checks

MANY = 200  # waiting at once, above which tasks of asyncio spare the memory of as many threads


@dataclass(frozen=True)
class Advice:
    """A way, how many workers, and why."""

    way: str
    workers: int
    why: str


def advise(cpu_share: float, jobs: int, cores: int, *, gil: bool = True) -> Advice:
    """Say who should do a number of equal jobs.

    ``cpu_share`` is the CPU time of a job over its wall time, measured where it had a core for itself. The
    rule: work that computes gets a worker a core; work that waits gets as many workers as it takes to fill
    the one core that Python code has under the GIL, 1 / ``cpu_share`` of them. Raises ValueError for
    arguments that make no sense.
    """
    if not 0 <= cpu_share <= 1.05:  # the two clocks may differ a little
        raise ValueError(f"cpu_share: expected a share from 0 to 1, got {cpu_share!r}")
    checks.whole(jobs=jobs, cores=cores)
    if jobs == 1:
        return Advice("serial", 1, "there is nothing to share")
    if cpu_share >= 0.5:
        way = "processes" if gil else "threads"
        return Advice(way, min(jobs, cores), "it computes: a worker for each core")
    useful = min(jobs, int(1 / cpu_share)) if cpu_share > 1 / jobs else jobs
    if useful > MANY:
        return Advice("asyncio", useful, "it waits, and so many waiting threads take memory")
    return Advice("threads", useful, "it waits: as many at once as fill a core")
