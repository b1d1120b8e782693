"""The exercises of chapter 02: chunks, a share of CPU time, the right pool, a block of shared memory."""

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, ClassVar, Self

from helpers import children
from helpers.exercises.desk import NotAttempted, NotYet, as_list, exercise, within
from helpers.show import short

_WORKERS = 2
_MOST = 10  # hand-overs for each worker


# --- Chunks ------------------------------------------------------------------------------------------


def square(number: int) -> int:
    """Return a number's square: the smallest of jobs, which a process can import."""
    return number * number


class CountingPool(ProcessPoolExecutor):
    """A pool of processes that counts what is handed to its workers; ``map`` hands over chunk by chunk."""

    handed = 0

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **more: Any) -> Future[Any]:
        """Hand over one job, or one chunk of jobs."""
        self.handed += 1
        return super().submit(function, *arguments, **more)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stay open, as there are other numbers to come."""

    def end(self) -> None:
        """Do what ``shutdown`` does elsewhere."""
        super().shutdown(cancel_futures=True)


@exercise(
    "02.chunks",
    "few hand-overs, and work for both workers, however many numbers there are.",
    "map has a third argument, chunksize: how many jobs go to a worker in one hand-over. It is 1 if you do "
    "not say.",
    "As many chunks as there are workers would do, and a few times as many share unequal jobs better. But a "
    "chunk has at least one job.",
    "return list(pool.map(work, numbers, chunksize=max(1, len(numbers) // (4 * workers))))",
)
def _chunks(map_in_chunks: Callable[..., object]) -> None:
    pool = CountingPool(_WORKERS, mp_context=multiprocessing.get_context(children.default_start_method()))
    try:
        for count in (1000, 10, 1):
            _look_at_chunks(map_in_chunks, pool, count)
    finally:
        pool.end()


def _look_at_chunks(map_in_chunks: Callable[..., object], pool: CountingPool, count: int) -> None:
    numbers, pool.handed = list(range(count)), 0
    case = f"{count:,} number{'s' * (count > 1)} for {_WORKERS} workers"
    try:
        found = within(15, map_in_chunks, pool, square, numbers, _WORKERS)
    except (ValueError, ZeroDivisionError) as error:
        raise NotYet(f"with {case} it raises {type(error).__name__}: {error}.") from None
    if found is None and not pool.handed:
        raise NotAttempted("nothing was handed to the pool.")
    found = as_list(found, "a list of squares")
    if any(isinstance(one, Future) for one in found):
        raise NotYet("it returns futures, the promises of results: ask each for its result().")
    if found != [number * number for number in numbers]:
        raise NotYet(
            f"with {case}, work(number) for each number, in order, was expected; got {short(found)}."
        )
    if not pool.handed:
        raise NotYet("the squares are right, and the pool that was handed over was given nothing: use it.")
    if pool.handed == count == 1000:
        raise NotAttempted(
            f"{count:,} tiny jobs went to the workers in {pool.handed:,} hand-overs, one by one. Each costs "
            "more than a square."
        )
    if pool.handed > min(count, _MOST * _WORKERS):
        raise NotYet(
            f"{case} were handed over in {pool.handed} pieces: more than {_MOST} for a worker. Larger chunks "
            "need fewer."
        )
    if pool.handed < min(count, _WORKERS):
        raise NotYet(
            f"{case} were handed over in one piece, so one worker does all and the other nothing: the size "
            "of a chunk depends on how many numbers and workers there are."
        )


# --- A share of CPU time -----------------------------------------------------------------------------


class _Job:
    """A job that computes or waits, and measures itself."""

    def __init__(self, computes: bool) -> None:
        self._computes = computes
        self.times, self.share, self.seconds = 0, 0.0, 0.0

    def __call__(self) -> str:
        self.times += 1
        wall, cpu = time.perf_counter(), time.thread_time()
        if self._computes:
            while time.thread_time() < cpu + 0.1:
                sum(range(1000))
        else:
            time.sleep(0.1)
        self.seconds = time.thread_time() - cpu
        self.share = self.seconds / (time.perf_counter() - wall)
        return "done"


class _Neighbour:
    """A thread of this process that computes while its block runs; then, ``share`` is its CPU time's."""

    share = 0.0

    def __enter__(self) -> Self:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._compute, daemon=True)
        self._thread.start()
        return self

    def _compute(self) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        while not self._end.is_set():
            sum(range(1000))
        self.share = (time.thread_time() - cpu) / (time.perf_counter() - wall)

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def _share_of(cpu_share: Callable[..., object], job: _Job) -> float:
    share = within(5, cpu_share, job)
    if share is None and not job.times:
        raise NotAttempted("the job was not run.")
    if not job.times:
        raise NotYet("the job was never run: call job() between two looks at the clocks.")
    if share is None:
        raise NotYet("the job was run, and nothing was returned.")
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise NotYet(f"a number from 0 to 1 was expected; got {short(share)}.")
    if job.times > 1:
        raise NotYet(f"the job was run {job.times} times: one run has to do, read both clocks round it.")
    return share


