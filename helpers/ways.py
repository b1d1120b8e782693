"""Who does the work: the same jobs go in, one after another, to threads, or to processes; a trace comes out.

    trace = ways.run([jobs.pi_sum] * 8, "processes", workers=2)

All ways are built on ``concurrent.futures``. The workers are started and ready before the first job is
given, so that a trace compares the work and not the start; the start has its own figure, ``trace.startup``.
"""

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
from typing import Any

from helpers.traces import Span, Trace, Worker

WAYS = ("serial", "threads", "processes")
Job = Callable[..., Any]
Run = Callable[[Sequence[Job]], Trace]

_SAMPLE = 0.0001  # seconds between two looks at the CPU clock inside a job, at the least
_START = 60  # seconds that all workers may need to start, on a very busy computer


def run(jobs: Sequence[Job], way: str, workers: int = 1, start_method: str | None = None) -> Trace:
    """Run all jobs in one of the ``WAYS`` and return their trace, one span a job, in the order of the jobs.

    A job is a function that can be called without arguments; ``functools.partial`` makes one of any
    function. What a job returns or raises is kept in its span. ``start_method`` is that of the processes,
    ``default_start_method()`` unless given. Raises ValueError or TypeError for arguments that make no sense.
    """
    with pool(way, workers, start_method) as run_jobs:
        return run_jobs(jobs)


@contextmanager
def pool(way: str, workers: int = 1, start_method: str | None = None) -> Iterator[Run]:
    """Start the workers, hand out a function that runs jobs on them, and end them when the block is left.

    When the block is left by an error or an interrupt, jobs at work are not waited for: processes are
    ended, threads are left to finish the job they have in hand.
    """
    _check(way, workers, start_method)
    if way == "serial":
        yield _run_serial
        return
    began = time.perf_counter()
    executor, barrier = _executor(way, workers, start_method)
    try:
        gather = partial(_gather, executor, barrier, workers)
        crew = gather()
        yield partial(_run_pooled, executor, way, crew, time.perf_counter() - began, gather)
    except BaseException:
        _abandon(executor)
        raise
    executor.shutdown()


def default_start_method() -> str:
    """Return how new processes are started unless the caller says: safe in a program that has threads.

    A notebook's kernel has threads, and a fork copies their locks in whatever state they are; so this is
    "forkserver" where the system has it (the default of Python 3.14 on Linux) and "spawn" elsewhere. The
    environment variable HELPERS_START_METHOD chooses another.
    """
    known = multiprocessing.get_all_start_methods()
    chosen = os.environ.get("HELPERS_START_METHOD") or ("forkserver" if "forkserver" in known else "spawn")
    if chosen not in known:
        raise ValueError(f"HELPERS_START_METHOD: this system has {', '.join(known)}, got {chosen!r}")
    return chosen


def _check(way: str, workers: int, start_method: str | None) -> None:
    if way not in WAYS:
        raise ValueError(f"way: expected one of {', '.join(WAYS)}, got {way!r}")
    if type(workers) is not int or workers < 1:
        raise ValueError(f"workers: expected a whole number of at least 1, got {workers!r}")
    known = multiprocessing.get_all_start_methods()
    if start_method is not None and start_method not in known:
        raise ValueError(f"start_method: this system has {', '.join(known)}, got {start_method!r}")


def _check_jobs(jobs: Sequence[Job], *, picklable: bool) -> None:
    if not isinstance(jobs, Sequence):
        raise TypeError(f"jobs: expected a list of functions, got {jobs!r}")
    if not jobs:
        raise ValueError("jobs: expected at least one job, got none")
    main = sys.modules["__main__"]  # of a notebook or a prompt: has no file
    for number, job in enumerate(jobs):
        if not callable(job):
            raise TypeError(f"jobs[{number}]: expected a function, got {job!r}")
        try:
            if picklable and b"__main__" in pickle.dumps(job) and not hasattr(main, "__file__"):
                raise pickle.PicklingError("there is no file to import it from")
        except Exception as error:
            raise TypeError(
                f"jobs[{number}]: a process must import its job by name, so expected a function from a "
                f"module such as helpers.jobs, not a lambda or one made in a cell; got {job!r}"
            ) from error


# --- In the worker -----------------------------------------------------------------------------------


