"""Start masters and workers as programs on this computer, talk to the master, and end them.

This is the one module that knows a process's number. It runs just the commands that a user would type.
"""

import json
import queue
import secrets
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Self

from helpers import programs
from helpers.jobqueue import functions
from helpers.jobqueue.protocol import KEY_VARIABLE, MasterGone, QueueError, Result, Task, connect
from helpers.traces import Span, Trace


def launch_master(host: str = "127.0.0.1", port: int = 0, key: str | None = None) -> "Master":
    """Start a master in a program of its own and wait until it accepts connections.

    ``key`` is a new random one unless given. Raises QueueError when the master cannot serve there.
    """
    key = key or secrets.token_hex(32)
    arguments = ["--host", host, "--port", str(port), "--until-stdin-closes"]
    program = programs.start("helpers.jobqueue.master", *arguments, env={KEY_VARIABLE: key})
    line = programs.first_line(program)
    if not line.startswith("{"):
        programs.stop(program)
        raise QueueError(line or "the master ended before it was ready")
    return Master(program, key.encode(), **json.loads(line))


def launch_workers(master: "Master", count: int = 1, *, plain: bool = False) -> "Workers":
    """Start ``count`` workers of this master and wait until all are connected.

    ``plain`` ones square numbers until there are no more, and leave. Raises QueueError with the worker's
    own words when one cannot connect.
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"count: expected a whole number of at least 1, got {count!r}")
    started = [_start_worker(master.host, master.port, master.key, plain) for _ in range(count)]
    try:
        for program in started:
            line = programs.first_line(program)
            if not line.startswith("connected"):
                raise QueueError(line or "a worker ended before it was connected")
    except BaseException:
        for program in started:
            programs.stop(program)
        raise
    return Workers(started)


def try_worker(host: str, port: int, key: str) -> tuple[int, str]:
    """Start a worker to square numbers, wait until it has left, and return its exit code and output."""
    program = _start_worker(host, port, key.encode(), plain=True)
    try:
        output = programs.output(program)
    finally:
        code = programs.stop(program)
    return code, output.strip()


def _start_worker(host: str, port: int, key: bytes, plain: bool) -> subprocess.Popen[str]:
    arguments = ["--host", host, "--port", str(port), "--until-stdin-closes"]
    env = {KEY_VARIABLE: key.decode()}
    return programs.start("helpers.jobqueue.worker", *arguments, *["--plain"] * plain, env=env)


class Master:
    """A running master: where it is, its two queues, and work for its workers.

    Use it in a ``with`` block, or end it by ``stop()``. It ends with this program in any case.
    """

    def __init__(self, program: subprocess.Popen[str], key: bytes, host: str, port: int, pid: int) -> None:
        """Take over a program that is ready; for ``launch_master``."""
        self.host, self.port, self.pid, self.key = host, port, pid, key
        self._program = program
        self._end = weakref.finalize(self, programs.stop, program)
        self._manager = connect(host, port, key)
        self.task_queue = self._manager.get_task_queue()
        self.result_queue = self._manager.get_result_queue()
        self._turn = threading.Lock()  # two runs at once would take each other's results
        # One thread asks the master; an interrupt of the thread that waits for it leaves no half-read answer.
        self._line = ThreadPoolExecutor(1, "jobqueue")

    def __repr__(self) -> str:
        """Return where the master is, and never its key."""
        return f"<Master at {self.host}:{self.port}, process {self.pid}>"

    def __enter__(self) -> Self:
        """Return the master itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the master."""
        self.stop()

    def stop(self) -> None:
        """End the master; nothing happens when it has already ended."""
        self._end()
        self._line.shutdown(wait=False)

    def kill(self) -> None:
        """Kill the master as by ``kill -9``, for lessons about what follows."""
        self._program.kill()
        self._program.wait()

    def stats(self) -> dict[str, int]:
        """Return how many tasks wait for a worker, and how many results wait to be fetched."""
        return {"tasks": self._ask(self.task_queue.qsize), "results": self._ask(self.result_queue.qsize)}

    def map(self, function: str, arguments: Iterable[Any], timeout: float = 60) -> Iterator[Any]:
        """Yield ``function`` of each argument, every one once, in the order of the arguments.

        ``function`` is a name in ``functions``. Raises ValueError for another, RuntimeError for a task that
        failed, and TimeoutError when no result has come for ``timeout`` seconds, naming what is still out.
        """
        return (_value(span) for span in self._spans(function, arguments, timeout))

    def run(self, function: str, arguments: Iterable[Any], timeout: float = 60) -> Trace:
        """Do the same as ``map``, and return the trace: each task's times, worker, value and error.

        It knows the workers that had a task, and no others. Raises ValueError when there are no arguments.
        """
        spans = tuple(self._spans(function, arguments, timeout))
        workers = sorted({span.worker for span in spans}, key=lambda worker: worker.pid)
        return Trace("processes", spans, tuple(workers), master=self.pid)

    def _spans(self, function: str, arguments: Iterable[Any], timeout: float) -> list[Span]:
        functions.find(function)
        batch = secrets.token_hex(8)
        tasks = [Task((batch, number), function, argument) for number, argument in enumerate(arguments)]
        with self._turn:
            spans = self._finish(tasks, batch, timeout)
        return [spans[number] for number in range(len(tasks))]

    def _finish(self, tasks: list[Task], batch: str, timeout: float) -> dict[int, Span]:
        given = [self._give(task) for task in tasks]
        spans: dict[int, Span] = {}
        while len(spans) < len(tasks):
            result = self._next_result(timeout, out=[t for n, t in enumerate(tasks) if n not in spans])
            # Any other belongs to a run that was given up, or was put there by somebody else.
            if (
                isinstance(result, Result)
                and isinstance(result.identity, tuple)
                and result.identity[0] == batch
            ):
                number = result.identity[1]
                back = max(time.perf_counter(), result.span.finished)
                sent = min(given[number], result.span.started)
                spans[number] = replace(result.span, given=sent, returned=back)
        return spans

    def _give(self, task: Task) -> float:
        given = time.perf_counter()
        self._ask(self.task_queue.put, task)
        return given

    def _next_result(self, timeout: float, out: list[Task]) -> Any:
        """Wait in short turns: one that is left behind by an interrupt is soon over."""
        end = time.perf_counter() + timeout
        while time.perf_counter() < end:
            try:
                return self._ask(self.result_queue.get, True, 0.2)
            except queue.Empty:
                continue
        names = ", ".join(map(str, out[:5])) + ", ..." * (len(out) > 5)
        raise TimeoutError(
            f"no result for {timeout:g} s and {len(out)} tasks still out ({names}): "
            "are workers running, or did one die with its task?"
        )

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        if not self._end.alive:
            raise MasterGone(f"{self!r} was stopped: launch a new one")
        try:
            return self._line.submit(question, *arguments).result()
        except (EOFError, ConnectionError):
            raise MasterGone(f"{self!r} is gone: launch a new one") from None


def _value(span: Span) -> Any:
    if span.error is not None:
        raise RuntimeError(f"task {span.job} failed in worker process {span.worker.pid}: {span.error}")
    return span.value


class Workers:
    """Running workers. Use them in a ``with`` block, or end them by ``stop()``; they never outlive us."""

    def __init__(self, started: list[subprocess.Popen[str]]) -> None:
        """Take over programs that are connected; for ``launch_workers``."""
        self._programs = started
        self._output: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._talking = len(started)
        self._end = weakref.finalize(self, _stop_all, started)
        for program in started:
            threading.Thread(target=_collect, args=(program, self._output), daemon=True).start()

    def __enter__(self) -> Self:
        """Return the workers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the workers."""
        self.stop()

    @property
    def pids(self) -> list[int]:
        """The numbers of the worker processes that are alive."""
        return [program.pid for program in self._programs if program.poll() is None]

    @property
    def exit_codes(self) -> list[int | None]:
        """Each worker's exit code, None while it is alive."""
        return [program.poll() for program in self._programs]

    def lines(self) -> Iterator[str]:
        """Yield what the workers print, line by line as it comes, until all have left."""
        while self._talking:
            line = self._output.get()
            if line is None:
                self._talking -= 1
            else:
                yield line

    def kill_one(self) -> int:
        """Kill one worker as by ``kill -9`` and return its number. Raises QueueError when none is alive."""
        for program in self._programs:
            if program.poll() is None:
                program.kill()
                program.wait()
                return program.pid
        raise QueueError("no worker is alive: launch some first")

    def stop(self) -> None:
        """End all workers; nothing happens for those that have left."""
        self._end()


def _collect(program: subprocess.Popen[str], output: "queue.SimpleQueue[str | None]") -> None:
    """Read a worker's output as it comes, so that it never waits for a reader."""
    for line in program.stdout or ():
        output.put(line.rstrip("\n"))
    program.wait()
    output.put(None)


def _stop_all(started: list[subprocess.Popen[str]]) -> None:
    for program in started:  # tell all before waiting for one
        if program.stdin:
            program.stdin.close()
    for program in started:
        programs.stop(program)