@exercise(
    "02.share",
    "CPU seconds of the thread that ran the job, per second on the wall.",
    "Two clocks are needed: one that goes on always, one that goes on only while this thread has a core.",
    "time.perf_counter() is the clock on the wall, time.thread_time() counts this thread's CPU seconds.",
    "wall, cpu = time.perf_counter(), time.thread_time(); job(); return (time.thread_time() - cpu) / "
    "(time.perf_counter() - wall)",
)
def _share(cpu_share: Callable[..., object]) -> None:
    waits = _Job(computes=False)
    share = _share_of(cpu_share, waits)
    if abs(share - 1) < 0.05:
        raise NotYet(
            f"a job that only waits was given the share {share:.2f}: were both clocks on the wall? One "
            "has to count CPU time."
        )
    if share > 1:
        raise NotYet(
            f"a job that only waits was given the share {share:.3g}: a share is from 0 to 1, CPU seconds "
            "divided by seconds on the wall."
        )
    computes = _Job(computes=True)
    share = _share_of(cpu_share, computes)
    if share > 1.5:
        raise NotYet(f"a share is from 0 to 1, and it returned {share:.3g}.")
    if share < 0:
        raise NotYet(f"a share is from 0 to 1, and it returned {share:.3g}: take the earlier from the later.")
    if abs(share - computes.seconds) < 0.02 < abs(computes.share - computes.seconds):
        raise NotYet(
            f"it returned {share:.2f}, the CPU seconds of the job: a share is these, divided by the seconds "
            "on the wall."
        )
    if share < computes.share / 4:
        raise NotYet(
            f"a job that computes all the time was given the share {share:.2f}. thread_time counts the "
            "thread that asks: ask in the thread that runs the job, before and after it."
        )
    if abs(share - computes.share) > 0.02 + computes.share / 4:
        raise NotYet(f"a job with the share {computes.share:.2f} was given {share:.2f}.")
    waits = _Job(computes=False)
    with _Neighbour() as neighbour:
        share = _share_of(cpu_share, waits)
    if share > waits.share + neighbour.share / 2:
        raise NotYet(
            "while the job waited, another thread computed, and its CPU time was counted too. "
            "time.process_time counts all threads of the process, time.thread_time this one."
        )


# --- The right pool ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """What a job is given: a number, and where it meets the other workers."""

    number: int
    folder: str
    size: int  # workers that are to be at work at once
    patience: float  # seconds after which a worker no longer waits for others


def meet(item: Item) -> tuple[int, int, int]:
    """Return the number's square, and the process and the thread; wait until all workers are at work."""
    folder, end = Path(item.folder), time.monotonic() + item.patience
    (folder / f"{os.getpid()}-{threading.get_ident()}").touch()
    while len(list(folder.glob("*-*"))) < item.size and not (folder / "alone").exists():
        time.sleep(0.005)
        if time.monotonic() > end:
            (folder / "alone").touch()
    return item.number**2, os.getpid(), threading.get_ident()


