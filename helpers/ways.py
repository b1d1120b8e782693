"""Who does the work: the same jobs go in, one after another, to threads, or to processes; a trace comes out.

    trace = ways.run([jobs.pi_sum] * 8, "processes", workers=2)

Two more ways have the same form: "asyncio", one thread in which jobs that wait take turns, and, from
Python 3.14 on, "interpreters", threads that have a Python interpreter with a GIL of its own each.

All ways are built on ``concurrent.futures``. The workers are started and ready before the first job is
given, so that a trace compares the work and not the start; the start has its own figure, ``trace.startup``.
On Linux each begins its first job on a core of its own, if there are as many; then the system decides.
"""

import inspect
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from helpers.traces import Span, Trace, Worker

WAYS = ("serial", "threads", "processes")
"""The ways that do any job, in any Python."""

ALL_WAYS = (*WAYS, "asyncio", *(("interpreters",) if sys.version_info >= (3, 14) else ()))
"""All that this Python has: asyncio gains only where a job is a coroutine function that waits."""

Job = Callable[..., Any]
Run = Callable[[Sequence[Job]], Trace]
Clocked = tuple[float, float, float, tuple[tuple[float, float], ...], Any, str | None, int | None]
"""Of a job: started, finished, CPU seconds, samples, value, error and switches, as in a span."""

_SAMPLE = 0.0001  # seconds between two looks at the CPU clock inside a job, at the least
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
    began = time.perf_counter()
    executor, barrier = _executor(way, workers, start_method)
    try:
        gather = partial(_gather, executor, barrier, 1 if way == "asyncio" else workers)
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


def lacks(way: str) -> str:
    """Say in a few words what this Python lacks of a way; "" when it has it. For the ``needs`` of a claim."""
    needed = way == "interpreters" and way not in ALL_WAYS
    return (
        f"needs Python 3.14 or later, this is {sys.version_info[0]}.{sys.version_info[1]}" if needed else ""
    )


@contextmanager
def switch_interval(seconds: float) -> Iterator[None]:
    """Let a thread hold the GIL for ``seconds`` when others want it, instead of 0.005, within the block.

    It holds for the threads of this process, in all ways but "processes" and "interpreters". Machine code
    that does not release the GIL holds it for longer still, and without a GIL it has no effect.
    """
    if not isinstance(seconds, int | float) or not 0.000001 <= seconds <= 10:
        raise ValueError(f"seconds: expected 0.000001 to 10, got {seconds!r}")
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _check(way: str, workers: int, start_method: str | None) -> None:
    if lacks(way):
        raise ValueError(f"way: {way!r} {lacks(way)}")
    if way not in ALL_WAYS:
        raise ValueError(f"way: expected one of {', '.join(ALL_WAYS)}, got {way!r}")
    if type(workers) is not int or workers < 1:
        raise ValueError(f"workers: expected a whole number of at least 1, got {workers!r}")
    known = multiprocessing.get_all_start_methods()
    if start_method is not None and start_method not in known:
        raise ValueError(f"start_method: this system has {', '.join(known)}, got {start_method!r}")


def _check_jobs(jobs: Sequence[Job], way: str) -> None:
    if not isinstance(jobs, Sequence):
        raise TypeError(f"jobs: expected a list of functions, got {jobs!r}")
    if not jobs:
        raise ValueError("jobs: expected at least one job, got none")
    for number, job in enumerate(jobs):
        if not callable(job):
            raise TypeError(f"jobs[{number}]: expected a function, got {job!r}")
        if inspect.iscoroutinefunction(job) and way != "asyncio":
            raise TypeError(f"jobs[{number}]: only asyncio runs a coroutine function, got {job!r}")
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
            f"module such as helpers.jobs, not a lambda or one made in a cell; got {job!r}"
        ) from error


# --- In the worker -----------------------------------------------------------------------------------


if sys.platform == "linux":
    import resource

    def _switches() -> int | None:
        """Return how often the system took the core away from this thread; None where it does not tell."""
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
else:

    def _switches() -> int | None:
        """Return None: this system does not tell how often it took the core away from a thread."""
        return None


