"""The master: a program that holds the task queue and the result queue, and serves them by name.

    python -m helpers.jobqueue.master [--host 127.0.0.1] [--port 0] [--key-file F]

Once it accepts connections it prints one line of JSON: {"host": ..., "port": ..., "pid": ...}.
"""

import argparse
import contextlib
import json
import os
import queue
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

from helpers import programs
from helpers.jobqueue.protocol import KEY_VARIABLE, QueueError, find_key


def serve(host: str, port: int, key: bytes, ready: Callable[[Any], None]) -> None:
    """Make the two queues, register each under its name, and serve them until interrupted."""
    tasks: queue.Queue[Any] = queue.Queue()
    results: queue.Queue[Any] = queue.Queue()

    class Master(BaseManager):
        pass

    Master.register("get_task_queue", callable=lambda: tasks)
    Master.register("get_result_queue", callable=lambda: results)

    server = Master((host, port), key).get_server()
    ready(server.address)
    server.serve_forever()


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = _parser().parse_args(arguments)
    # Also where SIGINT is ignored, as in a program that a shell script started in the background.
    signal.signal(signal.SIGINT, programs.interrupt_once)
    signal.signal(signal.SIGTERM, programs.interrupt_once)
    if options.until_stdin_closes:
        programs.when_input_closes(programs.interrupt_myself)
    try:
        with _key(options.key_file) as key:
            serve(options.host, options.port, key, _announce)
    except KeyboardInterrupt:
        pass
    except QueueError as error:
        return _complain(str(error))
    except (OSError, OverflowError, UnicodeError) as error:
        where = f"{options.host}:{options.port}"
        return _complain(f"cannot serve at {where} ({error}): choose another --port, or 0 for any free one")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.jobqueue.master", description="Serve two queues."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to serve at (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=0, help="the port (default: any free one)")
    parser.add_argument(
        "--key-file", help=f"a file that holds the key (default: {KEY_VARIABLE}, or a new key)"
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


def _announce(address: tuple[str, int]) -> None:
    host, port = address
    print(json.dumps({"host": host, "port": port, "pid": os.getpid()}), flush=True)


def _complain(message: str) -> int:
    print(f"master: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
