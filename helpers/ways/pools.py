"""Pools of workers: they are started, run jobs as often as asked to, and are ended with their block."""

import inspect
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Self

from helpers import checks, children, clocked
from helpers.clocked import Job
from helpers.show import short
from helpers.traces import Span, Trace, Worker
from helpers.ways import cores, interpreters

WAYS = ("serial", "threads", "processes")
"""The ways that do any job, in any Python."""

ALL_WAYS = (*WAYS, "asyncio", *(("interpreters",) if sys.version_info >= (3, 14) else ()))
"""All that this Python has: asyncio gains only where a job is a coroutine function that waits."""

Run = Callable[[Sequence[Job]], Trace]

_START = 60  # seconds that all workers may need to start, on a very busy computer


def run(jobs: Sequence[Job], way: str, workers: int = 1, start_method: str | None = None) -> Trace:
    """Run all jobs in one of ``ALL_WAYS`` and return their trace, one span a job, in the order of the jobs.

    A job is a function that can be called without arguments; ``functools.partial`` makes one of any
    function. What a job returns or raises is kept in its span. ``start_method`` is that of the processes,
    ``default_start_method()`` unless given. Raises ValueError or TypeError for arguments that make no sense.

    Asyncio has one worker, its thread, and ``workers`` is how many jobs may be under way in it at once, so
    that their spans overlap. It alone runs coroutine functions; any other function holds up all the rest.
    """
    with pool(way, workers, start_method) as run_jobs:
        return run_jobs(jobs)


@contextmanager
def pool(way: str, workers: int = 1, start_method: str | None = None) -> Iterator[Run]:
    """Start the workers, hand out a function that runs jobs on them, and end them when the block is left.

    When the block is left by an error or an interrupt, jobs at work are not waited for: processes are
    ended, coroutines are cancelled, threads are left to finish the job they have in hand.
    """
    _check(way, workers, start_method)
    if way == "serial":
        yield _run_serial
        return
    executor, barrier = _executor(way, workers, start_method)
    try:
        gather = partial(_gather, executor, barrier, 1 if way == "asyncio" else workers)
        ready = gather()
        yield partial(_run_pooled, executor, way, ready, gather)
    except BaseException:
        children.kill_workers(executor)
        raise
    executor.shutdown()


def lacks(way: str) -> str:
    """Say in a few words what this Python lacks of a way; "" when it has it. For the ``needs`` of a claim."""
    needed = way == "interpreters" and way not in ALL_WAYS
    return (
        f"needs Python 3.14 or later, this is {sys.version_info[0]}.{sys.version_info[1]}" if needed else ""
    )


class SwitchInterval:
    """How long a thread may keep the GIL when others want it, set for now; ``switch_interval`` makes one."""

    def __init__(self, seconds: float) -> None:
        """Set it at once, and remember how it was."""
        checks.seconds(0.000001, 10, seconds=seconds)
        self.seconds, self.before = seconds, sys.getswitchinterval()
        sys.setswitchinterval(seconds)

    def __repr__(self) -> str:
        """Say what is set, and how to set it back without a block."""
        return (
            f"<switch interval of {self.seconds:g} s from now on; "
            f"ways.switch_interval({self.before:g}) sets it back>"
        )

    def __enter__(self) -> Self:
        """Do nothing: it is set."""
        return self

    def __exit__(self, *_: object) -> None:
        """Set it back."""
        sys.setswitchinterval(self.before)


def switch_interval(seconds: float) -> SwitchInterval:
    """Let a thread hold the GIL for ``seconds`` when others want it, instead of 0.005, from now on.

    In a ``with`` it is set back at the end of the block. It holds for the threads of this process, in all
    ways but "processes" and "interpreters". Machine code that does not release the GIL holds it for longer
    still, and without a GIL it has no effect. Raises ValueError for less than a millionth or more than ten.
    """
    return SwitchInterval(seconds)


def _check(way: str, workers: int, start_method: str | None) -> None:
    if lacks(way):
        raise ValueError(f"way: {way!r} {lacks(way)}")
    if way not in ALL_WAYS:
        raise ValueError(f"way: expected one of {', '.join(ALL_WAYS)}, got {short(way)}")
    checks.whole(workers=workers)
    known = multiprocessing.get_all_start_methods()
    if start_method is not None and start_method not in known:
        raise ValueError(f"start_method: this system has {', '.join(known)}, got {short(start_method)}")


def _check_jobs(jobs: Sequence[Job], way: str) -> None:
    if not isinstance(jobs, Sequence):
        raise TypeError(f"jobs: expected a list of functions, got {short(jobs)}")
    if not jobs:
        raise ValueError("jobs: expected at least one job, got none")
    for number, job in enumerate(jobs):
        if not callable(job):
            raise TypeError(f"jobs[{number}]: expected a function, got {short(job)}")
        if inspect.iscoroutinefunction(job) and way != "asyncio":
            raise TypeError(f"jobs[{number}]: only asyncio runs a coroutine function, got {short(job)}")
        if way in ("processes", "interpreters"):
            _check_importable(job, number, way)


