"""The worker: a program that takes tasks from a master's queue, runs them, and puts the results back.

    python -m helpers.jobqueue.worker --host H --port P [--key-file F] [--function square] [--plain]

Exit codes: 0 done, 2 usage, 3 the key was refused, 4 nothing answers at that address, 5 the master went away.
"""

import argparse
import io
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing.managers import RemoteError
from textwrap import shorten
from typing import Any

from helpers import programs, ways
from helpers.jobqueue import functions
from helpers.jobqueue.protocol import (
    KEY_VARIABLE,
    MasterGone,
    QueueError,
    QueueManager,
    Result,
    Task,
    connect,
    find_key,
    show,
)


def work_plain(manager: QueueManager) -> None:
    """Square numbers, as the article's worker does, until there has been none for a second."""
    tasks, results = manager.get_task_queue(), manager.get_result_queue()
    while True:
        try:
            n = tasks.get(timeout=1)
        except queue.Empty:
            return
        print(f"working on {show(n)} * {show(n)}", flush=True)
        results.put(_square_in_words(n))


def _square_in_words(n: Any) -> str:
    try:
        return f"{n} * {n} = {functions.square(n)}"
    except (TypeError, ValueError):  # no number, or one with more digits than Python turns into text
        return f"{show(n)} cannot be squared: other tasks are for a worker without --plain"


def work(manager: QueueManager, stopping: threading.Event, only: str | None = None) -> None:
    """Run tasks until ``stopping`` is set; the task in hand is finished first.

    Waiting in short turns leaves no request open at the master: if we die, it would take a task for nobody.
    """
    tasks, results = manager.get_task_queue(), manager.get_result_queue()
    while not stopping.is_set():
        try:
            task = tasks.get(timeout=0.2)
        except queue.Empty:
            continue
        except (EOFError, ConnectionError, RemoteError):
            raise
        except Exception as error:  # it came, and could not be unpickled
            print(f"no task that this worker can read: {_in_short(error)}", flush=True)
            continue
        if not _is_task(task):
            print(f"no task, but {show(task)}: numbers are for a worker with --plain", flush=True)
            continue
        result = _put(results, run(task, only))
        span = result.span
        print(f"{task} = {show(span.value) if span.error is None else _in_short(span.error)}", flush=True)


def _is_task(thing: object) -> bool:
    """Tell whether a result can carry its identity back; anybody may put anything into the queue."""
    if not isinstance(thing, Task):
        return False
    identity: object = thing.identity
    return isinstance(identity, tuple) and len(identity) == 2 and isinstance(identity[1], int)


def _put(results: "queue.Queue[Any]", result: Result) -> Result:
    """Put a result, or an error in its place when its value cannot travel; return what was put."""
    try:
        results.put(result)
    except (EOFError, ConnectionError):
        raise
    except Exception as error:
        text = f"the result cannot be sent: {type(error).__name__}: {error}"
        result = result._replace(span=replace(result.span, value=None, error=text))
        results.put(result)
    return result


def run(task: Task, only: str | None = None) -> Result:
    """Run one task; an exception in it, or a function that is not to be had, becomes the result's error.

    The span keeps at most 200 samples, so that a result stays small on its way.
    """
    span = ways.timed(task.identity[1], partial(_call, task, only), given=time.perf_counter())
    few = span.samples[:: len(span.samples) // 200 + 1]
    return Result(task.identity, replace(span, samples=few))


def _call(task: Task, only: str | None, tick: Callable[[], object]) -> Any:
    if only not in (None, task.function):
        raise ValueError(f"function: this worker runs only {only}, got {task.function!r}")
    return ways.call(partial(functions.find(task.function), task.argument), tick)


def _in_short(error: object) -> str:
    return shorten(str(error), 100, placeholder=" ...")


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = _options(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a task may hold what a terminal cannot show
    stopping = threading.Event()
    try:
        _leave_when_told(stopping, options.until_stdin_closes)
        key = find_key(options.key_file)
        if key is None:
            raise QueueError(f"no key: give the master's by --key-file, or in {KEY_VARIABLE}")
        manager = connect(options.host, options.port, key)
        if not options.plain:
            _finish_when_told(stopping)
        print(f"connected to {options.host}:{options.port}", flush=True)
        try:
            work_plain(manager) if options.plain else work(manager, stopping, options.function)
        except (EOFError, ConnectionError, RemoteError):
            raise MasterGone("the master went away: start it again, then this worker") from None
    except QueueError as error:
        print(f"worker: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


def _leave_when_told(stopping: threading.Event, when_stdin_closes: bool) -> None:
    """Leave on Ctrl-C, on SIGTERM, and, if asked to, when the input closes."""
    signal.signal(signal.SIGINT, programs.interrupt_once)
    signal.signal(signal.SIGTERM, programs.interrupt_once)
    if when_stdin_closes:
        programs.when_input_closes(partial(_finish_soon, stopping))


def _finish_when_told(stopping: threading.Event) -> None:
    """Finish the task in hand on the first Ctrl-C or SIGTERM, and leave at once on the second."""

    def stop(*_: object) -> None:
        if stopping.is_set():
            programs.interrupt_once()
        stopping.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _finish_soon(stopping: threading.Event) -> None:
    stopping.set()
    time.sleep(1)  # for the task in hand
    os._exit(0)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m helpers.jobqueue.worker", description="Run tasks.")
    parser.add_argument("--host", required=True, help="the master's address")
    parser.add_argument("--port", required=True, type=int, help="the master's port")
    parser.add_argument("--key-file", help=f"a file that holds the master's key (default: {KEY_VARIABLE})")
    parser.add_argument("--function", choices=functions.FUNCTIONS, help="run only this one (default: all)")
    parser.add_argument("--plain", action="store_true", help="square whole numbers until there are no more")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input ends")
    options = parser.parse_args(arguments)
    if options.plain and options.function not in (None, "square"):
        parser.error("--plain squares numbers, it goes with no other --function")
    return options


if __name__ == "__main__":
    sys.exit(main())
