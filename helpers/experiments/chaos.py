"""A run in which workers are killed at random and replaced, and the board's figures while it lasts.

run --- submit, collect ---> master <--- stats --- samples, in a thread of its own
 |                              ^
 +--- kill one, add one --> workers
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import psutil

from helpers.jobqueue import Client, MasterGone, Workers
from helpers.traces import Span, Trace, Worker

_REDRAW = 0.3  # seconds between two calls of a run's watcher


class Sample(NamedTuple):
    """The board at one moment of the clock, in seconds: tasks waiting, tasks in work, tasks done so far."""

    time: float
    waiting: int
    in_work: int
    done: int


Watch = Callable[[Sequence[Sample], dict[int, float]], object]
"""What is shown the samples and the kills of a run while it lasts."""


@dataclass(frozen=True)
class Run:
    """What came of a run with kills.

    ``order`` holds the numbers of the tasks as their results came. ``kills`` maps each killed process to the
    moment, on the clock of the trace and of the samples.
    """

    trace: Trace
    order: tuple[int, ...] = field(repr=False)
    samples: tuple[Sample, ...] = field(repr=False)
    kills: dict[int, float]


@contextmanager
def samples(master: Client, every: float = 0.01) -> Iterator[list[Sample]]:
    """Read the board's figures every so many seconds while the block lasts, and once at its end.

    What was done before is not counted. The readings end early when the master does.
    """
    done_before = master.stats().done
    found: list[Sample] = []
    ended = threading.Event()

    def read() -> None:
        stats = master.stats()
        found.append(Sample(time.perf_counter(), stats.waiting, stats.in_work, stats.done - done_before))

    def read_on() -> None:
        try:
            while not ended.wait(every):
                read()
            read()
        except MasterGone:
            pass

    read()
    with ThreadPoolExecutor(1, "samples") as thread:
        reading = thread.submit(read_on)
        try:
            yield found
        finally:
            ended.set()
    reading.result()


def run(
    master: Client,
    workers: Workers,
    function: str,
    arguments: Sequence[Any],
    *,
    kills: int,
    seed: int = 0,
    watch: Watch | None = None,
) -> Run:
    """Run a function of ``functions`` on each argument; meanwhile kill and replace ``kills`` workers.

    Whom, after how many results, and how far into a task, is drawn with ``seed``: one in each of ``kills``
    equal parts of the first four fifths. There is a progress bar, and ``watch`` is called a few times a
    second. Raises ValueError when there are not at least two tasks a kill, and what a batch raises. An
    interrupt ends the run, and takes its tasks off the board.
    """
    if not 0 <= 2 * kills <= len(arguments):
        raise ValueError(f"kills: expected at most half the number of tasks, got {kills!r}")
    reaper = _Reaper(workers, random.Random(seed), len(arguments), kills)
    order: list[int] = []
    with samples(master) as found:
        batch = master.submit(function, arguments)
        look = _sparingly(watch, found, reaper.kills)
        try:
            for span in _with_bar(batch.as_completed(), len(arguments)):
                look()
                order.append(span.job)
                reaper.strike(found[-1].done, span)
            trace = batch.wait()
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the run has been interrupted, and its tasks are off the board") from None
        finally:
            batch.cancel()  # of a run that was interrupted, nothing goes on
    if watch:
        watch(found, reaper.kills)
    return Run(_with_all(trace, reaper.kills), tuple(order), tuple(found), reaper.kills)


class _Reaper:
    """Kills workers and replaces them, each after a number of results that is drawn beforehand."""

    _LONGEST = 0.5  # seconds into a task, at the most

    def __init__(self, workers: Workers, chance: random.Random, tasks: int, kills: int) -> None:
        self._workers, self._chance = workers, chance
        self._known: set[int] = set()  # the workers that have had a result
        self._due = [0.8 * tasks * (number + chance.random()) / kills for number in range(kills)]
        self.kills: dict[int, float] = {}

    def strike(self, done: int, last: Span) -> None:
        """Kill a worker as by ``kill -9`` and start another, if that is due after so many results.

        It is one that has had a result before, if any is left of those. The blow falls anywhere in a task,
        of which the ``last`` tells how long they are, and not always just after a result.
        """
        self._known.add(last.worker.pid)
        if self._due and done >= self._due[0]:
            del self._due[0]
            time.sleep(self._chance.random() * min(last.seconds, self._LONGEST))
            pids = self._workers.pids
            pid = self._chance.choice([pid for pid in pids if pid in self._known] or pids)
            psutil.Process(pid).kill()
            self.kills[pid] = time.perf_counter()
            self._workers.add()


def _sparingly(watch: Watch | None, found: list[Sample], killed: dict[int, float]) -> Callable[[], None]:
    """Return a function that calls the watcher, unless it did so just before."""
    next_time = 0.0

    def look() -> None:
        nonlocal next_time
        if watch and time.perf_counter() >= next_time:
            watch(found, killed)
            next_time = time.perf_counter() + _REDRAW

    return look


def _with_bar(spans: Iterable[Span], total: int) -> Iterator[Span]:
    """Pass spans on under a progress bar that stays where it is, also in a stored notebook."""
    from IPython.display import ProgressBar  # not before it is needed: it takes a while

    bar = ProgressBar(total)  # type: ignore[no-untyped-call]
    bar.display()  # type: ignore[no-untyped-call]
    for span in spans:
        bar.progress += 1
        yield span


def _with_all(trace: Trace, killed: Iterable[int]) -> Trace:
    """Return a trace that knows also those killed who have finished nothing."""
    idle = [Worker(pid, 0) for pid in killed if pid not in trace.pids]
    return replace(trace, workers=(*trace.workers, *idle))
