"""The clocks round one job: when it started and finished, its CPU time, and what it returned or raised."""

import inspect
import os
import threading
import time
import types
from collections.abc import Callable, Coroutine, Generator
from functools import lru_cache, partial
from typing import Any

from helpers.traces import Span, Worker

Job = Callable[..., Any]
Clocked = tuple[float, float, float, tuple[tuple[float, float], ...], Any, str | None]
"""Of a job: started, finished, CPU seconds, samples, value and error, as in a span."""

_SAMPLE = 0.0001  # seconds between two looks at the CPU clock inside a job, at the least
_READING = 0.00005  # seconds that it may take to read both clocks: a window of 2 ms is off by 2.5 % at most


class Watch:
    """One job's clocks: wall time from first to last, CPU time only while the job has its thread."""

    def __init__(self) -> None:
        """Start both."""
        self.samples: list[tuple[float, float]] = []
        self.cpu = 0.0
        self.started = time.perf_counter()
        self._cpu_before = time.thread_time()

    def _pause(self) -> None:
        self.cpu += time.thread_time() - self._cpu_before

    def tick(self) -> None:
        """Note what the clocks show, unless they were looked at just now.

        The two are not read at one moment. A reading between which the thread lost its core, or the garbage
        was collected, tells of CPU time at a moment when it was not yet used, or long after; it is left out.
        """
        now = time.perf_counter()
        if now - (self.samples[-1][0] if self.samples else self.started) >= _SAMPLE:
            cpu = self.cpu + time.thread_time() - self._cpu_before
            if time.perf_counter() - now <= _READING:
                self.samples.append((now, cpu))

    @types.coroutine
    def steps(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Run a coroutine, and stop the clock of CPU time whenever it waits: others have the thread then."""
        step: Callable[[], Any] = partial(coroutine.send, None)
        while True:
            try:
                waits_for = step()
            except StopIteration as done:
                return done.value
            self._pause()
            self.samples.append((time.perf_counter(), self.cpu))
            try:
                yield waits_for
                step = partial(coroutine.send, None)
            except BaseException as error:  # such as a cancellation, which the job may want to answer
                step = partial(coroutine.throw, error)
            self.samples.append((time.perf_counter(), self.cpu))
            self._cpu_before = time.thread_time()

    def stop(self, value: object, error: BaseException | None) -> Clocked:
        """Stop the clocks and return what they showed."""
        self._pause()
        now, text = time.perf_counter(), None if error is None else text_of(error)
        return self.started, now, self.cpu, tuple(self.samples), value, text


def text_of(error: BaseException) -> str:
    """Return an error's kind and message in one text, whatever its ``__str__`` does."""
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:
        return f"{type(error).__name__} (its message cannot be read)"


def timed(number: int, job: Job, given: float) -> Span:
    """Run one job and return its span; ``returned`` is for the master to fill in."""
    return _span(number, given, clocked(job))


def clocked(job: Job, ends: type[BaseException] = KeyboardInterrupt) -> Clocked:
    """Run one job and return when it did what: a span would take as long to make as a small job does.

    A job with a parameter ``tick`` is handed a function that looks at the clocks whenever it is called.
    Whatever a job raises is its error, but ``ends``, by which the one who waits for it is told to leave.
    """
    value: Any = None
    error: BaseException | None = None
    watch = Watch() if ticks(job) else None
    started, cpu_before = time.perf_counter(), time.thread_time()
    try:
        value = job(tick=watch.tick) if watch else job()
    except BaseException as exception:
        if isinstance(exception, ends):
            raise
        error = exception
    if watch:
        return watch.stop(value, error)
    cpu = time.thread_time() - cpu_before
    return started, time.perf_counter(), cpu, (), value, None if error is None else text_of(error)


async def timed_in_loop(number: int, job: Job, given: float) -> Span:
    """Do what ``timed`` does for a job in an event loop, a coroutine function or any other."""
    from asyncio import CancelledError

    watch = Watch()
    try:
        value, error = call(job, watch.tick), None
        if inspect.iscoroutine(value):
            value = await watch.steps(value)
    except (Exception, SystemExit, CancelledError) as exception:
        value, error = None, exception
    return _span(number, given, watch.stop(value, error))


def _span(number: int, given: float, clocked: Clocked) -> Span:
    started, finished, *others = clocked
    return Span(number, me(), given, started, finished, finished, *others)


def me() -> Worker:
    """Return who runs this: the process and the thread."""
    return Worker(os.getpid(), threading.get_native_id())


def call(job: Job, tick: Callable[[], object]) -> Any:
    """Call a job, with ``tick`` if it has such a parameter."""
    return job(tick=tick) if ticks(job) else job()


def ticks(job: Job) -> bool:
    """Tell whether a job has a parameter ``tick``."""
    function = getattr(job, "func", job)  # of a partial
    return _known_to_tick(function) if isinstance(function, types.FunctionType) else _ticks(function)


def _ticks(function: Job) -> bool:
    try:
        return "tick" in inspect.signature(function).parameters
    except ValueError:  # a built-in function may have no signature
        return False


_known_to_tick = lru_cache(_ticks)  # to look takes longer than many a job
