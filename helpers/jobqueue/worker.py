"""The worker: a program that takes tasks from a master's queue, runs them, and puts the results back.

    python -m helpers.jobqueue.worker --host H --port P [--key-file F] [--function square] [--plain]

Exit codes: 0 done, 2 usage, 3 the key was refused, 4 nothing answers at that address, 5 the master went away.
"""

import argparse
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
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
)


def work_plain(manager: QueueManager) -> None:
    """Square numbers, as the article's worker does, until there has been none for a second."""
    tasks, results = manager.get_task_queue(), manager.get_result_queue()
    while True:
        try:
            n = tasks.get(timeout=1)
        except queue.Empty:
            return
        print(f"working on {n} * {n}")
        results.put(f"{n} * {n} = {functions.square(n)}")


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
        result = run(task, only)
        results.put(result)
        print(_line(task, result), flush=True)


def run(task: Task, only: str | None = None) -> Result:
    """Run one task; an exception in it, or a function that is not to be had, becomes the result's error."""
    return Result(
        task.identity, ways.timed(task.identity[1], partial(_call, task, only), time.perf_counter())
    )


def _call(task: Task, only: str | None, tick: Callable[[], object]) -> Any:
    if only not in (None, task.function):
        raise ValueError(f"function: this worker runs only {only}, got {task.function!r}")
    return ways.call(partial(functions.find(task.function), task.argument), tick)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = _options(arguments)
    stopping = threading.Event()
    try:
        key = find_key(options.key_file)
        if key is None:
            raise QueueError(f"no key: give the master's by --key-file, or in {KEY_VARIABLE}")
        manager = connect(options.host, options.port, key)
        print(f"connected to {options.host}:{options.port}", flush=True)
        _leave_when_told(stopping, options)
        try:
            work_plain(manager) if options.plain else work(manager, stopping, options.function)
        except (EOFError, ConnectionError):
            raise MasterGone("the master went away: start it again, then this worker") from None
    except QueueError as error:
        print(f"worker: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


def _leave_when_told(stopping: threading.Event, options: argparse.Namespace) -> None:
    """Finish the task in hand on the first Ctrl-C or SIGTERM, and leave at once on the second."""

    def stop(number: int, _frame: Any) -> None:
        stopping.set()
        signal.signal(number, signal.default_int_handler)

    signal.signal(signal.SIGINT, signal.default_int_handler if options.plain else stop)
    signal.signal(signal.SIGTERM, signal.default_int_handler if options.plain else stop)
    if options.until_stdin_closes:
        programs.when_input_closes(partial(_finish_soon, stopping))


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


def _line(task: Task, result: Result) -> str:
    outcome = result.span.error or repr(result.span.value)
    return shorten(f"{task.function}({task.argument!r}) = {outcome}", 100, placeholder=" ...")


if __name__ == "__main__":
    sys.exit(main())
