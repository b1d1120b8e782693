"""What a worker costs before it has done anything: its start, its memory, a message to it and back.

And how many there can be: idle threads by the thousand, and processes up to a limit of the system.

Each measurement is a program of its own, ``python -m helpers.experiments.worker_costs NAME``: it has little
memory and few threads, unlike a notebook's kernel (which it is not safe to fork), and it ends with everything
it started when the kernel is gone.
"""

import asyncio
import multiprocessing
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import psutil

from helpers import checks, children, machine, programs

_THIS = "helpers.experiments.worker_costs"
_IDLE_THREADS = 50
_IDLE_TASKS = 2000
_MESSAGES = 100  # round trips in a round

# --- The reader's side -------------------------------------------------------------------------------


def start_costs(rounds: int = 5) -> dict[str, list[float]]:
    """Start a thread, and a process by each start method of this system, and wait until it has ended.

    Returns the seconds that each took, a list for each kind, taken in turns. A start method that needs a
    server has it running before the first round. Raises ValueError for fewer rounds than one, RuntimeError
    when the program that measures fails.
    """
    checks.whole(rounds=rounds)
    seconds: dict[str, list[float]] = programs.ask(_THIS, "start-costs", str(rounds))
    return seconds


def idle_memory() -> dict[str, int]:
    """Return the bytes of memory that one idle worker has to itself, for each kind of worker.

    The kinds are "task" (of asyncio), "thread" and the start methods of this system. Counted are private
    bytes only: pages that workers share, such as the interpreter's code or what a fork has not changed, cost
    nothing more for the next one. A process has imported this module and what that needs, no more; a thread
    or a task has done nothing. A task's figure is the average of 2000, a thread's of 50, a process's the
    median of three. Raises RuntimeError when the program that measures fails.
    """
    measured: dict[str, int] = programs.ask(_THIS, "idle-memory")
    return measured


@dataclass(frozen=True)
class IdleThreads:
    """Idle threads of one program: how many the limits allow, how many were asked for and started.

    ``projected`` is computed from the limits of the system and the memory of the first 50 threads. ``wanted``
    is three quarters of it, or the number that was asked for if that is less. ``memory`` are the bytes that
    the program has to itself for so many threads, by their number.
    """

    projected: int
    wanted: int
    started: int
    memory: dict[int, int]


def idle_threads(most: int = 3000) -> IdleThreads:
    """Start ``most`` idle threads in one program, or fewer where the limits allow fewer; end them again.

    Raises ValueError for fewer than 4, RuntimeError when the program fails.
    """
    checks.whole(4, 100_000, most=most)
    projected, wanted, started, memory = programs.ask(_THIS, "idle-threads", str(most))
    return IdleThreads(projected, wanted, started, {int(number): size for number, size in memory.items()})


@dataclass(frozen=True)
class Limited:
    """Processes started under a limit on open files: how many it allows, how many started, what ended it."""

    projected: int
    started: int
    error: str

    @property
    def as_projected(self) -> bool:
        """Whether the limit ended it: at the number computed, or up to two before, as a start needs more."""
        return self.projected - 2 <= self.started <= self.projected


def limited_processes(files: int = 60) -> Limited:
    """Give a program a limit on open files, ``files`` more than it has, and let it fork until it cannot.

    Each process costs its master two files, by which they hear of each other's end. Raises ValueError for
    fewer than 10 or more than 200, RuntimeError where there is no fork, or when the program fails.
    """
    checks.whole(10, 200, files=files)
    return Limited(*programs.ask(_THIS, "limited-processes", str(files)))


def round_trips(rounds: int = 40) -> dict[str, list[float]]:
    """Send a message to an idle worker and wait for its answer; return the seconds that this takes.

    "thread" answers through two ``queue.SimpleQueue``, "process, queue" through two of multiprocessing's
    ``SimpleQueue``, "process, pipe" through its ``Pipe``. Every figure is the average of a hundred round
    trips, one a round; the three take turns within a round. Raises ValueError for fewer rounds than one,
    RuntimeError when the program that measures fails.
    """
    checks.whole(rounds=rounds)
    seconds: dict[str, list[float]] = programs.ask(_THIS, "round-trips", str(rounds))
    return seconds


# --- In the program: starts ---------------------------------------------------------------------------


def _start_costs(rounds: str) -> dict[str, list[float]]:
    """Time the starts from a program of one thread, as it is not safe to fork one that has more."""
    parent = os.getppid()
    kinds: dict[str, Any] = {"thread": threading.Thread}
    for method in multiprocessing.get_all_start_methods():
        context: children.Context = multiprocessing.get_context(method)
        kinds[method] = context.Process
    costs: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(int(rounds) + 1):
        if os.getppid() != parent:
            sys.exit("nobody waits for the answer any more")
        for kind, make in kinds.items():
            began = time.perf_counter()
            worker = make(target=os.getpid)  # the least a worker can do; the child imports nothing for it
            worker.start()
            worker.join()
            if number:  # round 0 is the warm-up
                costs[kind].append(time.perf_counter() - began)
            if code := getattr(worker, "exitcode", 0):
                sys.exit(f"a process by {kind} ended with exit code {code}")
    return costs


# --- In the program: idle memory ---------------------------------------------------------------------


def private_memory() -> int:
    """Return the bytes of memory that this process shares with no other."""
    try:
        private: int = psutil.Process().memory_full_info().uss
    except psutil.AccessDenied:  # a sandbox may hide the details: resident, less what is in files
        info = psutil.Process().memory_info()
        private = info.rss - getattr(info, "shared", 0)
    return private