def _uncounted() -> None:
    """Return None: nobody asks how often the system took the core away."""


class _Watch:
    """One job's clocks: wall time from first to last, CPU time only while the job has its thread."""

    def __init__(self, count: Callable[[], int | None] = _switches) -> None:
        """Start both. ``count`` returns how often the system has taken the core away, None for unknown."""
        self._count = count
        self.samples: list[tuple[float, float]] = []
        self.cpu, self.switches = 0.0, 0
        self.started = time.perf_counter()
        self._resume()

    def _resume(self) -> None:
        self._switches_before, self._cpu_before = self._count(), time.thread_time()

    def _pause(self) -> None:
        self.cpu += time.thread_time() - self._cpu_before
        self.switches += (self._count() or 0) - (self._switches_before or 0)

    def tick(self) -> None:
        """Note what the clocks show, unless they were looked at just now."""
        now = time.perf_counter()
        if now - (self.samples[-1][0] if self.samples else self.started) >= _SAMPLE:
            self.samples.append((now, self.cpu + time.thread_time() - self._cpu_before))

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
            self._resume()

    def stop(self, value: object, error: BaseException | None) -> Clocked:
        """Stop the clocks and return what they showed."""
        self._pause()
        now, text = time.perf_counter(), None if error is None else f"{type(error).__name__}: {error}"
        switches = None if self._switches_before is None else self.switches
        return self.started, now, self.cpu, tuple(self.samples), value, text, switches


def timed(number: int, job: Job, given: float) -> Span:
    """Run one job and return its span; ``returned`` is for the master to fill in."""
    _leave_core()
    return _span(number, given, clocked(job))


def clocked(job: Job, switches: bool = True) -> Clocked:
    """Run one job and return when it did what: a span would take as long to make as a small job does.

    A job with a parameter ``tick`` is handed a function that looks at the clocks whenever it is called.
    ``switches`` is False to leave them uncounted, None: to ask the system takes longer than a small job.
    """
    watch = _Watch(_switches if switches else _uncounted)
    try:
        value, error = call(job, watch.tick), None
    except (Exception, SystemExit) as exception:
        value, error = None, exception
    return watch.stop(value, error)


async def _timed_in_loop(number: int, job: Job, given: float) -> Span:
    """Do what ``timed`` does for a job in an event loop, a coroutine function or any other."""
    from asyncio import CancelledError

    _leave_core()
    watch = _Watch()
    try:
        value, error = call(job, watch.tick), None
        if inspect.iscoroutine(value):
            value = await watch.steps(value)
    except (Exception, SystemExit, CancelledError) as exception:
        value, error = None, exception
    return _span(number, given, watch.stop(value, error))


def _span(number: int, given: float, clocked: Clocked) -> Span:
    started, finished, *others = clocked
    return Span(number, _me(), given, started, finished, finished, *others)


def _me() -> Worker:
    return Worker(os.getpid(), threading.get_native_id())


def call(job: Job, tick: Callable[[], object]) -> Any:
    """Call a job, with ``tick`` if it has such a parameter."""
    function = getattr(job, "func", job)  # of a partial
    ticks = _known_to_tick(function) if isinstance(function, types.FunctionType) else _ticks(function)
    return job(tick=tick) if ticks else job()


def _ticks(function: Job) -> bool:
    try:
        return "tick" in inspect.signature(function).parameters
    except ValueError:  # a built-in function may have no signature
        return False


_known_to_tick = lru_cache(_ticks)  # to look takes longer than many a job


def _meet(barrier: Any, _jobs: Sequence[Job]) -> Worker:
    """Wait until all workers are there, so that no worker answers twice; say who this one is.

    To receive the jobs, a process has to import the modules that they come from.
    """
    _wait_on_core((barrier or _barrier).wait(_START))
    return _me()


def _wait_on_core(number: int) -> None:
    """Have this worker wait for its first job on a core of its own, where the system lets us (Linux).

    Beside other busy programs, two workers that are woken on one core may be left there together for long.
    """
    _leave_core()
    if sys.platform == "linux":
        cores = os.sched_getaffinity(0)
        with suppress(OSError):
            os.sched_setaffinity(0, {sorted(cores)[number % len(cores)]})
            _here.cores = cores


