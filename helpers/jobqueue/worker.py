"""The worker: a program that takes tasks from a master, runs them, and reports what came of them.

    python -m helpers.jobqueue.worker --host H --port P [--key-file F] [--function square] [--prefetch 1]
    python -m helpers.jobqueue.worker --host H --port P [--key-file F] --plain

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
from functools import partial
from itertools import count
from typing import Any

from helpers import programs
from helpers.jobqueue import functions
from helpers.jobqueue.errors import QueueError
from helpers.jobqueue.key import KEY_VARIABLE, find_key
from helpers.jobqueue.protocol import QueueManager, connect
from helpers.jobqueue.session import GONE, Session, leave_without_master, work
from helpers.show import short


def work_plain(manager: QueueManager) -> None:
    """Square numbers, as the article's worker does, until there has been none for a second."""
    tasks, results = manager.get_task_queue(), manager.get_result_queue()
    while True:
        try:
            n = tasks.get(timeout=1)
        except queue.Empty:
            return
        print(f"working on {short(n)} * {short(n)}", flush=True)
        results.put(_square_in_words(n))


def _square_in_words(n: Any) -> str:
    try:
        return f"{n} * {n} = {functions.square(n)}"
    except (TypeError, ValueError):  # no number, or one with more digits than Python turns into text
        return f"{short(n)} cannot be squared: other tasks are for a worker without --plain"


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = _options(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a task may hold what a terminal cannot show
    for name in functions.FUNCTIONS:
        functions.find(name)  # what they import should not be a part of the first task
    stopping = threading.Event()
    try:
        _leave_when_told(stopping, options.until_stdin_closes)
        key = find_key(options.key_file)
        if key is None:
            raise QueueError(f"no key: give the master's by --key-file, or in {KEY_VARIABLE}")
        manager = connect(options.host, options.port, key)
        _work(manager, stopping, options)
    except QueueError as error:
        print(f"worker: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


def _work(manager: QueueManager, stopping: threading.Event, options: argparse.Namespace) -> None:
    """Say that we are connected, and work; leave when the master does."""
    try:
        session = None if options.plain else Session(manager, options.prefetch, options.function)
        if session:
            _finish_when_told(stopping)
        print(f"connected to {options.host}:{options.port}", flush=True)
        work(session, stopping) if session else work_plain(manager)
    except GONE:
        leave_without_master()


def _leave_when_told(stopping: threading.Event, when_stdin_closes: bool) -> None:
    """Leave on Ctrl-C, on SIGTERM, and, if asked to, when the input closes."""
    signal.signal(signal.SIGINT, programs.interrupt_once)
    signal.signal(signal.SIGTERM, programs.interrupt_once)
    if when_stdin_closes:
        programs.when_input_closes(partial(_finish_soon, stopping))


def _finish_when_told(stopping: threading.Event) -> None:
    """Finish the task in hand on the first Ctrl-C or SIGTERM, and leave at once on the second."""
    told = count()

    def stop(*_: object) -> None:
        if next(told):  # the second may come in the middle of the first, so that the event is no help
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
    parser.add_argument("--prefetch", type=int, default=1, help="tasks to take at a time (default: 1)")
    parser.add_argument("--plain", action="store_true", help="square whole numbers until there are no more")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input ends")
    options = parser.parse_args(arguments)
    if options.plain and options.function not in (None, "square"):
        parser.error("--plain squares numbers, it goes with no other --function")
    if options.prefetch < 1:
        parser.error("--prefetch: expected a whole number of at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