def _workers(
    run_all: Callable[..., object], share: float, size: int, patience: float
) -> set[tuple[int, int]]:
    """Return the workers, by process and thread, when all results are as expected."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        items = [Item(number, folder, size, patience) for number in range(3 * size)]
        found = within(15, run_all, meet, items, share, size)
        if found is None:
            raise NotAttempted("nothing was returned.")
        found = as_list(found, "a list of what job returns")
        if any(isinstance(one, Future) for one in found):
            raise NotYet("it returns futures, the promises of results: ask each for its result().")
        if [one[0] if isinstance(one, tuple) else one for one in found] != [n.number**2 for n in items]:
            raise NotYet(f"what job returns for each item, in order, was expected; got {short(found)}.")
        workers = {(pid, thread) for _, pid, thread in found}
        if (Path(folder) / "alone").exists() and len(workers) > 1:
            raise NotYet(f"{size} workers were to be at work at once, and there were {len(workers)}.")
        return workers


@exercise(
    "02.pool",
    "threads for what waits, processes for what computes, and as many as were asked for.",
    "Who can wait together? And who can compute together, while there is a GIL?",
    "Both executors are made and used alike, so only the class differs: "
    "ProcessPoolExecutor if share > 0.5 else ThreadPoolExecutor.",
    "kind = ProcessPoolExecutor if share > 0.5 else ThreadPoolExecutor; with kind(workers) as pool: return "
    "list(pool.map(job, items))",
)
def _pool(run_all: Callable[..., object]) -> None:
    here = os.getpid()
    workers = _workers(run_all, 0.02, 8, patience=1.0)
    if len(workers) == 1 and {pid for pid, _ in workers} == {here}:
        raise NotAttempted("jobs that wait were run one after the other, by one thread.")
    if here not in {pid for pid, _ in workers}:
        raise NotYet(
            "jobs that only wait (a share of 0.02) ran in other processes. Each of those has to be started "
            "and takes memory; threads wait just as well."
        )
    if len(workers) != 8:
        raise NotYet(f"8 workers were to be at work at once, and there were {len(workers)}.")
    workers = _workers(run_all, 0.97, 2, patience=8.0)
    if here in {pid for pid, _ in workers}:
        raise NotYet(
            "jobs that compute (a share of 0.97) ran in this process, where a GIL lets one thread compute "
            "at a time: processes were asked for."
        )
    if len(workers) != 2:
        raise NotYet(f"2 processes were to compute, and there were {len(workers)}.")


# --- A block of shared memory ------------------------------------------------------------------------


class WatchedMemory(SharedMemory):
    """A block of shared memory that notes its end."""

    made: ClassVar[list["WatchedMemory"]] = []  # those of a check; kept here, so that none ends by itself

    def __init__(self, name: str | None = None, create: bool = False, size: int = 0) -> None:
        """Make a block, or attach to one."""
        self.calls: list[str] = []
        super().__init__(name, create, size)
        self.made.append(self)

    def close(self) -> None:
        """Do what ``close`` does, and note it."""
        self.calls.append("close")
        super().close()

    def unlink(self) -> None:
        """Do what ``unlink`` does, and note it."""
        self.calls.append("unlink")
        super().unlink()


_DATA = b"a page that is too long to be sent with each task"


@exercise(
    "02.memory",
    "the block was closed and unlinked, with the error as without it.",
    "close() says that this process needs the block no more, unlink() that nobody does. Who calls them here?",
    "use(...) may raise an error, so what must be done after it belongs into finally:.",
    "block = make(create=True, size=len(data)); try: block.buf[:len(data)] = data; return use(block.name); "
    "finally: block.close(); block.unlink()",
)
def _memory(share: Callable[..., object]) -> None:
    try:
        _look_at_memory(share, fails=False)
        _look_at_memory(share, fails=True)
    finally:
        for block in WatchedMemory.made:
            with suppress(OSError, BufferError):
                block.close()
            if "unlink" not in block.calls:
                with suppress(OSError):
                    block.unlink()
        WatchedMemory.made.clear()


def _look_at_memory(share: Callable[..., object], fails: bool) -> None:
    seen: list[bytes] = []

    def use(name: str) -> int:
        if not isinstance(name, str):
            raise NotYet(
                f"use was to be given the name of the block, block.name; it was given {short(name)}."
            )
        try:
            block = SharedMemory(name)
        except FileNotFoundError:
            raise NotYet(f"use was given the name {short(name)}, and there is no such block now.") from None
        seen.append(bytes(block.buf or b"")[: len(_DATA)])
        block.close()
        if fails:
            raise KeyError("use has failed")
        return len(seen[0])

    WatchedMemory.made.clear()
    raised = False
    try:
        value = within(5, share, WatchedMemory, _DATA, use)
    except KeyError:
        raised = True
    blocks = WatchedMemory.made
    if not blocks and not seen:
        raise NotAttempted("no block was made.")
    if not blocks:
        raise NotYet("make has to make the block: make(create=True, size=len(data)).")
    if not seen:
        raise NotYet("a block was made, and use was never called.")
    if seen[0] != _DATA:
        raise NotYet(
            f"in the block, use found {short(seen[0])}: copy the data first, block.buf[:len(data)] = data."
        )
    calls = [call for block in blocks for call in block.calls]
    how = ", when use raises an error" if fails else ""
    if not calls and not fails:
        raise NotAttempted("the function has returned, and its block is still there: who will remove it?")
    if not calls:
        raise NotYet(
            f"the block was neither closed nor unlinked{how}: what is to be done in any case belongs into "
            "finally:."
        )
    for call, why in (
        ("close", "this process still has it in its memory"),
        ("unlink", "it is there until the computer is switched off"),
    ):
        if call not in calls:
            raise NotYet(f"the block was not {call.rstrip('e')}ed{how}, so {why}.")
    if fails and not raised:
        raise NotYet("use raised a KeyError, and whoever called was not told: let the error pass.")
    if not fails and value != len(_DATA):
        raise NotYet(f"what use returns, {len(_DATA)}, was to be returned; got {short(value)}.")