def _leave_core() -> None:
    """Let this worker go to any core again."""
    if sys.platform == "linux" and (cores := vars(_here).pop("cores", None)):
        os.sched_setaffinity(0, cores)


_here = threading.local()  # cores: those this worker may use once it has a job
_barrier: Any = None  # in a worker process: the barrier it was started with


def _set_up_process(barrier: Any) -> None:
    """Prepare a worker process: the master alone decides about interrupts, and the worker ends with it."""
    global _barrier
    _barrier = barrier
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_parent()


def _set_up_interpreter(path: list[str]) -> None:
    """Prepare a worker interpreter: it finds modules where its master does."""
    sys.path[:] = path


@dataclass(frozen=True)
class _Meeting:
    """A barrier for interpreters, which share no objects except queues of a kind of their own."""

    workers: int
    arrivals: Any

    def wait(self, seconds: float) -> int:
        """Wait until as many have come as there are workers, again and again; return how many came so far."""
        end = time.perf_counter() + seconds
        self.arrivals.put(None)
        come: int = self.arrivals.qsize()
        expected = -(-come // self.workers) * self.workers
        while self.arrivals.qsize() < expected:
            if time.perf_counter() > end:
                raise threading.BrokenBarrierError
            time.sleep(0.001)
        return come


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
    if way == "asyncio":
        return _LoopExecutor(workers), threading.Barrier(1)
    if sys.version_info >= (3, 14) and way == "interpreters":
        from concurrent.futures import InterpreterPoolExecutor
        from concurrent.interpreters import create_queue

        interpreters = InterpreterPoolExecutor(workers, initializer=_set_up_interpreter, initargs=(sys.path,))
        return interpreters, _Meeting(workers, create_queue())
    context = multiprocessing.get_context(start_method or default_start_method())
    barrier = context.Barrier(workers)
    return ProcessPoolExecutor(workers, context, initializer=_set_up_process, initargs=(barrier,)), None


class _LoopExecutor(Executor):
    """A thread of its own with asyncio's event loop, in which so many jobs are under way at once.

    A thread of its own, as that of a notebook's kernel has a running loop already.
    """

    def __init__(self, at_once: int) -> None:
        """Start the thread and wait until its loop runs."""
        import asyncio  # only here, as it takes as long to import as all the rest

        self._asyncio, self._turns = asyncio, asyncio.Semaphore(at_once)
        ready: Future[Any] = Future()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(ready),), daemon=True)
        self._thread.start()
        self._loop, self._leave = ready.result(_START)

    async def _serve(self, ready: Future[Any]) -> None:
        leave = self._asyncio.Event()
        ready.set_result((self._asyncio.get_running_loop(), leave))
        await leave.wait()  # then asyncio.run cancels what is still under way, and waits until it has ended

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function, which may be a coroutine function, in the loop when it is its turn."""
        if self._loop.is_closed():
            raise RuntimeError("cannot schedule new futures after shutdown")
        job = self._in_turn(partial(function, *args, **kwargs))
        return self._asyncio.run_coroutine_threadsafe(job, self._loop)

    async def _in_turn(self, function: Callable[[], Any]) -> Any:
        async with self._turns:
            result = function()
            return await result if inspect.isawaitable(result) else result

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel what is under way and end the thread; a job that holds up the loop may go on for a while."""
        with suppress(RuntimeError):  # it is closed already
            self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(None if wait else 1)


def _run_serial(jobs: Sequence[Job]) -> Trace:
    _check_jobs(jobs, "serial")
    spans = tuple(timed(number, job, time.perf_counter()) for number, job in enumerate(jobs))
    return Trace("serial", spans, (_me(),), master=os.getpid())


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
    _check_jobs(jobs, way)
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
        run_one: Callable[..., Any] = _timed_in_loop if isinstance(executor, _LoopExecutor) else timed
        return executor.submit(run_one, number, job, given)
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