def timed(number: int, job: Job, given: float) -> Span:
    """Run one job and return its span; ``returned`` is for the master to fill in.

    A job with a parameter ``tick`` is handed a function that looks at the clocks whenever it is called.
    """
    samples: list[tuple[float, float]] = []
    value = error = None
    started, cpu_started = time.perf_counter(), time.thread_time()

    def tick() -> None:
        now = time.perf_counter()
        if now - (samples[-1][0] if samples else started) >= _SAMPLE:
            samples.append((now, time.thread_time() - cpu_started))

    try:
        value = call(job, tick)
    except (Exception, SystemExit) as exception:
        error = f"{type(exception).__name__}: {exception}"
    cpu, finished = time.thread_time() - cpu_started, time.perf_counter()
    me = Worker(os.getpid(), threading.get_native_id())
    return Span(number, me, given, started, finished, finished, cpu, tuple(samples), value, error)


def call(job: Job, tick: Callable[[], object]) -> Any:
    """Call a job, with ``tick`` if it has such a parameter."""
    try:
        takes_tick = "tick" in inspect.signature(job).parameters
    except ValueError:  # a built-in function may have no signature
        takes_tick = False
    return job(tick=tick) if takes_tick else job()


def _meet(barrier: Any, _jobs: Sequence[Job]) -> Worker:
    """Wait until all workers are there, so that no worker answers twice; say who this one is.

    To receive the jobs, a process has to import the modules that they come from.
    """
    (barrier or _barrier).wait(_START)
    return Worker(os.getpid(), threading.get_native_id())


_barrier: Any = None  # in a worker process: the barrier it was started with


def _set_up_process(barrier: Any) -> None:
    """Prepare a worker process: the master alone decides about interrupts, and the worker ends with it."""
    global _barrier
    _barrier = barrier
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_parent()


def leave_with_parent() -> None:
    """Make this child process end when the process that started it is gone, however that came about."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# --- In the master -----------------------------------------------------------------------------------


def _executor(way: str, workers: int, start_method: str | None) -> tuple[Executor, Any]:
    """Return an executor, and the barrier to hand to ``_meet`` (None: processes were started with it)."""
    if way == "threads":
        return ThreadPoolExecutor(workers), threading.Barrier(workers)
    context = multiprocessing.get_context(start_method or default_start_method())
    barrier = context.Barrier(workers)
    return ProcessPoolExecutor(workers, context, initializer=_set_up_process, initargs=(barrier,)), None


def _run_serial(jobs: Sequence[Job]) -> Trace:
    _check_jobs(jobs, picklable=False)
    spans = tuple(timed(number, job, time.perf_counter()) for number, job in enumerate(jobs))
    me = Worker(os.getpid(), threading.get_native_id())
    return Trace("serial", spans, (me,), master=os.getpid())


def _gather(executor: Executor, barrier: Any, workers: int, jobs: Sequence[Job] = ()) -> tuple[Worker, ...]:
    """Wait until all workers are up and know what these jobs need; return who they are."""
    ready = [executor.submit(_meet, barrier, jobs) for _ in range(workers)]
    return tuple(sorted((future.result() for future in ready), key=lambda w: (w.pid, w.thread)))


def _run_pooled(
    executor: Executor,
    way: str,
    crew: tuple[Worker, ...],
    startup: float,
    gather: Callable[[Sequence[Job]], object],
    jobs: Sequence[Job],
) -> Trace:
    _check_jobs(jobs, picklable=way == "processes")
    with suppress(BrokenExecutor):  # a worker that died in an earlier run: each job will say so
        gather(list({getattr(job, "func", job) for job in jobs}))
    given = [time.perf_counter()] * len(jobs)
    numbers: dict[Future[Span], int] = {}
    for number, job in enumerate(jobs):
        given[number] = time.perf_counter()
        numbers[_submit(executor, number, job, given[number])] = number
    spans = {}
    for future in as_completed(numbers):
        number = numbers[future]
        spans[number] = _returned(future, number, given[number], time.perf_counter())
    return Trace(way, tuple(spans[n] for n in sorted(spans)), crew, os.getpid(), startup)


def _submit(executor: Executor, number: int, job: Job, given: float) -> Future[Span]:
    try:
        return executor.submit(timed, number, job, given)
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


def _abandon(executor: Executor) -> None:
    """End an executor without waiting for the jobs at work.

    Python 3.14 has ``kill_workers`` for this; older ones keep their processes in ``_processes``.
    """
    processes = list((getattr(executor, "_processes", None) or {}).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()
