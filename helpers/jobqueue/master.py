"""The master: a program that holds a board of tasks, and two plain queues, and serves them by name.

    python -m helpers.jobqueue.master [--host 127.0.0.1] [--port 0] [--key-file F]
        [--lease 5] [--attempts 3] [--retry-delay 0.1] [--journal FILE] [--fsync]

Once it accepts connections it prints one line of JSON: {"host": ..., "port": ..., "pid": ...}. With a
journal, a master that is killed and started again on the same file goes on where it was.
"""

import argparse
import contextlib
import gc
import json
import math
import os
import queue
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from helpers import programs
from helpers.jobqueue.board import Board
from helpers.jobqueue.errors import QueueError, UsageError
from helpers.jobqueue.journal import Journal
from helpers.jobqueue.key import KEY_VARIABLE, find_key, risks
from helpers.jobqueue.server import Server
from helpers.jobqueue.shared import SharedBoard


def serve(host: str, port: int, key: bytes, ready: Callable[[Any], None], shared: SharedBoard) -> None:
    """Make two queues, and serve them by name, and the board, until interrupted."""
    tasks: queue.Queue[Any] = queue.Queue()
    results: queue.Queue[Any] = queue.Queue()
    names = {"get_task_queue": lambda: tasks, "get_result_queue": lambda: results}
    server = Server(names, shared, (host, port), key)
    ready(server.address)
    server.serve_forever()


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = _parser().parse_args(arguments)
    # Also where SIGINT is ignored, as in a program that a shell script started in the background.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), programs.interrupt_once)
    _allow_many_connections()
    gc.set_threshold(100_000)  # tasks come and go in great numbers, and form no circles to look for
    if options.until_stdin_closes:
        programs.when_input_closes(programs.interrupt_myself)
    failures: list[str] = []
    try:
        with _key(options.key_file) as key, _board(options, failures) as shared:
            serve(options.host, options.port, key, partial(_announce, risks(options.host, key)), shared)
    except (KeyboardInterrupt, SystemExit):  # the server leaves by the second
        pass
    except QueueError as error:
        return _complain(str(error), error.exit_code)
    except (OSError, OverflowError, UnicodeError) as error:
        what = f"cannot serve at {options.host}:{options.port} ({error})"
        return _complain(f"{what}: choose another --port, or 0 for any free one", UsageError.exit_code)
    except ValueError as error:
        return _complain(str(error), UsageError.exit_code)
    return _complain(failures[0], QueueError.exit_code) if failures else 0


@contextlib.contextmanager
def _board(options: argparse.Namespace, failures: list[str]) -> Iterator[SharedBoard]:
    """Hand out the board, on disk if that is asked for; a journal that fails ends the program."""

    def fail(problem: str) -> None:
        failures.append(problem)
        programs.interrupt_myself()

    timeout = math.inf if options.journal else options.lease
    board = Board(options.lease, options.attempts, options.retry_delay, timeout)
    with contextlib.ExitStack() as end:
        journal = None
        if options.journal is not None:
            journal = end.enter_context(contextlib.closing(Journal(options.journal, options.fsync)))
            journal.restore(board)
        shared = SharedBoard(board, journal, fail)
        threading.Thread(target=shared.keep_time, daemon=True).start()
        yield shared


def _allow_many_connections() -> None:
    """Lift the limit of open files, of which each connection is one, as far as this user may."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        many = 10_000 if hard == resource.RLIM_INFINITY else min(hard, 10_000)
        if soft != resource.RLIM_INFINITY and soft < many:
            resource.setrlimit(resource.RLIMIT_NOFILE, (many, hard))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.jobqueue.master", description="Serve a board of tasks, and two queues."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to serve at (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=0, help="the port (default: any free one)")
    parser.add_argument(
        "--key-file", help=f"a file that holds the key (default: {KEY_VARIABLE}, or a new key)"
    )
    parser.add_argument(
        "--lease", type=float, default=5.0, help="seconds that a worker keeps its tasks after a heartbeat"
    )
    parser.add_argument("--attempts", type=int, default=3, help="how often a failing task is tried")
    parser.add_argument("--retry-delay", type=float, default=0.1, help="seconds before the second attempt")
    parser.add_argument("--journal", metavar="FILE", help="keep the board in this file, and go on from it")
    parser.add_argument(
        "--fsync", action="store_true", help="have the journal outlive a power cut, too (slow)"
    )
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input ends")
    return parser


@contextlib.contextmanager
def _key(key_file: str | None) -> Iterator[bytes]:
    """Hand out the key; with none given, a new one in a file that only this user may read."""
    key = find_key(key_file)
    if key is not None:
        yield key
        return
    handle, path = tempfile.mkstemp(prefix="jobqueue-", suffix=".key")  # made with mode 600
    try:
        key = secrets.token_hex(32).encode()
        os.write(handle, key)
        os.close(handle)
        print(f"a new key is in {path}: give it to workers with --key-file", file=sys.stderr, flush=True)
        yield key
    finally:
        Path(path).unlink(missing_ok=True)


def _announce(warnings: list[str], address: tuple[str, int]) -> None:
    host, port = address
    print(json.dumps({"host": host, "port": port, "pid": os.getpid()}), flush=True)
    for warning in warnings:
        print(f"master: warning: {warning}", file=sys.stderr, flush=True)


def _complain(message: str, code: int) -> int:
    print(f"master: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