def _check_importable(job: Job, number: int, way: str) -> None:
    main = sys.modules["__main__"]  # of a notebook or a prompt: has no file
    worker = "a process" if way == "processes" else "an interpreter"
    try:
        if b"__main__" in pickle.dumps(job) and not hasattr(main, "__file__"):
            raise pickle.PicklingError("there is no file to import it from")
    except Exception as error:
        raise TypeError(
            f"jobs[{number}]: {worker} must import its job by name, so expected a function from a "
            f"module such as helpers.jobs, not a lambda or one made in a cell; got {short(job)}"
        ) from error


# --- In the worker -----------------------------------------------------------------------------------


def _work(number: int, job: Job, given: float) -> Span:
    cores.leave_core()
    return clocked.timed(number, job, given)


async def _work_in_loop(number: int, job: Job, given: float) -> Span:
    cores.leave_core()
    return await clocked.timed_in_loop(number, job, given)


def _meet(barrier: Any, _jobs: Sequence[Job]) -> Worker:
    """Wait until all workers are there, so that no worker answers twice; say who this one is.

    To receive the jobs, a process has to import the modules that they come from.
    """
    cores.wait_on_core((barrier or _barrier).wait(_START))
    return clocked.me()


_barrier: Any = None  # in a worker process: the barrier it was started with


def _set_up_process(barrier: Any) -> None:
    """Prepare a worker process: the master alone decides about interrupts, and the worker ends with it."""
    global _barrier
    _barrier = barrier
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children.leave_with_parent()


# --- In the master -----------------------------------------------------------------------------------


def _executor(way: str, workers: int, start_method: str | None) -> tuple[Executor, Any]:
    """Return an executor, and the barrier to hand to ``_meet`` (None: processes were started with it)."""
    if way == "threads":
        return ThreadPoolExecutor(workers), threading.Barrier(workers)
    if way == "asyncio":
        from helpers.ways.loop import LoopExecutor  # only here: asyncio takes a while to import

        return LoopExecutor(workers), threading.Barrier(1)
    if way == "interpreters":
        return interpreters.executor(workers)
    context = multiprocessing.get_context(start_method or children.default_start_method())
    barrier = context.Barrier(workers)
    return ProcessPoolExecutor(workers, context, initializer=_set_up_process, initargs=(barrier,)), None


def _run_serial(jobs: Sequence[Job]) -> Trace:
    _check_jobs(jobs, "serial")
    spans = tuple(clocked.timed(number, job, time.perf_counter()) for number, job in enumerate(jobs))
    return Trace("serial", spans, (clocked.me(),), master=os.getpid())


def _gather(executor: Executor, barrier: Any, workers: int, jobs: Sequence[Job] = ()) -> tuple[Worker, ...]:
    """Wait until all workers are up and know what these jobs need; return who they are."""
    ready = [executor.submit(_meet, barrier, jobs) for _ in range(workers)]
    return tuple(sorted((future.result() for future in ready), key=lambda w: (w.pid, w.thread)))


def _run_pooled(
    executor: Executor,
    way: str,
    ready: tuple[Worker, ...],
    gather: Callable[[Sequence[Job]], object],
    jobs: Sequence[Job],
) -> Trace:
    _check_jobs(jobs, way)
    with suppress(BrokenExecutor):  # a worker that died in an earlier run: each job will say so
        functions = [getattr(job, "func", job) for job in jobs]
        gather(list({id(function): function for function in functions}.values()))  # each once
    given = [time.perf_counter()] * len(jobs)
    numbers: dict[Future[Span], int] = {}
    for number, job in enumerate(jobs):
        given[number] = time.perf_counter()
        numbers[_submit(executor, way, number, job, given[number])] = number
    spans = {}
    for future in as_completed(numbers):
        number = numbers[future]
        spans[number] = _returned(future, number, given[number], time.perf_counter())
    return Trace(way, tuple(spans[n] for n in sorted(spans)), ready, os.getpid())


def _submit(executor: Executor, way: str, number: int, job: Job, given: float) -> Future[Any]:
    try:
        return executor.submit(_work_in_loop if way == "asyncio" else _work, number, job, given)
    except BrokenExecutor as error:  # a worker process died before this job could be given
        future: Future[Span] = Future()
        future.set_exception(error)
        return future


def _returned(future: Future[Span], number: int, given: float, now: float) -> Span:
    """Return the span of a future that is done; a job whose worker died has a span of no length."""
    error = future.exception()
    if error is None:
        return replace(future.result(), returned=now)
    nobody = Worker(0, 0)
    return Span(number, nobody, given, now, now, now, 0.0, error=f"{type(error).__name__}: {error}")
