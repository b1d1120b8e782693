"""When each job ran, and where: spans, traces, and the figures that follow from them.

All times are readings of one clock, ``time.perf_counter()``, which is the same for all processes of one
machine on Linux, macOS and Windows. Everything here is immutable and reads no clock itself.
"""

import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, Self

WINDOW = 0.25 if sys.platform == "win32" else 0.002
"""Seconds over which ``Trace.peak_cores_busy`` looks for its peak. Windows counts a thread's CPU time in
steps of 1/64 s, so a window there must hold many of them."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Who can do a job: a thread of a process, both by the numbers the operating system gave them.

    ``host`` is the name of the computer, "" for this one.
    """

    pid: int
    thread: int
    host: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """One job's life, four readings of the clock in seconds, and who did it.

    The master gives the job out (``given``), a worker starts and finishes it (``started``, ``finished``),
    and the master has the result in hand (``returned``). ``cpu`` is the CPU time in seconds that the
    worker spent on it. ``samples`` are readings (clock, CPU time since the start) taken inside the job.
    ``value`` is what the job returned; ``error`` is the text of the exception it raised, or None.
    """

    job: int
    worker: Worker
    given: float
    started: float
    finished: float
    returned: float
    cpu: float
    samples: tuple[tuple[float, float], ...] = field(default=(), repr=False)
    value: Any = None
    error: str | None = None

    def __post_init__(self) -> None:
        """Refuse times that run backwards."""
        if not self.given <= self.started <= self.finished <= self.returned:
            raise ValueError(f"job {self.job}: given, started, finished, returned must be in this order")

    @property
    def seconds(self) -> float:
        """Seconds of wall time from start to finish."""
        return self.finished - self.started

    @property
    def cpu_share(self) -> float:
        """CPU time over wall time, 0 to 1; a job too short for the clock has a share of 0."""
        return self.cpu / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Trace:
    """All jobs of one run, and the workers that were ready for them, idle ones too.

    ``master`` is the process that gave the jobs out.
    """

    way: str
    spans: tuple[Span, ...]
    workers: tuple[Worker, ...]
    master: int
    window: float = field(default=WINDOW, repr=False)

    def __post_init__(self) -> None:
        """Refuse a run without jobs: it has no figures."""
        if not self.spans:
            raise ValueError("spans: expected at least one job, got none")

    def __repr__(self) -> str:
        """Return the figures in one line: a notebook shows what a cell ends with."""
        failed = f", {len(self.errors)} failed" * bool(self.errors)
        return (
            f"<Trace of {len(self.spans)} jobs by {self.way}: {len(self.workers)} workers, "
            f"{self.wall:.3g} s{failed}>"
        )

    @property
    def start(self) -> float:
        """When the first job was given out: time 0 of every picture."""
        return min(span.given for span in self.spans)

    @property
    def wall(self) -> float:
        """Seconds from the first job given to the last result returned."""
        return max(span.returned for span in self.spans) - self.start

    @property
    def cpu(self) -> float:
        """CPU seconds of all jobs together."""
        return sum(span.cpu for span in self.spans)

    @property
    def cpu_share(self) -> float:
        """CPU time of all jobs over their time from start to finish, 0 to 1."""
        seconds = sum(span.seconds for span in self.spans)
        return self.cpu / seconds if seconds else 0.0

    @property
    def values(self) -> list[Any]:
        """What the jobs returned, in the order of the jobs; None where one failed."""
        return [span.value for span in self.spans]

    @property
    def errors(self) -> dict[int, str]:
        """The errors by job number; empty when all went well."""
        return {span.job: span.error for span in self.spans if span.error is not None}

    def raise_for_errors(self) -> Self:
        """Return the trace itself. Raises RuntimeError with a job's error if any failed.

        For whoever wants its times: a job that failed may have done so in no time.
        """
        for error in self.errors.values():
            raise RuntimeError(f"a job failed: {error}")
        return self

    @property
    def pids(self) -> set[int]:
        """The processes that the workers live in."""
        return {worker.pid for worker in self.workers}

    @property
    def most_at_once(self) -> int:
        """The largest number of jobs that were between start and finish at one moment.

        A job that ends in the instant in which another starts does not overlap it.
        """
        return max(jobs for _, jobs in _at_work(self.spans))

    @property
    def cores_busy(self) -> float:
        """Cores kept busy on average: CPU seconds for each second of wall time."""
        return self.cpu / self.wall if self.wall else 0.0

    @property
    def peak_cores_busy(self) -> float:
        """Cores kept busy in the busiest window: CPU seconds used within it, over its length.

        A neighbour that takes a core for a while lowers the average, hardly the peak. Between two samples
        a worker's CPU time is taken to grow evenly, so jobs with no samples give a coarse figure.
        """
        return self.peak_over(self.window)

    def peak_over(self, seconds: float) -> float:
        """Return what ``peak_cores_busy`` does for windows of so many seconds, or of ``window`` if longer.

        For who says that no more cores were busy than so many. A machine whose host takes a core from it for
        a millisecond may count that as CPU time of a thread that waits; a short window is full of it, a long
        one hardly shows it. (60 runs of two threads with the GIL beside fifty busy processes: at most 1.32 in
        windows of 2 ms, 1.01 in those of 20 ms.) Raises ValueError for a window of no length.
        """
        if not seconds > 0:
            raise ValueError(f"seconds: expected more than 0, got {seconds!r}")
        curves = [_cpu_curve(self.spans, worker) for worker in {span.worker for span in self.spans}]
        first = min(span.started for span in self.spans)
        last = max(span.finished for span in self.spans)
        window = min(max(seconds, self.window), last - first)
        if window <= 0:
            return 0.0
        # The busiest window begins or ends at a reading, as between readings every curve is straight.
        begins = {max(first, min(begin, last - window)) for times, _ in curves for time in times
                  for begin in (time, time - window)}  # fmt: skip
        used = (sum(_at(c, begin + window) - _at(c, begin) for c in curves) for begin in begins)
        return max(used, default=0.0) / window


def _at_work(spans: Sequence[Span]) -> list[tuple[float, int]]:
    """Return every moment at which a job started or finished, and how many jobs were at work after it.

    Within one moment, the jobs that finish come before those that start.
    """
    events = sorted([(s.started, 1) for s in spans] + [(s.finished, -1) for s in spans])
    at_work = accumulate(step for _, step in events)
    return [(time, jobs) for (time, _), jobs in zip(events, at_work, strict=True)]


def _cpu_curve(spans: Iterable[Span], worker: Worker) -> tuple[list[float], list[float]]:
    """Return a worker's clock readings, and the CPU seconds it had used by each.

    Jobs of one thread may overlap, those of asyncio for example, but only one has the core: pieces in which
    a job used no CPU time are left out.
    """
    pieces = []
    for span in (span for span in spans if span.worker == worker):
        readings = [(span.started, 0.0), *span.samples, (span.finished, span.cpu)]
        pieces += [(begin, end, now - then) for (begin, then), (end, now) in pairwise(readings) if now > then]
    times, used, total = [], [], 0.0
    for begin, end, cpu in sorted(pieces):
        times += [begin, end]
        used += [total, total + cpu]
        total += cpu
    return times, used


def _at(curve: tuple[list[float], list[float]], time: float) -> float:
    """Read a curve at a time, by a straight line between its two neighbouring points."""
    times, used = curve
    right = bisect_right(times, time)
    if right == 0 or right == len(times):
        return used[-1] if right else 0.0
    before, after = times[right - 1], times[right]
    return used[right - 1] + (used[right] - used[right - 1]) * (time - before) / (after - before)
