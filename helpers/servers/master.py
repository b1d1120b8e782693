"""The program that serves with processes, with threads, or with both: ``--processes 2 --threads 2``.

                                 +-- worker process: thread, thread --+
    master --starts and keeps up-+                                    +-- all accept clients from one
                                 +-- worker process: thread, thread --+   listening socket, the master's

The master only minds the workers, and starts a new one when one dies, as Apache's does. The socket is its
own, so clients that come meanwhile wait in line. One worker process with several threads has a master, too.
"""

import argparse
import multiprocessing
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Semaphore
from typing import NoReturn

from helpers import children, programs
from helpers.servers import worker


def main(processes: int, threads: int) -> None:
    """Serve until the program that started this one closes our standard input, or is gone."""
    programs.when_input_closes(lambda: os._exit(0))
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    context: children.Context = multiprocessing.get_context(children.default_start_method())
    if context.get_start_method() == "forkserver":  # what is imported before the fork is shared by all
        context.set_forkserver_preload([worker.__name__])
    ready = context.Semaphore(0)
    start = partial(_start, context, listener, threads, ready)
    workers = [start() for _ in range(processes)]
    _await(ready, workers)
    print(url, flush=True)
    keep_up(workers, start)


def keep_up(workers: list[BaseProcess], start: Callable[[], BaseProcess]) -> NoReturn:
    """Be the supervisor: whenever a worker process has ended, start another in its place."""
    while True:
        connection.wait([process.sentinel for process in workers])
        workers = [process if process.is_alive() else start() for process in workers]


def _start(context: children.Context, listener: socket.socket, threads: int, ready: Semaphore) -> BaseProcess:
    """Start a worker process; the listening socket travels to it with its other arguments."""
    process: BaseProcess = context.Process(target=worker.work, args=(listener, threads, ready), daemon=True)
    process.start()
    return process


def _await(ready: Semaphore, workers: Sequence[BaseProcess]) -> None:
    """Wait until every worker has said that it is ready."""
    for _ in workers:
        while not ready.acquire(timeout=0.1):
            if not all(process.is_alive() for process in workers):
                raise SystemExit("a worker ended before it was ready; what does machine.health() say?")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve HTTP with processes, threads, or both.")
    parser.add_argument("--processes", type=int, default=1, help="worker processes")
    parser.add_argument("--threads", type=int, default=1, help="threads in each process")
    options = parser.parse_args()
    main(options.processes, options.threads)