def _idle_memory() -> dict[str, int]:
    processes = {method: _idle_process(method) for method in multiprocessing.get_all_start_methods()}
    return {"task": asyncio.run(_idle_task()), "thread": _idle_thread(), **processes}


def _idle_process(method: str) -> int:
    context: children.Context = multiprocessing.get_context(method)
    with ExitStack() as stack:
        pipes = [stack.enter_context(children.serving(context, _tell_memory)) for _ in range(3)]
        for pipe in pipes:
            pipe.recv()
        for pipe in pipes:  # all are up, so what they share is shared
            pipe.send("how much?")
        return int(median([pipe.recv() for pipe in pipes]))


def _tell_memory(pipe: Connection) -> None:
    pipe.send("ready")
    for _ in iter(pipe.recv, None):
        pipe.send(private_memory())


def _limited_processes(files: str) -> tuple[int, int, str]:
    """Fork processes until the limit on open files ends it."""
    import resource

    context: children.Context = multiprocessing.get_context("fork")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + int(files), hard))
    projected = machine.capacity("processes", 1).bounds["RLIMIT_NOFILE"]
    with ExitStack() as stack:
        for started in count():
            process = context.Process(target=time.sleep, args=(60,), daemon=True)
            try:
                process.start()
            except OSError as error:
                return projected, started, f"{type(error).__name__}: {error}"
            stack.callback(process.join)
            stack.callback(process.terminate)
    raise AssertionError("there is no end to counting")


async def _idle_task() -> int:
    done = asyncio.Event()
    first = asyncio.create_task(done.wait())
    await asyncio.sleep(0)  # what the first one sets up, the others find there
    before = private_memory()
    tasks = [first, *(asyncio.create_task(done.wait()) for _ in range(_IDLE_TASKS))]
    await asyncio.sleep(0)
    used = private_memory() - before
    done.set()
    await asyncio.gather(*tasks)
    return max(0, used) // _IDLE_TASKS


def _idle_thread() -> int:
    done = threading.Event()
    threads = [threading.Thread(target=done.wait) for _ in range(_IDLE_THREADS + 1)]
    try:
        threads[0].start()  # what the first one sets up, the others find there
        before = private_memory()
        for thread in threads[1:]:
            thread.start()
        return max(0, private_memory() - before) // _IDLE_THREADS
    finally:
        done.set()


def _idle_threads(most: str) -> tuple[int, int, int, dict[int, int]]:
    projected = machine.capacity("threads", max(1, _idle_thread())).number
    wanted = min(int(most), projected * 3 // 4)
    done, before, started, memory = threading.Event(), private_memory(), 0, {}
    try:
        for number in range(1, wanted + 1):
            threading.Thread(target=done.wait).start()
            started = number
            if number % max(1, wanted // 4) == 0:
                memory[number] = max(0, private_memory() - before)
    except RuntimeError:  # the system allows no more
        pass
    finally:
        done.set()
    return projected, wanted, started, memory


# --- In the program: round trips ---------------------------------------------------------------------

_Line = tuple[Callable[[Any], object], Callable[[], Any]]  # how to send, how to receive


def _round_trips(rounds: str) -> dict[str, list[float]]:
    context: children.Context = multiprocessing.get_context(children.default_start_method())
    with children.serving(context, _echo_pipe) as pipe:
        lines: dict[str, _Line] = {
            "thread": _line(threading.Thread, queue.SimpleQueue),
            "process, queue": _line(context.Process, context.SimpleQueue),
            "process, pipe": (pipe.send, pipe.recv),
        }
        for line in lines.values():
            _time_messages(*line)  # a warm-up, which waits until the worker is there
        timed = [{kind: _time_messages(*line) for kind, line in lines.items()} for _ in range(int(rounds))]
    return {kind: [seconds[kind] for seconds in timed] for kind in lines}


def _line(make_worker: Any, make_queue: Any) -> _Line:
    """Start a worker that answers through two queues, and ends with the program; return the line to it."""
    there, back = make_queue(), make_queue()
    make_worker(target=_echo, args=(there.get, back.put), daemon=True).start()
    return there.put, back.get


def _echo(receive: Callable[[], Any], send: Callable[[Any], object]) -> None:
    if multiprocessing.parent_process():
        children.leave_with_parent()
    while True:
        send(receive())


def _echo_pipe(pipe: Connection) -> None:
    for message in iter(pipe.recv, None):
        pipe.send(message)


def _time_messages(send: Callable[[Any], object], receive: Callable[[], Any]) -> float:
    began = time.perf_counter()
    for number in range(_MESSAGES):
        send(number)
        receive()
    return (time.perf_counter() - began) / _MESSAGES


_MEASUREMENTS: dict[str, Callable[..., object]] = {
    "idle-memory": _idle_memory,
    "idle-threads": _idle_threads,
    "round-trips": _round_trips,
}

_FORKING: dict[str, Callable[[str], object]] = {
    "start-costs": _start_costs,
    "limited-processes": _limited_processes,
}

if __name__ == "__main__":
    if sys.argv[1] in _FORKING:  # ``answer`` would watch its input in a second thread
        programs.print_answer(_FORKING[sys.argv[1]](sys.argv[2]))
        sys.exit()
    programs.answer(_MEASUREMENTS[sys.argv[1]], *sys.argv[2:])
